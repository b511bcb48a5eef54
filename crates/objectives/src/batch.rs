//! The tokens that an objective reads, packed, with their lengths checked once.

use std::ops::Range;

use crate::aggregation::{Counts, check_length, check_offsets};
use crate::error::ObjectiveError;

/// Advantages, one a sequence or one a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Advantages<'a, F = f32> {
    /// Shape `[N]`: every token of a sequence has its sequence's advantage.
    PerSequence(&'a [F]),
    /// Shape `[T]`, packed as the tokens are.
    PerToken(&'a [F]),
}

/// T tokens of N sequences, packed one after another: sequence `s` is `offsets[s]..offsets[s + 1]`.
///
/// Only tokens whose mask is true are trained; the others (prompts, tool output) may hold anything and get gradient 0.
///
/// Training runs on `f32`; a batch of `f64` is for [`crate::Objective::evaluate_plainly`].
///
/// ```
/// use surefoot_objectives::{Advantages, TokenBatch};
/// let (logp, logp_old) = ([-0.7, -1.2, -0.1], [-0.8, -1.1, -0.1]);
/// let batch = TokenBatch::new(&logp, &logp_old, Advantages::PerSequence(&[1.0, -1.0]), &[0, 2, 3], &[0, 0])?
///     .with_mask(&[true, true, false])?;
/// assert_eq!((batch.tokens(), batch.sequences(), batch.counts().tokens), (3, 2, 2));
/// # Ok::<(), surefoot_objectives::ObjectiveError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TokenBatch<'a, F = f32> {
    pub(crate) logp: &'a [F],
    pub(crate) logp_old: &'a [F],
    pub(crate) advantages: Advantages<'a, F>,
    pub(crate) offsets: &'a [usize],
    pub(crate) groups: &'a [u32],
    pub(crate) mask: Option<&'a [bool]>,
    pub(crate) logp_ref: Option<&'a [F]>,
    pub(crate) logp_epoch: Option<&'a [F]>,
    pub(crate) logp_behavior: Option<&'a [F]>,
    pub(crate) token_weights: Option<&'a [F]>,
}

impl<'a, F: Copy> TokenBatch<'a, F> {
    /// A batch of T tokens in N sequences.
    ///
    /// - `logp` `[T]`: `log π_θ` of the policy being trained
    /// - `logp_old` `[T]`: `log π_old` of the policy that sampled the tokens
    /// - `advantages`: `[N]` or `[T]`
    /// - `offsets` `[N+1]`: ascending boundaries, first 0, last T
    /// - `groups` `[N]`: the prompt that each sequence answers; any ids
    ///
    /// # Errors
    /// [`ObjectiveError::Length`] and [`ObjectiveError::Offsets`].
    pub fn new(
        logp: &'a [F],
        logp_old: &'a [F],
        advantages: Advantages<'a, F>,
        offsets: &'a [usize],
        groups: &'a [u32],
    ) -> Result<Self, ObjectiveError> {
        check_offsets(offsets, logp.len())?;
        let (tokens, sequences) = (logp.len(), offsets.len() - 1);
        check_length("logp_old", "token", tokens, logp_old.len())?;
        check_length("groups", "sequence", sequences, groups.len())?;
        match advantages {
            Advantages::PerSequence(values) => check_length("advantages", "sequence", sequences, values.len())?,
            Advantages::PerToken(values) => check_length("advantages", "token", tokens, values.len())?,
        }
        Ok(Self {
            logp,
            logp_old,
            advantages,
            offsets,
            groups,
            mask: None,
            logp_ref: None,
            logp_epoch: None,
            logp_behavior: None,
            token_weights: None,
        })
    }

    /// Trains only tokens whose `mask` `[T]` is true.
    ///
    /// # Errors
    /// [`ObjectiveError::Length`].
    pub fn with_mask(self, mask: &'a [bool]) -> Result<Self, ObjectiveError> {
        check_length("mask", "token", self.tokens(), mask.len())?;
        Ok(Self { mask: Some(mask), ..self })
    }

    /// `log π_ref` `[T]` of the reference policy, for the reference constraint.
    ///
    /// # Errors
    /// [`ObjectiveError::Length`].
    pub fn with_logp_ref(self, logp_ref: &'a [F]) -> Result<Self, ObjectiveError> {
        check_length("logp_ref", "token", self.tokens(), logp_ref.len())?;
        Ok(Self { logp_ref: Some(logp_ref), ..self })
    }

    /// `log π` `[T]` of the policy at the start of the present epoch over the rollout, for CPGD's epoch weight (§6.1).
    ///
    /// # Errors
    /// [`ObjectiveError::Length`].
    pub fn with_logp_epoch(self, logp_epoch: &'a [F]) -> Result<Self, ObjectiveError> {
        check_length("logp_epoch", "token", self.tokens(), logp_epoch.len())?;
        Ok(Self { logp_epoch: Some(logp_epoch), ..self })
    }

    /// `log π_b` `[T]` of the distribution that the tokens were drawn from, where that is not `π_old`: what the off-policy sequence mask
    /// ([`crate::Objective::off_policy_mask`]) starts from. What is not finite says nothing.
    ///
    /// # Errors
    /// [`ObjectiveError::Length`].
    pub fn with_logp_behavior(self, logp_behavior: &'a [F]) -> Result<Self, ObjectiveError> {
        check_length("logp_behavior", "token", self.tokens(), logp_behavior.len())?;
        Ok(Self { logp_behavior: Some(logp_behavior), ..self })
    }

    /// Weights `[T]` that correct for a sampler other than `π_old` (see [`crate::correction`]). They multiply the
    /// objective's term of their token, not the regularisers, and are not part of the ratio.
    ///
    /// # Errors
    /// [`ObjectiveError::Length`].
    pub fn with_token_weights(self, token_weights: &'a [F]) -> Result<Self, ObjectiveError> {
        check_length("token_weights", "token", self.tokens(), token_weights.len())?;
        Ok(Self { token_weights: Some(token_weights), ..self })
    }

    /// What the denominators of these tokens are made of, where they are the whole mini-batch; those of its parts merge.
    pub fn counts(&self) -> Counts {
        Counts::of_checked(self.offsets, self.mask, self.groups)
    }

    /// T, trained or not.
    pub fn tokens(&self) -> usize {
        self.logp.len()
    }

    /// N.
    pub fn sequences(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The runs of neighbouring trained tokens of a sequence.
    pub(crate) fn runs(&self, sequence: usize) -> impl Iterator<Item = Range<usize>> + use<'a, F> {
        let (mut at, end, mask) = (self.offsets[sequence], self.offsets[sequence + 1], self.mask);
        std::iter::from_fn(move || {
            let run = match mask {
                None => at..end,
                Some(mask) => {
                    let first = at + count_leading(&mask[at..end], false);
                    first..first + count_leading(&mask[first..end], true)
                }
            };
            at = run.end;
            (!run.is_empty()).then_some(run)
        })
    }

    /// The sequence of a token and the position within it.
    pub(crate) fn place(&self, token: usize) -> (usize, usize) {
        let sequence = self.offsets.partition_point(|&start| start <= token) - 1;
        (sequence, token - self.offsets[sequence])
    }
}

/// How many of the first entries are `value`.
fn count_leading(mask: &[bool], value: bool) -> usize {
    const CHUNK: usize = 32;
    // whole chunks at once: a comparison of 32 bytes instead of 32 branches
    let chunks = mask.chunks_exact(CHUNK).take_while(|chunk| **chunk == [value; CHUNK]).count() * CHUNK;
    chunks + mask[chunks..].iter().take_while(|&&entry| entry == value).count()
}
