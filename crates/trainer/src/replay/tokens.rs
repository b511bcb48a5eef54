//! The tokens of a recorded step, mini-batch by mini-batch.

use std::path::Path;

use surefoot_objectives::{Advantages, Counts, Objective, ObjectiveError, Stats, TokenBatch};

use super::ReplayError;
use crate::run_folder::rollouts::{self, Sample};

/// The tokens of one step.
#[derive(Debug)]
pub struct StepTokens {
    /// The step.
    pub step: u64,
    /// Samples with an advantage that no update took.
    pub refused: usize,
    /// Whether a token has an advantage of its own.
    by_token: bool,
    mini_batches: Vec<MiniBatch>,
}

/// Tokens that were trained together.
#[derive(Debug, Default)]
struct MiniBatch {
    /// Of all its samples, those without log-probabilities included.
    all: Layout,
    /// Of those with log-probabilities.
    trained: Layout,
    logp: Vec<f32>,
    logp_old: Vec<f32>,
    logp_ref: Vec<f32>,
    /// One a sequence, or one a token where the run's differ within a sequence.
    advantages: Vec<f32>,
}

#[derive(Debug)]
struct Layout {
    offsets: Vec<usize>,
    groups: Vec<u32>,
}

impl Default for Layout {
    fn default() -> Self {
        Layout { offsets: vec![0], groups: Vec::new() }
    }
}

impl Layout {
    fn add(&mut self, tokens: usize, group: u32) {
        self.offsets.push(self.offsets[self.offsets.len() - 1] + tokens);
        self.groups.push(group);
    }
}

impl StepTokens {
    /// Reads a rollout file.
    ///
    /// # Errors
    /// [`ReplayError`] names the file, and the sample where one is not whole.
    pub fn read(path: &Path) -> Result<Self, ReplayError> {
        let samples = rollouts::read(path)?;
        for sample in &samples {
            let tokens = sample.tokens.len();
            let may_be_absent =
                [("logp", &sample.logp), ("logp_ref", &sample.logp_ref), ("advantages", &sample.advantages)];
            let lists = may_be_absent.into_iter().filter(|(_, list)| !list.is_empty());
            for (field, list) in std::iter::once(("logp_old", &sample.logp_old)).chain(lists) {
                if list.len() != tokens {
                    let (row, sample) = (sample.row, sample.sample);
                    let path = path.to_path_buf();
                    return Err(ReplayError::Lengths { path, row, sample, field, got: list.len(), tokens });
                }
            }
        }
        Ok(Self::of(&samples))
    }

    fn of(samples: &[Sample]) -> Self {
        let step = samples.first().map_or(0, |sample| sample.step);
        let by_token = samples.iter().any(|sample| !sample.advantages.is_empty());
        let mut tokens = StepTokens { step, refused: 0, by_token, mini_batches: Vec::new() };
        // The same row of the data may come twice in a step; its first sample begins a group.
        let mut group = 0;
        for (index, sample) in samples.iter().enumerate() {
            group += u32::from(index > 0 && sample.sample == 0);
            let number = sample.mini_batch as usize;
            if tokens.mini_batches.len() <= number {
                tokens.mini_batches.resize_with(number + 1, MiniBatch::default);
            }
            let batch = &mut tokens.mini_batches[number];
            batch.all.add(sample.tokens.len(), group);
            if sample.logp.is_empty() {
                tokens.refused += usize::from(sample.advantage != 0.0 && !sample.tokens.is_empty());
                continue;
            }
            batch.trained.add(sample.tokens.len(), group);
            batch.logp.extend(&sample.logp);
            batch.logp_old.extend(&sample.logp_old);
            batch.logp_ref.extend(&sample.logp_ref);
            match sample.advantages.is_empty() {
                true => batch.advantages.push(sample.advantage),
                false => batch.advantages.extend(&sample.advantages),
            }
        }
        tokens
    }

    /// The objective's gradient by the log-probabilities of all trained tokens, and their statistics.
    ///
    /// # Errors
    /// [`ObjectiveError`], as where the objective needs a reference policy and the run had none.
    pub fn evaluate(&self, objective: &Objective) -> Result<(Vec<f32>, Stats), ObjectiveError> {
        let (mut gradient, mut stats) = (Vec::new(), Stats::empty());
        for batch in self.mini_batches.iter().filter(|batch| !batch.logp.is_empty()) {
            let denominators = objective.denominators_from(Counts::of(&batch.all.offsets, None, &batch.all.groups)?)?;
            let advantages = match self.by_token {
                true => Advantages::PerToken(&batch.advantages),
                false => Advantages::PerSequence(&batch.advantages),
            };
            let Layout { offsets, groups } = &batch.trained;
            let mut tokens = TokenBatch::new(&batch.logp, &batch.logp_old, advantages, offsets, groups)?;
            if batch.logp_ref.len() == batch.logp.len() {
                tokens = tokens.with_logp_ref(&batch.logp_ref)?;
            }
            let evaluated = objective.evaluate(&tokens, &denominators)?;
            gradient.extend(evaluated.grad_logp);
            stats.merge(&evaluated.stats);
        }
        Ok((gradient, stats))
    }
}
