//! GSPO: the hard clip on the ratio of a whole sequence.

use super::{Formula, HardClip, Surrogate, Term, Token};
use crate::option::Entry;
use crate::region::Bounds;

/// Group Sequence Policy Optimization: PPO's clip on the length-normalised sequence ratio `s = exp(mean_t ℓ_t)`.
///
/// Every token of a sequence has `J = min(s·A, clip(s, 1−ε_l, 1+ε_h)·A)` and `g = s·A`, or 0 where `s` is clipped. The
/// factor `1/|y|` of `∂s/∂log π_t` is that of the mean over the sequence's tokens (GSPO eq. 5 to 8). Means are over
/// trained tokens. With advantages by token, each token's own advantage decides whether it is clipped (GSPO-token).
/// Key `gspo`; ε_l = 3e-4, ε_h = 4e-4 (the paper's experiments).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gspo {
    /// ε_l and ε_h.
    pub bounds: Bounds,
}

impl Gspo {
    /// The paper's options.
    pub const DEFAULT: Self = Self { bounds: Bounds { low: 3e-4, high: 4e-4 } };

    pub(super) fn clip(&self) -> HardClip {
        HardClip { bounds: self.bounds, dual_clip: None }
    }
}

impl Surrogate for Gspo {
    fn term(&self, token: Token) -> Term {
        self.clip().term(token)
    }

    fn options(&mut self) -> Vec<Entry<'_>> {
        super::clip::bound_entries(&mut self.bounds)
    }

    fn bounds(&self) -> Option<Bounds> {
        Some(self.bounds)
    }

    fn controls_sequences(&self) -> bool {
        true
    }
}

impl Formula for Gspo {}
