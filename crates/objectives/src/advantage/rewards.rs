//! What a rollout earned: the rewards of its sequences and, where an estimator reads them, their tokens.

use super::AdvantageError;

/// Rewards of N sequences and, for estimators by token, their tokens.
#[derive(Debug, Clone, Copy)]
pub struct RewardBatch<'a> {
    pub(crate) rewards: &'a [f32],
    pub(crate) groups: &'a [u32],
    /// Of several rewards: `[N·K]`, those of a sequence next to each other, and their `[K]` weights.
    pub(crate) parts: Option<(&'a [f32], &'a [f32])>,
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
        Ok(Self {
            rewards,
            groups,
            parts: None,
            offsets: None,
            mask: None,
            logp_old: None,
            logp_ref: None,
            penalties: None,
        })
    }

    /// The K rewards that `rewards` is the weighted sum of, for estimators that compare each by itself: `parts` `[N·K]`, those of a
    /// sequence next to each other, and `weights` `[K]`. Without them there is one, `rewards`.
    ///
    /// # Errors
    /// [`AdvantageError::Length`], [`AdvantageError::NotFinite`], [`AdvantageError::WeightNotFinite`].
    pub fn with_parts(self, parts: &'a [f32], weights: &'a [f32]) -> Result<Self, AdvantageError> {
        if weights.is_empty() {
            return same_length("weights", "reward", 1, 0).map(|()| self);
        }
        same_length("parts", "sequence and reward", self.rewards.len() * weights.len(), parts.len())?;
        if let Some(reward) = weights.iter().position(|weight| !weight.is_finite()) {
            return Err(AdvantageError::WeightNotFinite { reward, value: weights[reward] });
        }
        if let Some(at) = parts.iter().position(|part| !part.is_finite()) {
            return Err(AdvantageError::NotFinite { sequence: at / weights.len(), value: parts[at] });
        }
        Ok(Self { parts: Some((parts, weights)), ..self })
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
        Ok(Self { offsets: Some(offsets), mask, parts: self.parts, ..Self::new(self.rewards, self.groups)? })
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

/// `Σ_k w_k·R_k` of each sequence, `[N]`, of `parts` `[N·K]` and `weights` `[K]`.
pub fn weighted_sum(parts: &[f32], weights: &[f32]) -> Vec<f32> {
    let of = |own: &[f32]| own.iter().zip(weights).fold(0.0, |sum, (part, weight)| sum + weight * part);
    parts.chunks(weights.len().max(1)).map(of).collect()
}

fn same_length(field: &'static str, unit: &'static str, expected: usize, got: usize) -> Result<(), AdvantageError> {
    if expected == got { Ok(()) } else { Err(AdvantageError::Length { field, unit, expected, got }) }
}
