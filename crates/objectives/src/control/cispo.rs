//! CISPO: the ratio as a clipped weight, whose gradient never vanishes.

use super::lane::{Lane, LaneTerm, LaneToken};
use super::{ClipRule, Formula, Surrogate, Term, Token};
use crate::exponential::{greater, lesser};
use crate::option::{Entry, Range};
use crate::region::Bounds;

/// Clipped importance-sampling weights: `J = sg[clip(r, 1−ε_l, 1+ε_h)]·A·log π`, so `g = clip(r, 1−ε_l, 1+ε_h)·A` for
/// either sign of `A` (DGPO eq. 3).
///
/// The bounds are *offsets* from 1, always: 0.2 means `[0.8, 1.2]`. Other trainers read the same number as an absolute
/// cap (0.2 would cap every weight at 0.2) or have no lower bound. `clip_low = 1` or more removes the lower bound.
/// Key `cispo`; ε_l = ε_h = 0.2 (the DGPO paper).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cispo {
    /// ε_l and ε_h.
    pub bounds: Bounds,
}

impl Cispo {
    /// The DGPO paper's options.
    pub const DEFAULT: Self = Self { bounds: Bounds { low: 0.2, high: 0.2 } };

    fn floor(&self) -> f64 {
        (1.0 - self.bounds.low).max(0.0)
    }

    pub(super) fn lane(&self) -> CispoLane {
        CispoLane { floor: self.floor() as f32, cap: (1.0 + self.bounds.high) as f32 }
    }
}

impl Surrogate for Cispo {
    fn term(&self, token: Token) -> Term {
        let coefficient = token.ratio().clamp(self.floor(), 1.0 + self.bounds.high) * token.advantage;
        Term { surrogate: coefficient * token.logp, coefficient }
    }

    fn surrogate(&self, token: Token, frozen: Token) -> f64 {
        self.term(frozen).coefficient * token.logp
    }

    fn options(&mut self) -> Vec<Entry<'_>> {
        vec![
            Entry::number(
                "clip_low",
                &mut self.bounds.low,
                Range::NonNegative,
                "ε_l: the weight is at least 1 − ε_l; 1 or more removes the bound",
            ),
            Entry::number("clip_high", &mut self.bounds.high, Range::NonNegative, "ε_h: the weight is at most 1 + ε_h"),
        ]
    }

    fn bounds(&self) -> Option<Bounds> {
        Some(self.bounds)
    }

    fn clip_rule(&self) -> ClipRule {
        ClipRule::BothSigns
    }

    fn multiplier_bound(&self) -> Option<f64> {
        Some(1.0 + self.bounds.high)
    }
}

impl Formula for Cispo {}

/// CISPO in `f32`.
pub(super) struct CispoLane {
    floor: f32,
    cap: f32,
}

impl Lane for CispoLane {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        let weight = greater(lesser(token.ratio, self.cap), self.floor);
        LaneTerm::new(weight, weight * token.logp)
    }
}
