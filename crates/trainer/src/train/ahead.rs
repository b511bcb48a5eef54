//! Asynchronous sampling (`rollout.staleness`): the samples of the steps to come are drawn on a thread of its own, from
//! copies of the weights, while the present step makes its updates.
//!
//! Which weights a step's samples come from is a function of the step ([`wanted`]), one step is sampled after the other, and
//! the order of the data goes with the samples. So nothing depends on which of the two threads is faster.
use super::gather::{Gathered, Gatherer, Source};
use super::versions::{Versions, wanted};
use super::{Run, TrainError};
use crate::data::Order;
use crate::journey::Journey;
use crate::progress::Progress;
use crate::rollout::exchange::Sampled;
use crate::rollout::{Earlier, Generate};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use surefoot_engine::device::DeviceError;
use surefoot_engine::model::Model;

/// Time between two looks at whether the run is to stop.
const PATIENCE: Duration = Duration::from_millis(20);

/// A step to sample for, with the weights to do it with.
struct Job {
    step: u64,
    version: u64,
    model: Arc<Model>,
}

/// What the thread has of a step's samples.
pub(super) enum Drawn {
    /// All of them.
    All(Gathered),
    /// This rank's, with the version of their weights: ranks speak to each other on one thread alone.
    Own(Sampled, u64),
}

/// The samples of a step, and the order of the data behind them.
type Done = Result<Option<(Drawn, Order)>, TrainError>;

/// The thread that samples.
pub(super) struct Ahead {
    jobs: Option<Sender<Job>>,
    done: Receiver<Done>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// The last step that has been asked for.
    asked: u64,
}

impl Ahead {
    /// Starts the thread, with as many threads below it as the caller has, for the steps after that of `journey`.
    pub fn start(gatherer: Arc<Gatherer>, journey: &Journey) -> Result<Self, TrainError> {
        let threads = rayon::current_num_threads();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(std::io::Error::other);
        let pool = pool.map_err(TrainError::Thread)?;
        let (sampler, sequences) = (journey.policy.sampler(), journey.policy.sequences());
        let (jobs, todo) = channel::<Job>();
        let (tell, done) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, mut order) = (stop.clone(), journey.order.clone());
        let work = move || {
            let cancelled = || stopped.load(Ordering::Relaxed);
            for Job { step, version, model } in todo {
                let earlier = Earlier { sampler: sampler.as_ref(), weights: &model.weights, sequences };
                let source = match &gatherer.server {
                    Some(server) => server
                        .publish(version, &model.config, &model.weights, &cancelled)
                        .map(|version| (version, Source::Server(server))),
                    None => Ok((version, Source::Engine(&earlier))),
                };
                let drawn = source.map_err(TrainError::from).and_then(|(version, source)| {
                    pool.install(|| draw(&gatherer, (step, version), source, &mut order, &cancelled))
                });
                let done = drawn.map(|drawn| drawn.map(|drawn| (drawn, order.clone())));
                let last = !matches!(done, Ok(Some(_)));
                if tell.send(done).is_err() || last {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("rollout".to_string()).spawn(work);
        let thread = Some(thread.map_err(TrainError::Thread)?);
        Ok(Self { jobs: Some(jobs), done, stop, thread, asked: journey.step })
    }

    /// Asks for the samples of every step whose weights are there: up to `rollout.staleness` beyond the next one.
    pub fn ask(&mut self, journey: &Journey, versions: &Versions) -> Result<(), DeviceError> {
        let (config, done) = (&journey.config, journey.step);
        while self.asked < (done + 1 + config.rollout.staleness).min(config.train.steps) {
            let step = self.asked + 1;
            let (version, model) = match versions.get(wanted(config, step)) {
                Some(kept) => kept,
                None => (done, Arc::new(journey.policy.model()?)),
            };
            if let Some(jobs) = &self.jobs {
                // A thread that has ended told why, which `next` finds.
                let _sent = jobs.send(Job { step, version, model });
            }
            self.asked = step;
        }
        Ok(())
    }

    /// The samples of the next step; `None` if it was cancelled.
    pub fn next(&mut self, cancelled: &(dyn Fn() -> bool + Sync)) -> Done {
        loop {
            if cancelled() {
                return Ok(None);
            }
            match self.done.recv_timeout(PATIENCE) {
                Ok(done) => return done,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
                        std::panic::resume_unwind(panic);
                    }
                    return Ok(None);
                }
            }
        }
    }
}

fn draw(
    gatherer: &Gatherer,
    (step, version): (u64, u64),
    source: Source,
    order: &mut Order,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Option<Drawn>, TrainError> {
    let phase = &mut |_| {};
    if !gatherer.ranks.are_several() {
        return Ok(gatherer.gather((step, version), source, order, phase, cancelled)?.map(Drawn::All));
    }
    let own = gatherer.own((step, 0), gatherer.config.rollout.prompts, source, order, phase, cancelled)?;
    Ok(own.map(|own| Drawn::Own(own, version)))
}

impl Run {
    /// The samples of the next step, drawn now or ahead. `None`, and nothing is kept, if it was cancelled.
    pub(super) fn sampled(
        &mut self,
        step: u64,
        progress: &mut Progress,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Gathered>, TrainError> {
        let Self { journey, gatherer, .. } = self;
        journey.versions.keep(&journey.config, step - 1, || journey.policy.model())?;
        if journey.config.rollout.staleness > 0 {
            progress.phase("rollout");
            let ahead = match &mut self.ahead {
                Some(ahead) => ahead,
                none => none.insert(Ahead::start(gatherer.clone(), journey)?),
            };
            ahead.ask(journey, &journey.versions)?;
            let drawn = ahead.next(cancelled)?;
            let (drawn, order) = drawn.map_or((None, None), |(drawn, order)| (Some(drawn), Some(order)));
            let sampled = match drawn {
                Some(Drawn::All(sampled)) => Some(sampled),
                Some(Drawn::Own(own, version)) => gatherer.gather_sampled(version, Some(own))?,
                // The other ranks may have samples, and are to know that there will be no step.
                None => gatherer.gather_sampled(0, None)?,
            };
            if let (Some(_), Some(order)) = (&sampled, order) {
                journey.order = order;
            }
            return Ok(sampled);
        }
        let kept = journey.versions.get(wanted(&journey.config, step));
        let Journey { policy, order, ranks, .. } = journey;
        let (version, source) = match &gatherer.server {
            Some(server) => {
                progress.phase("weights");
                // One rank gives the server its weights, and nobody asks for samples before.
                let holds = match &kept {
                    _ if !ranks.is_first() => 0,
                    Some((version, model)) => server.publish(*version, &model.config, &model.weights, cancelled)?,
                    None => server.publish(step - 1, policy.structure(), &policy.weights()?, cancelled)?,
                };
                (ranks.greatest(holds)?, Source::Server(server))
            }
            None => (step - 1, Source::Engine(policy)),
        };
        let before = order.position();
        let sampled = gatherer.gather((step, version), source, order, &mut |phase| progress.phase(phase), cancelled)?;
        if sampled.is_none() {
            order.restore(before)?;
        }
        Ok(sampled)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It looks at `stop` between any two tokens. Processes of a reward must not outlive the run.
            let _ended = thread.join();
        }
    }
}
