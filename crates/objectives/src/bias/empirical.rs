//! The bias of an objective on a softmax policy, exactly (DGPO Tables 5 to 10).

use crate::control::{Control, Token};
use crate::region::{Bounds, Region};

/// `‖E[1_region·(F − r)·A·∇log π]‖` in each region.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RegionBias {
    /// In the order of [`Region::ALL`]: LN, HP, LP, HN, M.
    pub bias: [f64; 5],
    /// The norm of the policy gradient's own part in each region, to compare with.
    pub gradient: [f64; 5],
}

impl RegionBias {
    /// The bias in one region.
    pub fn of(&self, region: Region) -> f64 {
        self.bias[region as usize]
    }
}

/// The bias of an objective on softmax policies over V tokens in S states, by summing over all tokens.
///
/// `logits_old` and `logits` are the parameters `[S][V]` of the sampling policy and the one being trained,
/// `advantages` `[S][V]` those of each token; the gradient is by the logits. Rows beyond the shortest argument are not
/// read. `bounds` are those of the regions, also for objectives that have none or others.
pub fn empirical(
    control: &Control,
    bounds: Bounds,
    logits_old: &[Vec<f64>],
    logits: &[Vec<f64>],
    advantages: &[Vec<f64>],
) -> RegionBias {
    let states = logits_old.len().min(logits.len()).min(advantages.len()) as f64;
    let mut squares = RegionBias::default();
    for ((old, new), advantages) in logits_old.iter().zip(logits).zip(advantages) {
        let (log_old, log_new) = (log_softmax(old), log_softmax(new));
        // the states have parameters of their own: the squared norms add up
        let vocabulary = old.len().min(new.len()).min(advantages.len());
        let mut gradient = vec![[0.0; 2]; vocabulary * 5];
        for token in 0..vocabulary {
            let log_ratio = log_new[token] - log_old[token];
            let advantage = advantages[token];
            let region = bounds.region(log_ratio, advantage) as usize;
            let term = control.formula().term(Token { logp: log_new[token], log_ratio, advantage, progress: 1.0 });
            let exact = log_ratio.exp() * advantage;
            let share = log_old[token].exp() / states;
            for (other, log_other) in log_new.iter().enumerate().take(vocabulary) {
                // ∂log π(token)/∂logit(other)
                let score = f64::from(u8::from(other == token)) - log_other.exp();
                let cell = &mut gradient[region * vocabulary + other];
                cell[0] += share * (term.coefficient - exact) * score;
                cell[1] += share * exact * score;
            }
        }
        for (at, [bias, exact]) in gradient.into_iter().enumerate() {
            squares.bias[at / vocabulary] += bias * bias;
            squares.gradient[at / vocabulary] += exact * exact;
        }
    }
    RegionBias { bias: squares.bias.map(f64::sqrt), gradient: squares.gradient.map(f64::sqrt) }
}

fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let greatest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logits.iter().map(|logit| (logit - greatest).exp()).sum();
    logits.iter().map(|logit| logit - greatest - total.ln()).collect()
}
