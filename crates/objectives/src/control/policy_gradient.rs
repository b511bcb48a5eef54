//! The policy gradient without ratio control: plain, and with the importance ratio.

use super::{Formula, Inputs, Outputs, Term, Token};
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

    #[inline(always)]
    fn columns(&self, inputs: &Inputs<'_>, outputs: &mut Outputs<'_>) {
        outputs.multiplier.fill(1.0);
        outputs.value.copy_from_slice(inputs.log_ratio);
    }

    fn entries(&mut self) -> Vec<Entry<'_>> {
        Vec::new()
    }

    fn multiplier_bound(&self) -> Option<f64> {
        Some(1.0)
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

    #[inline(always)]
    fn columns(&self, inputs: &Inputs<'_>, outputs: &mut Outputs<'_>) {
        outputs.multiplier.copy_from_slice(inputs.ratio);
        outputs.value.copy_from_slice(inputs.ratio);
    }

    fn entries(&mut self) -> Vec<Entry<'_>> {
        Vec::new()
    }
}
