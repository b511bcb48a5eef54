//! An objective: ratio control, regularisers and aggregation under one name, with options by key.

use crate::advantage::AdvantageEstimator;
use crate::aggregation::{Aggregation, Counts, Denominators};
use crate::batch::TokenBatch;
use crate::catalog::Recipe;
use crate::control::{Control, Term, Token};
use crate::error::ObjectiveError;
use crate::nearest::nearest;
use crate::option::{self, Entry, OptionError, Range, Setting, Value};
use crate::registry::recipes;
use crate::regularizer::Regularizer;

/// An objective that is ready to evaluate. Its defaults are its paper's.
///
/// ```
/// use surefoot_objectives::{Advantages, Objective, TokenBatch};
/// let mut objective = Objective::named("mhpo")?;
/// objective.set("bound", 1.0)?;
///
/// let offsets = [0, 2, 3]; // two sequences, of 2 and 1 tokens
/// let groups = [0, 0];
/// let batch = TokenBatch::new(
///     &[-0.7, -1.2, -0.1],
///     &[-0.8, -1.1, -0.1],
///     Advantages::PerSequence(&[0.7, -0.7]),
///     &offsets,
///     &groups,
/// )?;
/// let denominators = objective.denominators(&offsets, None, &groups)?;
/// let result = objective.evaluate(&batch, &denominators)?;
/// assert_eq!(result.grad_logp.len(), 3);
/// assert!(result.grad_logp[0] < 0.0); // a step down the gradient raises a token with a positive advantage
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    recipe: &'static Recipe,
    /// Ratio control with its options.
    pub control: Control,
    /// How token terms become one loss.
    pub aggregation: Aggregation,
    /// The constant length of `seq-mean-token-sum-norm`.
    pub aggregation_length: Option<f64>,
    /// `δ` of the off-policy sequence mask (DeepSeek-V3.2, arXiv 2512.02556, eq. 9; TRL `off_policy_mask_threshold`), 0 is off: a
    /// sequence with a negative advantage whose mean divergence `mean_t(log π_b − log π_θ)` is greater has neither loss nor gradient, but
    /// those of the regularisers. `π_b` is the policy that sampled: `π_old`, unless the batch says otherwise
    /// ([`TokenBatch::with_logp_behavior`]). The sequence stays in the denominators, as in TRL. With advantages by token, its negative
    /// ones are masked.
    pub off_policy_mask: f64,
    /// Additive regularisers, off by default.
    pub regularizer: Regularizer,
}

impl Objective {
    /// Keys of the options that every objective has.
    pub const SHARED: [&'static str; 3] = ["aggregation", "aggregation_length", "off_policy_mask"];

    /// The objective with this key and its paper's options: a built-in one or one that [`crate::register`] made known.
    ///
    /// # Errors
    /// [`OptionError::UnknownName`] with the nearest key.
    pub fn named(name: &str) -> Result<Self, OptionError> {
        let all = recipes();
        let Some(recipe) = all.iter().find(|recipe| recipe.key == name) else {
            let known: Vec<&'static str> = all.iter().map(|recipe| recipe.key).collect();
            return Err(OptionError::UnknownName {
                what: "objective",
                name: name.to_owned(),
                nearest: nearest(name, known.iter().copied()),
                known,
            });
        };
        Ok(Self {
            recipe,
            control: recipe.control.clone(),
            aggregation: recipe.aggregation,
            aggregation_length: None,
            off_policy_mask: 0.0,
            regularizer: Regularizer::default(),
        })
    }

    /// Its key, as `mhpo`.
    pub fn name(&self) -> &'static str {
        self.recipe.key
    }

    /// Its line in the list of objectives.
    pub fn recipe(&self) -> &'static Recipe {
        self.recipe
    }

    /// Sets an option by key, from a TOML table, a Python dict or a command line alike.
    ///
    /// # Errors
    /// A key that this objective does not have (with the nearest one), a value of the wrong kind or out of range.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> Result<(), OptionError> {
        let owner = format!("objective {}", self.name());
        let mut length = self.aggregation_length.unwrap_or(0.0);
        option::set(self.entries(&mut length), &owner, key, &value.into())?;
        self.aggregation_length = Some(length).filter(|length| *length > 0.0);
        Ok(())
    }

    /// Sets an option of the objective or, where it has none of this key, of its regularisers.
    ///
    /// # Errors
    /// As [`Self::set`]; a key that neither has is explained by the objective, which knows more keys.
    pub fn set_anywhere(&mut self, key: &str, value: impl Into<Value>) -> Result<(), OptionError> {
        let value = value.into();
        match self.set(key, value.clone()) {
            Err(unknown @ OptionError::UnknownKey { .. }) => match self.regularizer.set(key, value) {
                Err(OptionError::UnknownKey { .. }) => Err(unknown),
                other => other,
            },
            other => other,
        }
    }

    /// Every option with its present value (`aggregation_length` is 0 until it is set).
    pub fn settings(&self) -> Vec<Setting> {
        let mut length = self.aggregation_length.unwrap_or(0.0);
        option::list_settings(self.clone().entries(&mut length))
    }

    /// Options that contradict each other or lack a partner; to be called once all are set.
    ///
    /// # Errors
    /// [`OptionError::Conflict`] for `seq-mean-token-sum-norm` without its length, and for a policy drift of the
    /// regulariser on an objective that has its own.
    pub fn check(&self) -> Result<(), OptionError> {
        if self.aggregation == Aggregation::SeqMeanTokenSumNorm && self.aggregation_length.is_none() {
            return Err(OptionError::Conflict(
                "aggregation = \"seq-mean-token-sum-norm\" needs aggregation_length, the constant that token sums are \
                 divided by (the greatest response length, as a rule)"
                    .to_owned(),
            ));
        }
        if self.control.drift().is_some() && self.regularizer.drift.coefficient != 0.0 {
            return Err(OptionError::Conflict(format!(
                "objective {} has a policy drift of its own: set its drift_coefficient, not the regularizer's",
                self.name()
            )));
        }
        Ok(())
    }

    /// The advantages of the objective's paper.
    pub fn default_advantage(&self) -> AdvantageEstimator {
        AdvantageEstimator::of(self.recipe.estimator)
    }

    fn entries<'a>(&'a mut self, length: &'a mut f64) -> Vec<Entry<'a>> {
        let mut entries = self.control.options();
        entries.push(Entry::choice("aggregation", &mut self.aggregation, "how token terms become one loss"));
        entries.push(Entry::number(
            "aggregation_length",
            length,
            Range::Positive,
            "L of seq-mean-token-sum-norm: the constant that token sums are divided by (Dr. GRPO)",
        ));
        entries.push(Entry::number(
            "off_policy_mask",
            &mut self.off_policy_mask,
            Range::NonNegative,
            "δ: a sequence with a negative advantage from which the policy has moved by more nats a token on average is left alone; 0 is off (DeepSeek-V3.2)",
        ));
        entries
    }

    /// The denominators for this objective of a batch that is the whole mini-batch. Where it is cut into micro-batches, each of them is
    /// evaluated with the denominators of all ([`Self::denominators`]).
    ///
    /// # Errors
    /// Those of [`Denominators::of`].
    pub fn denominators_of<F: Copy>(&self, batch: &TokenBatch<'_, F>) -> Result<Denominators, ObjectiveError> {
        self.denominators_from(batch.counts())
    }

    /// The denominators of a whole mini-batch for this objective; arguments as of [`Counts::of`].
    ///
    /// # Errors
    /// Those of [`Denominators::of`].
    pub fn denominators(
        &self,
        offsets: &[usize],
        mask: Option<&[bool]>,
        groups: &[u32],
    ) -> Result<Denominators, ObjectiveError> {
        self.denominators_from(Counts::of(offsets, mask, groups)?)
    }

    /// The denominators from counts, as data-parallel ranks merge them.
    ///
    /// # Errors
    /// Those of [`Denominators::from_counts`].
    pub fn denominators_from(&self, counts: Counts) -> Result<Denominators, ObjectiveError> {
        match self.aggregation {
            Aggregation::SeqMeanTokenSumNorm => {
                let length = self.aggregation_length.ok_or(ObjectiveError::NoAggregationLength)?;
                Denominators::with_length(counts, length)
            }
            Aggregation::SeqMeanTokenMean | Aggregation::TokenMean | Aggregation::PromptMeanTokenMean => {
                Denominators::from_counts(self.aggregation, counts)
            }
        }
    }

    /// Whether a token with this advantage has loss and gradient 0 whatever its log-probabilities are.
    ///
    /// A sequence of such tokens may be left out of the update as long as it still counts in the denominators.
    pub fn is_inert(&self, advantage: f32) -> bool {
        let drift = self.control.drift().is_some_and(|drift| drift.coefficient != 0.0);
        let regularizer = &self.regularizer;
        let regularized = drift || regularizer.drift.coefficient != 0.0 || regularizer.reference_coefficient != 0.0;
        advantage == 0.0 && !regularized
    }

    /// `J` and `g` of one token in `f64`, with regularisers; `logp_ref` is read when the reference constraint is on.
    ///
    /// The plain reference beside [`Self::evaluate`].
    pub fn term(&self, token: Token, logp_ref: f64) -> Term {
        let mut term = self.control.term(token);
        if self.regularizer.drift.coefficient != 0.0 {
            let drift = self.regularizer.drift.term(token.logp, token.log_ratio);
            term.surrogate += drift.surrogate;
            term.coefficient += drift.coefficient;
        }
        if self.regularizer.reference_coefficient != 0.0 {
            let reference = self.regularizer.reference_term(token.logp, logp_ref);
            term.surrogate += reference.surrogate;
            term.coefficient += reference.coefficient;
        }
        term
    }
}
