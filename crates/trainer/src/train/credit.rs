//! From rewards to advantages, with the divergence from the reference policy as a part of the reward.
use super::TrainError;
use crate::rollout::Group;
use crate::update::Advantage;
use surefoot_objectives::advantage::{AdvantageEstimator, AdvantageValues, RewardBatch};

/// The advantages of a rollout.
pub(super) struct Credit {
    /// One a sample, or one a token.
    values: AdvantageValues,
    /// Boundaries of the samples among the tokens.
    offsets: Vec<usize>,
    /// Mean over the samples of the divergence of their tokens, where it is a part of the reward.
    pub divergence: Option<f64>,
    /// Log-probabilities under the reference policy that the advantages depend on, by sample; empty where they depend on none.
    pub logp_ref: Vec<Vec<f32>>,
}

impl Credit {
    /// The advantages of `groups`, whose samples earned `rewards`; `logp_ref` has a list a sample where there is a
    /// reference policy.
    pub fn of(
        estimator: &AdvantageEstimator,
        groups: &[Group],
        rewards: &[f32],
        logp_ref: &[Vec<f32>],
    ) -> Result<Self, TrainError> {
        let samples = || groups.iter().flat_map(|group| &group.samples);
        let ids: Vec<u32> =
            groups.iter().zip(0..).flat_map(|(group, id)| group.samples.iter().map(move |_| id)).collect();
        let mut offsets = vec![0];
        for sample in samples() {
            offsets.push(offsets[offsets.len() - 1] + sample.tokens.len());
        }
        let batch = RewardBatch::new(rewards, &ids)?.with_tokens(&offsets, None)?;
        if estimator.kl_coefficient == 0.0 {
            let values = match estimator.compute(&batch)? {
                // Without a penalty, every token of a sequence has the same one.
                AdvantageValues::PerToken(values) => {
                    let first = offsets[..offsets.len() - 1].iter().map(|&first| values[first]);
                    AdvantageValues::PerSequence(first.collect())
                }
                by_sequence => by_sequence,
            };
            return Ok(Self { values, offsets, divergence: None, logp_ref: Vec::new() });
        }
        let (mut old, mut reference) = (Vec::new(), Vec::new());
        for (sample, logp_ref) in samples().zip(logp_ref) {
            // What is not finite has no divergence; the update skips the mini-batch of such a sample.
            let finite = sample.logp.iter().chain(logp_ref).all(|logp| logp.is_finite());
            old.extend_from_slice(&sample.logp);
            reference.extend_from_slice(if finite { logp_ref } else { &sample.logp });
        }
        old.iter_mut().zip(&mut reference).filter(|(old, _)| !old.is_finite()).for_each(|(old, reference)| {
            (*old, *reference) = (0.0, 0.0);
        });
        let k = |(&old, &reference)| estimator.kl_estimator.at(f64::from(old) - f64::from(reference)).0;
        let divergence = old.iter().zip(&reference).map(k).sum::<f64>() / rewards.len().max(1) as f64;
        let values = estimator.compute(&batch.with_logp(&old, &reference)?)?;
        Ok(Self { values, offsets, divergence: Some(divergence), logp_ref: logp_ref.to_vec() })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The advantage of a sample.
    pub fn of_sample(&self, number: usize) -> Advantage<'_> {
        match &self.values {
            AdvantageValues::PerSequence(values) => Advantage::Sequence(values[number]),
            AdvantageValues::PerToken(values) => {
                Advantage::Tokens(&values[self.offsets[number]..self.offsets[number + 1]])
            }
        }
    }
}
