//! Weights and mask from the log-probabilities of both engines.

use super::{Correction, Criterion, Importance, LOG_WEIGHT_LIMIT, Rejection, Truncation, WeightLevel};
use crate::aggregation::{check_length, check_offsets};
use crate::error::ObjectiveError;

/// What a correction yields: for [`crate::TokenBatch::with_token_weights`] and [`crate::TokenBatch::with_mask`].
#[derive(Debug, Clone, PartialEq)]
pub struct Corrected {
    /// `[T]`, 1 where the mask is false; `None` without importance weights.
    pub token_weights: Option<Vec<f32>>,
    /// `[T]`: the given mask less rejected tokens; `None` without rejections. Count the denominators with it.
    pub mask: Option<Vec<bool>>,
    /// How far the engines are apart, and what was done about it.
    pub stats: CorrectionStats,
}

/// Statistics over trained tokens, before rejection.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CorrectionStats {
    /// Trained tokens.
    pub tokens: u64,
    /// Sequences with a trained token.
    pub sequences: u64,
    /// `Σ(−b)`: k1 of `KL(π_b‖π_old)`.
    pub k1_sum: f64,
    /// `Σ(e^b − 1 − b)`: k3 of it.
    pub k3_sum: f64,
    /// `max |b|`.
    pub gap_max: f64,
    /// Tokens whose weight is truncated or zeroed.
    pub bounded: u64,
    /// Tokens rejected.
    pub rejected_tokens: u64,
    /// Sequences without a token left.
    pub rejected_sequences: u64,
}

impl CorrectionStats {
    /// The statistics by name; empty without tokens.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        if self.tokens == 0 {
            return Vec::new();
        }
        let n = self.tokens as f64;
        vec![
            ("behavior/k1", self.k1_sum / n),
            ("behavior/k3", self.k3_sum / n),
            ("behavior/gap_max", self.gap_max),
            ("behavior/bounded", self.bounded as f64 / n),
            ("behavior/rejected", self.rejected_tokens as f64 / n),
            ("behavior/rejected_sequences", self.rejected_sequences as f64 / self.sequences as f64),
        ]
    }
}

fn limited(log_weight: f64) -> f64 {
    log_weight.clamp(-LOG_WEIGHT_LIMIT, LOG_WEIGHT_LIMIT)
}

impl Correction {
    /// Weights and mask for T tokens in N sequences: `logp_old` and `logp_behavior` `[T]`, `offsets` `[N+1]`, `mask`
    /// `[T]` (`None`: all tokens are trained).
    ///
    /// # Errors
    /// Lengths that do not fit, and [`ObjectiveError::NotFinite`] on a trained token.
    pub fn apply(
        &self,
        logp_old: &[f32],
        logp_behavior: &[f32],
        offsets: &[usize],
        mask: Option<&[bool]>,
    ) -> Result<Corrected, ObjectiveError> {
        let tokens = logp_old.len();
        check_offsets(offsets, tokens)?;
        check_length("logp_behavior", "token", tokens, logp_behavior.len())?;
        if let Some(mask) = mask {
            check_length("mask", "token", tokens, mask.len())?;
        }
        let mut stats = CorrectionStats::default();
        let mut weights = self.importance.map(|_| vec![1.0_f64; tokens]);
        let mut kept = match mask {
            Some(mask) => mask.to_vec(),
            None => vec![true; tokens],
        };
        let mut means = Mean::default();
        for (sequence, span) in offsets.windows(2).enumerate() {
            let trained: Vec<usize> = (span[0]..span[1]).filter(|&token| kept[token]).collect();
            if trained.is_empty() {
                continue;
            }
            for &token in &trained {
                for (field, value) in [("logp_old", logp_old[token]), ("logp_behavior", logp_behavior[token])] {
                    if !value.is_finite() {
                        let position = token - span[0];
                        return Err(ObjectiveError::NotFinite { field, value, sequence, position });
                    }
                }
            }
            let gaps: Vec<f64> =
                trained.iter().map(|&token| f64::from(logp_old[token]) - f64::from(logp_behavior[token])).collect();
            stats.observe(&gaps);
            if let (Some(importance), Some(weights)) = (self.importance, &mut weights) {
                let bounded = importance.weigh(&gaps, &mut |i, weight| weights[trained[i]] = weight);
                stats.bounded += bounded;
                means.add(importance.level, trained.iter().map(|&token| weights[token]));
            }
            let verdicts: Vec<Kept> = self.rejections.iter().map(|rejection| rejection.judge(&gaps)).collect();
            let passes = |i: usize| verdicts.iter().all(|kept| kept.holds(i));
            let rejected: Vec<usize> = (0..gaps.len()).filter(|&i| !passes(i)).collect();
            stats.rejected_tokens += rejected.len() as u64;
            stats.rejected_sequences += u64::from(rejected.len() == gaps.len());
            for i in rejected {
                kept[trained[i]] = false;
            }
        }
        if let (Some(Importance { normalize: true, .. }), Some(weights)) = (self.importance, &mut weights) {
            // a batch whose weights are all 0 stays as it is
            let mean = means.value().filter(|mean| *mean > 0.0).unwrap_or(1.0);
            for (token, weight) in weights.iter_mut().enumerate() {
                if mask.is_none_or(|mask| mask[token]) {
                    *weight /= mean;
                }
            }
        }
        Ok(Corrected {
            token_weights: weights.map(|weights| weights.into_iter().map(|weight| weight as f32).collect()),
            mask: (!self.rejections.is_empty()).then_some(kept),
            stats,
        })
    }
}

impl CorrectionStats {
    fn observe(&mut self, gaps: &[f64]) {
        self.tokens += gaps.len() as u64;
        self.sequences += 1;
        for &gap in gaps {
            self.k1_sum -= gap;
            // beyond e⁷⁰⁰ a float ends
            self.k3_sum += gap.min(700.0).exp_m1() - gap;
            self.gap_max = self.gap_max.max(gap.abs());
        }
    }
}

impl Importance {
    /// Gives the weight of each trained token of a sequence; returns how many were truncated or zeroed.
    fn weigh(&self, gaps: &[f64], set: &mut dyn FnMut(usize, f64)) -> u64 {
        let whole: f64 = gaps.iter().sum();
        let mut bounded = 0;
        for (i, &gap) in gaps.iter().enumerate() {
            let log_weight = match self.level {
                WeightLevel::Token => gap,
                WeightLevel::Sequence => whole,
            };
            let weight = limited(log_weight).exp();
            let kept = match self.truncation {
                Truncation::Cap(cap) => weight.min(cap),
                Truncation::Band { low, high } if weight < low || weight > high => 0.0,
                Truncation::Band { .. } => weight,
            };
            bounded += u64::from(kept != weight);
            set(i, kept);
        }
        bounded
    }
}

/// Which trained tokens of a sequence a rejection keeps.
enum Kept {
    /// All or none.
    Whole(bool),
    /// Each by itself.
    Tokens(Vec<bool>),
}

impl Kept {
    fn holds(&self, token: usize) -> bool {
        match self {
            Kept::Whole(kept) => *kept,
            Kept::Tokens(kept) => kept[token],
        }
    }
}

impl Rejection {
    /// Which of the trained tokens of a sequence are kept.
    fn judge(&self, gaps: &[f64]) -> Kept {
        let k1 = |gap: f64| -limited(gap);
        let k2 = |gap: f64| 0.5 * limited(gap) * limited(gap);
        let k3 = |gap: f64| limited(gap).exp_m1() - limited(gap);
        let sum = |k: &dyn Fn(f64) -> f64| gaps.iter().map(|&gap| k(gap)).sum::<f64>();
        let most = |k: &dyn Fn(f64) -> f64| gaps.iter().map(|&gap| k(gap)).fold(0.0, f64::max);
        let n = gaps.len() as f64;
        let (low, high) = (self.low.ln(), self.high.ln());
        let within =
            |value: f64| if self.criterion.is_ratio() { (low..=high).contains(&value) } else { value <= self.high };
        let tokens = |k: &dyn Fn(f64) -> f64| Kept::Tokens(gaps.iter().map(|&gap| within(k(gap))).collect());
        let value = match self.criterion {
            Criterion::TokenK1 => return tokens(&k1),
            Criterion::TokenK2 => return tokens(&k2),
            Criterion::TokenK3 => return tokens(&k3),
            Criterion::SequenceSumK1 => sum(&k1),
            Criterion::SequenceSumK2 => sum(&k2),
            Criterion::SequenceSumK3 => sum(&k3),
            Criterion::SequenceMeanK1 => sum(&k1) / n,
            Criterion::SequenceMeanK2 => sum(&k2) / n,
            Criterion::SequenceMeanK3 => sum(&k3) / n,
            Criterion::SequenceMaxK2 => most(&k2),
            Criterion::SequenceMaxK3 => most(&k3),
        };
        Kept::Whole(within(value))
    }
}

/// The mean of weights, over tokens or over sequences' means.
#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, level: WeightLevel, weights: impl Iterator<Item = f64>) {
        let (sum, count) = weights.fold((0.0, 0.0), |(sum, count), weight| (sum + weight, count + 1.0));
        match level {
            WeightLevel::Token => (self.sum, self.count) = (self.sum + sum, self.count + count),
            WeightLevel::Sequence => (self.sum, self.count) = (self.sum + sum / count, self.count + 1.0),
        }
    }

    fn value(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}
