//! The off-policy sequence mask: what the policy has moved away from is not pushed down further.

use super::TokenBatch;
use crate::batch::Advantages;
use crate::objective::Objective;
use crate::stats::OffPolicyStats;

/// A batch without the advantages of masked sequences.
pub(super) struct Masked<F> {
    advantages: Vec<F>,
    by_token: bool,
    pub stats: OffPolicyStats,
}

impl<F: Copy> Masked<F> {
    /// The batch with these advantages. An advantage of 0 leaves the regularisers, and the sequence in the denominators.
    pub fn batch<'b>(&'b self, batch: &TokenBatch<'b, F>) -> TokenBatch<'b, F> {
        let advantages = match self.by_token {
            true => Advantages::PerToken(&self.advantages),
            false => Advantages::PerSequence(&self.advantages),
        };
        TokenBatch { advantages, ..*batch }
    }
}

impl Objective {
    /// Negative advantages of sequences whose mean k1 divergence is beyond [`Objective::off_policy_mask`] as 0; `None` where it is off.
    pub(super) fn mask_off_policy<F: Copy + Default + Into<f64>>(
        &self,
        batch: &TokenBatch<'_, F>,
    ) -> Option<Masked<F>> {
        let threshold = self.off_policy_mask;
        if threshold == 0.0 {
            return None;
        }
        let (given, by_token) = match batch.advantages {
            Advantages::PerSequence(values) => (values, false),
            Advantages::PerToken(values) => (values, true),
        };
        let mut masked = Masked { advantages: given.to_vec(), by_token, stats: OffPolicyStats::default() };
        for sequence in 0..batch.sequences() {
            let (mut sum, mut tokens) = (0.0, 0);
            for t in batch.runs(sequence).flatten() {
                let behavior: f64 = batch.logp_behavior.unwrap_or(batch.logp_old)[t].into();
                let gap = behavior - batch.logp[t].into();
                // What the sampler could not say is no evidence; a policy that is no number is refused by the evaluation.
                sum += if gap.is_finite() { gap } else { 0.0 };
                tokens += 1;
            }
            if tokens == 0 {
                continue;
            }
            masked.stats.sequences += 1;
            if sum / f64::from(tokens) <= threshold {
                continue;
            }
            let span =
                if by_token { batch.offsets[sequence]..batch.offsets[sequence + 1] } else { sequence..sequence + 1 };
            let negative = |advantage: &&mut F| (**advantage).into() < 0.0;
            let dropped = masked.advantages[span].iter_mut().filter(negative);
            masked.stats.masked += u64::from(dropped.map(|advantage| *advantage = F::default()).count() > 0);
        }
        Some(masked)
    }
}
