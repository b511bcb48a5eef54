//! Splitting a mini-batch into micro-batches changes neither loss nor gradient, nor a statistic.
#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use proptest::prelude::*;
use surefoot_objectives::{Advantages, Objective, RECIPES, Stats, TokenBatch};

#[derive(Debug, Clone)]
struct Rollout {
    lengths: Vec<usize>,
    logp: Vec<f32>,
    logp_old: Vec<f32>,
    mask: Vec<bool>,
    advantages: Vec<f32>,
    groups: Vec<u32>,
    cut: usize,
}

fn rollouts() -> impl Strategy<Value = Rollout> {
    (proptest::collection::vec((1_usize..400, -2.0_f32..2.0, 0_u32..3), 2..7), any::<u64>()).prop_map(
        |(sequences, seed)| {
            let lengths: Vec<usize> = sequences.iter().map(|s| s.0).collect();
            let total: usize = lengths.iter().sum();
            // a linear congruential generator keeps thousands of numbers out of proptest's shrinking
            let mut state = seed;
            let mut uniform = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1 << 24) as f32
            };
            let logp: Vec<f32> = (0..total).map(|_| -4.0 * uniform()).collect();
            let logp_old = logp.iter().map(|logp| logp + 1.6 * (uniform() - 0.5)).collect();
            let mut mask: Vec<bool> = (0..total).map(|_| uniform() < 0.8).collect();
            mask[0] = true;
            mask[total - 1] = true;
            let cut = 1 + (seed % (lengths.len() as u64 - 1)) as usize;
            Rollout {
                cut,
                logp,
                logp_old,
                mask,
                advantages: sequences.iter().map(|s| s.1).collect(),
                groups: sequences.iter().map(|s| s.2).collect(),
                lengths,
            }
        },
    )
}

fn offsets(lengths: &[usize]) -> Vec<usize> {
    let ends = lengths.iter().scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

fn split_equals_whole(rollout: &Rollout, objective: &Objective, masked: bool) {
    let all = offsets(&rollout.lengths);
    let mask = masked.then_some(&rollout.mask[..]);
    let denominators = objective.denominators(&all, mask, &rollout.groups).unwrap();
    let evaluate = |sequences: std::ops::Range<usize>| {
        let tokens = all[sequences.start]..all[sequences.end];
        let offsets = offsets(&rollout.lengths[sequences.clone()]);
        let advantages = Advantages::PerSequence(&rollout.advantages[sequences.clone()]);
        let (logp, logp_old) = (&rollout.logp[tokens.clone()], &rollout.logp_old[tokens.clone()]);
        let mut batch = TokenBatch::new(logp, logp_old, advantages, &offsets, &rollout.groups[sequences]).unwrap();
        if masked {
            batch = batch.with_mask(&rollout.mask[tokens]).unwrap();
        }
        objective.evaluate(&batch, &denominators).unwrap()
    };
    let n = rollout.lengths.len();
    let (whole, first, second) = (evaluate(0..n), evaluate(0..rollout.cut), evaluate(rollout.cut..n));
    let scale = 1.0 + whole.loss.abs();
    assert!(
        (whole.loss - first.loss - second.loss).abs() < 1e-12 * scale,
        "{}: {} against {} + {}",
        objective.name(),
        whole.loss,
        first.loss,
        second.loss
    );
    assert_eq!(whole.grad_logp, [first.grad_logp, second.grad_logp].concat(), "{}", objective.name());
    if masked {
        for (grad, trained) in whole.grad_logp.iter().zip(&rollout.mask) {
            assert!(*trained || *grad == 0.0);
        }
    }
    let mut stats = Stats::empty();
    stats.merge(&first.stats);
    stats.merge(&second.stats);
    for ((name, merged), (_, whole)) in stats.metrics().into_iter().zip(whole.stats.metrics()) {
        assert!(
            (merged - whole).abs() <= 1e-9 * (1.0 + whole.abs()),
            "{}: {name} {merged} against {whole}",
            objective.name()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn micro_batches_add_up(rollout in rollouts(), masked: bool) {
        for recipe in RECIPES {
            let mut objective = Objective::named(recipe.key).unwrap();
            if objective.aggregation.key() == "seq-mean-token-sum-norm" {
                objective.set("aggregation_length", 512.0).unwrap();
            }
            split_equals_whole(&rollout, &objective, masked);
        }
    }

    #[test]
    fn micro_batches_add_up_under_every_aggregation(rollout in rollouts(), masked: bool) {
        for aggregation in surefoot_objectives::Aggregation::KEYS {
            let mut objective = Objective::named("grpo").unwrap();
            objective.set("aggregation", *aggregation).unwrap();
            objective.set("aggregation_length", 512.0).unwrap();
            split_equals_whole(&rollout, &objective, masked);
        }
    }
}
