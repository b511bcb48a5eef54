//! The reference policy: the model that the run began with, whose log-probabilities are computed once a rollout.
use crate::config::Config;
use crate::policy::{Policy, PolicyError, Workspace};
use crate::rollout::Group;
use crate::update::{Advantage, TrainedGroup, TrainedSample, pack};
use std::path::Path;
use surefoot_engine::device::Weights;

/// Weights of the reference policy.
pub(super) struct Reference(Vec<f32>);

impl Reference {
    /// The model of `folder`, if a regulariser or the reward asks for a divergence from it; without an optimizer's state.
    pub fn load(
        config: &Config,
        folder: &Path,
        positions: usize,
        keys: &'static str,
    ) -> Result<Option<Self>, PolicyError> {
        let wanted = config.regularizer.reference_coefficient > 0.0 || config.advantage.kl_coefficient > 0.0;
        let load = || Policy::for_sampling(folder, positions, keys);
        Ok(if wanted { Some(Reference(load()?.0.model.weights)) } else { None })
    }

    /// Log-probability of each token of each sample, in the order of the samples. As everywhere, the bits do not depend on
    /// what is computed together, so that they are those that an update would find.
    pub fn logp(&self, policy: &mut Policy, config: &Config, groups: &[Group]) -> Vec<Vec<f32>> {
        let mut samples = groups.iter().flat_map(|group| &group.samples).enumerate();
        let all: Vec<TrainedGroup> = groups
            .iter()
            .zip(0..)
            .map(|(group, id)| TrainedGroup {
                id,
                prompt: &group.prompt.tokens,
                samples: samples
                    .by_ref()
                    .take(group.samples.len())
                    .map(|(number, sample)| TrainedSample {
                        number,
                        tokens: &sample.tokens,
                        logp_old: &sample.logp,
                        logp_ref: &[],
                        advantage: Advantage::Sequence(0.0),
                    })
                    .collect(),
            })
            .collect();
        let scale = 1.0 / config.rollout.temperature as f32;
        let mut found = vec![Vec::new(); groups.iter().map(|group| group.samples.len()).sum()];
        for batch in pack(&all, config.update.tokens_per_micro_batch, |_| false) {
            let Workspace { decoder, tape, .. } = policy.workspace(batch.packed.len(), config.update.recompute);
            let weights = Weights { arena: &self.0, packed: None };
            let logp = decoder.forward(weights, &batch.packed, &batch.targets, scale, tape).logp;
            for (&number, span) in batch.numbers.iter().zip(batch.offsets.windows(2)) {
                found[number] = logp[span[0]..span[1]].to_vec();
            }
        }
        found
    }
}
