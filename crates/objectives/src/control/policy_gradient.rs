//! The policy gradient without ratio control: plain, and with the importance ratio.

use super::lane::{Lane, LaneTerm, LaneToken};
use super::{Formula, Term, Token};
use crate::exponential::LOG_LIMIT;
use crate::option::Entry;

/// Basic policy gradient: `J = ℓ·A`, `g = A` (CPGD §4.2). Key `pg`.
///
/// The paper's surrogate is `A·log π`, which differs by `A·log π_old`: a constant for the gradient, and this one is 0
/// on-policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyGradient;

impl Formula for PolicyGradient {
    fn term(&self, token: Token) -> Term {
        Term { surrogate: token.log_ratio * token.advantage, coefficient: token.advantage }
    }

    fn entries(&mut self) -> Vec<Entry<'_>> {
        Vec::new()
    }

    fn multiplier_bound(&self) -> Option<f64> {
        Some(1.0)
    }
}

impl Lane for PolicyGradient {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        LaneTerm::new(1.0, token.log_ratio)
    }
}

/// Importance sampling, GRPO without the clip: `J = r·A`, `g = r·A` (CPGD §4.2). Key `is`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImportanceSampling;

impl Formula for ImportanceSampling {
    fn term(&self, token: Token) -> Term {
        let value = token.log_ratio.min(f64::from(LOG_LIMIT)).exp() * token.advantage;
        Term { surrogate: value, coefficient: value }
    }

    fn entries(&mut self) -> Vec<Entry<'_>> {
        Vec::new()
    }
}

impl Lane for ImportanceSampling {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        LaneTerm::new(token.ratio, token.ratio)
    }
}
