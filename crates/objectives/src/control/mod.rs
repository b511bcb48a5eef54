//! Ratio control: how each objective turns a log-ratio and an advantage into the coefficient on the score function.
//!
//! Every objective is one type with its options. It says the same thing twice: `term` is the formula for one token in
//! `f64`, as plain as the paper has it, and `columns` is the vector form in `f32` that training runs. A test holds
//! one against the other.

mod clip;
mod mhpo;

pub use clip::HardClip;
pub use mhpo::{Anchor, Hazard, Mhpo};

use crate::option::Entry;
use crate::region::Bounds;
use crate::regularizer::Drift;

/// One token, for the formulas in `f64`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token {
    /// `log π_θ` of the token; the value (not the gradient) of surrogates of the form `sg[…]·log π` depends on it.
    pub logp: f64,
    /// `ℓ = log π_θ − log π_old`; for GSPO the mean of it over the sequence.
    pub log_ratio: f64,
    /// `A`.
    pub advantage: f64,
    /// `i/|y|` for the i-th of `|y|` trained tokens, counted from 1: in `(0, 1]`.
    pub progress: f64,
}

/// What an objective makes of a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// `J`, which is maximised.
    pub surrogate: f64,
    /// `g = ∂J/∂log π_θ` with every stop-gradient honoured.
    pub coefficient: f64,
}

/// Columns of equal length that a vector form reads.
pub(crate) struct Inputs<'c> {
    pub logp: &'c [f32],
    pub log_ratio: &'c [f32],
    /// `exp(log_ratio)`.
    pub ratio: &'c [f32],
    pub advantage: &'c [f32],
    pub progress: &'c [f32],
}

/// Columns that a vector form writes, of the same length: `g = multiplier·A` and `J = value·A`.
pub(crate) struct Outputs<'c> {
    pub multiplier: &'c mut [f32],
    pub value: &'c mut [f32],
    /// MHPO's ψ, ζ and exp(−ζ).
    pub psi: &'c mut [f32],
    pub zeta: &'c mut [f32],
    pub survival: &'c mut [f32],
}

/// The ratio-control part of an objective, with its options.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Control {
    /// Hard clipping: `grpo`, `dapo`, `ppo_dual_clip`.
    HardClip(HardClip),
    /// `mhpo`.
    Mhpo(Mhpo),
}

/// Which tokens count as clipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClipRule {
    /// The objective has no bounds.
    Unbounded,
    /// Those in LN and HP.
    Outward,
    /// Those outside of the bounds, whatever the sign of the advantage.
    BothSigns,
    /// Those without a gradient.
    Zeroed,
}

macro_rules! dispatch {
    ($self:expr, $inner:ident => $result:expr) => {
        match $self {
            Control::HardClip($inner) => $result,
            Control::Mhpo($inner) => $result,
        }
    };
}

impl Control {
    /// `J` and `g` of one token, without regularisers.
    pub fn term(&self, token: Token) -> Term {
        dispatch!(self, inner => inner.term(token))
    }

    pub(crate) fn columns(&self, inputs: &Inputs<'_>, outputs: &mut Outputs<'_>) {
        dispatch!(self, inner => inner.columns(inputs, outputs));
    }

    pub(crate) fn entries(&mut self) -> Vec<Entry<'_>> {
        dispatch!(self, inner => inner.entries())
    }

    /// The bounds on the ratio that the objective acts on, `None` for objectives without.
    pub fn bounds(&self) -> Option<Bounds> {
        dispatch!(self, inner => inner.bounds())
    }

    /// `sup F` over all ratios and both signs of the advantage, `None` where it is unbounded.
    pub fn multiplier_bound(&self) -> Option<f64> {
        dispatch!(self, inner => inner.multiplier_bound())
    }

    pub(crate) fn clip_rule(&self) -> ClipRule {
        match self {
            Self::HardClip(_) => ClipRule::Outward,
            Self::Mhpo(_) => ClipRule::Unbounded,
        }
    }

    /// Tokens at `dual_clip`.
    pub(crate) fn count_dual(&self, inputs: &Inputs<'_>) -> u64 {
        match self {
            Self::HardClip(clip) => clip.count_dual(inputs),
            Self::Mhpo(_) => 0,
        }
    }

    /// Whether the objective controls the mean log-ratio of a sequence instead of that of each token.
    pub fn controls_sequences(&self) -> bool {
        match self {
            Self::HardClip(_) | Self::Mhpo(_) => false,
        }
    }

    /// The policy drift that is part of the objective itself.
    pub fn drift(&self) -> Option<Drift> {
        match self {
            Self::HardClip(_) | Self::Mhpo(_) => None,
        }
    }
}
