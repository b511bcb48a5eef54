//! Every way to the same gradient gives the same bits: wide instructions or those of every machine, one pass without
//! statistics or columns with them, masked or not.
//!
//! A machine compares the instructions that it has.
#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use surefoot_objectives::{Advantages, Instructions, Objective, RECIPES, TokenBatch, TokenLoss};

/// Tokens of many log-ratios in sequences of uneven length, so that blocks end within sequences.
struct Tokens {
    logp: Vec<f32>,
    logp_old: Vec<f32>,
    by_token: Vec<f32>,
    by_sequence: Vec<f32>,
    offsets: Vec<usize>,
    groups: Vec<u32>,
}

impl Tokens {
    fn new() -> Self {
        let mut log_ratios: Vec<f32> = (-1500..=1500).map(|i| i as f32 * 2e-3).collect();
        log_ratios.extend((-200..=200).map(|i| i as f32 * 0.5));
        log_ratios.extend([87.3, 87.4, 88.0, 89.0, 1e3, 1e4].iter().flat_map(|&x| [x, -x]));
        let logp_old: Vec<f32> = (0..log_ratios.len()).map(|i| -((i * 37 % 101) as f32) * 0.07).collect();
        let logp: Vec<f32> = log_ratios.iter().zip(&logp_old).map(|(x, old)| x + old).collect();
        let mut offsets = vec![0];
        for length in (1..).map(|i| i * i % 613 + 1) {
            let end = (offsets[offsets.len() - 1] + length).min(logp.len());
            offsets.push(end);
            if end == logp.len() {
                break;
            }
        }
        let sequences = offsets.len() - 1;
        Self {
            by_token: (0..logp.len()).map(|i| (i * 7 % 11) as f32 * 0.4 - 2.0).collect(),
            by_sequence: (0..sequences).map(|i| (i * 5 % 7) as f32 * 0.6 - 1.8).collect(),
            groups: (0..sequences).map(|i| i as u32 / 3).collect(),
            logp,
            logp_old,
            offsets,
        }
    }
}

fn same_bits(a: &[f32], b: &[f32], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert_eq!(a.to_bits(), b.to_bits(), "{what}: token {i}: {a:e} and {b:e}");
    }
}

fn same(a: &TokenLoss, b: &TokenLoss, what: &str) {
    assert_eq!(a.loss.to_bits(), b.loss.to_bits(), "{what}: {} and {}", a.loss, b.loss);
    same_bits(&a.grad_logp, &b.grad_logp, what);
    if let (Some(a), Some(b)) = (&a.detail, &b.detail) {
        same_bits(&a.surrogate, &b.surrogate, what);
        same_bits(&a.coefficient, &b.coefficient, what);
        same_bits(&a.multiplier, &b.multiplier, what);
    }
}

/// Gradients alike to the bit, and losses but for the order in which their terms are added.
fn nearly_same(alone: &TokenLoss, detailed: &TokenLoss, what: &str) {
    same_bits(&alone.grad_logp, &detailed.grad_logp, what);
    let detail = detailed.detail.as_ref().unwrap();
    // the weight of no token is above 1
    let terms: f64 = detail.surrogate.iter().map(|&j| f64::from(j).abs()).sum();
    assert!((alone.loss - detailed.loss).abs() <= 1e-15 * terms, "{what}: {} and {}", alone.loss, detailed.loss);
}

fn check(objective: &Objective, what: &str) {
    let tokens = Tokens::new();
    for advantages in [Advantages::PerSequence(&tokens.by_sequence), Advantages::PerToken(&tokens.by_token)] {
        let batch =
            TokenBatch::new(&tokens.logp, &tokens.logp_old, advantages, &tokens.offsets, &tokens.groups).unwrap();
        let denominators = objective.denominators(&tokens.offsets, None, &tokens.groups).unwrap();
        let alone = objective.loss_and_gradient(&batch, &denominators).unwrap();
        let detailed = objective.evaluate_detailed(&batch, &denominators).unwrap();
        for instructions in Instructions::available() {
            let with = |detailed| objective.evaluate_with(&batch, &denominators, detailed, instructions).unwrap();
            let what = format!("{what} with {instructions:?}");
            same(&alone, &with(false), &what);
            same(&detailed, &with(true), &what);
        }
        assert!(detailed.detail.is_some());
        nearly_same(&alone, &detailed, what);
        let mask = vec![true; tokens.logp.len()];
        let masked = batch.with_mask(&mask).unwrap();
        same(&alone, &objective.loss_and_gradient(&masked, &denominators).unwrap(), what);
        // long runs of trained tokens take the single pass, short ones take columns
        for (name, trains) in [("long", &(|i: usize| i % 97 > 2) as &dyn Fn(usize) -> bool), ("short", &|i| i % 7 > 3)]
        {
            let mask: Vec<bool> = (0..tokens.logp.len()).map(trains).collect();
            let denominators = objective.denominators(&tokens.offsets, Some(&mask), &tokens.groups).unwrap();
            let masked = batch.with_mask(&mask).unwrap();
            let alone = objective.loss_and_gradient(&masked, &denominators).unwrap();
            let detailed = objective.evaluate_detailed(&masked, &denominators).unwrap();
            nearly_same(&alone, &detailed, &format!("{what} with {name} runs"));
            assert!(mask.iter().zip(&alone.grad_logp).all(|(&trained, g)| trained || g.to_bits() == 0));
        }
    }
}

#[test]
fn every_way_gives_the_same_bits() {
    for recipe in RECIPES {
        let mut objective = Objective::named(recipe.key).unwrap();
        if objective.aggregation.key() == "seq-mean-token-sum-norm" {
            objective.set("aggregation_length", 300.0).unwrap();
        }
        check(&objective, recipe.key);
    }
}

#[test]
fn every_way_gives_the_same_bits_with_other_options() {
    for (key, options) in [
        ("mhpo", &[("anchor", "unit")][..]),
        ("mhpo", &[("hazard", "none")]),
        ("mhpo", &[("shape_positive", "2.25"), ("shape_negative", "0.7")]),
        ("mhpo", &[("shape_positive", "3.5"), ("shape_negative", "4")]),
        ("cpgd", &[("clip_schedule", "tight-to-loose")]),
        ("cpgd", &[("drift_coefficient", "0")]),
    ] {
        let mut objective = Objective::named(key).unwrap();
        for (key, value) in options {
            objective.set(key, *value).unwrap();
        }
        check(&objective, &format!("{key} {options:?}"));
    }
}

#[test]
fn every_way_gives_the_same_bits_with_a_drift_of_the_regularizer() {
    for key in ["grpo", "gspo", "mhpo", "cpg"] {
        let mut objective = Objective::named(key).unwrap();
        objective.regularizer.drift.coefficient = 0.05;
        check(&objective, key);
    }
    // two drifts at once: no configuration has them, and the single pass leaves them to the columns
    let mut objective = Objective::named("cpgd").unwrap();
    objective.regularizer.drift.coefficient = 0.05;
    check(&objective, "cpgd with two drifts");
}

#[test]
fn the_single_pass_names_what_is_not_finite() {
    let mut tokens = Tokens::new();
    let objective = Objective::named("grpo").unwrap();
    let bad = tokens.offsets[20] + 3;
    type Values = fn(&mut Tokens) -> &mut Vec<f32>;
    let cases: [(&str, Values); 3] = [
        ("logp", |tokens| &mut tokens.logp),
        ("logp_old", |tokens| &mut tokens.logp_old),
        ("advantages", |tokens| &mut tokens.by_token),
    ];
    for (field, values) in cases {
        let good = std::mem::replace(&mut values(&mut tokens)[bad], f32::NAN);
        let advantages = Advantages::PerToken(&tokens.by_token);
        let batch =
            TokenBatch::new(&tokens.logp, &tokens.logp_old, advantages, &tokens.offsets, &tokens.groups).unwrap();
        let denominators = objective.denominators(&tokens.offsets, None, &tokens.groups).unwrap();
        let alone = objective.loss_and_gradient(&batch, &denominators).unwrap_err();
        let text = alone.to_string();
        assert!(text.contains(field) && text.contains("sequence 20"), "{text}");
        assert_eq!(text, objective.evaluate(&batch, &denominators).unwrap_err().to_string());
        values(&mut tokens)[bad] = good;
    }
}
