//! What every run shares: its folder, its steps until the end or a stop, its checkpoints, and going on from them.
use crate::config::Config;
use crate::data::Order;
use crate::metrics::{
    self, MetricsFile, Record, TensorBoard, definition::TIME_CHECKPOINT, definition::UPDATE_SKIPPED_STEPS,
};
use crate::policy::{Policy, PolicyError};
use crate::progress::Progress;
use crate::run_folder::RunFolder;
use crate::state::{self, State};
use crate::train::TrainError;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Whether a run is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A new run folder.
    New,
    /// Go on from the newest checkpoint, or from the beginning if there is none yet.
    Resume,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done.
    Finished,
    /// It was asked to stop, and can be resumed.
    Stopped,
}

/// What a run left.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// Metrics of every step, those before a resume included.
    pub records: Vec<Record>,
    /// The run's folder.
    pub run: PathBuf,
    /// The newest checkpoint.
    pub checkpoint: Option<PathBuf>,
}

/// A run folder with the policy and the place in the data that its checkpoints hold.
pub(crate) struct Journey {
    pub config: Config,
    pub folder: RunFolder,
    pub policy: Policy,
    pub order: Order,
    pub step: u64,
    metrics: MetricsFile,
    tensorboard: Option<TensorBoard>,
}

/// One step of a kind of run.
pub(crate) trait Steps {
    fn journey(&mut self) -> &mut Journey;
    /// Does the next step and counts it. `None` if the run was asked to stop: nothing of the step is kept then.
    fn step(&mut self, progress: &mut Progress, stop: &AtomicBool) -> Result<Option<Record>, TrainError>;
}

impl Journey {
    /// Makes or opens the run folder, and loads the model or the newest checkpoint for sequences of up to `positions`
    /// tokens; `keys` names what sets that length. Adds what a user should know to `notes`.
    pub fn begin(
        config: Config,
        start: Start,
        mut order: Order,
        positions: usize,
        keys: &'static str,
        notes: &mut Vec<String>,
    ) -> Result<Self, TrainError> {
        let source = Path::new(&config.model.path).to_path_buf();
        let run_dir = Path::new(&config.log.run_dir);
        let (folder, latest, mut policy) = match start {
            Start::New => {
                // The model first: a run that cannot start leaves no folder.
                let policy = load(&source, positions, keys, &config, notes)?;
                (RunFolder::create(run_dir)?, None, policy)
            }
            Start::Resume => {
                let folder = RunFolder::resume(run_dir)?;
                let latest = folder.checkpoints().latest()?;
                let from = match &latest {
                    // Adapters are added to the base again: a checkpoint's model holds the sum.
                    Some((_, path)) if config.lora.rank == 0 => path,
                    _ => &source,
                };
                let policy = load(from, positions, keys, &config, notes)?;
                (folder, latest, policy)
            }
        };
        policy.source = source;
        let step = match &latest {
            Some((step, path)) => {
                let state = state::restore(&mut policy, path)?;
                order.restore(state.data)?;
                notes.push(format!("resuming after step {step}"));
                state.step
            }
            None => 0,
        };
        folder.write_config(&config.to_toml())?;
        let metrics = MetricsFile::open(&folder.metrics(), step)?;
        let tensorboard = match config.log.tensorboard {
            true => {
                let records = metrics::read(&folder.metrics())?;
                Some(TensorBoard::open(&folder.path().join("tensorboard"), &records)?)
            }
            false => None,
        };
        Ok(Self { config, folder, policy, order, step, metrics, tensorboard })
    }

    /// Writes a checkpoint. What fails in it is told together with what is left: earlier checkpoints stay.
    fn save(&self) -> Result<(), TrainError> {
        self.try_save().map_err(|reason| TrainError::Checkpoint {
            step: self.step,
            reason: Box::new(reason),
            kept: self.folder.checkpoints().latest().ok().flatten().map(|(_, path)| path),
            resume: self.config.resume_command(self.folder.path()),
        })
    }

    fn try_save(&self) -> Result<(), TrainError> {
        let state = State { step: self.step, updates: self.policy.updates, data: self.order.position() };
        let checkpoints = self.folder.checkpoints();
        // What the metrics say of the steps so far must be on the disk before a checkpoint lets a resume skip them.
        self.metrics.sync()?;
        state::save(&self.policy, &state, self.config.checkpoint.dtype, checkpoints.begin(self.step)?)?;
        checkpoints.prune(self.config.checkpoint.keep)?;
        Ok(())
    }
}

fn load(
    folder: &Path,
    positions: usize,
    keys: &'static str,
    config: &Config,
    notes: &mut Vec<String>,
) -> Result<Policy, PolicyError> {
    let (policy, unused) = Policy::load(folder, positions, keys, config)?;
    if !unused.is_empty() {
        notes.push(format!("tensors that the model does not use: {}", unused.join(", ")));
    }
    let (learning, all) = (policy.learning(), policy.model.weights.len());
    if learning < all {
        let share = 100.0 * learning as f64 / all as f64;
        notes.push(format!("{learning} parameters learn, beside {all} of the model ({share:.2}%)"));
    }
    Ok(policy)
}

/// Steps until `train.steps`, or until `stop` is set: then a checkpoint is written and the run can be resumed.
pub(crate) fn travel(run: &mut impl Steps, progress: &mut Progress, stop: &AtomicBool) -> Result<Outcome, TrainError> {
    let mut ending = Ending::Finished;
    let mut checkpoint_seconds = None;
    let mut saved = run.journey().folder.checkpoints().latest()?.map(|(step, _)| step);
    while run.journey().step < run.journey().config.train.steps {
        let Some(mut record) = run.step(progress, stop)? else {
            ending = Ending::Stopped;
            break;
        };
        let journey = run.journey();
        let (every, last) = (journey.config.checkpoint.every, journey.step == journey.config.train.steps);
        let due = last || (every > 0 && journey.step.is_multiple_of(every));
        if let Some(seconds) = checkpoint_seconds.take() {
            record.set(TIME_CHECKPOINT, seconds);
        }
        // The line goes first: a checkpoint promises that the steps before it are in the metrics.
        journey.metrics.append(&record)?;
        if let Some(tensorboard) = &mut journey.tensorboard {
            tensorboard.append(&record)?;
        }
        if due {
            progress.phase("checkpoint");
            let started = Instant::now();
            journey.save()?;
            saved = Some(journey.step);
            checkpoint_seconds = Some(started.elapsed().as_secs_f64());
        }
        progress.step(&record);
        if let Some(skipped) = record.get(UPDATE_SKIPPED_STEPS).filter(|skipped| *skipped > 0.0) {
            let step = record.step;
            progress.warning(&format!("step {step}: {skipped} updates skipped, their loss or gradient was not finite"));
        }
    }
    let journey = run.journey();
    if ending == Ending::Stopped && saved != Some(journey.step) {
        journey.save()?;
    }
    journey.metrics.sync()?;
    let checkpoint = journey.folder.checkpoints().latest()?.map(|(_, path)| path);
    let records = metrics::read(&journey.folder.metrics())?;
    Ok(Outcome { ending, records, run: journey.folder.path().to_path_buf(), checkpoint })
}
