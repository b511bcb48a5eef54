//! Ratio control: how each objective turns a log-ratio and an advantage into the coefficient on the score function.
//!
//! Every objective is one type with its options. It says the same thing twice: `term` is the formula for one token in
//! `f64`, as plain as the paper has it, and its lane (`lane.rs`) is the vector form in `f32` that training runs. A test
//! holds one against the other.

mod aspo;
mod cispo;
mod clip;
mod cpgd;
mod dgpo;
mod gppo;
mod gspo;
mod lane;
mod maximum;
mod mhpo;
mod policy_gradient;
mod sapo;
mod sign;

pub use aspo::Aspo;
pub use cispo::Cispo;
pub use clip::HardClip;
pub use cpgd::{ClipSchedule, Cpgd, EpochWeight};
pub use dgpo::Dgpo;
pub use gppo::{Betas, Gppo};
pub use gspo::Gspo;
pub use mhpo::{Anchor, Hazard, Mhpo, Modulation};
pub use policy_gradient::{ImportanceSampling, PolicyGradient};
pub use sapo::Sapo;

pub(crate) use lane::{Columns, Inputs, Lane, LaneToken, Loop};

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

/// What an objective's type says about itself. A new objective is one type that does this, a variant of [`Control`]
/// and a line of the catalog.
pub(crate) trait Formula {
    /// The formula for one token in `f64`.
    fn term(&self, token: Token) -> Term;
    /// The options.
    fn entries(&mut self) -> Vec<Entry<'_>>;
    /// The bounds on the ratio that it acts on.
    fn bounds(&self) -> Option<Bounds> {
        None
    }
    /// Which tokens count as clipped.
    fn clip_rule(&self) -> ClipRule {
        ClipRule::Unbounded
    }
    /// How many tokens are at `dual_clip`.
    fn count_dual(&self, _log_ratio: &[f32], _advantage: &[f32]) -> u64 {
        0
    }
    /// `sup F` over all ratios and both signs of the advantage.
    fn multiplier_bound(&self) -> Option<f64> {
        None
    }
    /// Whether it reads the sequence's mean log-ratio.
    fn controls_sequences(&self) -> bool {
        false
    }
    /// Whether it reads [`Token::progress`].
    fn needs_progress(&self) -> bool {
        false
    }
    /// The policy drift that is part of it.
    fn drift(&self) -> Option<Drift> {
        None
    }
    /// The bounds of the weight that a later epoch puts on the advantage.
    fn epoch_bounds(&self) -> Option<Bounds> {
        None
    }
}

/// The ratio-control part of an objective, with its options.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Control {
    /// `pg`.
    PolicyGradient(PolicyGradient),
    /// `is`.
    ImportanceSampling(ImportanceSampling),
    /// `grpo`, `dapo`, `ppo_dual_clip`, and the recipes that differ in advantages or aggregation alone.
    HardClip(HardClip),
    /// `gspo`.
    Gspo(Gspo),
    /// `sapo`.
    Sapo(Sapo),
    /// `cispo`.
    Cispo(Cispo),
    /// `gppo`, `ce_gppo`.
    Gppo(Gppo),
    /// `aspo`.
    Aspo(Aspo),
    /// `mhpo`.
    Mhpo(Mhpo),
    /// `dgpo`.
    Dgpo(Dgpo),
    /// `cpgd`, `cpg`, `pgd`.
    Cpgd(Cpgd),
}

impl Control {
    pub(crate) fn formula(&self) -> &dyn Formula {
        match self {
            Self::PolicyGradient(inner) => inner,
            Self::ImportanceSampling(inner) => inner,
            Self::HardClip(inner) => inner,
            Self::Gspo(inner) => inner,
            Self::Sapo(inner) => inner,
            Self::Cispo(inner) => inner,
            Self::Gppo(inner) => inner,
            Self::Aspo(inner) => inner,
            Self::Mhpo(inner) => inner,
            Self::Dgpo(inner) => inner,
            Self::Cpgd(inner) => inner,
        }
    }

    /// Hands the objective's lane to a loop. Inlined, not through [`Self::formula`]: the caller is compiled for several
    /// instruction sets.
    #[inline(always)]
    pub(crate) fn run(&self, tokens: &mut impl Loop) {
        match self {
            Self::PolicyGradient(inner) => tokens.over(inner),
            Self::ImportanceSampling(inner) => tokens.over(inner),
            Self::HardClip(inner) => match inner.dual_clip {
                None => tokens.over(&inner.lane()),
                Some(limit) => tokens.over(&inner.dual_lane(limit)),
            },
            Self::Gspo(inner) => tokens.over(&inner.clip().lane()),
            Self::Sapo(inner) => tokens.over(&inner.lane()),
            Self::Cispo(inner) => tokens.over(&inner.lane()),
            Self::Gppo(inner) => tokens.over(&inner.lane()),
            Self::Aspo(inner) => tokens.over(&inner.lane()),
            Self::Mhpo(inner) => inner.run(tokens),
            Self::Dgpo(inner) => tokens.over(&inner.lane()),
            Self::Cpgd(inner) => inner.run(tokens),
        }
    }

    pub(crate) fn entries(&mut self) -> Vec<Entry<'_>> {
        match self {
            Self::PolicyGradient(inner) => inner.entries(),
            Self::ImportanceSampling(inner) => inner.entries(),
            Self::HardClip(inner) => inner.entries(),
            Self::Gspo(inner) => inner.entries(),
            Self::Sapo(inner) => inner.entries(),
            Self::Cispo(inner) => inner.entries(),
            Self::Gppo(inner) => inner.entries(),
            Self::Aspo(inner) => inner.entries(),
            Self::Mhpo(inner) => inner.entries(),
            Self::Dgpo(inner) => inner.entries(),
            Self::Cpgd(inner) => inner.entries(),
        }
    }

    /// `J` and `g` of one token, without the regularisers of [`crate::Regularizer`].
    ///
    /// Where the formula itself would overflow `f32`, the exponent saturates at 88.
    pub fn term(&self, token: Token) -> Term {
        let mut term = self.formula().term(token);
        if let Some(drift) = self.drift() {
            let drift = drift.term(token.logp, token.log_ratio);
            term.surrogate += drift.surrogate;
            term.coefficient += drift.coefficient;
        }
        term
    }

    /// The bounds on the ratio that the objective acts on, `None` for objectives without.
    pub fn bounds(&self) -> Option<Bounds> {
        self.formula().bounds()
    }

    /// `sup F` over all ratios and both signs of the advantage, `None` where it is unbounded.
    pub fn multiplier_bound(&self) -> Option<f64> {
        self.formula().multiplier_bound()
    }

    /// Whether the objective controls the mean log-ratio of a sequence instead of that of each token.
    pub fn controls_sequences(&self) -> bool {
        self.formula().controls_sequences()
    }

    /// The policy drift that is part of the objective itself.
    pub fn drift(&self) -> Option<Drift> {
        self.formula().drift()
    }

    /// Whether the objective reads `logp_epoch`.
    pub fn weighs_epochs(&self) -> bool {
        self.formula().epoch_bounds().is_some()
    }
}
