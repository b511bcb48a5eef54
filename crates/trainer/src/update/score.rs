//! Log-probabilities of a rollout's tokens under given weights, without an update.
use super::{Advantage, TrainedGroup, TrainedSample, UpdateError, pack};
use crate::config::Config;
use crate::policy::{Of, Pass, Policy};
use crate::ranks::{Ranks, Reader, Writer};
use crate::rollout::Group;
use surefoot_engine::device::DeviceError;

/// What a policy says of a sample's tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scored {
    /// Log-probability of each in the tempered distribution.
    pub logp: Vec<f32>,
    /// Entropy of that distribution at each, in nats.
    pub entropy: Vec<f32>,
}

/// Scores each sample, in their order, under the weights `of`; each rank a share of the groups. As everywhere, the bits do not
/// depend on what is computed together, so that they are those that an update or the sampler would find.
///
/// # Errors
/// What the device failed with, or another rank.
pub fn score(
    policy: &mut Policy,
    config: &Config,
    groups: &[Group],
    of: Of,
    ranks: &Ranks,
) -> Result<Vec<Scored>, UpdateError> {
    let own = score_here(policy, config, &groups[ranks.share(groups.len())], of)?;
    if !ranks.are_several() {
        return Ok(own);
    }
    let mut told = Writer::default();
    for Scored { logp, entropy } in &own {
        told.values(logp).values(entropy);
    }
    let mut all = Vec::new();
    for (rank, told) in ranks.gather(told.done())?.iter().enumerate() {
        let mut told = Reader::new(told);
        let samples = groups[ranks.share_of(rank, groups.len())].iter().map(|group| group.samples.len()).sum();
        for _ in 0..samples {
            all.push(Scored { logp: told.values()?, entropy: told.values()? });
        }
    }
    Ok(all)
}

fn score_here(policy: &mut Policy, config: &Config, groups: &[Group], of: Of) -> Result<Vec<Scored>, DeviceError> {
    let mut numbers = 0..;
    let all: Vec<TrainedGroup> = groups
        .iter()
        .zip(0..)
        .map(|(group, id)| TrainedGroup {
            id,
            prompt: &group.prompt.tokens,
            samples: group
                .samples
                .iter()
                .zip(numbers.by_ref())
                .map(|(sample, number)| TrainedSample {
                    number,
                    tokens: &sample.tokens,
                    logp_old: &sample.logp,
                    logp_ref: &[],
                    logp_epoch: &[],
                    logp_behavior: &[],
                    advantage: Advantage::Sequence(0.0),
                    token_weights: &[],
                    mask: &[],
                })
                .collect(),
        })
        .collect();
    let scale = 1.0 / config.rollout.temperature as f32;
    let mut found = vec![Scored::default(); groups.iter().map(|group| group.samples.len()).sum()];
    for batch in pack(&all, policy.tokens_per_micro_batch(config), |_| false) {
        let recompute = config.update.recompute;
        let predicted =
            policy.forward(&Pass { batch: &batch.packed, targets: &batch.targets, scale, of, recompute })?;
        for (&number, span) in batch.numbers.iter().zip(batch.offsets.windows(2)) {
            let span = span[0]..span[1];
            found[number] =
                Scored { logp: predicted.logp[span.clone()].to_vec(), entropy: predicted.entropy[span].to_vec() };
        }
    }
    Ok(found)
}
