//! The vector forms in `f32` against the plain formulas in `f64`, over regions, bounds and far tails.
#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use surefoot_objectives::control::Token;
use surefoot_objectives::{Advantages, Objective, RECIPES, TokenBatch};

/// Log-ratios: a fine grid where training lives, the bounds' neighbourhood, and tails up to 1e4.
fn log_ratios() -> Vec<f32> {
    let mut grid: Vec<f32> = (-3000..=3000).map(|i| i as f32 * 1e-2).collect();
    grid.extend((-400..=400).map(|i| i as f32 * 1e-3));
    for edge in [0.8_f32, 1.2, 1.28, 3.0, 1.0 / 3.0, 0.9997, 1.0004] {
        let mut x = edge.ln();
        for _ in 0..4 {
            x = x.next_down();
        }
        for _ in 0..8 {
            grid.push(x);
            x = x.next_up();
        }
    }
    for tail in [40.0, 80.0, 87.0, 87.4, 88.0, 89.0, 100.0, 500.0, 1e3, 1e4] {
        grid.extend([tail, -tail]);
    }
    grid
}

/// Relative error allowed between the two, for each unit of the term's logarithm: the exponent `ψ − ζ` rounds in
/// `f32`, so the error grows with it, and with the powers in `ζ`.
const TOLERANCE: f64 = 4e-7;
const TOLERANCE_HIGH_POWERS: f64 = 1.2e-6;
/// Terms below it may be flushed to 0.
const FLOOR: f64 = 1e-30;

fn check(objective: &Objective, what: &str, tolerance: f64) {
    let grid = log_ratios();
    let (mut logp, mut logp_old, mut advantages) = (Vec::new(), Vec::new(), Vec::new());
    for &log_ratio in &grid {
        for advantage in [-1.7_f32, -0.3, 0.0, 0.6, 2.1] {
            logp.push(log_ratio);
            logp_old.push(0.0);
            advantages.push(advantage);
        }
    }
    let offsets: Vec<usize> = (0..=logp.len()).collect();
    let groups = vec![0; logp.len()];
    let batch = TokenBatch::new(&logp, &logp_old, Advantages::PerToken(&advantages), &offsets, &groups).unwrap();
    let denominators = objective.denominators(&offsets, None, &groups).unwrap();
    let result = objective.evaluate_detailed(&batch, &denominators).unwrap();
    let detail = result.detail.unwrap();
    let mut worst = (0.0, 0.0);
    for i in 0..logp.len() {
        let (log_ratio, advantage) = (f64::from(logp[i]), f64::from(advantages[i]));
        let token = Token { logp: log_ratio, log_ratio, advantage, progress: 1.0 };
        let plain = objective.term(token, 0.0);
        // clip term and drift may cancel: the error is relative to either
        let cancelling = if objective.control.drift().is_some() { advantage.abs() } else { 0.0 };
        for (name, fast, plain) in [
            ("coefficient", detail.coefficient[i], plain.coefficient),
            ("surrogate", detail.surrogate[i], plain.surrogate),
        ] {
            let fast = f64::from(fast);
            let error = (fast - plain).abs();
            if plain.abs() > 1e-30 && plain.abs() < 1e37 {
                worst = larger(worst, (error / plain.abs(), log_ratio));
            }
            let allowed = tolerance * (2.0 + plain.abs().max(FLOOR).ln().abs()) * (plain.abs() + cancelling) + FLOOR;
            assert!(
                error <= allowed || plain.abs() > 3e38,
                "{what}: {name} at ℓ = {log_ratio:e}, A = {advantage}: {fast:e}, plainly {plain:e}"
            );
        }
        let region =
            objective.control.bounds().unwrap_or(surefoot_objectives::Bounds::REPORT).region(log_ratio, advantage);
        assert_eq!(detail.region[i], region, "{what} at ℓ = {log_ratio:e}");
        let weight = (1.0 / logp.len() as f64) as f32;
        assert_eq!(result.grad_logp[i], 0.0 - weight * detail.coefficient[i], "{what}");
    }
}

#[test]
fn every_objective_with_its_defaults() {
    for recipe in RECIPES {
        let mut objective = Objective::named(recipe.key).unwrap();
        // one token a sequence: every aggregation weighs them alike
        objective.set("aggregation", "token-mean").unwrap();
        check(&objective, recipe.key, TOLERANCE);
    }
}

#[test]
fn mhpo_with_other_options() {
    for options in [
        &[("anchor", "unit")][..],
        &[("hazard", "none")],
        // The paper's exponents, which have a loop of their own.
        &[("scale_positive", "0.7"), ("scale_negative", "1.3")],
        // ... up to a bound of 2, and another beyond.
        &[("bound", "2.0")],
        &[("bound", "2.1")],
        &[("bound", "6.0")],
        &[("bound", "0.5"), ("shape_positive", "1.0"), ("shape_negative", "3.5")],
        &[("bound", "4.0"), ("shape_positive", "2.25"), ("shape_negative", "0.7"), ("scale_negative", "2.0")],
        &[("shape_positive", "3"), ("shape_negative", "4"), ("scale_positive", "1.3")],
    ] {
        let mut objective = Objective::named("mhpo").unwrap();
        objective.set("aggregation", "token-mean").unwrap();
        for (key, value) in options {
            objective.set(key, *value).unwrap();
        }
        check(&objective, &format!("{options:?}"), TOLERANCE_HIGH_POWERS);
    }
}

fn larger(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    if b.0 > a.0 { b } else { a }
}
