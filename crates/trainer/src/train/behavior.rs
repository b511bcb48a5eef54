//! Samples that another policy drew than the one that is updated: where their ratios start, and how they are weighted.
use super::TrainError;
use crate::config::{Config, choice::Truncated};
use crate::policy::{Of, Policy};
use crate::ranks::Ranks;
use crate::rollout::Group;
use crate::update::{Scored, UpdateError, score};
use surefoot_objectives::correction::{Correction, CorrectionStats};

/// Computes `logp_old` of every sample with the present weights. What the sampler said stays as `logp_behavior`; of a token
/// that it said nothing of (not a number), `logp_old` is taken, so that it has weight 1. Entropies are filled in where the
/// sampler gave none.
pub(super) fn anchor(
    policy: &mut Policy,
    config: &Config,
    groups: &mut [Group],
    ranks: &Ranks,
) -> Result<(), UpdateError> {
    let scored = score(policy, config, groups, Of::Policy, ranks)?;
    for (sample, Scored { logp, entropy }) in groups.iter_mut().flat_map(|group| &mut group.samples).zip(scored) {
        for (behavior, logp) in sample.logp_behavior.iter_mut().zip(&logp).filter(|(behavior, _)| behavior.is_nan()) {
            *behavior = *logp;
        }
        sample.logp = logp;
        if sample.entropy.is_empty() {
            sample.entropy = entropy;
        }
    }
    Ok(())
}

/// Weights and masks of a step's samples.
#[derive(Default)]
pub(super) struct Corrected {
    weights: Vec<Vec<f32>>,
    masks: Vec<Vec<bool>>,
    /// How far the two policies are apart.
    pub stats: CorrectionStats,
}

impl Corrected {
    /// Applies `correction` to all samples of a step together.
    pub fn of(correction: &Correction, config: &Config, groups: &[Group]) -> Result<Self, TrainError> {
        let (mut old, mut behavior, mut mask, mut offsets) = (Vec::new(), Vec::new(), Vec::new(), vec![0]);
        for sample in groups.iter().flat_map(|group| &group.samples) {
            let finite = sample.logp.iter().chain(&sample.logp_behavior).all(|logp| logp.is_finite());
            // What is not finite is refused by the update, which counts it.
            let trained = finite && (sample.finished || config.update.truncated != Truncated::Mask);
            old.extend_from_slice(&sample.logp);
            behavior.extend_from_slice(&sample.logp_behavior);
            mask.extend(std::iter::repeat_n(trained, sample.tokens.len()));
            offsets.push(old.len());
        }
        let found = correction.apply(&old, &behavior, &offsets, Some(&mask)).map_err(UpdateError::from)?;
        let spans = || offsets.windows(2).map(|span| span[0]..span[1]);
        let weights = found.token_weights.map(|all| spans().map(|span| all[span].to_vec()).collect());
        let masks = found.mask.map(|all| spans().map(|span| all[span].to_vec()).collect());
        Ok(Self { weights: weights.unwrap_or_default(), masks: masks.unwrap_or_default(), stats: found.stats })
    }

    /// Weights of a sample's tokens; empty without importance weights.
    pub fn weights(&self, number: usize) -> &[f32] {
        self.weights.get(number).map_or(&[], Vec::as_slice)
    }

    /// Which of its tokens are kept; empty without rejections.
    pub fn mask(&self, number: usize) -> &[bool] {
        self.masks.get(number).map_or(&[], Vec::as_slice)
    }
}
