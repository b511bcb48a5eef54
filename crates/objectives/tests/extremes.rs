//! No overflow, no NaN and no infinity for any finite input, and exactly nothing where nothing should happen.

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use proptest::prelude::*;
use surefoot_objectives::{Advantages, Objective, RECIPES, TokenBatch};

fn objectives() -> Vec<Objective> {
    let mut all: Vec<Objective> = RECIPES
        .iter()
        .map(|recipe| {
            let mut objective = Objective::named(recipe.key).unwrap();
            objective.set("aggregation_length", 100.0).unwrap();
            objective
        })
        .collect();
    for options in [
        &[("anchor", "unit")][..],
        &[("hazard", "none"), ("bound", "64")],
        &[("bound", "64"), ("shape_positive", "20"), ("scale_negative", "1e-20"), ("anchor", "unit")],
        &[("bound", "0.001"), ("shape_positive", "0.1"), ("shape_negative", "7.7"), ("scale_positive", "1e20")],
    ] {
        let mut mhpo = Objective::named("mhpo").unwrap();
        for (key, value) in options {
            mhpo.set(key, *value).unwrap();
        }
        all.push(mhpo);
    }
    for (name, key, value) in
        [("dgpo", "decay_low", "50"), ("sapo", "temperature_positive", "1e6"), ("cispo", "clip_high", "1e30")]
    {
        let mut objective = Objective::named(name).unwrap();
        objective.set(key, value).unwrap();
        all.push(objective);
    }
    let mut regularized = Objective::named("grpo").unwrap();
    regularized.regularizer.set("reference_coefficient", 1e6).unwrap();
    regularized.regularizer.set("drift_coefficient", 1e6).unwrap();
    all.push(regularized);
    all
}

fn all_finite(logp: &[f32], logp_old: &[f32], advantages: &[f32]) {
    let n = logp.len();
    let (offsets, groups): (Vec<usize>, Vec<u32>) = ((0..=n).collect(), vec![0; n]);
    for objective in objectives() {
        let batch = TokenBatch::new(logp, logp_old, Advantages::PerToken(advantages), &offsets, &groups)
            .and_then(|batch| batch.with_logp_ref(logp_old))
            .unwrap();
        let denominators = objective.denominators(&offsets, None, &groups).unwrap();
        let result = objective.evaluate_detailed(&batch, &denominators).unwrap();
        let what = format!("{} {:?}", objective.name(), objective.control);
        assert!(result.loss.is_finite(), "{what}: loss {}", result.loss);
        let detail = result.detail.unwrap();
        for i in 0..n {
            let (g, j, f) = (detail.coefficient[i], detail.surrogate[i], detail.multiplier[i]);
            let finite = result.grad_logp[i].is_finite() && g.is_finite() && j.is_finite() && f.is_finite();
            assert!(
                finite,
                "{what} at logp {}, logp_old {}, A {}: g {g}, J {j}, F {f}",
                logp[i], logp_old[i], advantages[i]
            );
            assert!(f >= 0.0, "{what}: a multiplier is never negative");
        }
        for (name, value) in result.stats.metrics() {
            assert!(value.is_finite(), "{what}: {name} is {value}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn finite_in_finite_out(tokens in proptest::collection::vec((-1e4_f32..1e4, -1e4_f32..1e4, any::<f32>()), 1..40)) {
        let advantages: Vec<f32> = tokens.iter().map(|t| if t.2.is_finite() { t.2 } else { 1.0 }).collect();
        let (logp, logp_old): (Vec<f32>, Vec<f32>) = tokens.iter().map(|t| (t.0, t.1)).unzip();
        all_finite(&logp, &logp_old, &advantages);
    }
}

#[test]
fn the_corners() {
    let (mut logp, mut advantages) = (Vec::new(), Vec::new());
    for log_ratio in [0.0, 1e-40, 20.0, 87.0, 88.0, 88.7, 89.0, 104.0, 1e4, 1e30] {
        for sign in [1.0, -1.0] {
            for advantage in [0.0, 1e-40, 1.0, 1e30, f32::MAX] {
                logp.extend([sign * log_ratio; 2]);
                advantages.extend([advantage, -advantage]);
            }
        }
    }
    all_finite(&logp, &vec![0.0; logp.len()], &advantages);
}

#[test]
fn ratios_saturate_only_where_f32_would_overflow() {
    let objective = Objective::named("is").unwrap();
    let logp = [20.0, 30.0, 80.0, 87.9, 200.0];
    let zeros = [0.0; 5];
    let offsets = [0, 1, 2, 3, 4, 5];
    let batch = TokenBatch::new(&logp, &zeros, Advantages::PerSequence(&[1.0; 5]), &offsets, &[0; 5]).unwrap();
    let denominators = objective.denominators(&offsets, None, &[0; 5]).unwrap();
    let detail = objective.evaluate_detailed(&batch, &denominators).unwrap().detail.unwrap();
    for (log_ratio, got) in logp.iter().zip(&detail.coefficient).take(4) {
        let exact = f64::from(*log_ratio).exp();
        assert!((f64::from(*got) / exact - 1.0).abs() < 1e-6, "exp({log_ratio}) is {got}");
    }
    assert!((f64::from(detail.coefficient[4]) / 88.0_f64.exp() - 1.0).abs() < 1e-6);
}

#[test]
fn no_advantage_no_gradient() {
    for recipe in RECIPES {
        let mut objective = Objective::named(recipe.key).unwrap();
        objective.set("aggregation_length", 100.0).unwrap();
        let (logp, logp_old) = ([-0.1_f32, -3.0, -9.0], [-2.0_f32, -3.0, -0.5]);
        let batch = TokenBatch::new(&logp, &logp_old, Advantages::PerSequence(&[0.0]), &[0, 3], &[0]).unwrap();
        let denominators = objective.denominators(&[0, 3], None, &[0]).unwrap();
        let result = objective.evaluate(&batch, &denominators).unwrap();
        let nothing = result.grad_logp.iter().all(|g| g.to_bits() == 0) && result.loss == 0.0;
        assert_eq!(nothing, objective.is_inert(0.0), "{}", recipe.key);
        assert!(!objective.is_inert(0.1) && !objective.is_inert(-0.1));
        assert_eq!(objective.is_inert(0.0), !["cpgd", "pgd"].contains(&recipe.key));
        for key in ["drift_coefficient", "reference_coefficient"] {
            let mut regularized = objective.clone();
            regularized.regularizer.set(key, 0.1).unwrap();
            assert!(!regularized.is_inert(0.0));
        }
    }
}

#[test]
fn on_policy_every_ratio_is_one_to_the_bit() {
    let logp: Vec<f32> = (0..1000).map(|i| -0.013 * i as f32).collect();
    for key in ["grpo", "is", "dgpo", "cispo", "gppo", "aspo"] {
        let objective = Objective::named(key).unwrap();
        let batch = TokenBatch::new(&logp, &logp, Advantages::PerSequence(&[1.0]), &[0, 1000], &[0]).unwrap();
        let denominators = objective.denominators(&[0, 1000], None, &[0]).unwrap();
        let result = objective.evaluate_detailed(&batch, &denominators).unwrap();
        assert!(result.detail.unwrap().coefficient.iter().all(|g| *g == 1.0), "{key}");
        assert_eq!(result.stats.ratio_sum, 1000.0);
        assert_eq!(result.stats.k3_sum, 0.0);
    }
}
