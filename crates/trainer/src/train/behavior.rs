//! Samples that another policy drew than the one that is updated: where their ratios start.
use super::corrected::Drawn;
use crate::config::{Config, choice::Truncated};
use crate::policy::{Of, Policy};
use crate::ranks::Ranks;
use crate::rollout::Group;
use crate::update::{Scored, UpdateError, score};

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

/// The samples as a correction reads them.
pub(super) fn drawn<'a>(config: &Config, groups: &'a [Group]) -> impl Iterator<Item = Drawn<'a>> {
    let masked = config.update.truncated == Truncated::Mask;
    groups.iter().flat_map(|group| &group.samples).map(move |sample| Drawn {
        logp_old: &sample.logp,
        logp_behavior: &sample.logp_behavior,
        trained: sample.finished || !masked,
    })
}
