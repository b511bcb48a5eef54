//! An objective of one's own: any [`Surrogate`], evaluated token by token in `f64`.

use super::lane::{Lane, LaneTerm, LaneToken};
use super::{ClipRule, Formula, Surrogate, Term, Token};
use crate::option::{self, Entry};
use crate::region::Bounds;

/// A [`Surrogate`] of any type. With statistics some five times slower than a built-in objective, which is
/// still little beside the model.
pub struct Own {
    surrogate: Box<dyn Custom>,
}

/// What [`Own`] can hold: a trait object that can be cloned.
trait Custom: Surrogate + Send + Sync {
    fn copy(&self) -> Box<dyn Custom>;
}

impl<T: Surrogate + Clone + Send + Sync + 'static> Custom for T {
    fn copy(&self) -> Box<dyn Custom> {
        Box::new(self.clone())
    }
}

impl Own {
    /// An objective with this surrogate.
    pub fn new(surrogate: impl Surrogate + Clone + Send + Sync + 'static) -> Self {
        Self { surrogate: Box::new(surrogate) }
    }

    /// What its author's formula gives, as it is.
    pub(crate) fn raw_term(&self, token: Token) -> Term {
        self.surrogate.term(token)
    }

    pub(super) fn lane(&self) -> OwnLane<'_> {
        OwnLane(self)
    }
}

impl Clone for Own {
    fn clone(&self) -> Self {
        Self { surrogate: self.surrogate.copy() }
    }
}

/// By the options: the objectives that hold it have a recipe besides.
impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        option::list_settings(self.clone().options()) == option::list_settings(other.clone().options())
    }
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let settings = option::list_settings(self.surrogate.copy().options());
        f.debug_map().entries(settings.into_iter().map(|setting| (setting.key, setting.value))).finish()
    }
}

impl Surrogate for Own {
    /// With the promise of every objective kept: nothing without an advantage, nothing beyond `f32`. What is no number stays so.
    fn term(&self, token: Token) -> Term {
        if token.advantage == 0.0 {
            return Term { surrogate: 0.0, coefficient: 0.0 };
        }
        let Term { surrogate, coefficient } = self.surrogate.term(token);
        Term { surrogate: saturated(surrogate), coefficient: saturated(coefficient) }
    }

    fn surrogate(&self, token: Token, frozen: Token) -> f64 {
        self.surrogate.surrogate(token, frozen)
    }

    fn options(&mut self) -> Vec<Entry<'_>> {
        self.surrogate.options()
    }

    fn bounds(&self) -> Option<Bounds> {
        self.surrogate.bounds()
    }

    fn clip_rule(&self) -> ClipRule {
        self.surrogate.clip_rule()
    }

    fn multiplier_bound(&self) -> Option<f64> {
        self.surrogate.multiplier_bound()
    }

    fn controls_sequences(&self) -> bool {
        self.surrogate.controls_sequences()
    }
}

impl Formula for Own {
    fn needs_progress(&self) -> bool {
        true
    }
}

fn saturated(x: f64) -> f64 {
    let limit = f64::from(f32::MAX);
    x.clamp(-limit, limit)
}

/// The formula in `f64` behind the loops in `f32`; the one lane that calls what the compiler does not see.
pub(super) struct OwnLane<'o>(&'o Own);

impl Lane for OwnLane<'_> {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        // with advantage 0 any multiplier gives 0: statistics are told that of a positive one
        let advantage = if token.advantage == 0.0 { 1.0 } else { f64::from(token.advantage) };
        let (logp, log_ratio, progress) = (token.logp.into(), token.log_ratio.into(), token.progress.into());
        let term = self.0.term(Token { logp, log_ratio, advantage, progress });
        LaneTerm::new(saturated(term.coefficient / advantage) as f32, saturated(term.surrogate / advantage) as f32)
    }
}
