//! Hard clipping of the ratio: GRPO and PPO, DAPO's asymmetric bounds, dual clip.

use super::{ClipRule, Formula, Inputs, Outputs, Term, Token, sign::negative, sign::positive};
use crate::exponential::{LOG_LIMIT, lesser};
use crate::option::{Entry, Range};
use crate::region::{Bounds, Region};

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
}

impl Formula for HardClip {
    fn entries(&mut self) -> Vec<Entry<'_>> {
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
        let ratio = token.log_ratio.min(f64::from(LOG_LIMIT)).exp();
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

    #[inline(always)]
    fn columns(&self, inputs: &Inputs<'_>, outputs: &mut Outputs<'_>) {
        let bounds = self.bounds.log_f32();
        let (floor, cap) = ((1.0 - self.bounds.low) as f32, (1.0 + self.bounds.high) as f32);
        let n = inputs.ratio.len();
        let (log_ratio, ratio, advantage) = (&inputs.log_ratio[..n], &inputs.ratio[..n], &inputs.advantage[..n]);
        let (multiplier, value) = (&mut outputs.multiplier[..n], &mut outputs.value[..n]);
        for i in 0..n {
            // loads first: a load in a branch would keep the loop scalar
            let (x, r, a) = (log_ratio[i], ratio[i], advantage[i]);
            let clip_low = (x < bounds.low) & (negative(a));
            let clip_high = (x > bounds.high) & (positive(a));
            multiplier[i] = if clip_low | clip_high { 0.0 } else { r };
            let below = if clip_low { floor } else { r };
            value[i] = if clip_high { cap } else { below };
        }
        if let Some(limit) = self.dual_clip {
            let log_limit = crate::region::greatest_at_most(limit.ln());
            let limit = limit as f32;
            for i in 0..n {
                let (kept, worth) = (multiplier[i], value[i]);
                let clip_dual = (log_ratio[i] > log_limit) & (negative(advantage[i]));
                multiplier[i] = if clip_dual { 0.0 } else { kept };
                value[i] = if clip_dual { lesser(worth, limit) } else { worth };
            }
        }
    }

    fn clip_rule(&self) -> ClipRule {
        ClipRule::Outward
    }

    fn count_dual(&self, inputs: &Inputs<'_>) -> u64 {
        let Some(limit) = self.dual_clip else { return 0 };
        let log_limit = crate::region::greatest_at_most(limit.ln());
        let at_limit = |(log_ratio, advantage): (&f32, &f32)| u32::from((*log_ratio > log_limit) & (*advantage < 0.0));
        u64::from(inputs.log_ratio.iter().zip(inputs.advantage).map(at_limit).sum::<u32>())
    }

    fn bounds(&self) -> Option<Bounds> {
        Some(self.bounds)
    }

    /// `r` is unbounded in HN unless dual clip is on.
    fn multiplier_bound(&self) -> Option<f64> {
        self.dual_clip.map(|limit| limit.max(1.0 + self.bounds.high))
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
