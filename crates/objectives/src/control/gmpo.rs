//! GMPO: the geometric mean of ratios that are clipped token by token.

use super::lane::{Lane, LaneTerm, LaneToken};
use super::{Formula, Surrogate, Term, Token, sign::negative, sign::positive};
use crate::option::{Entry, Range};
use crate::region::{Bounds, greatest_at_most, least_at_least};

/// Geometric-Mean Policy Optimization (arXiv 2507.20673): `J = s·A` with `s = exp(mean_t ℓ'_t)`, where `ℓ'` is the log-ratio up to its
/// bound, `min(ℓ, ε_h)` for `A > 0` and `max(ℓ, −ε_l)` for `A < 0`. So `g = s·A`, and 0 for tokens that are beyond their bound.
///
/// The factor `1/|y|` of `∂s/∂log π_t` is that of the mean over the sequence's tokens. Bounds are those of the *log-ratio*, as in the
/// paper, TRL and verl: 0.4 means ratios from 0.67 to 1.49. Means are over trained tokens; with advantages by token, each token's own
/// decides whether it is clipped. The formula of one token is that of a sequence of one. Key `gmpo`; ε_l = ε_h = 0.4 (the paper's).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gmpo {
    /// ε_l and ε_h.
    pub clip: LogClip,
}

/// Bounds `−low` and `high` of a log-ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogClip {
    /// `ε_l`.
    pub low: f64,
    /// `ε_h`.
    pub high: f64,
}

impl LogClip {
    /// The log-ratio up to the bound on the side that the advantage pushes to.
    pub fn clipped(self, log_ratio: f64, advantage: f64) -> f64 {
        if positive(advantage) {
            log_ratio.min(self.high)
        } else if negative(advantage) {
            log_ratio.max(-self.low)
        } else {
            log_ratio
        }
    }

    /// Whether the log-ratio is beyond that bound; at the bound it is not.
    pub fn is_beyond(self, log_ratio: f64, advantage: f64) -> bool {
        (log_ratio < -self.low && negative(advantage)) || (log_ratio > self.high && positive(advantage))
    }

    /// The bounds for `f32`: the same comparisons hold.
    pub(crate) fn as_f32(self) -> (f32, f32) {
        (least_at_least(-self.low), greatest_at_most(self.high))
    }
}

impl Gmpo {
    /// The paper's options.
    pub const DEFAULT: Self = Self { clip: LogClip { low: 0.4, high: 0.4 } };
}

impl Surrogate for Gmpo {
    fn term(&self, token: Token) -> Term {
        let clipped = self.clip.clipped(token.log_ratio, token.advantage);
        let surrogate = Token { log_ratio: clipped, ..token }.ratio() * token.advantage;
        let beyond = self.clip.is_beyond(token.log_ratio, token.advantage);
        Term { surrogate, coefficient: if beyond { 0.0 } else { surrogate } }
    }

    fn options(&mut self) -> Vec<Entry<'_>> {
        vec![
            Entry::number(
                "clip_log_low",
                &mut self.clip.low,
                Range::NonNegative,
                "ε_l: the lower bound of a token's log-ratio is −ε_l",
            ),
            Entry::number(
                "clip_log_high",
                &mut self.clip.high,
                Range::NonNegative,
                "ε_h: the upper bound of a token's log-ratio is ε_h",
            ),
        ]
    }

    fn bounds(&self) -> Option<Bounds> {
        Some(Bounds { low: -(-self.clip.low).exp_m1(), high: self.clip.high.exp_m1() })
    }

    fn controls_sequences(&self) -> bool {
        true
    }
}

impl Formula for Gmpo {
    fn clip_before_mean(&self) -> Option<LogClip> {
        Some(self.clip)
    }
}

/// The ratio of the sequence; whether a token is beyond its bound, the evaluation decides by the token's own log-ratio.
impl Lane for Gmpo {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        LaneTerm::new(token.ratio, token.ratio)
    }
}
