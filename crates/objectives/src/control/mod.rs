//! Ratio control: how each objective turns a log-ratio and an advantage into the coefficient on the score function.
//!
//! Every objective is one type with its options, which is a [`Surrogate`]. The built-in ones say the same thing twice: `term` is
//! the formula for one token in `f64`, as plain as the paper has it, and a lane (`lane.rs`) is the vector form in `f32` that
//! training runs. A test holds one against the other. Any other type's `term` runs as it is ([`Own`]).

mod aspo;
mod cispo;
mod clip;
mod cpgd;
mod dgpo;
mod dppo;
mod gmpo;
mod gppo;
mod gspo;
mod lane;
mod maximum;
mod mhpo;
mod own;
mod policy_gradient;
mod sapo;
mod sign;
mod surrogate;

pub use aspo::Aspo;
pub use cispo::Cispo;
pub use clip::HardClip;
pub use cpgd::{ClipSchedule, Cpgd, EpochWeight};
pub use dgpo::Dgpo;
pub use dppo::{Divergence, Dppo};
pub use gmpo::{Gmpo, LogClip};
pub use gppo::{Betas, Gppo};
pub use gspo::Gspo;
pub use mhpo::{Anchor, Hazard, Mhpo, Modulation};
pub use own::Own;
pub use policy_gradient::{ImportanceSampling, PolicyGradient};
pub use sapo::Sapo;
pub use surrogate::{ClipRule, Surrogate, Term, Token};

pub(crate) use lane::{Columns, Inputs, Lane, LaneToken, Loop};
pub(crate) use surrogate::Formula;

use crate::option::Entry;
use crate::region::Bounds;
use crate::regularizer::Drift;

/// The ratio-control part of an objective, with its options.
#[derive(Debug, Clone, PartialEq)]
pub enum Control {
    /// `pg`.
    PolicyGradient(PolicyGradient),
    /// `is`.
    ImportanceSampling(ImportanceSampling),
    /// `grpo`, `dapo`, `ppo_dual_clip`, and the recipes that differ in advantages or aggregation alone.
    HardClip(HardClip),
    /// `gspo`.
    Gspo(Gspo),
    /// `gmpo`.
    Gmpo(Gmpo),
    /// `dppo_tv`, `dppo_kl`.
    Dppo(Dppo),
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
    /// One that [`crate::register`] made known.
    Own(Own),
}

/// What a variant of [`Control`] holds, shared or not.
macro_rules! inner {
    ($control:expr) => {
        match $control {
            Control::PolicyGradient(inner) => inner,
            Control::ImportanceSampling(inner) => inner,
            Control::HardClip(inner) => inner,
            Control::Gspo(inner) => inner,
            Control::Gmpo(inner) => inner,
            Control::Dppo(inner) => inner,
            Control::Sapo(inner) => inner,
            Control::Cispo(inner) => inner,
            Control::Gppo(inner) => inner,
            Control::Aspo(inner) => inner,
            Control::Mhpo(inner) => inner,
            Control::Dgpo(inner) => inner,
            Control::Cpgd(inner) => inner,
            Control::Own(inner) => inner,
        }
    };
}

impl Control {
    pub(crate) fn formula(&self) -> &dyn Formula {
        inner!(self)
    }

    fn formula_mut(&mut self) -> &mut dyn Formula {
        inner!(self)
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
            Self::Gmpo(inner) => tokens.over(inner),
            Self::Dppo(inner) => tokens.over(inner),
            Self::Sapo(inner) => tokens.over(&inner.lane()),
            Self::Cispo(inner) => tokens.over(&inner.lane()),
            Self::Gppo(inner) => tokens.over(&inner.lane()),
            Self::Aspo(inner) => tokens.over(&inner.lane()),
            Self::Mhpo(inner) => inner.run(tokens),
            Self::Dgpo(inner) => tokens.over(&inner.lane()),
            Self::Cpgd(inner) => inner.run(tokens),
            Self::Own(inner) => tokens.over(&inner.lane()),
        }
    }

    pub(crate) fn options(&mut self) -> Vec<Entry<'_>> {
        self.formula_mut().options()
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

    /// `J` of one token where all that is under a stop-gradient is read from `frozen` ([`Surrogate::surrogate`]).
    pub fn surrogate(&self, token: Token, frozen: Token) -> f64 {
        let drift =
            self.drift().map_or(0.0, |drift| drift.term(frozen.logp, frozen.log_ratio).coefficient * token.logp);
        self.formula().surrogate(token, frozen) + drift
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

    /// The bounds that each token's log-ratio is clipped at before the mean of the sequence is taken (`gmpo`): there, bounds are those of
    /// tokens, although the ratio is the sequence's.
    pub fn clip_before_mean(&self) -> Option<LogClip> {
        self.formula().clip_before_mean()
    }

    /// Whether tokens of equal ratio and advantage may have different multipliers, by their probabilities.
    pub fn reads_probability(&self) -> bool {
        self.formula().reads_probability()
    }

    /// Whether the objective reads `logp_epoch`.
    pub fn weighs_epochs(&self) -> bool {
        self.formula().epoch_bounds().is_some()
    }
}
