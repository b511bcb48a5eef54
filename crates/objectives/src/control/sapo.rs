//! SAPO: a sigmoid gate in place of the clip.

use super::lane::{Lane, LaneTerm, LaneToken};
use super::{Formula, Surrogate, Term, Token, maximum::maximum, sign::positive};
use crate::exponential::{exp, exp_negative};
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

    pub(super) fn lane(&self) -> SapoLane {
        let (positive, other) = (self.temperature_positive as f32, self.temperature_negative as f32);
        SapoLane { positive, other, scale_positive: 4.0 / positive, scale_other: 4.0 / other }
    }
}

impl Surrogate for Sapo {
    fn term(&self, token: Token) -> Term {
        let ratio = token.ratio();
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

    fn options(&mut self) -> Vec<Entry<'_>> {
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

impl Formula for Sapo {}

/// SAPO in `f32`.
pub(super) struct SapoLane {
    positive: f32,
    other: f32,
    scale_positive: f32,
    scale_other: f32,
}

impl Lane for SapoLane {
    const STAGED: bool = true;

    /// The ratio and `τ(r−1)`.
    #[inline(always)]
    fn first(&self, log_ratio: f32, advantage: f32) -> [f32; 2] {
        let ratio = exp(log_ratio);
        let temperature = if positive(advantage) { self.positive } else { self.other };
        [ratio, temperature * (ratio - 1.0)]
    }

    /// `exp(−|τ(r−1)|)`.
    #[inline(always)]
    fn second(&self, [_, z]: [f32; 2]) -> f32 {
        exp_negative(-z.abs())
    }

    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        let ([ratio, z], e) = (token.first, token.second);
        let gate = 1.0 / (1.0 + e);
        let scale = if positive(token.advantage) { self.scale_positive } else { self.scale_other };
        let other = e * gate;
        LaneTerm::new(4.0 * other * gate * ratio, scale * if z > 0.0 { gate } else { other })
    }
}
