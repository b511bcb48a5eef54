//! The tokens of a recorded step, mini-batch by mini-batch.

use std::path::Path;

use surefoot_objectives::correction::Correction;
use surefoot_objectives::{Advantages, Counts, Objective, ObjectiveError, Stats, TokenBatch};

use super::ReplayError;
use crate::config::{Config, choice::Truncated};
use crate::run_folder::rollouts::{self, Sample};
use crate::train::corrected::{Corrected, Drawn};

/// What a run did to its samples before an objective saw them.
#[derive(Debug)]
pub struct Treatment {
    /// Whether completions that were cut are left out, as if they were not there.
    leaves_out_cut: bool,
    /// Whether an objective that asks who sampled was told what the sampler said, and not `logp_old`.
    decoupled: bool,
    /// Weights and rejections, where the run had them.
    correction: Option<Correction>,
}

impl Treatment {
    /// That of a run with this configuration.
    ///
    /// # Errors
    /// [`ReplayError::Option`] for a correction that there is not.
    pub fn of(config: &Config) -> Result<Self, ReplayError> {
        let correction = if config.corrects() { Some(config.build_correction()?) } else { None };
        let leaves_out_cut = config.update.truncated == Truncated::Mask;
        Ok(Self { leaves_out_cut, decoupled: config.decoupled(), correction })
    }

    /// The run's weights and masks of all samples of a step.
    fn corrected(&self, samples: &[Sample]) -> Result<Corrected, ObjectiveError> {
        let Some(correction) = &self.correction else { return Ok(Corrected::default()) };
        let drawn = samples.iter().map(|sample| Drawn {
            logp_old: &sample.logp_old,
            logp_behavior: sample.drawn_logp(),
            trained: !(sample.truncated && self.leaves_out_cut),
        });
        Corrected::of(correction, drawn)
    }
}

/// The tokens of one step.
#[derive(Debug)]
pub struct StepTokens {
    /// The step.
    pub step: u64,
    /// Whether a token has an advantage of its own.
    by_token: bool,
    mini_batches: Vec<MiniBatch>,
}

/// What an objective makes of the tokens of a step.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// Mean loss of the step's updates.
    pub loss: f64,
    /// Derivative by the log-probability of each token.
    pub gradient: Vec<f32>,
    /// Statistics of the tokens.
    pub stats: Stats,
}

/// Tokens that were trained together.
#[derive(Debug, Default)]
struct MiniBatch {
    /// Of all its samples, those without log-probabilities included.
    all: Layout,
    /// Of those with log-probabilities.
    trained: Layout,
    logp: Vec<f32>,
    /// Samples with an advantage that no update took.
    refused: usize,
    logp_old: Vec<f32>,
    logp_ref: Vec<f32>,
    logp_epoch: Vec<f32>,
    /// Empty where it is `logp_old`.
    logp_behavior: Vec<f32>,
    token_weights: Vec<f32>,
    /// One a sequence, or one a token where the run's differ within a sequence.
    advantages: Vec<f32>,
}

#[derive(Debug)]
struct Layout {
    offsets: Vec<usize>,
    groups: Vec<u32>,
    /// Empty where every token is trained.
    mask: Vec<bool>,
}

impl Default for Layout {
    fn default() -> Self {
        Layout { offsets: vec![0], groups: Vec::new(), mask: Vec::new() }
    }
}

impl Layout {
    fn add(&mut self, tokens: usize, group: u32, mask: &[bool]) {
        self.offsets.push(self.offsets[self.offsets.len() - 1] + tokens);
        self.groups.push(group);
        self.mask.extend_from_slice(mask);
    }

    /// Whether any of its tokens is trained.
    fn teaches(&self) -> bool {
        self.offsets.len() > 1 && self.mask().is_none_or(|mask| mask.contains(&true))
    }

    fn mask(&self) -> Option<&[bool]> {
        (!self.mask.is_empty()).then_some(&self.mask)
    }
}

impl StepTokens {
    /// Reads a rollout file of a run that treated its samples so.
    ///
    /// # Errors
    /// [`ReplayError`] names the file, and the sample where one is not whole.
    pub fn read(path: &Path, treatment: &Treatment) -> Result<Self, ReplayError> {
        let samples = rollouts::read(path)?;
        for sample in &samples {
            let tokens = sample.tokens.len();
            let may_be_absent = [
                ("logp", &sample.logp),
                ("logp_ref", &sample.logp_ref),
                ("logp_behavior", &sample.logp_behavior),
                ("logp_epoch", &sample.logp_epoch),
                ("advantages", &sample.advantages),
            ];
            let lists = may_be_absent.into_iter().filter(|(_, list)| !list.is_empty());
            for (field, list) in std::iter::once(("logp_old", &sample.logp_old)).chain(lists) {
                if list.len() != tokens {
                    let (row, sample) = (sample.row, sample.sample);
                    let path = path.to_path_buf();
                    return Err(ReplayError::Lengths { path, row, sample, field, got: list.len(), tokens });
                }
            }
        }
        let corrected = treatment
            .corrected(&samples)
            .map_err(|source| ReplayError::Correction { path: path.to_path_buf(), source })?;
        Ok(Self::of(&samples, treatment, &corrected))
    }

    fn of(samples: &[Sample], treatment: &Treatment, corrected: &Corrected) -> Self {
        let step = samples.first().map_or(0, |sample| sample.step);
        let by_token = samples.iter().any(|sample| !sample.advantages.is_empty());
        let mut tokens = StepTokens { step, by_token, mini_batches: Vec::new() };
        // The same row of the data may come twice in a step; its first sample begins a group.
        let mut group = 0;
        for (index, sample) in samples.iter().enumerate() {
            group += u32::from(index > 0 && sample.sample == 0);
            if sample.truncated && treatment.leaves_out_cut {
                continue;
            }
            let number = sample.mini_batch as usize;
            if tokens.mini_batches.len() <= number {
                tokens.mini_batches.resize_with(number + 1, MiniBatch::default);
            }
            let batch = &mut tokens.mini_batches[number];
            let mask = corrected.mask(index);
            batch.all.add(sample.tokens.len(), group, mask);
            if sample.logp.is_empty() {
                let rejected = !mask.is_empty() && !mask.contains(&true);
                let idle = sample.advantage == 0.0 || sample.tokens.is_empty() || rejected;
                batch.refused += usize::from(!idle);
                continue;
            }
            batch.trained.add(sample.tokens.len(), group, mask);
            batch.logp.extend(&sample.logp);
            batch.logp_old.extend(&sample.logp_old);
            batch.logp_ref.extend(&sample.logp_ref);
            batch.logp_epoch.extend(&sample.logp_epoch);
            if treatment.decoupled {
                batch.logp_behavior.extend(sample.drawn_logp());
            }
            batch.token_weights.extend(corrected.weights(index));
            match sample.advantages.is_empty() {
                true => batch.advantages.push(sample.advantage),
                false => batch.advantages.extend(&sample.advantages),
            }
        }
        tokens
    }

    /// Samples with an advantage that no update took.
    pub fn refused(&self) -> usize {
        self.mini_batches.iter().map(|batch| batch.refused).sum()
    }

    /// What the objective makes of all trained tokens.
    ///
    /// # Errors
    /// [`ObjectiveError`], as where the objective needs a reference policy and the run had none.
    pub fn evaluate(&self, objective: &Objective) -> Result<Evaluated, ObjectiveError> {
        let (mut gradient, mut stats) = (Vec::new(), Stats::empty());
        let mut losses = Vec::new();
        for batch in &self.mini_batches {
            if batch.logp.is_empty() {
                // An update without a signal has loss 0; one that was refused, or that had no sample, has none.
                losses.extend((batch.refused == 0 && batch.all.teaches()).then_some(0.0));
                continue;
            }
            let counts = Counts::of(&batch.all.offsets, batch.all.mask(), &batch.all.groups)?;
            let denominators = objective.denominators_from(counts)?;
            let advantages = match self.by_token {
                true => Advantages::PerToken(&batch.advantages),
                false => Advantages::PerSequence(&batch.advantages),
            };
            let Layout { offsets, groups, .. } = &batch.trained;
            let mut tokens = TokenBatch::new(&batch.logp, &batch.logp_old, advantages, offsets, groups)?;
            if batch.logp_ref.len() == batch.logp.len() {
                tokens = tokens.with_logp_ref(&batch.logp_ref)?;
            }
            if batch.logp_epoch.len() == batch.logp.len() {
                tokens = tokens.with_logp_epoch(&batch.logp_epoch)?;
            }
            if !batch.logp_behavior.is_empty() {
                tokens = tokens.with_logp_behavior(&batch.logp_behavior)?;
            }
            if !batch.token_weights.is_empty() {
                tokens = tokens.with_token_weights(&batch.token_weights)?;
            }
            if let Some(mask) = batch.trained.mask() {
                tokens = tokens.with_mask(mask)?;
            }
            let evaluated = objective.evaluate(&tokens, &denominators)?;
            gradient.extend(evaluated.grad_logp);
            stats.merge(&evaluated.stats);
            losses.push(evaluated.loss);
        }
        let loss = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        Ok(Evaluated { loss, gradient, stats })
    }
}
