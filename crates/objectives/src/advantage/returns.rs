//! Advantages by token from returns with a divergence penalty, normalised over the whole batch (CPGD §3.2).

use super::{AdvantageError, AdvantageEstimator, Estimator, RewardBatch, STD_EPSILON, group, narrow, penalty};

/// The returns `G_i = R − β·Σ_{j≥i} k_j` of one sequence's trained tokens, `i` counted from 0.
struct Returns {
    reward: f64,
    values: Vec<f64>,
}

impl Returns {
    /// Past the end of the sequence no penalty is left: the return is the reward.
    fn at(&self, i: usize) -> f64 {
        self.values.get(i).copied().unwrap_or(self.reward)
    }
}

pub(super) fn advantages(options: &AdvantageEstimator, batch: &RewardBatch<'_>) -> Result<Vec<f32>, AdvantageError> {
    let estimator = options.estimator;
    let offsets = batch.offsets.ok_or(penalty::missing(estimator, "offsets", "with_tokens"))?;
    let trained = penalty::trained(offsets, batch.mask);
    let penalties = penalty::of(options, batch)?;
    let mut returns = Vec::with_capacity(batch.rewards.len());
    for (sequence, tokens) in trained.iter().enumerate() {
        let reward = f64::from(batch.rewards[sequence]);
        let mut values = vec![reward; tokens.len()];
        if let Some(penalties) = &penalties {
            let mut penalty = 0.0;
            for (value, &token) in values.iter_mut().zip(tokens).rev() {
                penalty += penalties[token];
                *value -= penalty;
            }
        }
        returns.push(Returns { reward, values });
    }
    let values = match estimator {
        Estimator::RlooNormalized => leave_one_out(&returns, batch)?,
        _ => returns.into_iter().map(|returns| returns.values).collect(),
    };
    let all: Vec<f64> = values.iter().flatten().copied().collect();
    let mut advantages = vec![0.0; offsets.last().copied().unwrap_or(0)];
    if all.is_empty() {
        return Ok(advantages);
    }
    let deviation = options.std.of(&all);
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    if deviation > 0.0 {
        for (&token, value) in trained.iter().flatten().zip(&all) {
            advantages[token] = narrow((value - mean) / (deviation + STD_EPSILON));
        }
    }
    Ok(advantages)
}

/// `G_i` of a sample less the mean of the other samples' returns at the same `i`.
fn leave_one_out(returns: &[Returns], batch: &RewardBatch<'_>) -> Result<Vec<Vec<f64>>, AdvantageError> {
    let members = group::members(batch.groups);
    group::check_sizes(&members, Estimator::RlooNormalized)?;
    let mut values: Vec<Vec<f64>> = returns.iter().map(|returns| returns.values.clone()).collect();
    for sequences in members.values() {
        let others = (sequences.len() - 1) as f64;
        for &sequence in sequences {
            for (i, value) in values[sequence].iter_mut().enumerate() {
                let rest: f64 = sequences.iter().filter(|&&s| s != sequence).map(|&s| returns[s].at(i)).sum();
                *value -= rest / others;
            }
        }
    }
    Ok(values)
}
