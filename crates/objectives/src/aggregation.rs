//! How token terms become one loss, with denominators that come from the whole mini-batch.
//!
//! A token's weight is fixed by counts of the *mini-batch*, never by those of the micro-batch it happens to be
//! computed in: summing the losses and gradients of any split gives those of the whole.

use crate::error::ObjectiveError;
use crate::keyed::keyed_enum;

keyed_enum! {
    /// The mean over tokens and sequences. `T_s` is the number of trained tokens of sequence `s`.
    ///
    /// A sequence without a trained token has no mean and does not count as a sequence.
    pub enum Aggregation {
        /// Mean over sequences of the mean over tokens: weight `1/(N·T_s)` (GRPO; MHPO eq. 3).
        SeqMeanTokenMean => "seq-mean-token-mean",
        /// Mean over all tokens of the mini-batch: weight `1/Σ_s T_s` (DAPO).
        TokenMean => "token-mean",
        /// Per prompt the mean over its tokens, then the mean over prompts: weight `1/(P·Σ_{k in group} T_k)`
        /// (CPGD eq. 2, DGPO eq. 10).
        PromptMeanTokenMean => "prompt-mean-token-mean",
        /// Token sums over a constant length `L`, mean over sequences: weight `1/(N·L)` (Dr. GRPO).
        SeqMeanTokenSumNorm => "seq-mean-token-sum-norm",
    }
}

/// What the mini-batch holds, counted over trained tokens.
///
/// Counts add up: data-parallel ranks [`merge`](Self::merge) theirs before the update. A group must be counted
/// under the same id everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sequences with at least one trained token.
    pub sequences: u64,
    /// Trained tokens.
    pub tokens: u64,
    /// Trained tokens of each group that has any, in ascending order of the group's id.
    pub groups: Vec<(u32, u64)>,
}

impl Counts {
    /// Counts a mini-batch of N sequences: `offsets` are N+1 boundaries, `mask` is per token (`None`: all are
    /// trained), `groups` per sequence.
    ///
    /// # Errors
    /// Lengths that do not fit together, or offsets that are not ascending.
    pub fn of(offsets: &[usize], mask: Option<&[bool]>, groups: &[u32]) -> Result<Self, ObjectiveError> {
        let tokens = offsets.last().copied().unwrap_or(0);
        check_offsets(offsets, tokens)?;
        check_length("groups", "sequence", offsets.len() - 1, groups.len())?;
        if let Some(mask) = mask {
            check_length("mask", "token", tokens, mask.len())?;
        }
        Ok(Self::of_checked(offsets, mask, groups))
    }

    /// As [`Self::of`], of slices that fit together.
    pub(crate) fn of_checked(offsets: &[usize], mask: Option<&[bool]>, groups: &[u32]) -> Self {
        let mut counts = Self::default();
        let mut per_group = std::collections::BTreeMap::new();
        for (span, &group) in offsets.windows(2).zip(groups) {
            let trained = trained_tokens(mask, span[0], span[1]) as u64;
            if trained > 0 {
                counts.sequences += 1;
                counts.tokens += trained;
                *per_group.entry(group).or_insert(0) += trained;
            }
        }
        counts.groups = per_group.into_iter().collect();
        counts
    }

    /// Adds the counts of another part of the same mini-batch, as of another data-parallel rank.
    pub fn merge(&mut self, other: &Self) {
        self.sequences += other.sequences;
        self.tokens += other.tokens;
        let mut per_group: std::collections::BTreeMap<u32, u64> = self.groups.iter().copied().collect();
        for &(group, tokens) in &other.groups {
            *per_group.entry(group).or_insert(0) += tokens;
        }
        self.groups = per_group.into_iter().collect();
    }
}

/// The denominators of one mini-batch, from its [`Counts`] and an [`Aggregation`].
///
/// ```
/// use surefoot_objectives::{Aggregation, Denominators};
/// // two sequences of 3 and 1 tokens, one group
/// let denominators = Denominators::of(Aggregation::SeqMeanTokenMean, &[0, 3, 4], None, &[0, 0])?;
/// assert_eq!(denominators.weight(3, 0), Some(1.0 / 6.0));
/// assert_eq!(denominators.weight(1, 0), Some(1.0 / 2.0));
/// # Ok::<(), surefoot_objectives::ObjectiveError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Denominators {
    aggregation: Aggregation,
    counts: Counts,
    length: f64,
}

impl Denominators {
    /// The denominators of a whole mini-batch; arguments as of [`Counts::of`]. For `seq-mean-token-sum-norm`, which
    /// needs a length, use [`crate::Objective::denominators`] or [`Self::with_length`].
    ///
    /// # Errors
    /// Those of [`Counts::of`], [`ObjectiveError::NothingTrained`], and [`ObjectiveError::NoAggregationLength`].
    pub fn of(
        aggregation: Aggregation,
        offsets: &[usize],
        mask: Option<&[bool]>,
        groups: &[u32],
    ) -> Result<Self, ObjectiveError> {
        Self::from_counts(aggregation, Counts::of(offsets, mask, groups)?)
    }

    /// The denominators from global counts, as data-parallel ranks merge them.
    ///
    /// # Errors
    /// [`ObjectiveError::NothingTrained`] for counts without a token, [`ObjectiveError::NoAggregationLength`].
    pub fn from_counts(aggregation: Aggregation, counts: Counts) -> Result<Self, ObjectiveError> {
        if aggregation == Aggregation::SeqMeanTokenSumNorm {
            return Err(ObjectiveError::NoAggregationLength);
        }
        Self::build(aggregation, counts, 1.0)
    }

    /// The denominators of `seq-mean-token-sum-norm`, with the constant length `L` that token sums are divided by.
    ///
    /// # Errors
    /// [`ObjectiveError::NothingTrained`]; [`ObjectiveError::NoAggregationLength`] for a length that is not positive.
    pub fn with_length(counts: Counts, length: f64) -> Result<Self, ObjectiveError> {
        if !(length > 0.0 && length.is_finite()) {
            return Err(ObjectiveError::NoAggregationLength);
        }
        Self::build(Aggregation::SeqMeanTokenSumNorm, counts, length)
    }

    fn build(aggregation: Aggregation, counts: Counts, length: f64) -> Result<Self, ObjectiveError> {
        if counts.tokens == 0 { Err(ObjectiveError::NothingTrained) } else { Ok(Self { aggregation, counts, length }) }
    }

    /// The aggregation that these denominators are for.
    pub fn aggregation(&self) -> Aggregation {
        self.aggregation
    }

    /// The counts that they come from.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The weight of each token of a sequence with `trained` trained tokens in `group`; `None` when
    /// `prompt-mean-token-mean` meets a group that the counts do not hold.
    pub fn weight(&self, trained: usize, group: u32) -> Option<f64> {
        let sequences = self.counts.sequences as f64;
        Some(match self.aggregation {
            Aggregation::SeqMeanTokenMean => 1.0 / (sequences * trained as f64),
            Aggregation::TokenMean => 1.0 / self.counts.tokens as f64,
            Aggregation::PromptMeanTokenMean => {
                let groups = &self.counts.groups;
                let at = groups.binary_search_by_key(&group, |(id, _)| *id).ok()?;
                1.0 / (groups.len() as f64 * groups[at].1 as f64)
            }
            Aggregation::SeqMeanTokenSumNorm => 1.0 / (sequences * self.length),
        })
    }
}

/// How many tokens of `start..end` are trained.
pub(crate) fn trained_tokens(mask: Option<&[bool]>, start: usize, end: usize) -> usize {
    match mask {
        Some(mask) => mask[start..end].iter().map(|&trained| usize::from(trained)).sum(),
        None => end - start,
    }
}

pub(crate) fn check_length(
    field: &'static str,
    unit: &'static str,
    expected: usize,
    got: usize,
) -> Result<(), ObjectiveError> {
    if expected == got { Ok(()) } else { Err(ObjectiveError::Length { field, unit, expected, got }) }
}

pub(crate) fn check_offsets(offsets: &[usize], tokens: usize) -> Result<(), ObjectiveError> {
    let error = |index: usize, got: usize, expected: String| Err(ObjectiveError::Offsets { index, got, expected });
    let Some((&first, &last)) = offsets.first().zip(offsets.last()) else {
        return error(0, 0, "at least one entry".to_owned());
    };
    if first != 0 {
        return error(0, first, "0".to_owned());
    }
    if let Some(at) = offsets.windows(2).position(|span| span[1] < span[0]) {
        return error(at + 1, offsets[at + 1], format!("at least {}", offsets[at]));
    }
    if last != tokens {
        return error(offsets.len() - 1, last, format!("{tokens}, the number of tokens"));
    }
    Ok(())
}
