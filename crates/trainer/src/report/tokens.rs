//! The tokens of a recorded step as their update met them: probability, ratio, region, multiplier.

use crate::config::Config;
use crate::objectives::curve::{Quantity, value};
use crate::objectives::{Bounds, Objective, Region};
use crate::run_folder::rollouts::Sample;

/// One trained token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    /// Its probability under the policy that sampled it.
    pub probability: f64,
    /// `exp(logp − logp_old)` at its update.
    pub ratio: f64,
    /// Where it stands between the objective's bounds.
    pub region: Region,
    /// The objective's gradient multiplier `|g / A|`, policy drift left out; `None` with advantage 0.
    pub multiplier: Option<f64>,
}

impl Token {
    /// The tokens of the samples that an update has read; none for files that do not hold what it saw.
    pub(super) fn of(samples: &[Sample], config: Option<&Config>) -> Vec<Token> {
        let objective = config.and_then(|config| config.build_objective().ok());
        let bounds = objective.as_ref().and_then(|objective| objective.control.bounds()).unwrap_or(Bounds::REPORT);
        let by_sequence = objective.as_ref().is_some_and(|objective| objective.control.controls_sequences());
        let mut tokens = Vec::new();
        for sample in samples.iter().filter(|s| !s.logp.is_empty() && s.logp.len() == s.logp_old.len()) {
            let advantage = f64::from(sample.advantage);
            let pairs = || sample.logp.iter().zip(&sample.logp_old).map(|(new, old)| f64::from(*new) - f64::from(*old));
            let mean = pairs().sum::<f64>() / sample.logp.len() as f64;
            for (log_ratio, old) in pairs().zip(&sample.logp_old) {
                let controlled = if by_sequence { mean } else { log_ratio };
                let token = Token {
                    probability: f64::from(*old).exp(),
                    ratio: log_ratio.exp(),
                    region: bounds.region(controlled, advantage),
                    multiplier: multiplier(objective.as_ref(), controlled, advantage),
                };
                if token.probability.is_finite() && token.ratio.is_finite() && token.ratio > 0.0 {
                    tokens.push(token);
                }
            }
        }
        tokens
    }
}

fn multiplier(objective: Option<&Objective>, log_ratio: f64, advantage: f64) -> Option<f64> {
    if advantage == 0.0 {
        return None;
    }
    value(objective?, Quantity::Multiplier, log_ratio.exp(), advantage > 0.0).map(f64::abs).filter(|m| m.is_finite())
}
