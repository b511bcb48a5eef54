//! The reference policy: the model that the run began with, whose log-probabilities are computed once a rollout.
use crate::config::Config;
use crate::policy::{Policy, PolicyError};
use crate::ranks::{Ranks, RanksError};
use crate::rollout::Group;
use crate::update::score;
use std::path::Path;

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

    /// Log-probability of each token of each sample, in the order of the samples.
    pub fn logp(
        &self,
        policy: &mut Policy,
        config: &Config,
        groups: &[Group],
        ranks: &Ranks,
    ) -> Result<Vec<Vec<f32>>, RanksError> {
        let scored = score(policy, config, groups, Some(&self.0), ranks)?;
        Ok(scored.into_iter().map(|scored| scored.logp).collect())
    }
}
