//! The tokens of a recorded step as their update met them: probability, ratio, region, multiplier.

use crate::config::Config;

use crate::objectives::curve::{Quantity, value};
use crate::objectives::{Bounds, Objective, Region, control};
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
        let clip = objective.as_ref().and_then(|objective| objective.control.clip_before_mean());
        let mut tokens = Vec::new();
        for sample in samples.iter().filter(|s| !s.logp.is_empty() && s.logp.len() == s.logp_old.len()) {
            let advantage = f64::from(sample.advantage);
            let pairs = || sample.logp.iter().zip(&sample.logp_old).map(|(new, old)| f64::from(*new) - f64::from(*old));
            let mean = pairs().map(|x| clip.map_or(x, |clip| clip.clipped(x, advantage))).sum::<f64>();
            let mean = mean / sample.logp.len() as f64;
            for (log_ratio, old) in pairs().zip(&sample.logp_old) {
                let controlled = if by_sequence { mean } else { log_ratio };
                let beyond = clip.is_some_and(|clip| clip.is_beyond(log_ratio, advantage));
                let logp = f64::from(*old) + log_ratio;
                let at = control::Token { logp, log_ratio: controlled, advantage, progress: 1.0 };
                let token = Token {
                    probability: f64::from(*old).exp(),
                    ratio: log_ratio.exp(),
                    region: bounds.region(if clip.is_some() { log_ratio } else { controlled }, advantage),
                    multiplier: multiplier(objective.as_ref(), at).map(|m| if beyond { 0.0 } else { m }),
                };
                if token.probability.is_finite() && token.ratio.is_finite() && token.ratio > 0.0 {
                    tokens.push(token);
                }
            }
        }
        tokens
    }
}

fn multiplier(objective: Option<&Objective>, at: control::Token) -> Option<f64> {
    let (objective, control::Token { log_ratio, advantage, .. }) = (objective?, at);
    if advantage == 0.0 {
        return None;
    }
    let multiplier = if objective.control.reads_probability() {
        Some(objective.control.term(at).coefficient / advantage)
    } else {
        value(objective, Quantity::Multiplier, log_ratio.exp(), advantage > 0.0)
    };
    multiplier.map(f64::abs).filter(|m| m.is_finite())
}
