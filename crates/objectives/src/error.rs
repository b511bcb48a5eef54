//! What can be wrong with a batch.

use crate::aggregation::Aggregation;

/// Why a batch was refused. Sequences and positions count from 0; a position counts within its sequence.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// Two slices that describe the same tokens or sequences differ in length.
    #[error("{field} has {got} entries, expected {expected}: one for each {unit}")]
    Length {
        /// The slice.
        field: &'static str,
        /// What it has an entry for: `token` or `sequence`.
        unit: &'static str,
        /// How many it should have.
        expected: usize,
        /// How many it has.
        got: usize,
    },
    /// `offsets` does not start at 0, decreases, or does not end at the number of tokens.
    #[error("offsets[{index}] is {got}, expected {expected}; offsets are the N+1 boundaries of N packed sequences")]
    Offsets {
        /// Where.
        index: usize,
        /// What stands there.
        got: usize,
        /// What would be right.
        expected: String,
    },
    /// A trained token has a value that is not finite.
    #[error(
        "{field} is {value} at sequence {sequence}, position {position}; trained tokens need finite values, others a mask"
    )]
    NotFinite {
        /// The slice, as `logp`.
        field: &'static str,
        /// The value.
        value: f32,
        /// The sequence.
        sequence: usize,
        /// The position within it.
        position: usize,
    },
    /// A value is outside of its domain, as a negative weight.
    #[error("{field} is {value} at sequence {sequence}, position {position}, expected {expected}")]
    Domain {
        /// The slice.
        field: &'static str,
        /// The value.
        value: f32,
        /// What it should be.
        expected: &'static str,
        /// The sequence.
        sequence: usize,
        /// The position within it.
        position: usize,
    },
    /// The formula of an objective of one's own gives what is no number.
    #[error(
        "objective {objective} gives no number at sequence {sequence}, position {position} (log-ratio {log_ratio}, \
         advantage {advantage}); mend its formula: `objective check` shows where it fails"
    )]
    Undefined {
        /// The objective.
        objective: &'static str,
        /// The log-ratio that it was asked for.
        log_ratio: f32,
        /// The advantage.
        advantage: f32,
        /// The sequence.
        sequence: usize,
        /// The position within it.
        position: usize,
    },
    /// The batch or the counts hold no token to train on.
    #[error("the mask trains no token of the batch; leave such a batch out")]
    NothingTrained,
    /// The objective needs a slice that the batch does not have.
    #[error("{reader} needs {field}, and the batch has none; give it with TokenBatch::{method}")]
    Missing {
        /// The slice.
        field: &'static str,
        /// The builder method that sets it.
        method: &'static str,
        /// What reads it.
        reader: String,
    },
    /// The denominators were made for another aggregation.
    #[error("the denominators are for {got}, the objective aggregates by {expected}")]
    OtherAggregation {
        /// The objective's aggregation.
        expected: Aggregation,
        /// That of the denominators.
        got: Aggregation,
    },
    /// A sequence's group is not among the denominators' groups.
    #[error("sequence {sequence} belongs to group {group}, which the mini-batch's denominators do not know")]
    UnknownGroup {
        /// The sequence.
        sequence: usize,
        /// Its group.
        group: u32,
    },
    /// `seq-mean-token-sum-norm` without its constant length.
    #[error(
        "aggregation seq-mean-token-sum-norm needs aggregation_length, the constant that token sums are divided by"
    )]
    NoAggregationLength,
}
