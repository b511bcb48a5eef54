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
use crate::update::{Rule, TrainedGroup, TrainedSample, Updated, update};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use surefoot_objectives::Objective;
use surefoot_objectives::advantage::{AdvantageEstimator, AdvantageValues, RewardBatch};

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
        let mut updated = Updated::default();
        let Run { journey, objective, reference, .. } = self;
        let done = update_all(journey, objective, reference.as_ref(), &groups, &advantages, &mut updated);
        let took = updating.elapsed();
        let every = self.journey.config.log.rollouts_every;
        if every > 0 && step.is_multiple_of(every) {
            // Also when an update failed: its tokens are what one wants to see then.
            setup::write_rollout(&self.journey.folder, step, &groups, &rows, &judged, &advantages, &updated.logp)?;
        }
        done?;
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

/// The off-policy updates on one rollout; what they came to until one failed is in `updated`.
fn update_all(
    journey: &mut Journey,
    objective: &Objective,
    reference: Option<&Vec<f32>>,
    groups: &[Group],
    advantages: &[f32],
    updated: &mut Updated,
) -> Result<(), TrainError> {
    let mut advantages = advantages.iter().enumerate();
    let mut trained = Vec::with_capacity(groups.len());
    for (g, group) in groups.iter().enumerate() {
        let samples = group.samples.iter().zip(advantages.by_ref());
        let samples = samples.map(|(s, (index, &advantage))| TrainedSample {
            tokens: &s.tokens,
            logp_old: &s.logp,
            advantage,
            index,
        });
        trained.push(TrainedGroup { id: g as u32, prompt: &group.prompt.tokens, samples: samples.collect() });
    }
    let Journey { config, policy, step: done, .. } = journey;
    let (epochs, mini_batches) = (config.update.epochs, config.update.mini_batches);
    let total_updates = config.train.steps.saturating_mul(epochs.saturating_mul(mini_batches) as u64);
    let rule = Rule { config, objective, reference, total_updates, step: *done + 1 };
    for _ in 0..epochs {
        for mini_batch in trained.chunks(trained.len().div_ceil(mini_batches)) {
            update(policy, &rule, mini_batch, updated)?;
        }
    }
    Ok(())
}
