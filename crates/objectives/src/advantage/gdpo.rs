//! Several rewards, each normalised within its group before they are summed (GDPO, arXiv 2601.05242).

use super::{AdvantageError, AdvantageEstimator, Estimator, RewardBatch, STD_EPSILON, group, narrow};

/// One advantage a sequence. The mean of the batch, which the paper takes away last, is 0 but for rounding: that of each group is.
/// So a group in which no reward differs keeps its advantage of exactly 0.
pub(super) fn advantages(options: &AdvantageEstimator, batch: &RewardBatch<'_>) -> Result<Vec<f32>, AdvantageError> {
    if batch.penalties.is_some() || options.kl_coefficient != 0.0 {
        return Err(AdvantageError::Penalised { estimator: Estimator::Gdpo });
    }
    let members = group::members(batch.groups);
    group::check_sizes(&members, Estimator::Gdpo)?;
    let (parts, weights) = batch.parts.unwrap_or((batch.rewards, &[1.0]));
    let mut sums = vec![0.0; batch.rewards.len()];
    for (reward, &weight) in weights.iter().enumerate() {
        let of: Vec<f64> = parts.iter().skip(reward).step_by(weights.len()).map(|&part| f64::from(part)).collect();
        for sequences in members.values().filter(|sequences| !group::all_equal(&of, sequences)) {
            let own: Vec<f64> = sequences.iter().map(|&sequence| of[sequence]).collect();
            let mean = own.iter().sum::<f64>() / own.len() as f64;
            let scale = f64::from(weight) / (options.std.of(&own) + STD_EPSILON);
            for (&sequence, value) in sequences.iter().zip(&own) {
                sums[sequence] += (value - mean) * scale;
            }
        }
    }
    let deviation = options.std.of(&sums) + STD_EPSILON;
    Ok(sums.into_iter().map(|sum| narrow(sum / deviation)).collect())
}
