//! Terms that any objective can carry besides its ratio control: policy drift and the reference constraint.

use crate::control::Term;
use crate::exponential::LOG_LIMIT;
use crate::keyed::keyed_enum;
use crate::option::{self, Entry, OptionError, Range, Setting, Value};

keyed_enum! {
    /// Estimators of `KL(π‖ref)` at one token, with `d = log π − log π_ref`; each enters `J` as `−β·k`.
    pub enum ReferenceEstimator {
        /// `d`: `g` gains `−β`.
        K1 => "k1",
        /// `d²/2`: `g` gains `−β·d`.
        K2 => "k2",
        /// `e^(−d) − 1 + d`: `g` gains `−β·(1 − e^(−d))`.
        K3 => "k3",
    }
}

impl ReferenceEstimator {
    /// The estimate `k` at one token with `d = log π − log π_ref`, and its slope `dk/d(log π)`. An argument of `exp` beyond
    /// f32's range is held there.
    ///
    /// ```
    /// use surefoot_objectives::ReferenceEstimator;
    /// assert_eq!(ReferenceEstimator::K2.at(-0.5), (0.125, -0.5));
    /// ```
    pub fn at(self, d: f64) -> (f64, f64) {
        match self {
            Self::K1 => (d, 1.0),
            Self::K2 => (0.5 * d * d, d),
            Self::K3 => {
                let excess = (-d).min(f64::from(LOG_LIMIT)).exp_m1();
                (excess + d, -excess)
            }
        }
    }
}

/// CPGD's policy drift (eq. 2): `J` gains `−α·min(sg(r)−1, c)·log π`, so `g` gains `−α·min(r−1, c)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// `α`, 0 for none.
    pub coefficient: f64,
    /// `c`, the bound on `r − 1`.
    pub bound: f64,
}

impl Drift {
    /// What `J` and `g` gain at one token.
    pub fn term(&self, logp: f64, log_ratio: f64) -> Term {
        let pull = self.coefficient * log_ratio.min(f64::from(LOG_LIMIT)).exp_m1().min(self.bound);
        Term { surrogate: -pull * logp, coefficient: -pull }
    }
}

/// The additive regularisers, both off by default. They are not multiplied by behaviour-correction weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Regularizer {
    /// Policy drift, α = 0 by default and c = 2.0 (CPGD's released code).
    pub drift: Drift,
    /// `β` of the reference constraint, 0 by default.
    pub reference_coefficient: f64,
    /// How the divergence from the reference is estimated, k3 by default (GRPO).
    pub reference_estimator: ReferenceEstimator,
}

impl Default for Regularizer {
    fn default() -> Self {
        Self {
            drift: Drift { coefficient: 0.0, bound: 2.0 },
            reference_coefficient: 0.0,
            reference_estimator: ReferenceEstimator::K3,
        }
    }
}

impl Regularizer {
    fn entries(&mut self) -> Vec<Entry<'_>> {
        vec![
            Entry::number(
                "drift_coefficient",
                &mut self.drift.coefficient,
                Range::NonNegative,
                "α of the policy drift, 0 for none (CPGD eq. 2)",
            ),
            Entry::number(
                "drift_bound",
                &mut self.drift.bound,
                Range::Positive,
                "c of the policy drift: r − 1 counts at most this much (CPGD eq. 2)",
            ),
            Entry::number(
                "reference_coefficient",
                &mut self.reference_coefficient,
                Range::NonNegative,
                "β of the divergence from the reference policy, 0 for none (GRPO)",
            ),
            Entry::choice("reference_estimator", &mut self.reference_estimator, "its estimator (Schulman 2020)"),
        ]
    }

    /// Sets an option by key.
    ///
    /// # Errors
    /// An unknown key (with the nearest one) or a value outside of its range.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> Result<(), OptionError> {
        option::set(self.entries(), "the regularizer", key, &value.into())
    }

    /// Every option with its present value.
    pub fn settings(&self) -> Vec<Setting> {
        option::list_settings(self.clone().entries())
    }

    /// What `J` and `g` gain by the reference constraint at one token.
    pub fn reference_term(&self, logp: f64, logp_ref: f64) -> Term {
        let (k, slope) = self.reference_estimator.at(logp - logp_ref);
        Term { surrogate: -self.reference_coefficient * k, coefficient: -self.reference_coefficient * slope }
    }
}
