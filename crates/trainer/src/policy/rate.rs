//! How far an update goes: the learning rate over the run, and the clipping of the gradient.
use super::Policy;
use crate::config::{Config, choice::Schedule};
use surefoot_objectives::bias::scaled_learning_rate;

impl Policy {
    /// The peak learning rate: that of the configuration, scaled to the model's size where it says so (DGPO A.4, eq. 45).
    pub fn peak_rate(&self, config: &Config) -> f64 {
        let optimizer = &config.optimizer;
        let parameters = self.parameters() as f64;
        let scaled = |base| scaled_learning_rate(optimizer.learning_rate, base, parameters);
        optimizer.base_parameters.map_or(optimizer.learning_rate, scaled)
    }
}

/// Factor that brings a gradient of this norm down to `update.clip_grad_norm`.
pub(super) fn clip_scale(config: &Config, norm: f64) -> f64 {
    let clip = config.update.clip_grad_norm;
    if clip > 0.0 && norm > clip { clip / norm } else { 1.0 }
}

/// Learning rate of the 1-based update `update` of `total`: linear warm-up to `peak`, then the schedule, which has its end behind the last
/// update, so that none is made at a rate of 0.
pub fn learning_rate(config: &Config, peak: f64, update: u64, total: u64) -> f64 {
    let optimizer = &config.optimizer;
    let warmup = optimizer.warmup_steps;
    if update <= warmup {
        return peak * update as f64 / warmup as f64;
    }
    let span = total.saturating_sub(warmup).max(1) as f64;
    let passed = ((update - warmup - 1) as f64 / span).min(1.0);
    let shape = match optimizer.schedule {
        Schedule::Constant => return peak,
        Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * passed).cos()),
        Schedule::Linear => 1.0 - passed,
    };
    peak * (optimizer.min_ratio + (1.0 - optimizer.min_ratio) * shape)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::Purpose;
    use std::path::Path;
    use surefoot_engine::device::Wanted;

    /// DGPO A.4: a model of four times the parameters gets half of the rate.
    #[test]
    fn the_rate_is_scaled_to_the_models_size() {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
        let (policy, _) = Policy::for_sampling(&demo, 32, "rollout.max_new_tokens", Wanted::Cpu).unwrap();
        let mut config = Config::defaults(Purpose::Train);
        assert_eq!(policy.peak_rate(&config), 1e-6);
        config.optimizer.base_parameters = Some(policy.parameters() as f64 / 4.0);
        assert!((policy.peak_rate(&config) - 0.5e-6).abs() < 1e-18);
        config.optimizer.warmup_steps = 4;
        assert_eq!(learning_rate(&config, policy.peak_rate(&config), 1, 10), policy.peak_rate(&config) / 4.0);
    }

    #[test]
    fn every_update_of_a_schedule_moves_the_weights() {
        let mut config = Config::defaults(Purpose::Train);
        for schedule in [Schedule::Constant, Schedule::Cosine, Schedule::Linear] {
            config.optimizer.schedule = schedule;
            for warmup in [0, 2, 9] {
                config.optimizer.warmup_steps = warmup;
                let rates: Vec<f64> = (1..=10).map(|update| learning_rate(&config, 1.0, update, 10)).collect();
                assert!(rates.iter().all(|rate| *rate > 0.0 && *rate <= 1.0), "{schedule:?}: {rates:?}");
                assert_eq!(rates[warmup.saturating_sub(1) as usize], 1.0, "{schedule:?}: {rates:?}");
                assert!(rates[warmup as usize..].is_sorted_by(|a, b| a >= b), "{schedule:?}: {rates:?}");
            }
        }
        assert_eq!(learning_rate(&config, 1.0, 1, 1), 1.0 / 9.0);
    }
}
