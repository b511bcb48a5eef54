//! Advantages: rewards of a rollout in, one advantage a sequence or a token out.
//!
//! Means and deviations are over the whole rollout batch or over a prompt's group, never over a micro-batch, and in
//! `f64`. A group whose rewards are all equal has advantage exactly 0.

mod error;
mod gdpo;
mod group;
mod penalty;
mod returns;
mod rewards;
mod shaping;

use crate::batch::Advantages;
use crate::keyed::keyed_enum;
use crate::nearest::nearest;
use crate::option::{self, Entry, OptionError, Range, Setting, Value};
use crate::regularizer::ReferenceEstimator;

pub use error::AdvantageError;
pub use group::{GroupSignal, group_signal};
pub use rewards::{RewardBatch, weighted_sum};
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
        /// `R − Σ T·R / Σ T` with the lengths `T` of the group's samples in trained tokens: the baseline of least variance where the
        /// gradients of tokens are independent (OPO, arXiv 2505.23585; verl `opo`).
        Opo => "opo",
        /// `(R_1 − R_2)/(std + 1e-6)` for the best sample of the group, with the greatest reward `R_1` and the next one `R_2`; 0 for
        /// the others (arXiv 2503.19595; verl `grpo_passk`).
        GrpoPassk => "grpo_passk",
        /// Of K rewards with weights `w_k`: `S = Σ_k w_k·(R_k − mean_k)/(std_k + 1e-6)`, over `std(S) + 1e-6` of the whole batch (GDPO,
        /// arXiv 2601.05242). By sequence, as the paper and TRL have it (`multi_objective_aggregation="normalize_then_sum"`); verl's
        /// `gdpo` takes the last mean and deviation over tokens, so that long samples weigh more in them.
        Gdpo => "gdpo",
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

keyed_enum! {
    /// What the deviation that an estimator divides `R − mean` by is taken over.
    pub enum Scale {
        /// The samples of the prompt (GRPO).
        Group => "group",
        /// The whole rollout batch, around its own mean (TRL `scale_rewards="batch"`): a group of almost equal rewards is not blown up.
        Batch => "batch",
    }
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
    /// What that deviation is taken over, `group` by default.
    pub scale: Scale,
    /// `β` of the divergence penalty in the reward; 0 by default. `reinforce_plus_plus` and `rloo_normalized` take it from the
    /// returns token by token; for the others the reward becomes `R − β·Σ_j k_j`, before it is compared; `gdpo` takes none.
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
            scale: Scale::Group,
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
            Entry::choice(
                "scale",
                &mut self.scale,
                "what it is taken over: the prompt's group, or the batch (TRL scale_rewards)",
            ),
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
    /// [`OptionError::Conflict`] for a prompt weight on an estimator other than `dr_grpo`, for the batch's deviation where none of a
    /// group is divided by, and for a divergence in a reward that `gdpo` does not form.
    pub fn check(&self) -> Result<(), OptionError> {
        if self.weight != Weight::Equal && self.estimator != Estimator::DrGrpo {
            return Err(OptionError::Conflict(format!(
                "weight = \"{}\" multiplies R − mean, which is estimator = \"dr_grpo\"; the estimator is \"{}\"",
                self.weight, self.estimator
            )));
        }
        if self.scale == Scale::Batch && !self.divides_by_group() {
            return Err(OptionError::Conflict(format!(
                "scale = \"batch\" replaces the deviation of a group, which estimator = \"grpo\" and \"grpo_passk\" divide by, and \
                 \"dr_grpo\" with weight = \"std\"; the estimator is \"{}\"",
                self.estimator
            )));
        }
        if self.kl_coefficient != 0.0 && self.estimator == Estimator::Gdpo {
            return Err(OptionError::Conflict(
                "estimator = \"gdpo\" compares each reward by itself, and forms no sum that a divergence could be taken from; leave \
                 kl_coefficient at 0, and put the divergence into the loss (reference_coefficient)"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Whether the deviation of a group's rewards is divided by.
    pub fn divides_by_group(&self) -> bool {
        match self.estimator {
            Estimator::Grpo | Estimator::GrpoPassk => true,
            Estimator::DrGrpo => self.weight == Weight::Std,
            Estimator::Raw
            | Estimator::Rloo
            | Estimator::ReinforcePlusPlus
            | Estimator::RlooNormalized
            | Estimator::Opo
            | Estimator::Gdpo => false,
        }
    }

    /// The advantages of a whole rollout batch.
    ///
    /// # Errors
    /// [`AdvantageError`]: a group of one where a group statistic is asked for, tokens missing for an estimator by
    /// token or for lengths, penalties for `gdpo`, a log-probability that is not finite.
    pub fn compute(&self, batch: &RewardBatch<'_>) -> Result<AdvantageValues, AdvantageError> {
        match self.estimator {
            Estimator::Raw => {
                let rewards = penalty::rewards(self, batch)?;
                Ok(AdvantageValues::PerSequence(rewards.into_iter().map(narrow).collect()))
            }
            Estimator::Grpo | Estimator::DrGrpo | Estimator::Rloo | Estimator::Opo | Estimator::GrpoPassk => {
                group::advantages(self, batch).map(AdvantageValues::PerSequence)
            }
            Estimator::Gdpo => gdpo::advantages(self, batch).map(AdvantageValues::PerSequence),
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
            Self::Grpo | Self::DrGrpo | Self::Raw | Self::Rloo | Self::Opo | Self::GrpoPassk | Self::Gdpo => false,
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
