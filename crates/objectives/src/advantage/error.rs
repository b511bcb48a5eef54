//! What can be wrong with rewards.

use super::Estimator;

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
    /// A weight of one of several rewards is not finite.
    #[error("the weight of reward {reward} is {value}; weights must be finite")]
    WeightNotFinite {
        /// Which reward, counted from 0.
        reward: usize,
        /// Its weight.
        value: f32,
    },
    /// A divergence was given to an estimator that forms no sum of rewards.
    #[error("estimator {estimator} compares each reward by itself and takes no penalties; leave them out")]
    Penalised {
        /// The estimator.
        estimator: Estimator,
    },
}
