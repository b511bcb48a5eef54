//! The reference policy: the model that the run began with, whose log-probabilities are computed once a rollout.
use crate::config::Config;
use crate::policy::{Of, Policy, PolicyError, load_model};
use crate::ranks::Ranks;
use crate::rollout::Group;
use crate::update::{UpdateError, score};
use std::path::Path;
use surefoot_engine::device::DeviceError;

/// The reference policy, whose weights the policy's device holds.
#[derive(Clone, Copy)]
pub(super) struct Reference;

impl Reference {
    /// Weights of the model of `folder`, if a regulariser or the reward asks for a divergence from it.
    pub fn load(
        config: &Config,
        folder: &Path,
        positions: usize,
        keys: &'static str,
    ) -> Result<Option<Vec<f32>>, PolicyError> {
        let load = || load_model(folder, positions, keys);
        Ok(if config.needs_reference() { Some(load()?.0.weights) } else { None })
    }

    /// Hands the weights to the policy.
    pub fn new(policy: &mut Policy, weights: Vec<f32>) -> Result<Self, DeviceError> {
        policy.set_reference(weights).map(|()| Self)
    }

    /// Log-probability of each token of each sample, in the order of the samples.
    pub fn logp(
        self,
        policy: &mut Policy,
        config: &Config,
        groups: &[Group],
        ranks: &Ranks,
    ) -> Result<Vec<Vec<f32>>, UpdateError> {
        let scored = score(policy, config, groups, Of::Reference, ranks)?;
        Ok(scored.into_iter().map(|scored| scored.logp).collect())
    }
}
