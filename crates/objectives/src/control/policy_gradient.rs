//! The policy gradient without ratio control: plain, and with the importance ratio.

use super::lane::{Lane, LaneTerm, LaneToken};
use super::{Formula, Surrogate, Term, Token};

/// Basic policy gradient: `J = ℓ·A`, `g = A` (CPGD §4.2). Key `pg`.
///
/// The paper's surrogate is `A·log π`, which differs by `A·log π_old`: a constant for the gradient, and this one is 0
/// on-policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyGradient;

impl Surrogate for PolicyGradient {
    fn term(&self, token: Token) -> Term {
        Term { surrogate: token.log_ratio * token.advantage, coefficient: token.advantage }
    }

    fn multiplier_bound(&self) -> Option<f64> {
        Some(1.0)
    }
}

impl Formula for PolicyGradient {}

impl Lane for PolicyGradient {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        LaneTerm::new(1.0, token.log_ratio)
    }
}

/// Importance sampling, GRPO without the clip: `J = r·A`, `g = r·A` (CPGD §4.2). Key `is`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImportanceSampling;

impl Surrogate for ImportanceSampling {
    fn term(&self, token: Token) -> Term {
        let value = token.ratio() * token.advantage;
        Term { surrogate: value, coefficient: value }
    }
}

impl Formula for ImportanceSampling {}

impl Lane for ImportanceSampling {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        LaneTerm::new(token.ratio, token.ratio)
    }
}
