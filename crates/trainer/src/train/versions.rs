//! Which weights a step's samples come from, and the older ones that are kept for it.
use crate::config::{Config, choice::Reload};
use std::collections::BTreeMap;
use std::sync::Arc;
use surefoot_engine::model::Model;

/// The version (number of steps that made it) of the weights that the samples of `step` are to come from.
///
/// With staleness N and new weights for a server every k steps: `step - 1 - N`, rounded down to a multiple of k, and at
/// least 0. A server that gets no new weights keeps version 0.
pub(super) fn wanted(config: &Config, step: u64) -> u64 {
    let newest = (step - 1).saturating_sub(config.rollout.staleness);
    match (config.remote(), config.server.reload) {
        (true, Reload::None) => 0,
        (true, _) => newest - newest % config.server.reload_every,
        (false, _) => newest,
    }
}

/// Weights of older steps that samples are still to be drawn from.
#[derive(Clone, Default)]
pub(crate) struct Versions(BTreeMap<u64, Arc<Model>>);

impl Versions {
    /// Keeps the weights `model` of the step `done`, if a later step needs them, and lets go of those that none needs.
    pub fn keep<E>(&mut self, config: &Config, done: u64, model: impl FnOnce() -> Result<Model, E>) -> Result<(), E> {
        let every = if config.remote() { config.server.reload_every } else { 1 };
        let (oldest, last) = (wanted(config, done + 1), done + config.rollout.staleness + every);
        self.0.retain(|version, _| *version >= oldest);
        // The next step can take them from the policy itself, if it waits for its samples.
        let next = if config.rollout.staleness > 0 { done + 1 } else { done + 2 };
        if !self.0.contains_key(&done) && (next..=last).any(|step| wanted(config, step) == done) && sends(config) {
            self.0.insert(done, Arc::new(model()?));
        }
        Ok(())
    }

    /// The weights `version`, or the oldest newer ones that are kept: a run that is resumed with a greater staleness than it
    /// had does not have all.
    pub fn get(&self, version: u64) -> Option<(u64, Arc<Model>)> {
        self.0.range(version..).next().map(|(version, model)| (*version, model.clone()))
    }

    /// What a checkpoint of the step `done` must hold beside the weights of that step.
    pub fn older(&self, config: &Config, done: u64) -> impl Iterator<Item = (u64, &Model)> {
        let oldest = wanted(config, done + 1);
        self.0.range(oldest.min(done)..done).map(|(version, model)| (*version, model.as_ref()))
    }

    /// Adds weights that a checkpoint held.
    pub fn restore(&mut self, version: u64, model: Model) {
        self.0.insert(version, Arc::new(model));
    }
}

/// Whether samples depend on the weights of this run at all.
fn sends(config: &Config) -> bool {
    !(config.remote() && config.server.reload == Reload::None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Purpose;
    use surefoot_engine::config::ModelConfig;

    fn config(staleness: u64, server: Option<(Reload, u64)>) -> Config {
        let mut config = Config::defaults(Purpose::Train);
        config.rollout.staleness = staleness;
        if let Some((reload, every)) = server {
            config.server.url = "http://127.0.0.1:1".to_string();
            (config.server.reload, config.server.reload_every) = (reload, every);
        }
        config
    }

    #[test]
    fn versions_lag_by_staleness_and_by_the_servers_period() {
        let of = |config: &Config| (1..=7).map(|step| wanted(config, step)).collect::<Vec<_>>();
        assert_eq!(of(&config(0, None)), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(of(&config(2, None)), [0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(of(&config(0, Some((Reload::Vllm, 3)))), [0, 0, 0, 3, 3, 3, 6]);
        assert_eq!(of(&config(1, Some((Reload::Vllm, 2)))), [0, 0, 0, 2, 2, 4, 4]);
        assert_eq!(of(&config(1, Some((Reload::None, 1)))), [0; 7]);
    }

    /// At every step, what later steps want is kept or is the present one; and a checkpoint loses nothing of it.
    #[test]
    fn what_later_steps_want_is_kept_and_nothing_else() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
        let structure = ModelConfig::from_folder(&folder).unwrap();
        for (staleness, server) in [(0, None), (1, None), (3, None), (0, Some(3)), (2, Some(2)), (1, Some(4))] {
            let config = config(staleness, server.map(|every| (Reload::Surefoot, every)));
            let mut versions = Versions::default();
            for done in 0..20 {
                let model = |version: u64| Model { config: structure.clone(), weights: vec![version as f32] };
                versions.keep(&config, done, || Ok::<_, ()>(model(done))).unwrap();
                for step in done + 1..=done + 1 + staleness {
                    let (version, kept) = versions.get(wanted(&config, step)).unwrap_or((done, Arc::new(model(done))));
                    assert_eq!(
                        version,
                        wanted(&config, step),
                        "staleness {staleness}, {server:?}, step {step} of {done}"
                    );
                    assert_eq!(kept.weights, [version as f32]);
                }
                let every = server.unwrap_or(1) as usize;
                assert!(
                    versions.0.len() <= (staleness as usize + 1).div_ceil(every) + 1,
                    "{done}: {:?}",
                    versions.0.keys()
                );
                let older: Vec<u64> = versions.older(&config, done).map(|(version, _)| version).collect();
                let mut resumed = Versions::default();
                older.iter().for_each(|&version| resumed.restore(version, model(version)));
                resumed.keep(&config, done, || Ok::<_, ()>(model(done))).unwrap();
                assert_eq!(resumed.0.keys().collect::<Vec<_>>(), versions.0.keys().collect::<Vec<_>>());
            }
        }
    }
}
