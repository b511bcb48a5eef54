//! `surefoot train`: the loop (MHPO Algorithm 1).
mod gather;
mod measure;
mod setup;

use crate::config::choice::Truncated;
use crate::data::{Dataset, Row};
use crate::evaluate::{self, Benchmark, Evaluator};
use crate::journey::{Journey, Outcome, Steps, travel};
use crate::metrics::{Record, definition as metrics};
use crate::progress::Progress;
use crate::prompt::Prompter;
use crate::reward::{Judged, Rewarder};
use crate::rollout::{Group, judgements};
use crate::update::{Rule, TrainedGroup, TrainedSample, Updated, groups_in_mini_batch, update};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use surefoot_objectives::Objective;
use surefoot_objectives::advantage::{AdvantageEstimator, AdvantageValues, RewardBatch};

use gather::Gathered;
use setup::Recorded;

pub use setup::TrainError;

/// A run that is ready to go.
pub struct Run {
    journey: Journey,
    reference: Option<Vec<f32>>,
    prompter: Prompter,
    data: Dataset,
    rewarder: Rewarder,
    objective: Objective,
    estimator: AdvantageEstimator,
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

    /// Rollout, rewards, advantages, updates. `None` if the run was asked to stop before the updates began: nothing of
    /// the step is kept then.
    fn step(&mut self, progress: &mut Progress, stop: &AtomicBool) -> Result<Option<Record>, TrainError> {
        let started = Instant::now();
        let cancelled = || stop.load(Ordering::Relaxed);
        if cancelled() {
            return Ok(None);
        }
        let (step, before) = (self.journey.step + 1, self.journey.order.position());
        let Some(sampled) = self.gather(step, progress, &cancelled)? else {
            self.journey.order.restore(before)?;
            return Ok(None);
        };
        if let Some(first) = sampled.judged.first_failure() {
            let (failed, all) = (sampled.judged.counts().failed, sampled.judged.outcomes.len());
            progress.warning(&format!("step {step}: {failed} of {all} rewards failed; the first: {first}"));
        }
        progress.samples(|| sampled.shown(&self.data.rows));
        let config = &self.journey.config;
        let (prompts, samples) = (config.rollout.prompts, config.rollout.samples);
        let mut record = Record::new(step);
        measure::rollout(&mut record, &sampled.groups, self.journey.order.position(), sampled.sampling);
        measure::rewards(&mut record, &sampled.judged, &sampled.rewards(), samples);
        if config.rollout.resample_rounds > 0 {
            record.set(metrics::ROLLOUT_ROUNDS, sampled.rounds as f64);
            record.set(metrics::ROLLOUT_DISCARDED, 1.0 - prompts as f64 / sampled.groups.len() as f64);
        }
        let sampled = sampled.keep(prompts);
        let advantages = self.advantages(&sampled.groups, &sampled.rewards())?;
        let Gathered { groups, judged, .. } = &sampled;

        progress.phase("update");
        let updating = Instant::now();
        let mut updated = Updated::new(advantages.len());
        let training = Training { journey: &mut self.journey, objective: &self.objective, reference: &self.reference };
        let outcome = training.update(step, groups, &advantages, &mut updated);
        let took = updating.elapsed();
        let every = self.journey.config.log.rollouts_every;
        if every > 0 && step.is_multiple_of(every) {
            // Also when the update failed: then it is most needed.
            let updates = Recorded { updated: &updated, mini_batches: self.journey.config.update.mini_batches };
            let rows: Vec<(usize, &Row)> = sampled.rows().into_iter().map(|i| (i, &self.data.rows[i])).collect();
            setup::write_rollout(&self.journey.folder, step, groups, &rows, judged, &advantages, &updates)?;
        }
        outcome?;
        measure::updates(&mut record, &updated, took);
        self.journey.step = step;
        let every = self.journey.config.eval.every;
        if every > 0 && step.is_multiple_of(every) {
            progress.phase("evaluation");
            self.evaluate(&mut record, &cancelled)?;
        }
        record.set(metrics::TIME_STEP, started.elapsed().as_secs_f64());
        Ok(Some(record))
    }
}

impl Run {
    /// Evaluates the policy after the step of `record`; nothing is recorded if it was cancelled.
    fn evaluate(&self, record: &mut Record, cancelled: &(dyn Fn() -> bool + Sync)) -> Result<(), TrainError> {
        let started = Instant::now();
        let evaluator = Evaluator {
            config: &self.journey.config,
            prompter: &self.prompter,
            rewarder: &self.rewarder,
            benchmarks: &self.benchmarks,
        };
        let folder = evaluate::step_folder(self.journey.folder.path(), record.step);
        // A step that a resume does again has the same weights, so that an evaluation that was cut off goes on.
        let scores = evaluator.run(&self.journey.policy, &folder, &mut |_| {}, cancelled)?;
        if let Some(scores) = scores {
            measure::evaluation(record, &scores, started.elapsed());
        }
        Ok(())
    }

    fn judge(&self, groups: &[Group], rows: &[(usize, &Row)]) -> Result<Judged, TrainError> {
        Ok(self.rewarder.score(&judgements(groups, rows))?)
    }

    /// One advantage a sequence, in order of the samples.
    fn advantages(&self, groups: &[Group], rewards: &[f32]) -> Result<Vec<f32>, TrainError> {
        let ids: Vec<u32> =
            groups.iter().enumerate().flat_map(|(g, group)| group.samples.iter().map(move |_| g as u32)).collect();
        let mut offsets = vec![0];
        for sample in groups.iter().flat_map(|g| &g.samples) {
            offsets.push(offsets[offsets.len() - 1] + sample.tokens.len());
        }
        let batch = RewardBatch::new(rewards, &ids)?.with_tokens(&offsets, None)?;
        Ok(match self.estimator.compute(&batch)? {
            AdvantageValues::PerSequence(values) => values,
            // Without a penalty inside of the return, every token of a sequence has the same one.
            AdvantageValues::PerToken(values) => {
                offsets[..offsets.len() - 1].iter().map(|&first| values[first]).collect()
            }
        })
    }
}

/// What updates need of a run, while its data is being read.
struct Training<'a> {
    journey: &'a mut Journey,
    objective: &'a Objective,
    reference: &'a Option<Vec<f32>>,
}

impl Training<'_> {
    /// The off-policy updates on one rollout.
    fn update(self, step: u64, groups: &[Group], advantages: &[f32], updated: &mut Updated) -> Result<(), TrainError> {
        let mut advantages = advantages.iter().enumerate();
        let mut trained = Vec::with_capacity(groups.len());
        let masked = self.journey.config.update.truncated == Truncated::Mask;
        for (g, group) in groups.iter().enumerate() {
            let samples = group.samples.iter().zip(advantages.by_ref());
            let samples = samples.filter(|(s, _)| s.finished || !masked).map(|(s, (number, &advantage))| {
                TrainedSample { number, tokens: &s.tokens, logp_old: &s.logp, advantage }
            });
            trained.push(TrainedGroup { id: g as u32, prompt: &group.prompt.tokens, samples: samples.collect() });
        }
        let Journey { config, policy, .. } = self.journey;
        let (epochs, mini_batches) = (config.update.epochs, config.update.mini_batches);
        let rule = Rule {
            config,
            objective: self.objective,
            reference: self.reference.as_ref(),
            total_updates: config.train.steps.saturating_mul(epochs.saturating_mul(mini_batches) as u64),
            step,
        };
        for _ in 0..epochs {
            for mini_batch in trained.chunks(groups_in_mini_batch(trained.len(), mini_batches)) {
                update(policy, &rule, mini_batch, updated)?;
            }
        }
        Ok(())
    }
}
