//! Advantages: rewards of a rollout in, one advantage a sequence or a token out.
//!
//! Means and deviations are over the whole rollout batch or over a prompt's group, never over a micro-batch, and in
//! `f64`. A group whose rewards are all equal has advantage exactly 0.

mod group;
mod penalty;
mod returns;
mod shaping;

use crate::batch::Advantages;
use crate::keyed::keyed_enum;
use crate::nearest::nearest;
use crate::option::{self, Entry, OptionError, Range, Setting, Value};
use crate::regularizer::ReferenceEstimator;

pub use group::{GroupSignal, group_signal};
pub use shaping::overlong_penalty;

/// Added to a standard deviation before dividing by it, as the trainers in use do: a group of almost equal rewards
/// is not blown up without bound.
pub const STD_EPSILON: f64 = 1e-6;

keyed_enum! {
    /// How advantages come from rewards `R`. `mean` and `std` are over the group, the samples of one prompt.
    pub enum Estimator {
        /// `(R − mean)/(std + 1e-6)` (GRPO; MHPO eq. 2; CPGD's STD weight).
        Grpo => "grpo",
        /// `ω·(R − mean)` with the weight `ω` of [`Weight`] (Dr. GRPO; CPGD §4.3).
        DrGrpo => "dr_grpo",
        /// `R` ("unprocessed rewards", CPGD Table 2).
        Raw => "raw",
        /// `R` less the mean of the group's other samples (RLOO).
        Rloo => "rloo",
        /// By token: `G_i = R − β·Σ_{j≥i} k_j`, normalised over all tokens (CPGD §3.2, with `k = log π_old − log π_ref`).
        ReinforcePlusPlus => "reinforce_plus_plus",
        /// By token: `G_i` less the mean of the group's other `G_i`, normalised over all tokens (CPGD's RLOO, §3.2).
        RlooNormalized => "rloo_normalized",
    }
}

keyed_enum! {
    /// CPGD's weight `ω` of a prompt (§4.3), which multiplies `R − mean`.
    pub enum Weight {
        /// `ω = 1`.
        Equal => "equal",
        /// `ω = 1/(std + 1e-6)`: the same as the estimator `grpo`.
        Std => "std",
        /// `ω = min(c_ω, #prompts / #prompts with std ≠ 0)`.
        ClipFilter => "clip-filter",
    }
}

keyed_enum! {
    /// The standard deviation of n numbers.
    pub enum Std {
        /// Divided by n − 1, as the trainers in use do.
        Sample => "sample",
        /// Divided by n.
        Population => "population",
    }
}

/// Why advantages could not be computed. Sequences and positions count from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AdvantageError {
    /// Two slices that describe the same thing differ in length.
    #[error("{field} has {got} entries, expected {expected}: one for each {unit}")]
    Length {
        /// The slice.
        field: &'static str,
        /// What it has an entry for.
        unit: &'static str,
        /// How many it should have.
        expected: usize,
        /// How many it has.
        got: usize,
    },
    /// Something per token was given before the tokens.
    #[error("{what} are per token, and the batch has no tokens yet; call with_tokens first")]
    NoTokens {
        /// What was given.
        what: &'static str,
    },
    /// `offsets` is not the ascending list of boundaries.
    #[error(transparent)]
    Offsets(crate::error::ObjectiveError),
    /// A reward is not finite.
    #[error("the reward of sequence {sequence} is {value}; a sequence that cannot be judged must be left out")]
    NotFinite {
        /// The sequence.
        sequence: usize,
        /// Its reward.
        value: f32,
    },
    /// A log-probability of a trained token is not finite.
    #[error("{field} is {value} at sequence {sequence}, position {position}; trained tokens need finite values")]
    TokenNotFinite {
        /// The slice.
        field: &'static str,
        /// The value.
        value: f32,
        /// The sequence.
        sequence: usize,
        /// The position within it.
        position: usize,
    },
    /// A statistic of the group is asked for, and the group is one sample.
    #[error(
        "sequence {sequence} is alone in group {group}, and estimator {estimator} compares the samples of a group; \
         sample at least 2 for each prompt, or use estimator raw or reinforce_plus_plus"
    )]
    GroupOfOne {
        /// The sequence.
        sequence: usize,
        /// Its group.
        group: u32,
        /// The estimator.
        estimator: Estimator,
    },
    /// The estimator works by token and the rewards came without tokens.
    #[error("estimator {estimator} needs {field}; give it with RewardBatch::{method}")]
    Missing {
        /// The estimator.
        estimator: Estimator,
        /// What is missing.
        field: &'static str,
        /// The method that sets it.
        method: &'static str,
    },
}

/// Rewards of N sequences and, for estimators by token, their tokens.
#[derive(Debug, Clone, Copy)]
pub struct RewardBatch<'a> {
    pub(crate) rewards: &'a [f32],
    pub(crate) groups: &'a [u32],
    pub(crate) offsets: Option<&'a [usize]>,
    pub(crate) mask: Option<&'a [bool]>,
    pub(crate) logp_old: Option<&'a [f32]>,
    pub(crate) logp_ref: Option<&'a [f32]>,
    pub(crate) penalties: Option<&'a [f32]>,
}

impl<'a> RewardBatch<'a> {
    /// `rewards` `[N]` and the `groups` `[N]` of their prompts.
    ///
    /// # Errors
    /// [`AdvantageError::Length`], [`AdvantageError::NotFinite`].
    pub fn new(rewards: &'a [f32], groups: &'a [u32]) -> Result<Self, AdvantageError> {
        same_length("groups", "sequence", rewards.len(), groups.len())?;
        if let Some(sequence) = rewards.iter().position(|reward| !reward.is_finite()) {
            return Err(AdvantageError::NotFinite { sequence, value: rewards[sequence] });
        }
        Ok(Self { rewards, groups, offsets: None, mask: None, logp_old: None, logp_ref: None, penalties: None })
    }

    /// The packed tokens: N+1 boundaries, and the mask `[T]` of trained tokens (`None`: all). What was given of other tokens before goes.
    ///
    /// # Errors
    /// [`AdvantageError::Length`], [`AdvantageError::Offsets`].
    pub fn with_tokens(self, offsets: &'a [usize], mask: Option<&'a [bool]>) -> Result<Self, AdvantageError> {
        let tokens = offsets.last().copied().unwrap_or(0);
        crate::aggregation::check_offsets(offsets, tokens).map_err(AdvantageError::Offsets)?;
        same_length("offsets", "sequence, and one more", self.rewards.len() + 1, offsets.len())?;
        if let Some(mask) = mask {
            same_length("mask", "token", tokens, mask.len())?;
        }
        Ok(Self { offsets: Some(offsets), mask, ..Self::new(self.rewards, self.groups)? })
    }

    /// `log π_old` and `log π_ref` `[T]` for the divergence penalty within the return. After [`Self::with_tokens`].
    ///
    /// # Errors
    /// [`AdvantageError::NoTokens`], [`AdvantageError::Length`].
    pub fn with_logp(self, logp_old: &'a [f32], logp_ref: &'a [f32]) -> Result<Self, AdvantageError> {
        let tokens = self.tokens("log-probabilities")?;
        same_length("logp_old", "token", tokens, logp_old.len())?;
        same_length("logp_ref", "token", tokens, logp_ref.len())?;
        Ok(Self { logp_old: Some(logp_old), logp_ref: Some(logp_ref), ..self })
    }

    /// What each token costs, `[T]`, where somebody has computed it already: it stands for `β·k`, whatever the coefficient is. After
    /// [`Self::with_tokens`].
    ///
    /// # Errors
    /// [`AdvantageError::NoTokens`], [`AdvantageError::Length`].
    pub fn with_penalties(self, penalties: &'a [f32]) -> Result<Self, AdvantageError> {
        same_length("penalties", "token", self.tokens("penalties")?, penalties.len())?;
        Ok(Self { penalties: Some(penalties), ..self })
    }

    /// T, where the tokens were given.
    fn tokens(&self, what: &'static str) -> Result<usize, AdvantageError> {
        self.offsets.and_then(|offsets| offsets.last().copied()).ok_or(AdvantageError::NoTokens { what })
    }
}

fn same_length(field: &'static str, unit: &'static str, expected: usize, got: usize) -> Result<(), AdvantageError> {
    if expected == got { Ok(()) } else { Err(AdvantageError::Length { field, unit, expected, got }) }
}

/// Advantages as an estimator gives them.
#[derive(Debug, Clone, PartialEq)]
pub enum AdvantageValues {
    /// `[N]`.
    PerSequence(Vec<f32>),
    /// `[T]`; 0 where the mask is false.
    PerToken(Vec<f32>),
}

impl AdvantageValues {
    /// The form that [`crate::TokenBatch`] takes.
    pub fn view(&self) -> Advantages<'_> {
        match self {
            Self::PerSequence(values) => Advantages::PerSequence(values),
            Self::PerToken(values) => Advantages::PerToken(values),
        }
    }
}

/// An estimator with its options.
///
/// ```
/// use surefoot_objectives::advantage::{AdvantageEstimator, AdvantageValues, RewardBatch};
/// let mut estimator = AdvantageEstimator::named("dr_grpo")?;
/// let rewards = RewardBatch::new(&[1.0, 0.0, 1.0, 1.0], &[7, 7, 9, 9])?;
/// assert_eq!(estimator.compute(&rewards)?, AdvantageValues::PerSequence(vec![0.5, -0.5, 0.0, 0.0]));
/// estimator.set("weight", "clip-filter")?; // 2 prompts, 1 of them with a signal
/// assert_eq!(estimator.compute(&rewards)?, AdvantageValues::PerSequence(vec![1.0, -1.0, 0.0, 0.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdvantageEstimator {
    /// The formula, `grpo` by default.
    pub estimator: Estimator,
    /// CPGD's prompt weight, for `dr_grpo` only; `equal` by default.
    pub weight: Weight,
    /// `c_ω` of `clip-filter`, 3 by default (CPGD's released code).
    pub weight_bound: f64,
    /// `sample` by default.
    pub std: Std,
    /// `β` of the divergence penalty in the reward; 0 by default. `reinforce_plus_plus` and `rloo_normalized` take it from the
    /// returns token by token; for the others the reward becomes `R − β·Σ_j k_j`, before it is compared.
    pub kl_coefficient: f64,
    /// How the divergence `k` of `log π_old` from `log π_ref` is estimated, k1 by default (CPGD §3.2).
    pub kl_estimator: ReferenceEstimator,
}

impl AdvantageEstimator {
    /// An estimator with the default options.
    pub const fn of(estimator: Estimator) -> Self {
        Self {
            estimator,
            weight: Weight::Equal,
            weight_bound: 3.0,
            std: Std::Sample,
            kl_coefficient: 0.0,
            kl_estimator: ReferenceEstimator::K1,
        }
    }

    /// The estimator with this key.
    ///
    /// # Errors
    /// [`OptionError::UnknownName`] with the nearest key.
    pub fn named(name: &str) -> Result<Self, OptionError> {
        Estimator::parse(name).map(Self::of).ok_or_else(|| OptionError::UnknownName {
            what: "advantage estimator",
            name: name.to_owned(),
            nearest: nearest(name, Estimator::KEYS.iter().copied()),
            known: Estimator::KEYS.to_vec(),
        })
    }

    fn entries(&mut self) -> Vec<Entry<'_>> {
        vec![
            Entry::choice("estimator", &mut self.estimator, "how advantages come from rewards"),
            Entry::choice("weight", &mut self.weight, "ω of a prompt, with estimator dr_grpo (CPGD §4.3)"),
            Entry::number(
                "weight_bound",
                &mut self.weight_bound,
                Range::Positive,
                "c_ω of weight clip-filter (CPGD §4.3)",
            ),
            Entry::choice("std", &mut self.std, "the standard deviation: of a sample (n − 1) or a population (n)"),
            Entry::number(
                "kl_coefficient",
                &mut self.kl_coefficient,
                Range::NonNegative,
                "β of the divergence from the reference policy in the reward (CPGD §3.2)",
            ),
            Entry::choice("kl_estimator", &mut self.kl_estimator, "its estimator (Schulman 2020)"),
        ]
    }

    /// Sets an option by key.
    ///
    /// # Errors
    /// An unknown key (with the nearest one) or a value outside of its range.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> Result<(), OptionError> {
        option::set(self.entries(), "the advantage", key, &value.into())
    }

    /// Every option with its present value.
    pub fn settings(&self) -> Vec<Setting> {
        option::list_settings(self.clone().entries())
    }

    /// Options that contradict each other.
    ///
    /// # Errors
    /// [`OptionError::Conflict`] for a prompt weight on an estimator other than `dr_grpo`.
    pub fn check(&self) -> Result<(), OptionError> {
        if self.weight != Weight::Equal && self.estimator != Estimator::DrGrpo {
            return Err(OptionError::Conflict(format!(
                "weight = \"{}\" multiplies R − mean, which is estimator = \"dr_grpo\"; the estimator is \"{}\"",
                self.weight, self.estimator
            )));
        }
        Ok(())
    }

    /// The advantages of a whole rollout batch.
    ///
    /// # Errors
    /// [`AdvantageError`]: a group of one where a group statistic is asked for, tokens missing for an estimator by
    /// token, a log-probability that is not finite.
    pub fn compute(&self, batch: &RewardBatch<'_>) -> Result<AdvantageValues, AdvantageError> {
        match self.estimator {
            Estimator::Raw => {
                let rewards = penalty::rewards(self, batch)?;
                Ok(AdvantageValues::PerSequence(rewards.into_iter().map(narrow).collect()))
            }
            Estimator::Grpo | Estimator::DrGrpo | Estimator::Rloo => {
                let rewards = penalty::rewards(self, batch)?;
                group::advantages(self, &rewards, batch.groups).map(AdvantageValues::PerSequence)
            }
            Estimator::ReinforcePlusPlus | Estimator::RlooNormalized => {
                returns::advantages(self, batch).map(AdvantageValues::PerToken)
            }
        }
    }
}

impl Estimator {
    /// Whether a sample is compared with the others of its group, so that one alone has no advantage.
    pub const fn compares(self) -> bool {
        !matches!(self, Self::Raw | Self::ReinforcePlusPlus)
    }

    /// Whether advantages are one a token: then they differ within a sequence when there is a divergence penalty.
    pub const fn by_token(self) -> bool {
        match self {
            Self::ReinforcePlusPlus | Self::RlooNormalized => true,
            Self::Grpo | Self::DrGrpo | Self::Raw | Self::Rloo => false,
        }
    }
}

/// As f32, the greatest of which stands for what is greater.
fn narrow(advantage: f64) -> f32 {
    advantage.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

impl Std {
    /// The standard deviation; exactly 0 for equal numbers.
    pub(crate) fn of(self, numbers: &[f64]) -> f64 {
        if numbers.iter().all(|x| *x == numbers[0]) {
            return 0.0;
        }
        let n = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / n;
        let squares: f64 = numbers.iter().map(|x| (x - mean) * (x - mean)).sum();
        match self {
            Self::Sample => (squares / (n - 1.0)).sqrt(),
            Self::Population => (squares / n).sqrt(),
        }
    }
}
