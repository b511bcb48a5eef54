//! One update: the objective's loss over a mini-batch, in micro-batches, and a step of the optimizer.
mod bonus;
mod pack;
pub(crate) mod parts;
mod passes;
mod score;

use crate::config::{Config, choice::OnNonfinite};
use crate::policy::Policy;
use crate::ranks::{Ranks, RanksError};
use surefoot_engine::device::DeviceError;
use surefoot_objectives::{Counts, Objective, ObjectiveError, Stats};

pub use pack::{Advantage, MicroBatch, TrainedGroup, TrainedSample, pack};
pub use score::{Scored, score};

use passes::{Passes, SeenLogp};

/// Why an update failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The objective refused its input.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
    /// Another rank.
    #[error(transparent)]
    Ranks(#[from] RanksError),
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A loss or gradient is not finite, and the run is to stop then.
    #[error(
        "step {step}: update {update} cannot be made, {what} not finite; the weights are those of the update before (update.on_nonfinite = \"skip\" would go on)"
    )]
    NotFinite {
        /// Step of the run.
        step: u64,
        /// What is not finite, with its verb.
        what: &'static str,
        /// 1-based update of the run.
        update: u64,
    },
}

/// What the updates of a step came to.
#[derive(Clone, Debug)]
pub struct Updated {
    /// Loss of each update.
    pub losses: Vec<f64>,
    /// Norm of each update's gradient before clipping.
    pub norms: Vec<f64>,
    /// Statistics of the trained tokens of all updates.
    pub stats: Stats,
    /// Tokens that went through the model.
    pub tokens: usize,
    /// Updates that were skipped.
    pub skipped: usize,
    /// Learning rate of the last update.
    pub learning_rate: Option<f64>,
    /// What the last update of each sample of the rollout saw, by [`TrainedSample::number`]; on rank 0 alone.
    pub seen: Vec<Seen>,
}

/// A sample's log-probabilities as an objective got them; empty for samples that were left out of every update.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Under the policy as it was before that update.
    pub logp: Vec<f32>,
    /// Under the reference policy, where the run has one.
    pub logp_ref: Vec<f32>,
    /// Under the policy that the epoch began with, where the objective asks.
    pub logp_epoch: Vec<f32>,
}

impl Updated {
    /// Before the first update on a rollout of `samples` samples.
    pub fn new(samples: usize) -> Self {
        Self {
            losses: Vec::new(),
            norms: Vec::new(),
            stats: Stats::empty(),
            tokens: 0,
            skipped: 0,
            learning_rate: None,
            seen: vec![Seen::default(); samples],
        }
    }

    /// Keeps what samples of `groups` had.
    fn keep(&mut self, groups: &[TrainedGroup], seen: Vec<SeenLogp>) {
        for (number, logp) in seen {
            if let Some(seen) = self.seen.get_mut(number) {
                *seen = Seen { logp, ..Seen::default() };
            }
        }
        for sample in groups.iter().flat_map(|group| &group.samples) {
            if let Some(seen) = self.seen.get_mut(sample.number).filter(|seen| !seen.logp.is_empty()) {
                seen.logp_ref = sample.logp_ref.to_vec();
                seen.logp_epoch = sample.logp_epoch.to_vec();
            }
        }
    }
}

/// What an update is made with.
pub struct Rule<'a> {
    /// The run's configuration.
    pub config: &'a Config,
    /// The objective with its options and regularisers.
    pub objective: &'a Objective,
    /// Updates of the whole run, for the learning rate.
    pub total_updates: u64,
    /// Step of the run, for messages.
    pub step: u64,
    /// Who shares the work.
    pub ranks: &'a Ranks,
}

impl Rule<'_> {
    /// Whether a sample with this advantage has loss and gradient 0.
    fn is_inert(&self, advantage: f32) -> bool {
        self.config.regularizer.entropy_coefficient == 0.0 && self.objective.is_inert(advantage)
    }
}

/// Groups of each mini-batch but the last, which may be smaller, when `groups` are cut into `mini_batches`.
pub fn groups_in_mini_batch(groups: usize, mini_batches: usize) -> usize {
    groups.div_ceil(mini_batches.max(1)).max(1)
}

/// Updates the policy on one mini-batch of groups, the same on every rank.
///
/// # Errors
/// [`UpdateError`]; the weights are unchanged then.
pub fn update(
    policy: &mut Policy,
    rule: &Rule,
    groups: &[TrainedGroup],
    done: &mut Updated,
) -> Result<(), UpdateError> {
    if groups.iter().flat_map(|g| &g.samples).any(|s| s.logp_old.iter().any(|logp| !logp.is_finite())) {
        return not_finite(policy, rule, "the sampled log-probabilities are", done);
    }
    // Every token of the mini-batch is masked: there is nothing to learn from.
    if groups.iter().flat_map(|group| &group.samples).all(TrainedSample::is_masked) {
        policy.updates += 1;
        return Ok(());
    }
    let denominators = rule.objective.denominators_from(counts(groups)?)?;
    let inert = |advantage| rule.is_inert(advantage);
    let parts = parts::parts(groups, rule.config.update.shards.unwrap_or(1), |sample| sample.is_idle(inert));
    let Passes { parts, seen, partial } = passes::passes(policy, rule, &parts, &denominators)?;
    done.keep(groups, seen);
    let (mut loss, mut stats) = (0.0, Stats::empty());
    for part in parts {
        done.tokens += part.tokens;
        if !part.finite {
            return not_finite(policy, rule, "a log-probability is", done);
        }
        loss += part.loss;
        stats.merge(&part.stats);
    }
    partial.sum(policy, rule.ranks)?;
    let norm = policy.finish_gradient()?;
    if !loss.is_finite() || !policy.can_step(rule.config, norm) {
        let what = if loss.is_finite() { "the gradient is" } else { "the loss is" };
        return not_finite(policy, rule, what, done);
    }
    done.losses.push(loss);
    done.norms.push(norm);
    done.stats.merge(&stats);
    done.learning_rate = Some(policy.step(rule.config, norm, rule.total_updates)?);
    Ok(())
}

/// Skips the update or stops, as configured; the weights stay as they are.
fn not_finite(policy: &mut Policy, rule: &Rule, what: &'static str, done: &mut Updated) -> Result<(), UpdateError> {
    policy.updates += 1;
    done.skipped += 1;
    match rule.config.update.on_nonfinite {
        OnNonfinite::Skip => Ok(()),
        OnNonfinite::Stop => Err(UpdateError::NotFinite { step: rule.step, what, update: policy.updates }),
    }
}

/// Normalisers of the whole mini-batch, sequences that are left out of the update included.
fn counts(groups: &[TrainedGroup]) -> Result<Counts, ObjectiveError> {
    let mut offsets = vec![0];
    let (mut ids, mut mask) = (Vec::new(), Vec::new());
    for group in groups {
        for sample in &group.samples {
            offsets.push(offsets[offsets.len() - 1] + sample.tokens.len());
            ids.push(group.id);
            mask.extend_from_slice(sample.mask);
        }
    }
    Counts::of(&offsets, (!mask.is_empty()).then_some(&mask), &ids)
}
