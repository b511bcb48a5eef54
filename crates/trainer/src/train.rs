//! `surefoot train`: the loop (MHPO Algorithm 1).
mod ahead;
mod behavior;
pub(crate) mod corrected;
mod credit;
mod epoch;
mod error;
mod gather;
mod measure;
mod reference;
mod setup;
pub(crate) mod versions;

use crate::config::choice::Truncated;
use crate::data::Row;
use crate::evaluate::{self, Benchmark, Evaluator, Other};
use crate::journey::{Journey, Outcome, Stepped, Steps, travel};
use crate::metrics::{Record, definition as metrics};
use crate::progress::Progress;
use crate::rollout::Group;
use crate::state::{Pending, StateError};
use crate::update::{Rule, TrainedGroup, TrainedSample, UpdateError, Updated, groups_in_mini_batch, update};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use surefoot_objectives::Objective;
use surefoot_objectives::advantage::AdvantageEstimator;
use surefoot_objectives::correction::Correction;

use ahead::Ahead;
use behavior::{Doubts, Unknown};
use corrected::Corrected;
use credit::{Credit, Earned};
use gather::{Gathered, Gatherer};
use reference::Reference;
use setup::Recorded;

pub use error::TrainError;

/// A run that is ready to go.
pub struct Run {
    journey: Journey,
    reference: Option<Reference>,
    gatherer: Arc<Gatherer>,
    ahead: Option<Ahead>,
    objective: Objective,
    estimator: AdvantageEstimator,
    correction: Correction,
    doubts: Doubts,
    benchmarks: Vec<Benchmark>,
}

impl Run {
    /// Steps until `train.steps`, or until `stop` is set: then a checkpoint is written and the run can be resumed.
    ///
    /// # Errors
    /// [`TrainError`]; checkpoints that have been written stay.
    pub fn run(mut self, progress: &mut Progress, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        travel(&mut self, progress, stop)
    }
}

impl Steps for Run {
    fn journey(&mut self) -> &mut Journey {
        &mut self.journey
    }

    /// Rollout, rewards, advantages, updates, evaluation. Nothing of the step is kept if the run was asked to stop before the
    /// updates began.
    fn step(&mut self, progress: &mut Progress, stop: &AtomicBool) -> Result<Stepped, TrainError> {
        let started = Instant::now();
        let cancelled = || stop.load(Ordering::Relaxed);
        if let Some(Pending { record, seconds }) = self.journey.pending.take() {
            let file = self.journey.folder.checkpoints().step(self.journey.step);
            let broken = || StateError::Broken { file, message: "its pending step is no line of metrics".to_string() };
            let record = Record::from_line(&record).ok_or_else(broken)?;
            return self.conclude(record, seconds, progress, &cancelled);
        }
        if self.journey.ranks.any(cancelled())? {
            return Ok(Stepped::Cancelled);
        }
        if self.journey.step == 0 && !self.journey.begun && evaluate::is_due(&self.journey.config, 0) {
            return self.begin(progress, &cancelled);
        }
        let step = self.journey.step + 1;
        let Some(sampled) = self.sampled(step, progress, &cancelled)? else { return Ok(Stepped::Cancelled) };
        let waited = started.elapsed();
        if let Some(first) = sampled.judged.first_failure() {
            let (failed, all) = (sampled.judged.counts().failed, sampled.judged.outcomes.len());
            progress.warning(&format!("step {step}: {failed} of {all} rewards failed; the first: {first}"));
        }
        progress.samples(|| sampled.shown(&self.gatherer.data.rows));
        let config = &self.journey.config;
        let prompts = config.rollout.prompts;
        let mut record = Record::new(step);
        measure::rollout(&mut record, &sampled.groups, self.journey.order.position(), sampled.sampling);
        measure::rewards(&mut record, &sampled.judged, &sampled.rewards(), config);
        if config.rollout.resample_rounds > 0 {
            record.set(metrics::ROLLOUT_ROUNDS, sampled.rounds as f64);
            record.set(metrics::ROLLOUT_DISCARDED, 1.0 - prompts as f64 / sampled.groups.len() as f64);
        }
        measure::source(&mut record, config, &sampled, waited);
        progress.phase("update");
        let warnings = self.learn(sampled.keep(prompts, config), &mut record)?;
        warnings.iter().for_each(|warning| progress.warning(warning));
        self.journey.step = step;
        self.conclude(record, started.elapsed().as_secs_f64(), progress, &cancelled)
    }
}

impl Run {
    /// `logp_old` of a step's samples, where it is not what the sampler said, and their weights and masks; with warnings.
    fn correct(&mut self, sampled: &mut Gathered, record: &mut Record) -> Result<(Corrected, Vec<String>), TrainError> {
        let Journey { config, policy, .. } = &mut self.journey;
        let mut unknown = Unknown::default();
        if config.decoupled() {
            unknown = behavior::anchor(policy, config, &mut sampled.groups, &self.gatherer.ranks)?;
        }
        if config.remote() {
            measure::entropy(record, &sampled.groups);
            record.set(metrics::ROLLOUT_UNKNOWN, unknown.share());
        }
        if !config.corrects() {
            return Ok((Corrected::default(), Vec::new()));
        }
        unknown.expect_some(config, record.step)?;
        let drawn = behavior::drawn(config, &sampled.groups);
        let corrected = Corrected::of(&self.correction, drawn).map_err(UpdateError::from)?;
        let stats = unknown.leave_out(config, &sampled.groups, corrected.stats);
        measure::corrections(record, &stats);
        let fresh = config.remote() && sampled.version + 1 == record.step;
        let warnings = self.doubts.of(config, record.step, fresh, &unknown, &stats);
        Ok((corrected, warnings))
    }

    /// Advantages and updates on the samples of the step of `record`, and the rollout file. Returns warnings.
    fn learn(&mut self, mut sampled: Gathered, record: &mut Record) -> Result<Vec<String>, TrainError> {
        let (updating, step) = (Instant::now(), record.step);
        let (corrected, warnings) = self.correct(&mut sampled, record)?;
        let policy = &mut self.journey.policy;
        let (config, ranks) = (&self.journey.config, &self.gatherer.ranks);
        let logp_ref = self.reference.map(|r| r.logp(policy, config, &sampled.groups, ranks));
        let logp_ref = logp_ref.transpose()?.unwrap_or_default();
        let earned = Earned::of(&sampled.judged, &config.reward);
        let credit = Credit::of(&self.estimator, &sampled.groups, &earned, &logp_ref)?;
        if let Some(divergence) = credit.divergence {
            record.set(metrics::REWARD_KL, divergence);
        }
        let Gathered { groups, judged, .. } = &sampled;
        let mut updated = Updated::new(credit.len());
        let training = Training {
            journey: &mut self.journey,
            objective: &self.objective,
            logp_ref: &logp_ref,
            corrected: &corrected,
        };
        let outcome = training.update(step, groups, &credit, &mut updated);
        let took = updating.elapsed();
        let every = self.journey.config.log.rollouts_every;
        if every > 0 && step.is_multiple_of(every) && self.journey.ranks.is_first() {
            // Also when the update failed: then it is most needed.
            let (version, mini_batches) = (sampled.version, self.journey.config.update.mini_batches);
            let updates = Recorded { updated: &updated, mini_batches, version };
            let rows = &self.gatherer.data.rows;
            let rows: Vec<(usize, &Row)> = sampled.rows().into_iter().map(|i| (i, &rows[i])).collect();
            setup::write_rollout(&self.journey.folder, step, groups, &rows, judged, &credit, &updates)?;
        }
        outcome?;
        measure::updates(record, &updated, took);
        Ok(warnings)
    }

    /// Step 0: the evaluation of the model that the run starts from. One that is cut off goes on with what it has written.
    fn begin(&self, progress: &mut Progress, cancelled: &(dyn Fn() -> bool + Sync)) -> Result<Stepped, TrainError> {
        progress.phase("evaluation of the starting model");
        let mut record = Record::new(0);
        Ok(if self.evaluate(&mut record, cancelled)? { Stepped::Done(record) } else { Stepped::Cancelled })
    }

    /// The step's evaluation, where one is due; `seconds` is what the step took so far.
    fn conclude(
        &self,
        mut record: Record,
        seconds: f64,
        progress: &mut Progress,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Stepped, TrainError> {
        let started = Instant::now();
        let took = || seconds + started.elapsed().as_secs_f64();
        if evaluate::is_due(&self.journey.config, record.step) {
            progress.phase("evaluation");
            if !self.evaluate(&mut record, cancelled)? {
                return Ok(Stepped::Unfinished(Pending { record: record.to_line(), seconds: took() }));
            }
        }
        record.set(metrics::TIME_STEP, took());
        Ok(Stepped::Done(record))
    }

    /// Evaluates the policy after the step of `record`; false, and nothing is recorded, if it was cancelled.
    fn evaluate(&self, record: &mut Record, cancelled: &(dyn Fn() -> bool + Sync)) -> Result<bool, TrainError> {
        let started = Instant::now();
        let evaluator = Evaluator {
            config: &self.journey.config,
            prompter: &self.gatherer.prompter,
            rewarder: &self.gatherer.rewarder,
            benchmarks: &self.benchmarks,
            ranks: &self.journey.ranks,
            other: Other::Replaced,
        };
        let folder = self.journey.folder.evaluation(record.step);
        // The weights are those of an evaluation that was cut off, so that it goes on.
        let scores = evaluator.run(&self.journey.policy, &folder, &mut |_| {}, cancelled)?;
        if let Some(scores) = &scores {
            measure::evaluation(record, scores, started.elapsed());
        }
        Ok(scores.is_some())
    }
}

/// What updates need of a run, while its data is being read.
struct Training<'a> {
    journey: &'a mut Journey,
    objective: &'a Objective,
    /// Of each sample, where there is a reference policy.
    logp_ref: &'a [Vec<f32>],
    corrected: &'a Corrected,
}

impl Training<'_> {
    /// The off-policy updates on one rollout.
    fn update(self, step: u64, groups: &[Group], credit: &Credit, updated: &mut Updated) -> Result<(), TrainError> {
        let mut numbers = 0..;
        let mut trained = Vec::with_capacity(groups.len());
        let masked = self.journey.config.update.truncated == Truncated::Mask;
        let asks = self.objective.off_policy_mask > 0.0 && self.journey.config.decoupled();
        for (group, id) in groups.iter().zip(0..) {
            let samples = group.samples.iter().zip(numbers.by_ref());
            let samples = samples.filter(|(s, _)| s.finished || !masked).map(|(s, number)| TrainedSample {
                number,
                tokens: &s.tokens,
                logp_old: &s.logp,
                logp_ref: self.logp_ref.get(number).map_or(&[], Vec::as_slice),
                logp_epoch: &[],
                logp_behavior: if asks { &s.logp_behavior } else { &[] },
                advantage: credit.of_sample(number),
                token_weights: self.corrected.weights(number),
                mask: self.corrected.mask(number),
            });
            trained.push(TrainedGroup { id, prompt: &group.prompt.tokens, samples: samples.collect() });
        }
        let Journey { config, policy, ranks, .. } = self.journey;
        let (epochs, mini_batches) = (config.update.epochs, config.update.mini_batches);
        let rule = Rule {
            config,
            objective: self.objective,
            total_updates: config.train.steps.saturating_mul(epochs.saturating_mul(mini_batches) as u64),
            step,
            ranks,
        };
        for epoch in 0..epochs {
            let begun = epoch::logp(policy, &rule, epoch, groups)?;
            let trained = epoch::with_logp(&trained, begun.as_deref());
            for mini_batch in trained.chunks(groups_in_mini_batch(trained.len(), mini_batches)) {
                update(policy, &rule, mini_batch, updated)?;
            }
        }
        Ok(())
    }
}
