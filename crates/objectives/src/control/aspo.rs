//! ASPO: the ratio inverted for positive advantages.

use super::lane::{Lane, LaneTerm, LaneToken};
use super::{Formula, Surrogate, Term, Token, sign::negative, sign::positive};
use crate::exponential::lesser;
use crate::option::{Entry, Range};
use crate::region::{Bounds, Region, greatest_at_most, least_at_least};

/// Asymmetric importance sampling: `g = 0` in LN and HP; elsewhere `min(1/r, c)·A` for `A > 0` and `min(r, c)·A` for
/// `A < 0`.
///
/// DGPO's eq. 6 inverts every ratio. Its own Table 6, the ASPO paper and the released code invert that of
/// positive advantages alone, with a soft dual clip at `c = 3` on both signs (DGPO's Table 12 prints 0.33 and 3, as bounds of the
/// ratio; in eq. 6's offsets these are `ε'_l = 2/3` and `ε'_h = 2`); that is what stands here. `J = g` in value, and `(1−ε_l)·A` in
/// LN, `A/(1+ε_h)` in HP. The released code's wider ε for tokens of high entropy is not part of it: it takes a quantile of each
/// sequence's entropies, which a batch does not hold. Key `aspo`; ε_l = ε_h = 0.2, c = 3.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aspo {
    /// ε_l and ε_h.
    pub bounds: Bounds,
    /// `c`, the cap of the multiplier.
    pub dual_clip: f64,
}

impl Aspo {
    /// The options of the paper and its released code.
    pub const DEFAULT: Self = Self { bounds: Bounds { low: 0.2, high: 0.2 }, dual_clip: 3.0 };

    pub(super) fn lane(&self) -> AspoLane {
        let bounds = self.bounds.log_f32();
        let (floor, cap) = ((1.0 - self.bounds.low) as f32, (1.0 / (1.0 + self.bounds.high)) as f32);
        AspoLane { low: bounds.low, high: bounds.high, floor, cap, limit: self.dual_clip as f32 }
    }
}

impl Surrogate for Aspo {
    fn term(&self, token: Token) -> Term {
        let (value, multiplier) = match self.bounds.region(token.log_ratio, token.advantage) {
            Region::LowNegative => (1.0 - self.bounds.low, 0.0),
            Region::HighPositive => (1.0 / (1.0 + self.bounds.high), 0.0),
            Region::LowPositive | Region::HighNegative | Region::Middle => {
                let exponent = if negative(token.advantage) { token.log_ratio } else { -token.log_ratio };
                let multiplier = exponent.exp().min(self.dual_clip);
                (multiplier, multiplier)
            }
        };
        Term { surrogate: value * token.advantage, coefficient: multiplier * token.advantage }
    }

    /// The inverted ratio carries a stop-gradient: `J = sg[w/π]·π·A`, and a constant where it is clipped.
    fn surrogate(&self, token: Token, frozen: Token) -> f64 {
        let Term { surrogate, coefficient } = self.term(frozen);
        surrogate + coefficient * (token.logp - frozen.logp).exp_m1()
    }

    fn options(&mut self) -> Vec<Entry<'_>> {
        let mut entries = super::clip::bound_entries(&mut self.bounds);
        entries.push(Entry::number(
            "dual_clip",
            &mut self.dual_clip,
            Range::AtLeastOne,
            "c: the multiplier is at most c, on either sign (ASPO)",
        ));
        entries
    }

    fn bounds(&self) -> Option<Bounds> {
        Some(self.bounds)
    }

    fn multiplier_bound(&self) -> Option<f64> {
        Some(self.dual_clip)
    }
}

impl Formula for Aspo {
    fn count_dual(&self, log_ratio: &[f32], advantage: &[f32]) -> u64 {
        let (high, low) = (greatest_at_most(self.dual_clip.ln()), least_at_least(-self.dual_clip.ln()));
        let at_limit = |(&log_ratio, &advantage): (&f32, &f32)| {
            u32::from(((log_ratio > high) & (advantage < 0.0)) | ((log_ratio < low) & (advantage > 0.0)))
        };
        u64::from(log_ratio.iter().zip(advantage).map(at_limit).sum::<u32>())
    }
}

/// ASPO in `f32`.
pub(super) struct AspoLane {
    low: f32,
    high: f32,
    floor: f32,
    cap: f32,
    limit: f32,
}

impl Lane for AspoLane {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        let (x, r, a) = (token.log_ratio, token.ratio, token.advantage);
        let inverted = 1.0 / r;
        let lowered = negative(a);
        let below = (x < self.low) & lowered;
        let above = (x > self.high) & positive(a);
        let weight = lesser(if lowered { r } else { inverted }, self.limit);
        let multiplier = if below | above { 0.0 } else { weight };
        let kept = if below { self.floor } else { weight };
        LaneTerm::new(multiplier, if above { self.cap } else { kept })
    }
}
