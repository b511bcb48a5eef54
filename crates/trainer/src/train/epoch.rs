//! The policy that an epoch over a rollout begins with, for objectives that weigh the advantage by it (CPGD section 6.1).
use crate::policy::{Of, Policy};
use crate::rollout::Group;
use crate::update::{Rule, Scored, TrainedGroup, UpdateError, score};
use std::borrow::Cow;

/// What the present policy says of every sample of `groups`, as epoch `epoch` begins. `None` where the objective does not ask.
pub(super) fn logp(
    policy: &mut Policy,
    rule: &Rule,
    epoch: usize,
    groups: &[Group],
) -> Result<Option<Vec<Vec<f32>>>, UpdateError> {
    if !rule.objective.control.weighs_epochs() {
        return Ok(None);
    }
    // The policy that sampled is still the present one: its word stands in `logp_old`.
    if epoch == 0 && rule.config.begins_on_policy() {
        let logp = groups.iter().flat_map(|group| &group.samples).map(|sample| sample.logp.clone());
        return Ok(Some(logp.collect()));
    }
    let scored = score(policy, rule.config, groups, Of::Policy, rule.ranks)?;
    Ok(Some(scored.into_iter().map(|Scored { logp, .. }| logp).collect()))
}

/// The groups with those log-probabilities, which are in the order of all samples of the rollout.
pub(super) fn with_logp<'a>(
    groups: &'a [TrainedGroup<'a>],
    logp: Option<&'a [Vec<f32>]>,
) -> Cow<'a, [TrainedGroup<'a>]> {
    let Some(logp) = logp else { return Cow::Borrowed(groups) };
    let mut groups = groups.to_vec();
    for sample in groups.iter_mut().flat_map(|group| &mut group.samples) {
        sample.logp_epoch = logp.get(sample.number).map_or(&[], Vec::as_slice);
    }
    Cow::Owned(groups)
}
