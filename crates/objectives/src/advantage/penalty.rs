//! The divergence from the reference policy as a part of the reward: `β·k` at each token, taken from the reward of its sequence.

use super::{AdvantageError, AdvantageEstimator, Estimator, RewardBatch};

/// The tokens of each sequence that count.
pub(super) fn trained(offsets: &[usize], mask: Option<&[bool]>) -> Vec<Vec<usize>> {
    let of = |span: &[usize]| (span[0]..span[1]).filter(|&token| mask.is_none_or(|mask| mask[token])).collect();
    offsets.windows(2).map(of).collect()
}

pub(super) fn missing(estimator: Estimator, field: &'static str, method: &'static str) -> AdvantageError {
    AdvantageError::Missing { estimator, field, method }
}

/// `β·k` of every token, 0 where the mask is false; `None` without a coefficient.
pub(super) fn of(options: &AdvantageEstimator, batch: &RewardBatch<'_>) -> Result<Option<Vec<f64>>, AdvantageError> {
    if let (Some(given), Some(offsets)) = (batch.penalties, batch.offsets) {
        return known(given, offsets, batch.mask).map(Some);
    }
    if options.kl_coefficient == 0.0 {
        return Ok(None);
    }
    let missing = |field, method| missing(options.estimator, field, method);
    let offsets = batch.offsets.ok_or(missing("offsets", "with_tokens"))?;
    let (Some(logp_old), Some(logp_ref)) = (batch.logp_old, batch.logp_ref) else {
        return Err(missing("logp_old and logp_ref", "with_logp"));
    };
    let mut penalties = vec![0.0; logp_old.len()];
    for (sequence, tokens) in trained(offsets, batch.mask).into_iter().enumerate() {
        for token in tokens {
            for (field, value) in [("logp_old", logp_old[token]), ("logp_ref", logp_ref[token])] {
                if !value.is_finite() {
                    let position = token - offsets[sequence];
                    return Err(AdvantageError::TokenNotFinite { field, value, sequence, position });
                }
            }
            let difference = f64::from(logp_old[token]) - f64::from(logp_ref[token]);
            penalties[token] = options.kl_coefficient * options.kl_estimator.at(difference).0;
        }
    }
    Ok(Some(penalties))
}

/// The penalties that were given, of the tokens that count.
fn known(given: &[f32], offsets: &[usize], mask: Option<&[bool]>) -> Result<Vec<f64>, AdvantageError> {
    let mut penalties = vec![0.0; given.len()];
    for (sequence, tokens) in trained(offsets, mask).into_iter().enumerate() {
        for token in tokens {
            let (value, position) = (given[token], token - offsets[sequence]);
            if !value.is_finite() {
                return Err(AdvantageError::TokenNotFinite { field: "penalties", value, sequence, position });
            }
            penalties[token] = f64::from(value);
        }
    }
    Ok(penalties)
}

/// `R − Σ_j β·k_j` of every sequence, what estimators by sequence compare; `R` itself without a coefficient.
pub(super) fn rewards(options: &AdvantageEstimator, batch: &RewardBatch<'_>) -> Result<Vec<f64>, AdvantageError> {
    let mut rewards: Vec<f64> = batch.rewards.iter().map(|&reward| f64::from(reward)).collect();
    if let (Some(penalties), Some(offsets)) = (of(options, batch)?, batch.offsets) {
        for (reward, span) in rewards.iter_mut().zip(offsets.windows(2)) {
            *reward -= penalties[span[0]..span[1]].iter().sum::<f64>();
        }
    }
    Ok(rewards)
}
