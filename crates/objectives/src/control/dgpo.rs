//! DGPO: probability-gradient weights that decay on either side.

use super::lane::{Lane, LaneTerm, LaneToken};
use super::{Formula, Surrogate, Term, Token, sign::negative, sign::positive};
use crate::exponential::{LOG_LIMIT, exp};
use crate::option::{Entry, Range};
use crate::region::{Bounds, Region};

/// Decoupled Gradient Policy Optimization: `g = r^(n+1)/(1−ε_l)^n·A` in LN, `(1+ε_h)^(1/m)·r^(1−1/m)·A` in HP, `r·A`
/// elsewhere (DGPO eq. 9 and 37 to 40); `J = sg[W]·π·A` has the same value.
///
/// As a weight `W = F/π` of the probability's gradient: `C_left·πⁿ` in LN and `C_right·π^(−1/m)` in HP, both equal to
/// `1/π_old` at their bound, so `g` is continuous. Nothing bounds it in HN. The powers are taken in log space.
/// Key `dgpo`; ε_l = ε_h = 0.2, n = 1, m = 2 (n = 2 for 1.5B models).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dgpo {
    /// ε_l and ε_h.
    pub bounds: Bounds,
    /// `n`, a whole number.
    pub decay_low: f64,
    /// `m`, a whole number.
    pub decay_high: f64,
}

impl Dgpo {
    /// The paper's options from 7B on.
    pub const DEFAULT: Self = Self { bounds: Bounds { low: 0.2, high: 0.2 }, decay_low: 1.0, decay_high: 2.0 };

    /// The logarithm of the multiplier is `slope·ℓ + shift`: in LN, and in HP.
    fn lines(&self) -> [(f64, f64); 2] {
        let (n, m) = (self.decay_low, self.decay_high);
        [(n + 1.0, -n * self.bounds.log_low()), (1.0 - 1.0 / m, self.bounds.log_high() / m)]
    }

    pub(super) fn lane(&self) -> DgpoLane {
        let bounds = self.bounds.log_f32();
        let [in_low, in_high] = self.lines().map(|(slope, shift)| (slope as f32, shift as f32));
        DgpoLane { low: bounds.low, high: bounds.high, in_low, in_high }
    }
}

impl Surrogate for Dgpo {
    fn term(&self, token: Token) -> Term {
        let [low, high] = self.lines();
        let (slope, shift) = match self.bounds.region(token.log_ratio, token.advantage) {
            Region::LowNegative => low,
            Region::HighPositive => high,
            Region::LowPositive | Region::HighNegative | Region::Middle => (1.0, 0.0),
        };
        let value = (slope * token.log_ratio + shift).min(f64::from(LOG_LIMIT)).exp() * token.advantage;
        Term { surrogate: value, coefficient: value }
    }

    /// `J = sg[W]·π·A`.
    fn surrogate(&self, token: Token, frozen: Token) -> f64 {
        self.term(frozen).surrogate * (token.logp - frozen.logp).exp()
    }

    fn options(&mut self) -> Vec<Entry<'_>> {
        let mut entries = super::clip::bound_entries(&mut self.bounds);
        entries.extend([
            Entry::number(
                "decay_low",
                &mut self.decay_low,
                Range::PositiveInteger,
                "n: power of the decay below 1 − ε_l (DGPO eq. 9)",
            ),
            Entry::number(
                "decay_high",
                &mut self.decay_high,
                Range::PositiveInteger,
                "m: root of the decay above 1 + ε_h (DGPO eq. 9)",
            ),
        ]);
        entries
    }

    fn bounds(&self) -> Option<Bounds> {
        Some(self.bounds)
    }
}

impl Formula for Dgpo {}

/// DGPO in `f32`.
pub(super) struct DgpoLane {
    low: f32,
    high: f32,
    in_low: (f32, f32),
    in_high: (f32, f32),
}

impl Lane for DgpoLane {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        let (x, a) = (token.log_ratio, token.advantage);
        let (in_low, in_high) = (self.in_low.0 * x + self.in_low.1, self.in_high.0 * x + self.in_high.1);
        let kept = if (x < self.low) & negative(a) { in_low } else { x };
        let weight = exp(if (x > self.high) & positive(a) { in_high } else { kept });
        LaneTerm::new(weight, weight)
    }
}
