//! Counts of a mini-batch, and how ranks put theirs together.

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use surefoot_objectives::advantage::{
    AdvantageError, AdvantageEstimator, AdvantageValues, Estimator, RewardBatch, group_signal,
};
use surefoot_objectives::{Aggregation, Counts, Denominators};

#[test]
fn counts_of_ranks_merge_to_those_of_the_mini_batch() {
    // lengths 3, 0, 2, 4, 1 with groups 5, 5, 2, 5, 9
    let (offsets, groups) = ([0, 3, 3, 5, 9, 10], [5, 5, 2, 5, 9]);
    let mask = [true, false, true, true, true, true, true, false, true, false];
    let whole = Counts::of(&offsets, Some(&mask), &groups).unwrap();
    assert_eq!(whole, Counts { sequences: 3, tokens: 7, groups: vec![(2, 2), (5, 5)] });
    let mut merged = Counts::of(&[0, 3, 3], Some(&mask[..3]), &groups[..2]).unwrap();
    assert_eq!(merged, Counts { sequences: 1, tokens: 2, groups: vec![(5, 2)] });
    merged.merge(&Counts::of(&[0, 2, 6, 7], Some(&mask[3..]), &groups[2..]).unwrap());
    assert_eq!(merged, whole);
    let denominators = Denominators::from_counts(Aggregation::PromptMeanTokenMean, merged).unwrap();
    assert_eq!(denominators.counts(), &whole);
    assert_eq!(denominators.weight(2, 2), Some(1.0 / 4.0));
    assert_eq!(denominators.weight(3, 5), Some(1.0 / 10.0));
    assert_eq!(denominators.weight(1, 9), None);
    let token_mean = Denominators::from_counts(Aggregation::TokenMean, whole.clone()).unwrap();
    assert_eq!(token_mean.weight(3, 5), Some(1.0 / 7.0));
    let sequence_mean = Denominators::from_counts(Aggregation::SeqMeanTokenMean, whole.clone()).unwrap();
    assert_eq!(sequence_mean.weight(3, 5), Some(1.0 / 9.0));
    assert_eq!(Denominators::with_length(whole, 8.0).unwrap().weight(3, 5), Some(1.0 / 24.0));
}

#[test]
fn equal_rewards_have_advantage_zero_to_the_bit() {
    // 0.7 is no binary fraction: its mean over three is not itself in every order of rounding
    for (name, rewards) in
        Estimator::KEYS.iter().filter(|key| **key != "raw").flat_map(|key| [0.7, 0.1, -0.3].map(|r| (*key, [r; 6])))
    {
        let batch = RewardBatch::new(&rewards, &[1, 1, 1, 2, 2, 2]).unwrap();
        let batch = batch.with_tokens(&[0, 1, 2, 3, 4, 5, 6], None).unwrap();
        let values = match AdvantageEstimator::named(name).unwrap().compute(&batch).unwrap() {
            AdvantageValues::PerSequence(values) | AdvantageValues::PerToken(values) => values,
        };
        assert!(values.iter().all(|advantage| *advantage == 0.0), "{name}: {values:?}");
    }
    let signal = group_signal(&[0.7, 0.7, 1.0, 0.0, 0.5], &[3, 3, 1, 1, 8]);
    assert_eq!((signal.groups, signal.without_signal), (3, 2));
}

#[test]
fn equal_returns_have_advantage_zero_to_the_bit() {
    // 1 − 0.1·0.6 is no number of 24 bits: the mean of nine differs from it in its last bit
    let mut estimator = AdvantageEstimator::named("reinforce_plus_plus").unwrap();
    estimator.set("kl_coefficient", 0.1).unwrap();
    let batch = RewardBatch::new(&[1.0; 9], &[0; 9]).unwrap();
    let batch = batch.with_tokens(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], None).unwrap();
    let batch = batch.with_logp(&[-0.3; 9], &[-0.9; 9]).unwrap();
    let AdvantageValues::PerToken(values) = estimator.compute(&batch).unwrap() else { panic!("one a token") };
    assert_eq!(values, [0.0; 9]);
}

/// Penalties that somebody has computed stand for those of log-probabilities, in every estimator.
#[test]
fn known_penalties_are_those_of_log_probabilities() {
    let (offsets, mask) = ([0, 2, 3, 6, 8], [true, true, true, true, false, true, true, true]);
    let (old, reference) = ([-0.5_f32; 8], [-0.75, -0.5, -1.0, -0.25, -2.0, -0.625, -0.5, -1.5]);
    let rewards = RewardBatch::new(&[1.0, 0.0, 0.5, 1.0], &[1, 1, 2, 2]).unwrap();
    let tokens = rewards.with_tokens(&offsets, Some(&mask)).unwrap();
    let penalties: Vec<f32> = old.iter().zip(&reference).map(|(old, reference)| 0.5 * (old - reference)).collect();
    for key in Estimator::KEYS {
        let mut estimator = AdvantageEstimator::named(key).unwrap();
        if *key == "gdpo" {
            let error = estimator.compute(&tokens.with_penalties(&penalties).unwrap()).unwrap_err();
            assert_eq!(error, AdvantageError::Penalised { estimator: Estimator::Gdpo });
            continue;
        }
        let known = estimator.compute(&tokens.with_penalties(&penalties).unwrap()).unwrap();
        let without = estimator.compute(&tokens).unwrap();
        estimator.set("kl_coefficient", 0.5).unwrap();
        assert_eq!(known, estimator.compute(&tokens.with_logp(&old, &reference).unwrap()).unwrap(), "{key}");
        assert_ne!(known, without, "{key}");
    }
    let error = AdvantageEstimator::named("raw").unwrap().compute(&tokens.with_penalties(&[f32::NAN; 8]).unwrap());
    assert!(error.unwrap_err().to_string().contains("penalties is NaN at sequence 0, position 0"));
}

#[test]
fn huge_rewards_have_finite_advantages() {
    for key in Estimator::KEYS {
        let batch = RewardBatch::new(&[3e38, 3e38, -3e38, 3e38], &[0; 4]).unwrap();
        let batch = batch.with_tokens(&[0, 1, 2, 3, 4], None).unwrap();
        let values = match AdvantageEstimator::named(key).unwrap().compute(&batch).unwrap() {
            AdvantageValues::PerSequence(values) | AdvantageValues::PerToken(values) => values,
        };
        assert!(values.iter().all(|advantage| advantage.is_finite()), "{key}: {values:?}");
    }
}

/// What one reward says about a group does not depend on how the others are scaled, and a group in which none differs has no part.
#[test]
fn rewards_that_are_compared_by_themselves() {
    let of = |parts: &[f32], weights: &[f32]| {
        let sums = surefoot_objectives::advantage::weighted_sum(parts, weights);
        let batch = RewardBatch::new(&sums, &[1, 1, 2, 2, 3, 3]).unwrap().with_parts(parts, weights).unwrap();
        let batch = batch.with_tokens(&[0, 1, 2, 3, 4, 5, 6], None).unwrap();
        match AdvantageEstimator::named("gdpo").unwrap().compute(&batch).unwrap() {
            AdvantageValues::PerSequence(values) => values,
            AdvantageValues::PerToken(_) => panic!("one a sequence"),
        }
    };
    // Sums are equal in the first group, where both rewards differ; in the third none does.
    let parts = [1.0, 0.0, 0.0, 1.0, 1.0, 0.7, 0.0, 0.7, 0.1, 0.7, 0.1, 0.7];
    let plain = of(&parts, &[1.0, 0.5]);
    assert!(plain[0] > 0.0 && plain[1] < 0.0 && plain[2] > 0.0 && plain[3] < 0.0, "{plain:?}");
    assert_eq!(plain[4..], [0.0, 0.0]);
    let scaled: Vec<f32> = parts.chunks(2).flat_map(|pair| [1024.0 * pair[0], pair[1]]).collect();
    for (a, b) in plain.iter().zip(of(&scaled, &[1.0, 0.5])) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
}

/// OPO's baseline leaves no advantage of a group's tokens together; with equal lengths it is the mean.
#[test]
fn advantages_of_opo_sum_to_zero_over_tokens() {
    let (rewards, offsets) = ([1.0, 0.0, 0.25, -2.0], [0, 3, 4, 9, 11]);
    let opo = AdvantageEstimator::named("opo").unwrap();
    let of = |estimator: &AdvantageEstimator, offsets: &[usize]| {
        let batch = RewardBatch::new(&rewards, &[5; 4]).unwrap().with_tokens(offsets, None).unwrap();
        match estimator.compute(&batch).unwrap() {
            AdvantageValues::PerSequence(values) => values,
            AdvantageValues::PerToken(_) => panic!("one a sequence"),
        }
    };
    let values = of(&opo, &offsets);
    let total: f32 = offsets.windows(2).zip(&values).map(|(span, value)| (span[1] - span[0]) as f32 * value).sum();
    assert!(total.abs() < 1e-5, "{values:?}");
    let even = [0, 2, 4, 6, 8];
    assert_eq!(of(&opo, &even), of(&AdvantageEstimator::named("dr_grpo").unwrap(), &even));
}
