//! CPGD: a clipped policy gradient without the ratio, and a drift that pulls the ratio back.

use super::{ClipRule, Formula, Inputs, Outputs, Term, Token, sign::negative, sign::positive};
use crate::exponential::{greater, lesser, ln};
use crate::keyed::keyed_enum;
use crate::option::{Entry, Range};
use crate::region::Bounds;
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
}

impl Formula for Cpgd {
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

    #[inline(always)]
    fn columns(&self, inputs: &Inputs<'_>, outputs: &mut Outputs<'_>) {
        let n = inputs.log_ratio.len();
        let (log_ratio, advantage) = (&inputs.log_ratio[..n], &inputs.advantage[..n]);
        let progress = &inputs.progress[..n];
        let (multiplier, value) = (&mut outputs.multiplier[..n], &mut outputs.value[..n]);
        let Some(bounds) = self.bounds else {
            multiplier.fill(1.0);
            value.copy_from_slice(log_ratio);
            return;
        };
        let clip = |log_ratio: f32, advantage: f32, low: f32, high: f32| {
            let (lowered, raised) = (negative(advantage), positive(advantage));
            let clipped = ((log_ratio > high) & raised) | ((log_ratio < low) & lowered);
            let value = if lowered { greater(log_ratio, low) } else { lesser(log_ratio, high) };
            (if clipped { 0.0 } else { 1.0 }, value)
        };
        match self.clip_schedule {
            ClipSchedule::Constant => {
                let bounds = bounds.log_f32();
                for i in 0..n {
                    (multiplier[i], value[i]) = clip(log_ratio[i], advantage[i], bounds.low, bounds.high);
                }
            }
            ClipSchedule::TightToLoose => {
                let (weight, low, high) = (self.schedule_weight as f32, bounds.low as f32, bounds.high as f32);
                for i in 0..n {
                    let share = weight + (1.0 - weight) * progress[i];
                    let (log_low, log_high) = (ln(1.0 - low * share), ln(1.0 + high * share));
                    (multiplier[i], value[i]) = clip(log_ratio[i], advantage[i], log_low, log_high);
                }
            }
        }
    }

    fn entries(&mut self) -> Vec<Entry<'_>> {
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
                    "the weight of the advantage in later epochs over one rollout (CPGD §6.1)",
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
