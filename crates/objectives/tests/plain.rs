//! `evaluate` against `evaluate_plainly` on whole batches: masks, groups, weights and regularisers of every objective.
#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use surefoot_objectives::{Advantages, Aggregation, Objective, RECIPES, TokenBatch};

/// Numbers between −1 and 1 that no order of tokens repeats (SplitMix64).
fn noise(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn doubled(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

const TOKENS: usize = 900;
const OFFSETS: [usize; 6] = [0, 300, 301, 301, 700, TOKENS];
const GROUPS: [u32; 5] = [4, 4, 4, 9, 9];

/// Compares loss and every gradient; `per_token` gives each token an advantage of its own.
fn compare(objective: &Objective, per_token: bool) {
    let logp: Vec<f32> = noise(1, TOKENS).iter().map(|x| x * 2.0 - 2.5).collect();
    let logp_old: Vec<f32> = logp.iter().zip(noise(2, TOKENS)).map(|(x, d)| x - d * d * d).collect();
    let logp_ref: Vec<f32> = logp.iter().zip(noise(3, TOKENS)).map(|(x, d)| x + 0.3 * d).collect();
    let logp_epoch: Vec<f32> = logp.iter().zip(noise(4, TOKENS)).map(|(x, d)| x + 0.2 * d).collect();
    let token_weights: Vec<f32> = noise(5, TOKENS).iter().map(|x| x + 1.0).collect();
    let mask: Vec<bool> = noise(6, TOKENS).iter().map(|&x| x > -0.6).collect();
    let advantages = noise(7, if per_token { TOKENS } else { GROUPS.len() });
    let denominators = objective.denominators(&OFFSETS, Some(&mask), &GROUPS).unwrap();

    let view = if per_token { Advantages::PerToken(&advantages[..]) } else { Advantages::PerSequence(&advantages) };
    let batch = TokenBatch::new(&logp, &logp_old, view, &OFFSETS, &GROUPS).unwrap();
    let batch = batch.with_mask(&mask).unwrap().with_logp_ref(&logp_ref).unwrap();
    let batch = batch.with_logp_epoch(&logp_epoch).unwrap().with_token_weights(&token_weights).unwrap();
    let fast = objective.evaluate(&batch, &denominators).unwrap();

    let columns = [&logp, &logp_old, &advantages, &logp_ref, &logp_epoch, &token_weights].map(|column| doubled(column));
    let view = if per_token { Advantages::PerToken(&columns[2][..]) } else { Advantages::PerSequence(&columns[2]) };
    let batch = TokenBatch::new(&columns[0], &columns[1], view, &OFFSETS, &GROUPS).unwrap();
    let batch = batch.with_mask(&mask).unwrap().with_logp_ref(&columns[3]).unwrap();
    let batch = batch.with_logp_epoch(&columns[4]).unwrap().with_token_weights(&columns[5]).unwrap();
    let plain = objective.evaluate_plainly(&batch, &denominators).unwrap();

    if objective.off_policy_mask > 0.0 {
        assert!(fast.stats.off_policy.unwrap().masked > 0, "the mask has something to do");
    }
    let what = format!("{} {}", objective.name(), objective.aggregation);
    assert!((fast.loss - plain.loss).abs() <= 1e-6 * (1.0 + plain.loss.abs()), "{what}: {} {}", fast.loss, plain.loss);
    let scale = plain.grad_logp.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    assert!(scale > 0.0, "{what}");
    for (t, (fast, plain)) in fast.grad_logp.iter().zip(&plain.grad_logp).enumerate() {
        assert!((f64::from(*fast) - plain).abs() <= 2e-6 * scale, "{what}: token {t}: {fast:e}, plainly {plain:e}");
        assert!(mask[t] || (*fast == 0.0 && *plain == 0.0), "{what}: token {t} is not trained");
    }
}

#[test]
fn both_ways_agree() {
    for recipe in RECIPES {
        for &aggregation in Aggregation::ALL {
            let mut objective = Objective::named(recipe.key).unwrap();
            objective.set("aggregation_length", 50.0).unwrap();
            objective.set("aggregation", aggregation.key()).unwrap();
            compare(&objective, true);
            compare(&objective, false);
        }
    }
}

#[test]
fn both_ways_agree_with_everything_on() {
    let mut objective = Objective::named("cpgd").unwrap();
    for (key, value) in
        [("clip_schedule", "tight-to-loose"), ("epoch_weight", "truncated"), ("reference_estimator", "k3")]
    {
        objective.set_anywhere(key, value).unwrap();
    }
    objective.set_anywhere("reference_coefficient", 0.1).unwrap();
    compare(&objective, false);
    let mut objective = Objective::named("gspo").unwrap();
    objective.set_anywhere("drift_coefficient", 0.05).unwrap();
    objective.set_anywhere("reference_coefficient", 0.2).unwrap();
    objective.set_anywhere("reference_estimator", "k2").unwrap();
    compare(&objective, true);
    let mut objective = Objective::named("grpo").unwrap();
    objective.set_anywhere("off_policy_mask", 0.001).unwrap();
    compare(&objective, true);
    compare(&objective, false);
}

#[test]
fn bad_values_are_named_as_by_evaluate() {
    let objective = Objective::named("mhpo").unwrap();
    let offsets = [0, 2];
    let denominators = objective.denominators(&offsets, None, &[0]).unwrap();
    let bad =
        TokenBatch::new(&[-1.0, f64::NAN], &[-1.0, -1.0], Advantages::PerSequence(&[1.0]), &offsets, &[0]).unwrap();
    let same =
        TokenBatch::new(&[-1.0, f32::NAN], &[-1.0, -1.0], Advantages::PerSequence(&[1.0]), &offsets, &[0]).unwrap();
    let plainly = objective.evaluate_plainly(&bad, &denominators).unwrap_err();
    assert_eq!(plainly.to_string(), objective.evaluate(&same, &denominators).unwrap_err().to_string());
    assert!(objective.evaluate_plainly(&bad.with_mask(&[true, false]).unwrap(), &denominators).is_ok());
    let negative = bad.with_mask(&[true, false]).unwrap().with_token_weights(&[-1.0, 0.0]).unwrap();
    assert!(objective.evaluate_plainly(&negative, &denominators).unwrap_err().to_string().contains("0 or more"));
}
