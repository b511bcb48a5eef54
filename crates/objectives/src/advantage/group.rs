//! Advantages from the statistics of a prompt's group.

use std::collections::BTreeMap;

use super::{AdvantageError, AdvantageEstimator, Estimator, STD_EPSILON, Weight, narrow};

/// How many groups have something to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupSignal {
    /// Groups.
    pub groups: usize,
    /// Those whose rewards are all equal: every group-relative advantage is 0.
    pub without_signal: usize,
}

/// Counts the groups whose rewards are all equal. `rewards` and `groups` are `[N]`.
pub fn group_signal(rewards: &[f32], groups: &[u32]) -> GroupSignal {
    signal(rewards, &members(groups))
}

fn signal<R: PartialEq>(rewards: &[R], members: &BTreeMap<u32, Vec<usize>>) -> GroupSignal {
    let without_signal = members.values().filter(|members| all_equal(rewards, members)).count();
    GroupSignal { groups: members.len(), without_signal }
}

/// The sequences of each group.
pub(super) fn members(groups: &[u32]) -> BTreeMap<u32, Vec<usize>> {
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (sequence, &group) in groups.iter().enumerate() {
        members.entry(group).or_default().push(sequence);
    }
    members
}

fn all_equal<R: PartialEq>(rewards: &[R], members: &[usize]) -> bool {
    members.iter().all(|&sequence| rewards[sequence] == rewards[members[0]])
}

/// Refuses groups of one sample.
pub(super) fn check_sizes(members: &BTreeMap<u32, Vec<usize>>, estimator: Estimator) -> Result<(), AdvantageError> {
    match members.iter().find(|(_, members)| members.len() < 2) {
        Some((&group, members)) => Err(AdvantageError::GroupOfOne { sequence: members[0], group, estimator }),
        None => Ok(()),
    }
}

/// One advantage a sequence; `rewards` and `groups` are `[N]`.
pub(super) fn advantages(
    options: &AdvantageEstimator,
    rewards: &[f64],
    groups: &[u32],
) -> Result<Vec<f32>, AdvantageError> {
    let members = members(groups);
    check_sizes(&members, options.estimator)?;
    let signal = signal(rewards, &members);
    let with_signal = signal.groups - signal.without_signal;
    let mut advantages = vec![0.0; rewards.len()];
    for sequences in members.values() {
        if all_equal(rewards, sequences) {
            continue;
        }
        let own: Vec<f64> = sequences.iter().map(|&s| rewards[s]).collect();
        let n = own.len() as f64;
        let total: f64 = own.iter().sum();
        let deviation = || options.std.of(&own) + STD_EPSILON;
        let scale = match (options.estimator, options.weight) {
            (Estimator::Grpo, _) | (Estimator::DrGrpo, Weight::Std) => 1.0 / deviation(),
            (Estimator::DrGrpo, Weight::ClipFilter) => {
                (signal.groups as f64 / with_signal as f64).min(options.weight_bound)
            }
            // R − (Σ − R)/(n − 1) = (R − mean)·n/(n − 1)
            (Estimator::Rloo, _) => n / (n - 1.0),
            (Estimator::DrGrpo | Estimator::Raw | Estimator::ReinforcePlusPlus | Estimator::RlooNormalized, _) => 1.0,
        };
        for (&sequence, reward) in sequences.iter().zip(&own) {
            advantages[sequence] = narrow((reward - total / n) * scale);
        }
    }
    Ok(advantages)
}
