//! The entropy bonus: `L -= c · mean(H)`, so that the policy does not become certain sooner than it becomes right.
use super::MicroBatch;
use surefoot_objectives::Denominators;

/// A micro-batch's share of the bonus.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Bonus {
    /// `c Σ_t w_t H_t`: the entropies are averaged as the objective averages its tokens, over the whole mini-batch.
    pub mean: f64,
    /// `dL/dH_t = −c w_t`; empty without a bonus.
    pub grad_entropy: Vec<f32>,
}

impl Bonus {
    /// With the `coefficient` c, and the `entropy` H of the policy's tempered distribution at each target, in nats.
    pub fn of(coefficient: f64, batch: &MicroBatch, entropy: &[f32], denominators: &Denominators) -> Self {
        let mut bonus = Self::default();
        if coefficient == 0.0 {
            return bonus;
        }
        bonus.grad_entropy = vec![0.0; entropy.len()];
        for (span, &group) in batch.offsets.windows(2).zip(&batch.groups) {
            let trained = |t: &usize| batch.mask.get(*t).copied().unwrap_or(true);
            let tokens: Vec<usize> = (span[0]..span[1]).filter(trained).collect();
            let weight = coefficient * denominators.weight(tokens.len(), group).unwrap_or(0.0);
            for t in tokens {
                bonus.mean += weight * f64::from(entropy[t]);
                bonus.grad_entropy[t] = -weight as f32;
            }
        }
        bonus
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use surefoot_objectives::Aggregation;

    #[test]
    fn entropies_are_averaged_over_trained_tokens_as_the_objective_averages() {
        // Sequences of 3 and 2 tokens, of which the second has one that is masked; a third sequence of 4 is in another micro-batch.
        let mut batch = MicroBatch::default();
        (batch.offsets, batch.groups) = (vec![0, 3, 5], vec![0, 1]);
        batch.mask = vec![true, true, true, false, true];
        let (offsets, groups) = ([0, 3, 5, 9], [0, 1, 1]);
        let mask = [true, true, true, false, true, true, true, true, true];
        let of = |aggregation| Denominators::of(aggregation, &offsets, Some(&mask), &groups).unwrap();
        let entropy = [1.0, 2.0, 3.0, 50.0, 4.0];
        let bonus = Bonus::of(0.5, &batch, &entropy, &of(Aggregation::SeqMeanTokenMean));
        assert!((bonus.mean - 0.5 * (2.0 + 4.0) / 3.0).abs() < 1e-12);
        assert_eq!(bonus.grad_entropy, [-0.5 / 9.0, -0.5 / 9.0, -0.5 / 9.0, 0.0, -0.5 / 3.0]);
        let bonus = Bonus::of(0.5, &batch, &entropy, &of(Aggregation::TokenMean));
        assert!((bonus.mean - 0.5 * 10.0 / 8.0).abs() < 1e-12);
        let bonus = Bonus::of(0.5, &batch, &entropy, &of(Aggregation::PromptMeanTokenMean));
        assert!((bonus.mean - 0.5 * (2.0 + 4.0 / 5.0) / 2.0).abs() < 1e-12);
        assert_eq!(Bonus::of(0.0, &batch, &entropy, &of(Aggregation::TokenMean)), Bonus::default());
    }
}
