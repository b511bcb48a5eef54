//! SAPO: a sigmoid gate in place of the clip.

use super::{Formula, Inputs, Outputs, Term, Token, maximum::maximum, sign::positive};
use crate::exponential::{LOG_LIMIT, exp};
use crate::option::{Entry, Range};

/// Soft Adaptive Policy Optimization: with `p = σ(τ(r−1))`, `J = (4/τ)·p·A` and `g = 4p(1−p)·r·A`, where
/// `τ = τ_pos` if `A > 0`, else `τ_neg`.
///
/// At `r = 1` the multiplier is 1, and negative advantages are damped sooner. Key `sapo`; τ_pos = 1.0, τ_neg = 1.05.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sapo {
    /// `τ_pos`.
    pub temperature_positive: f64,
    /// `τ_neg`.
    pub temperature_negative: f64,
}

impl Sapo {
    /// The paper's options.
    pub const DEFAULT: Self = Self { temperature_positive: 1.0, temperature_negative: 1.05 };
}

impl Formula for Sapo {
    fn term(&self, token: Token) -> Term {
        let ratio = token.log_ratio.min(f64::from(LOG_LIMIT)).exp();
        let tau = if positive(token.advantage) { self.temperature_positive } else { self.temperature_negative };
        let z = tau * (ratio - 1.0);
        // p(1−p) = e/(1+e)² with e = exp(−|z|), which does not cancel
        let e = (-z.abs()).exp();
        let p = if z > 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) };
        Term {
            surrogate: 4.0 / tau * p * token.advantage,
            coefficient: 4.0 * e / ((1.0 + e) * (1.0 + e)) * ratio * token.advantage,
        }
    }

    #[inline(always)]
    fn columns(&self, inputs: &Inputs<'_>, outputs: &mut Outputs<'_>) {
        let (tau_raised, tau_other) = (self.temperature_positive as f32, self.temperature_negative as f32);
        let (scale_positive, scale_negative) = (4.0 / tau_raised, 4.0 / tau_other);
        let n = inputs.ratio.len();
        let (ratio, advantage) = (&inputs.ratio[..n], &inputs.advantage[..n]);
        let (multiplier, value) = (&mut outputs.multiplier[..n], &mut outputs.value[..n]);
        for i in 0..n {
            let raised = positive(advantage[i]);
            let tau = if raised { tau_raised } else { tau_other };
            let z = tau * (ratio[i] - 1.0);
            let e = exp(-z.abs());
            let gate = 1.0 / (1.0 + e);
            value[i] = if raised { scale_positive } else { scale_negative } * if z > 0.0 { gate } else { e * gate };
            multiplier[i] = 4.0 * e * gate * gate * ratio[i];
        }
    }

    fn entries(&mut self) -> Vec<Entry<'_>> {
        vec![
            Entry::number(
                "temperature_positive",
                &mut self.temperature_positive,
                Range::Positive,
                "τ_pos: steepness of the gate for positive advantages (SAPO)",
            ),
            Entry::number(
                "temperature_negative",
                &mut self.temperature_negative,
                Range::Positive,
                "τ_neg: steepness of the gate for other advantages (SAPO)",
            ),
        ]
    }

    fn multiplier_bound(&self) -> Option<f64> {
        let peak = |tau: f64| {
            let multiplier = |ratio: f64| {
                let e = (-(tau * (ratio - 1.0)).abs()).exp();
                4.0 * e / ((1.0 + e) * (1.0 + e)) * ratio
            };
            // the peak lies at τ(r−1) < 2.4 for τ ≥ 1 and nearer than that to r = 1 + 2.4/τ below
            maximum(multiplier, 0.0, 1.0 + 8.0 / tau)
        };
        Some(peak(self.temperature_positive).max(peak(self.temperature_negative)))
    }
}
