//! Advantages from the statistics of a prompt's group.

use std::collections::BTreeMap;

use super::{AdvantageError, AdvantageEstimator, Estimator, RewardBatch, STD_EPSILON, Scale, Weight, narrow, penalty};

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

pub(super) fn all_equal<R: PartialEq>(rewards: &[R], members: &[usize]) -> bool {
    members.iter().all(|&sequence| rewards[sequence] == rewards[members[0]])
}

/// Refuses groups of one sample.
pub(super) fn check_sizes(members: &BTreeMap<u32, Vec<usize>>, estimator: Estimator) -> Result<(), AdvantageError> {
    match members.iter().find(|(_, members)| members.len() < 2) {
        Some((&group, members)) => Err(AdvantageError::GroupOfOne { sequence: members[0], group, estimator }),
        None => Ok(()),
    }
}

/// One advantage a sequence.
pub(super) fn advantages(options: &AdvantageEstimator, batch: &RewardBatch<'_>) -> Result<Vec<f32>, AdvantageError> {
    let members = members(batch.groups);
    check_sizes(&members, options.estimator)?;
    let rewards = penalty::rewards(options, batch)?;
    let lengths = match options.estimator {
        Estimator::Opo => lengths(batch)?,
        _ => Vec::new(),
    };
    let signal = signal(&rewards, &members);
    let with_signal = signal.groups - signal.without_signal;
    let of_batch = match options.scale {
        Scale::Batch => Some(options.std.of(&rewards)),
        Scale::Group => None,
    };
    let mut advantages = vec![0.0; rewards.len()];
    for sequences in members.values() {
        if all_equal(&rewards, sequences) {
            continue;
        }
        let own: Vec<f64> = sequences.iter().map(|&s| rewards[s]).collect();
        let n = own.len() as f64;
        let mean = own.iter().sum::<f64>() / n;
        let deviation = || of_batch.unwrap_or_else(|| options.std.of(&own)) + STD_EPSILON;
        let (baseline, scale) = match (options.estimator, options.weight) {
            (Estimator::GrpoPassk, _) => {
                let (best, lead) = best(&own);
                advantages[sequences[best]] = narrow(lead / deviation());
                continue;
            }
            (Estimator::Opo, _) => {
                let total: f64 = sequences.iter().map(|&s| lengths[s]).sum();
                if total == 0.0 {
                    // no token of the group is trained
                    continue;
                }
                (sequences.iter().map(|&s| lengths[s] * rewards[s]).sum::<f64>() / total, 1.0)
            }
            (Estimator::Grpo, _) | (Estimator::DrGrpo, Weight::Std) => (mean, 1.0 / deviation()),
            (Estimator::DrGrpo, Weight::ClipFilter) => {
                (mean, (signal.groups as f64 / with_signal as f64).min(options.weight_bound))
            }
            // R − (Σ − R)/(n − 1) = (R − mean)·n/(n − 1)
            (Estimator::Rloo, _) => (mean, n / (n - 1.0)),
            (
                Estimator::DrGrpo
                | Estimator::Raw
                | Estimator::ReinforcePlusPlus
                | Estimator::RlooNormalized
                | Estimator::Gdpo,
                _,
            ) => (mean, 1.0),
        };
        for (&sequence, reward) in sequences.iter().zip(&own) {
            advantages[sequence] = narrow((reward - baseline) * scale);
        }
    }
    Ok(advantages)
}

/// The first of the samples with the greatest reward, and how far it is before the next one: 0 where several have it.
fn best(rewards: &[f64]) -> (usize, f64) {
    let (mut best, mut lead) = (0, f64::INFINITY);
    for (i, &reward) in rewards.iter().enumerate().skip(1) {
        if reward > rewards[best] {
            (best, lead) = (i, reward - rewards[best]);
        } else {
            lead = lead.min(rewards[best] - reward);
        }
    }
    (best, lead)
}

/// Trained tokens of each sequence.
fn lengths(batch: &RewardBatch<'_>) -> Result<Vec<f64>, AdvantageError> {
    let offsets = batch.offsets.ok_or(penalty::missing(Estimator::Opo, "offsets", "with_tokens"))?;
    Ok(penalty::trained(offsets, batch.mask).iter().map(|tokens| tokens.len() as f64).collect())
}
