//! DPPO: a trust region in probabilities instead of ratios.

use super::lane::{Lane, LaneTerm, LaneToken};
use super::{ClipRule, Formula, Surrogate, Term, Token, sign::positive};
use crate::keyed::keyed_enum;
use crate::option::{Entry, Range};
use crate::region::greatest_at_most;

/// Added to the probabilities of all other tokens before their logarithm: one that is 0 has a divergence all the same (verl).
const REST_EPSILON: f64 = 1e-8;

keyed_enum! {
    /// How far a token's probability `π` is from `π_old`, of the two outcomes "this token" and "another one".
    pub enum Divergence {
        /// Total variation, `|π − π_old|`.
        TotalVariation => "tv",
        /// `KL(π_old‖π) = π_old·ln(π_old/π) + (1 − π_old)·ln((1 − π_old)/(1 − π))`.
        Kl => "kl",
    }
}

/// Divergence Proximal Policy Optimization (arXiv 2602.04879) in its binary forms: `J = sg[m·min(r, c)]·A·log π`, so `g = m·min(r, c)·A`.
/// The mask `m` is 0 where the token has moved as its advantage pushes, up for `A > 0` and down otherwise, and its divergence is greater
/// than `δ_h` or `δ_l`; else 1.
///
/// A ratio says little of a rare token: 0.001 to 0.002 is a ratio of 2 and a divergence of 0.001. The divergence is estimated from the
/// token's own probability, so nothing but log-probabilities is read; the paper's Top-K forms need those of other tokens. As in verl,
/// `c` caps the ratio (truncated importance sampling), which its notes advise to keep great. Keys `dppo_tv` (δ = 0.15) and `dppo_kl`
/// (δ = 0.05), those of verl's recipe, with c = 20, what verl's functions take where none is set.
///
/// It runs in `f64`, token by token: a difference of two probabilities in `f32` would leave the last digits of a bound open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dppo {
    /// What the mask is decided by.
    pub divergence: Divergence,
    /// `δ_l`, for tokens that are pushed down.
    pub low: f64,
    /// `δ_h`, for tokens that are pushed up.
    pub high: f64,
    /// `c`, the cap of the ratio.
    pub dual_clip: f64,
}

impl Dppo {
    /// Total variation.
    pub const TV: Self = Self { divergence: Divergence::TotalVariation, low: 0.15, high: 0.15, dual_clip: 20.0 };
    /// KL.
    pub const KL: Self = Self { divergence: Divergence::Kl, low: 0.05, high: 0.05, dual_clip: 20.0 };

    fn keeps(&self, token: Token) -> bool {
        // Rounding can leave a log-probability above 0.
        let (logp, logp_old) = (token.logp.min(0.0), (token.logp - token.log_ratio).min(0.0));
        let (p, old) = (logp.exp(), logp_old.exp());
        let (bound, moved) = if positive(token.advantage) { (self.high, p > old) } else { (self.low, p < old) };
        if !moved {
            return true;
        }
        let divergence = match self.divergence {
            Divergence::TotalVariation => (p - old).abs(),
            Divergence::Kl => {
                // 0·∞ is 0: a token that had no probability has no part in the first term
                let own = if old > 0.0 { old * (logp_old - logp) } else { 0.0 };
                own + (1.0 - old) * ((1.0 - old + REST_EPSILON) / (1.0 - p + REST_EPSILON)).ln()
            }
        };
        divergence <= bound
    }

    fn multiplier(&self, token: Token) -> f64 {
        if self.keeps(token) { token.ratio().min(self.dual_clip) } else { 0.0 }
    }
}

impl Surrogate for Dppo {
    fn term(&self, token: Token) -> Term {
        let coefficient = self.multiplier(token) * token.advantage;
        Term { surrogate: coefficient * token.logp, coefficient }
    }

    fn surrogate(&self, token: Token, frozen: Token) -> f64 {
        self.multiplier(frozen) * frozen.advantage * token.logp
    }

    fn options(&mut self) -> Vec<Entry<'_>> {
        vec![
            Entry::number(
                "divergence_low",
                &mut self.low,
                Range::NonNegative,
                "δ_l: a token that is pushed down learns up to this divergence of its probability",
            ),
            Entry::number(
                "divergence_high",
                &mut self.high,
                Range::NonNegative,
                "δ_h: a token that is pushed up learns up to this divergence of its probability",
            ),
            Entry::number("dual_clip", &mut self.dual_clip, Range::AtLeastOne, "c: the ratio is at most c (verl)"),
        ]
    }

    fn clip_rule(&self) -> ClipRule {
        ClipRule::Zeroed
    }

    fn multiplier_bound(&self) -> Option<f64> {
        Some(self.dual_clip)
    }
}

impl Formula for Dppo {
    fn count_dual(&self, log_ratio: &[f32], advantage: &[f32]) -> u64 {
        let log_limit = greatest_at_most(self.dual_clip.ln());
        let capped = |(&log_ratio, &advantage): (&f32, &f32)| u32::from((log_ratio > log_limit) & (advantage != 0.0));
        u64::from(log_ratio.iter().zip(advantage).map(capped).sum::<u32>())
    }

    fn reads_probability(&self) -> bool {
        true
    }
}

impl Lane for Dppo {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        let advantage = f64::from(token.advantage);
        let (logp, log_ratio) = (f64::from(token.logp), f64::from(token.log_ratio));
        let multiplier = self.multiplier(Token { logp, log_ratio, advantage, progress: 1.0 });
        LaneTerm::new(multiplier as f32, (multiplier * logp) as f32)
    }
}
