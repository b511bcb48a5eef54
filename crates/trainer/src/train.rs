//! `surefoot train`: the loop (MHPO Algorithm 1).
mod measure;
mod setup;

use crate::data::{Dataset, Row};
use crate::journey::{Journey, Outcome, Steps, travel};
use crate::metrics::{Record, definition as metrics};
use crate::progress::Progress;
use crate::prompt::Prompter;
use crate::reward::{Judged, Rewarder, Sample as Judgement};
use crate::rollout::{Group, Watch, rollout};
use crate::update::{Rule, TrainedGroup, TrainedSample, Updated, groups_in_mini_batch, update};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use surefoot_objectives::Objective;
use surefoot_objectives::advantage::{AdvantageEstimator, AdvantageValues, RewardBatch};

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
        let Journey { config, order, step: done, .. } = &mut self.journey;
        let (step, shape) = (*done + 1, (config.rollout.prompts, config.rollout.samples));
        let mut record = Record::new(step);
        let before = order.position();
        let indices = order.take(shape.0);
        let rows: Vec<(usize, &Row)> = indices.into_iter().map(|i| (i, &self.data.rows[i])).collect();

        progress.phase("rollout");
        let first = (step - 1) * (shape.0 * shape.1) as u64;
        let watch = Watch { progress: &|_| {}, cancelled: &cancelled };
        let sampled = rollout(&self.journey.policy, &self.prompter, &self.journey.config, &rows, first, &watch)?;
        let Some(groups) = sampled else {
            self.journey.order.restore(before)?;
            return Ok(None);
        };
        measure::rollout(&mut record, &groups, self.journey.order.position(), started.elapsed());

        progress.phase("reward");
        let judged = self.judge(&groups, &rows)?;
        let rewards = judged.rewards(shape.1);
        measure::rewards(&mut record, &judged, &rewards, shape.1);
        let advantages = self.advantages(&groups, &rewards)?;

        progress.phase("update");
        let updating = Instant::now();
        let mut updated = Updated::new(rewards.len());
        let training = Training { journey: &mut self.journey, objective: &self.objective, reference: &self.reference };
        let outcome = training.update(step, &groups, &advantages, &mut updated);
        let took = updating.elapsed();
        let every = self.journey.config.log.rollouts_every;
        if every > 0 && step.is_multiple_of(every) {
            // Also when the update failed: then it is most needed.
            let updates = Recorded { updated: &updated, mini_batches: self.journey.config.update.mini_batches };
            setup::write_rollout(&self.journey.folder, step, &groups, &rows, &judged, &advantages, &updates)?;
        }
        outcome?;
        measure::updates(&mut record, &updated, took);
        self.journey.step = step;
        record.set(metrics::TIME_STEP, started.elapsed().as_secs_f64());
        Ok(Some(record))
    }
}

impl Run {
    fn judge(&self, groups: &[Group], rows: &[(usize, &Row)]) -> Result<Judged, TrainError> {
        let mut samples = Vec::new();
        for (group, (_, row)) in groups.iter().zip(rows) {
            let problem = &group.prompt.text;
            samples.extend(group.texts.iter().map(|completion| Judgement { problem, gold: &row.answer, completion }));
        }
        Ok(self.rewarder.score(&samples)?)
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
        for (g, group) in groups.iter().enumerate() {
            let samples = group.samples.iter().zip(advantages.by_ref());
            let samples = samples.map(|(s, (number, &advantage))| TrainedSample {
                number,
                tokens: &s.tokens,
                logp_old: &s.logp,
                advantage,
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
