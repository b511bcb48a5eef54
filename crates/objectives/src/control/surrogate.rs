//! What an objective is: the public half, which one's own objectives implement, and the half that built-in ones add.

use super::LogClip;
use crate::exponential::LOG_LIMIT;
use crate::option::Entry;
use crate::region::Bounds;
use crate::regularizer::Drift;

/// One token, for the formulas in `f64`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token {
    /// `log π_θ` of the token; the value (not the gradient) of surrogates of the form `sg[…]·log π` depends on it.
    pub logp: f64,
    /// `ℓ = log π_θ − log π_old`; of objectives that control sequences, the mean of it over the sequence (`gmpo`: of what is clipped).
    pub log_ratio: f64,
    /// `A`.
    pub advantage: f64,
    /// `i/|y|` for the i-th of `|y|` trained tokens, counted from 1: in `(0, 1]`.
    pub progress: f64,
}

impl Token {
    /// The last token of a sequence, with `log π_old = 0`.
    pub fn at(log_ratio: f64, advantage: f64) -> Self {
        Self { logp: log_ratio, log_ratio, advantage, progress: 1.0 }
    }

    /// `r = exp(ℓ)`, at most `exp(88)`: there `f32` ends.
    pub fn ratio(self) -> f64 {
        self.log_ratio.min(f64::from(LOG_LIMIT)).exp()
    }
}

/// What an objective makes of a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// `J`, which is maximised.
    pub surrogate: f64,
    /// `g = ∂J/∂log π_θ` with every stop-gradient honoured.
    pub coefficient: f64,
}

/// Which tokens statistics count as clipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipRule {
    /// None: the objective has no bounds.
    Unbounded,
    /// Those in LN and HP.
    Outward,
    /// Those outside of the bounds, whatever the sign of the advantage.
    BothSigns,
    /// Those without a gradient.
    Zeroed,
}

/// The surrogate of one token. [`Surrogate::term`] is all that an objective of one's own needs; [`crate::register`] makes it known.
///
/// Both numbers of a term are multiples of the advantage: a token with advantage 0 has neither loss nor gradient.
///
/// ```
/// use surefoot_objectives::control::{Surrogate, Term, Token};
/// use surefoot_objectives::{Entry, Objective, Range, Recipe, register};
///
/// /// `J = min(r, cap)·A` with the gradient of `r·A` up to the cap.
/// #[derive(Clone)]
/// struct Capped {
///     cap: f64,
/// }
///
/// impl Surrogate for Capped {
///     fn term(&self, token: Token) -> Term {
///         let (r, a) = (token.ratio(), token.advantage);
///         Term { surrogate: r.min(self.cap) * a, coefficient: if r < self.cap { r * a } else { 0.0 } }
///     }
///
///     fn options(&mut self) -> Vec<Entry<'_>> {
///         vec![Entry::number("cap", &mut self.cap, Range::AtLeastOne, "greatest ratio that is learned from")]
///     }
/// }
///
/// register(Recipe::own("capped", "ratio up to a cap", Capped { cap: 2.0 }))?;
/// let mut objective = Objective::named("capped")?;
/// objective.set("cap", 4.0)?;
/// assert_eq!(objective.term(Token::at(0.0, -1.5), 0.0).coefficient, -1.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Surrogate {
    /// `J` and `g` of one token in `f64`. For every finite log-ratio and advantage they must be numbers; infinite ones count as
    /// the greatest `f32`.
    fn term(&self, token: Token) -> Term;

    /// `J` where everything that the paper puts under a stop-gradient is read from `frozen`, and all else from `token`: what
    /// [`crate::check_surrogate`] differentiates by `token`. To be written where there is a stop-gradient.
    fn surrogate(&self, token: Token, frozen: Token) -> f64 {
        let _no_stop_gradient = frozen;
        self.term(token).surrogate
    }

    /// The options, in the order in which they are listed.
    fn options(&mut self) -> Vec<Entry<'_>> {
        Vec::new()
    }

    /// The bounds on the ratio that it acts on. Without any, regions are counted with [`Bounds::REPORT`].
    fn bounds(&self) -> Option<Bounds> {
        None
    }

    /// Which tokens count as clipped.
    fn clip_rule(&self) -> ClipRule {
        if self.bounds().is_some() { ClipRule::Outward } else { ClipRule::Unbounded }
    }

    /// `sup F` of the multiplier `F = g/A` over all ratios and both signs of the advantage, where it has one.
    fn multiplier_bound(&self) -> Option<f64> {
        None
    }

    /// Whether the log-ratio that it reads is the mean over the sequence.
    fn controls_sequences(&self) -> bool {
        false
    }
}

/// What built-in objectives say of themselves besides.
pub(crate) trait Formula: Surrogate {
    /// How many tokens are at `dual_clip`.
    fn count_dual(&self, _log_ratio: &[f32], _advantage: &[f32]) -> u64 {
        0
    }
    /// Whether it reads [`Token::progress`].
    fn needs_progress(&self) -> bool {
        false
    }
    /// The policy drift that is part of it.
    fn drift(&self) -> Option<Drift> {
        None
    }
    /// The bounds that log-ratios are clipped at before the mean over the sequence is taken.
    fn clip_before_mean(&self) -> Option<LogClip> {
        None
    }
    /// Whether it reads `π` or `π_old` themselves.
    fn reads_probability(&self) -> bool {
        false
    }
    /// The bounds of the weight that a later epoch puts on the advantage.
    fn epoch_bounds(&self) -> Option<Bounds> {
        None
    }
}
