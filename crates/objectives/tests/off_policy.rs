//! The off-policy sequence mask takes away the term of its sequences, and nothing else.

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use surefoot_objectives::{Advantages, Objective, TokenBatch, TokenLoss};

const OFFSETS: [usize; 4] = [0, 2, 4, 6];
/// The first two sequences have become less probable, by 0.5 nats a token, the third more.
const LOGP: [f32; 6] = [-1.0, -2.0, -1.5, -1.5, -0.25, -0.5];
const OLD: [f32; 6] = [-0.75, -1.25, -1.0, -1.0, -1.0, -1.0];

fn evaluate(objective: &Objective, advantages: Advantages<'_>, mask: Option<&[bool]>) -> TokenLoss {
    let groups = [0, 0, 1];
    let batch = TokenBatch::new(&LOGP, &OLD, advantages, &OFFSETS, &groups).unwrap();
    let batch = batch.with_logp_ref(&OLD).unwrap();
    let batch = match mask {
        Some(mask) => batch.with_mask(mask).unwrap(),
        None => batch,
    };
    let denominators = objective.denominators(&OFFSETS, mask, &groups).unwrap();
    objective.evaluate(&batch, &denominators).unwrap()
}

fn named(key: &str, threshold: f64) -> Objective {
    let mut objective = Objective::named(key).unwrap();
    objective.set("aggregation", "token-mean").unwrap();
    objective.set("off_policy_mask", threshold).unwrap();
    objective
}

#[test]
fn a_sequence_at_the_threshold_is_kept_and_beyond_it_is_not() {
    let advantages = Advantages::PerSequence(&[-1.0, -0.5, -2.0]);
    for key in ["is", "gmpo", "dppo_tv", "mhpo", "gspo"] {
        let off = evaluate(&named(key, 0.0), advantages, None);
        assert_eq!(evaluate(&named(key, 0.5), advantages, None).grad_logp, off.grad_logp, "{key}");
        let masked = evaluate(&named(key, 0.499), advantages, None);
        assert_eq!(masked.grad_logp[..4], [0.0; 4], "{key}");
        // the others weigh what they weighed: the denominators are those of all
        assert_eq!(masked.grad_logp[4..], off.grad_logp[4..], "{key}");
        assert_eq!(off.stats.off_policy, None);
        assert_eq!(masked.stats.off_policy.map(|seen| (seen.sequences, seen.masked)), Some((3, 2)), "{key}");
    }
}

#[test]
fn positive_advantages_and_other_signs_of_tokens_are_kept() {
    let off = evaluate(&named("is", 0.0), Advantages::PerSequence(&[1.0, -0.5, 2.0]), None);
    let masked = evaluate(&named("is", 0.25), Advantages::PerSequence(&[1.0, -0.5, 2.0]), None);
    assert_eq!(masked.grad_logp[..2], off.grad_logp[..2]);
    assert_eq!(masked.grad_logp[2..4], [0.0; 2]);
    let tokens = [1.0, -1.0, -1.0, 1.0, -1.0, 1.0];
    let off = evaluate(&named("is", 0.0), Advantages::PerToken(&tokens), None);
    let masked = evaluate(&named("is", 0.25), Advantages::PerToken(&tokens), None);
    let expected: Vec<f32> =
        off.grad_logp.iter().enumerate().map(|(t, g)| if t == 1 || t == 2 { 0.0 } else { *g }).collect();
    assert_eq!(masked.grad_logp, expected);
}

#[test]
fn the_mean_is_over_trained_tokens_and_regularisers_stay() {
    let advantages = Advantages::PerSequence(&[-1.0, -0.5, -2.0]);
    // of the first sequence, 0.25 and 0.75: without its second token it is not beyond 0.3
    let mask = [true, false, true, true, true, true];
    let masked = evaluate(&named("is", 0.3), advantages, Some(&mask));
    assert!(masked.grad_logp[0] != 0.0 && masked.grad_logp[2..4] == [0.0; 2], "{:?}", masked.grad_logp);
    let mut regularized = named("is", 0.3);
    regularized.regularizer.set("reference_coefficient", 0.1).unwrap();
    let mut alone = named("is", 0.0);
    alone.regularizer.set("reference_coefficient", 0.1).unwrap();
    let with = evaluate(&regularized, advantages, None);
    let without = evaluate(&alone, Advantages::PerSequence(&[0.0; 3]), None);
    assert_eq!(with.grad_logp[..4], without.grad_logp[..4]);
    assert!(with.grad_logp[0] != 0.0);
}
