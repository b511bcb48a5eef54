//! Hard clipping of the ratio: GRPO and PPO, DAPO's asymmetric bounds, dual clip.

use super::lane::{Lane, LaneTerm, LaneToken};
use super::{Formula, Surrogate, Term, Token, sign::negative, sign::positive};
use crate::exponential::lesser;
use crate::option::{Entry, Range};
use crate::region::{Bounds, Region, greatest_at_most};

/// PPO's clipped surrogate, `J = min(r·A, clip(r, 1−ε_l, 1+ε_h)·A)`, so `g = 0` in LN and HP and `r·A` elsewhere
/// (MHPO eq. 1, DGPO eq. 2). With dual clip (Ye et al. 2020; CPGD §4.2) `J = max(that, c·A)` where `A < 0`: `g = 0`
/// also for `r > c`.
///
/// Keys `grpo` (ε_l = ε_h = 0.2), `dapo` (0.2, 0.28) and `ppo_dual_clip` (c = 3).
/// The ratio saturates at `exp(88)`, where `f32` would overflow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HardClip {
    /// ε_l and ε_h.
    pub bounds: Bounds,
    /// `c` of dual clip.
    pub dual_clip: Option<f64>,
}

impl HardClip {
    /// GRPO: ε_l = ε_h = 0.2.
    pub const GRPO: Self = Self { bounds: Bounds { low: 0.2, high: 0.2 }, dual_clip: None };
    /// DAPO's clip-higher: ε_l = 0.2, ε_h = 0.28.
    pub const DAPO: Self = Self { bounds: Bounds { low: 0.2, high: 0.28 }, dual_clip: None };
    /// Dual clip at c = 3 (CPGD §4.2).
    pub const DUAL: Self = Self { dual_clip: Some(3.0), ..Self::GRPO };

    pub(super) fn lane(&self) -> HardClipLane {
        let bounds = self.bounds.log_f32();
        let (floor, cap) = ((1.0 - self.bounds.low) as f32, (1.0 + self.bounds.high) as f32);
        HardClipLane { low: bounds.low, high: bounds.high, floor, cap }
    }

    pub(super) fn dual_lane(&self, limit: f64) -> DualClipLane {
        DualClipLane { clip: self.lane(), log_limit: greatest_at_most(limit.ln()), limit: limit as f32 }
    }
}

impl Surrogate for HardClip {
    fn options(&mut self) -> Vec<Entry<'_>> {
        let mut entries = bound_entries(&mut self.bounds);
        if let Some(dual_clip) = &mut self.dual_clip {
            entries.push(Entry::number(
                "dual_clip",
                dual_clip,
                Range::AtLeastOne,
                "c: a token with negative advantage and a ratio above it gets no gradient (CPGD §4.2)",
            ));
        }
        entries
    }

    fn term(&self, token: Token) -> Term {
        let ratio = token.ratio();
        let (value, multiplier) = match self.bounds.region(token.log_ratio, token.advantage) {
            Region::LowNegative => (1.0 - self.bounds.low, 0.0),
            Region::HighPositive => (1.0 + self.bounds.high, 0.0),
            Region::LowPositive | Region::HighNegative | Region::Middle => match self.dual_clip {
                Some(limit) if negative(token.advantage) && token.log_ratio > limit.ln() => (limit, 0.0),
                _ => (ratio, ratio),
            },
        };
        Term { surrogate: value * token.advantage, coefficient: multiplier * token.advantage }
    }

    fn bounds(&self) -> Option<Bounds> {
        Some(self.bounds)
    }

    /// `r` is unbounded in HN unless dual clip is on.
    fn multiplier_bound(&self) -> Option<f64> {
        self.dual_clip.map(|limit| limit.max(1.0 + self.bounds.high))
    }
}

impl Formula for HardClip {
    fn count_dual(&self, log_ratio: &[f32], advantage: &[f32]) -> u64 {
        let Some(limit) = self.dual_clip else { return 0 };
        let log_limit = greatest_at_most(limit.ln());
        let at_limit = |(log_ratio, advantage): (&f32, &f32)| u32::from((*log_ratio > log_limit) & (*advantage < 0.0));
        u64::from(log_ratio.iter().zip(advantage).map(at_limit).sum::<u32>())
    }
}

/// The clip in `f32`.
pub(super) struct HardClipLane {
    low: f32,
    high: f32,
    floor: f32,
    cap: f32,
}

impl Lane for HardClipLane {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        let (x, r, a) = (token.log_ratio, token.ratio, token.advantage);
        let clip_low = (x < self.low) & negative(a);
        let clip_high = (x > self.high) & positive(a);
        let multiplier = if clip_low | clip_high { 0.0 } else { r };
        let below = if clip_low { self.floor } else { r };
        LaneTerm::new(multiplier, if clip_high { self.cap } else { below })
    }
}

/// The clip and dual clip.
pub(super) struct DualClipLane {
    clip: HardClipLane,
    log_limit: f32,
    limit: f32,
}

impl Lane for DualClipLane {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        let LaneTerm { multiplier, value, .. } = self.clip.term(token);
        let clip_dual = (token.log_ratio > self.log_limit) & negative(token.advantage);
        let value = if clip_dual { lesser(value, self.limit) } else { value };
        LaneTerm::new(if clip_dual { 0.0 } else { multiplier }, value)
    }
}

/// `clip_low` below 1 and `clip_high`.
pub(super) fn bound_entries(bounds: &mut Bounds) -> Vec<Entry<'_>> {
    vec![
        Entry::number("clip_low", &mut bounds.low, Range::BelowOne, "ε_l: the lower bound of the ratio is 1 − ε_l"),
        Entry::number(
            "clip_high",
            &mut bounds.high,
            Range::NonNegative,
            "ε_h: the upper bound of the ratio is 1 + ε_h",
        ),
    ]
}
