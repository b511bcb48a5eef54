//! CPGD: a clipped policy gradient without the ratio, and a drift that pulls the ratio back.

use super::lane::{Lane, LaneTerm, LaneToken, Loop};
use super::{ClipRule, Formula, PolicyGradient, Surrogate, Term, Token, sign::negative, sign::positive};
use crate::exponential::{greater, lesser, ln};
use crate::keyed::keyed_enum;
use crate::option::{Entry, Range};
use crate::region::{Bounds, LogBounds};
use crate::regularizer::Drift;

keyed_enum! {
    /// How CPGD's clipping threshold runs along a sequence (§4.3, I).
    pub enum ClipSchedule {
        /// `ε_i = ε`.
        Constant => "constant",
        /// `ε_i = λε + (1−λ)ε·i/|y|` for the i-th of `|y|` trained tokens, counted from 1.
        TightToLoose => "tight-to-loose",
    }
}

keyed_enum! {
    /// CPGD's weight of the advantage in later epochs over one rollout (§6.1).
    pub enum EpochWeight {
        /// None, as with one epoch.
        Off => "off",
        /// `clip(π_epoch/π_old, 1−ε, 1+ε)`, with the policy at the start of the epoch: needs `logp_epoch`.
        Truncated => "truncated",
    }
}

/// Clipped Policy Gradient optimization with policy Drift (CPGD eq. 2):
/// `J = min(ℓ·A, clip(ℓ, ln(1−ε_i), ln(1+ε_i))·A) − α·min(sg(r)−1, c)·log π`, so
/// `g = A·1[not clipped] − α·min(r−1, c)`, clipped where `A > 0 ∧ ℓ > ln(1+ε_i)` or `A < 0 ∧ ℓ < ln(1−ε_i)`.
///
/// The paper prints the bounds of that clip swapped. It prints no α and c; those here are the released code's
/// (ε = 0.2, α = 0.01, c = 2.0), which averages over the micro-batch where the paper averages over prompts: the paper
/// is followed. Its λ is not printed either: 0.5 stands for it, and only `tight-to-loose` reads it.
/// Key `cpgd`; `cpg` has no drift, `pgd` no clip (§5.3).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cpgd {
    /// ε below and above, `None` for `pgd`.
    pub bounds: Option<Bounds>,
    /// α and c, `None` for `cpg`.
    pub drift: Option<Drift>,
    /// How ε runs along a sequence.
    pub clip_schedule: ClipSchedule,
    /// `λ` of `tight-to-loose`.
    pub schedule_weight: f64,
    /// The weight of later epochs; off by default.
    pub epoch_weight: EpochWeight,
}

impl Cpgd {
    /// CPGD with the released code's options.
    pub const CPGD: Self = Self {
        bounds: Some(Bounds { low: 0.2, high: 0.2 }),
        drift: Some(Drift { coefficient: 0.01, bound: 2.0 }),
        clip_schedule: ClipSchedule::Constant,
        schedule_weight: 0.5,
        epoch_weight: EpochWeight::Off,
    };
    /// CPGD without the drift.
    pub const CPG: Self = Self { drift: None, ..Self::CPGD };
    /// CPGD without the clip.
    pub const PGD: Self = Self { bounds: None, ..Self::CPGD };

    /// The share of ε that holds at a token.
    fn share(&self, progress: f64) -> f64 {
        match self.clip_schedule {
            ClipSchedule::Constant => 1.0,
            ClipSchedule::TightToLoose => self.schedule_weight + (1.0 - self.schedule_weight) * progress,
        }
    }

    /// Hands the lane of these options to a loop.
    #[inline(always)]
    pub(super) fn run(&self, tokens: &mut impl Loop) {
        let Some(bounds) = self.bounds else { return tokens.over(&PolicyGradient) };
        match self.clip_schedule {
            ClipSchedule::Constant => {
                let LogBounds { low, high } = bounds.log_f32();
                tokens.over(&CpgdLane { low, high });
            }
            ClipSchedule::TightToLoose => tokens.over(&ScheduleLane {
                weight: self.schedule_weight as f32,
                low: bounds.low as f32,
                high: bounds.high as f32,
            }),
        }
    }
}

impl Surrogate for Cpgd {
    /// Without the drift, which the caller adds.
    fn term(&self, token: Token) -> Term {
        let share = self.share(token.progress);
        let (low, high) = match self.bounds {
            Some(bounds) => ((-bounds.low * share).ln_1p(), (bounds.high * share).ln_1p()),
            None => (f64::NEG_INFINITY, f64::INFINITY),
        };
        let clipped = (positive(token.advantage) && token.log_ratio > high)
            || (negative(token.advantage) && token.log_ratio < low);
        let value = if negative(token.advantage) { token.log_ratio.max(low) } else { token.log_ratio.min(high) };
        Term { surrogate: value * token.advantage, coefficient: if clipped { 0.0 } else { token.advantage } }
    }

    fn options(&mut self) -> Vec<Entry<'_>> {
        let mut entries = Vec::new();
        if let Some(bounds) = &mut self.bounds {
            entries = super::clip::bound_entries(bounds);
            entries.extend([
                Entry::choice("clip_schedule", &mut self.clip_schedule, "how ε runs along a sequence (CPGD §4.3)"),
                Entry::number(
                    "schedule_weight",
                    &mut self.schedule_weight,
                    Range::Unit,
                    "λ: the share of ε at the start of a tight-to-loose schedule (CPGD §4.3)",
                ),
                Entry::choice(
                    "epoch_weight",
                    &mut self.epoch_weight,
                    "truncated: later epochs over a rollout weigh the advantage by clip(π_epoch/π_old, 1 − ε_l, 1 + ε_h), with the \
                     policy that the epoch began with, which takes a forward pass more an epoch (CPGD §6.1)",
                ),
            ]);
        }
        if let Some(drift) = &mut self.drift {
            entries.extend([
                Entry::number(
                    "drift_coefficient",
                    &mut drift.coefficient,
                    Range::NonNegative,
                    "α of the policy drift (CPGD eq. 2)",
                ),
                Entry::number(
                    "drift_bound",
                    &mut drift.bound,
                    Range::Positive,
                    "c of the policy drift: r − 1 counts at most this much",
                ),
            ]);
        }
        entries
    }

    fn bounds(&self) -> Option<Bounds> {
        self.bounds
    }

    fn clip_rule(&self) -> ClipRule {
        if self.bounds.is_some() { ClipRule::Zeroed } else { ClipRule::Unbounded }
    }

    fn multiplier_bound(&self) -> Option<f64> {
        Some(1.0)
    }
}

impl Formula for Cpgd {
    fn needs_progress(&self) -> bool {
        self.clip_schedule == ClipSchedule::TightToLoose
    }

    fn drift(&self) -> Option<Drift> {
        self.drift
    }

    fn epoch_bounds(&self) -> Option<Bounds> {
        match self.epoch_weight {
            EpochWeight::Off => None,
            EpochWeight::Truncated => self.bounds,
        }
    }
}

/// CPGD in `f32`, without the drift.
struct CpgdLane {
    low: f32,
    high: f32,
}

impl Lane for CpgdLane {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        let (lowered, raised) = (negative(token.advantage), positive(token.advantage));
        let clipped = ((token.log_ratio > self.high) & raised) | ((token.log_ratio < self.low) & lowered);
        let (lifted, cut) = (greater(token.log_ratio, self.low), lesser(token.log_ratio, self.high));
        LaneTerm::new(if clipped { 0.0 } else { 1.0 }, if lowered { lifted } else { cut })
    }
}

/// CPGD with a tight-to-loose ε.
struct ScheduleLane {
    weight: f32,
    low: f32,
    high: f32,
}

impl Lane for ScheduleLane {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        let share = self.weight + (1.0 - self.weight) * token.progress;
        CpgdLane { low: ln(1.0 - self.low * share), high: ln(1.0 + self.high * share) }.term(token)
    }
}
