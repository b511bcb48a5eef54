//! Every objective and estimator against `golden/objectives/*.json`, which `generate.py` beside them computes from the
//! papers' surrogates with dual numbers over 50 digits: a route that shares nothing with this crate.

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

mod golden_files;

use golden_files::{flags, floats, groups, offsets, options, read, singles};
use surefoot_objectives::advantage::{AdvantageEstimator, AdvantageValues, RewardBatch};
use surefoot_objectives::control::Token;
use surefoot_objectives::{Advantages, Objective, RECIPES, TokenBatch};

/// The plain form computes in `f64`.
const PLAIN: f64 = 1e-12;
/// The vector form computes in `f32`; its exponent rounds, so its error grows with the logarithm of the result.
const FAST: f64 = 4e-7;
/// Shapes above the paper's multiply the rounding of the penalty.
const FAST_HIGH_POWERS: f64 = 1.2e-6;
/// What `f32` may flush to 0.
const TINY: f64 = 1e-30;

fn points_of(key: &str) -> usize {
    let file = read(&format!("{key}.json"));
    let mut count = 0;
    for case in file["cases"].as_array().unwrap() {
        let mut objective = Objective::named(key).unwrap();
        objective.set("aggregation", "token-mean").unwrap();
        let changed = options(&case["options"]);
        for (option, value) in &changed {
            objective.set(option, *value).unwrap();
        }
        let rows: Vec<Vec<f64>> = case["points"].as_array().unwrap().iter().map(floats).collect();
        let column = |i: usize| rows.iter().map(|row| row[i] as f32).collect::<Vec<f32>>();
        let (logp, logp_old, advantage) = (column(0), column(1), column(2));
        // one token a sequence: the sequence's ratio is the token's
        let offsets: Vec<usize> = (0..=rows.len()).collect();
        let groups = vec![0; rows.len()];
        let batch = TokenBatch::new(&logp, &logp_old, Advantages::PerToken(&advantage), &offsets, &groups).unwrap();
        let denominators = objective.denominators(&offsets, None, &groups).unwrap();
        let detail = objective.evaluate_detailed(&batch, &denominators).unwrap().detail.unwrap();
        let fast = if changed.len() > 3 { FAST_HIGH_POWERS } else { FAST };
        for (i, row) in rows.iter().enumerate() {
            let token = Token { logp: row[0], log_ratio: row[0] - row[1], advantage: row[2], progress: 1.0 };
            let plain = objective.term(token, 0.0);
            // clip term and drift may cancel: the error is relative to either
            let cancelling = if objective.control.drift().is_some() { 1.0 + row[0].abs() } else { 0.0 };
            for (name, exact, plain, single) in [
                ("surrogate", row[3], plain.surrogate, detail.surrogate[i]),
                ("coefficient", row[4], plain.coefficient, detail.coefficient[i]),
            ] {
                let what = format!("{key} {changed:?} {name} at ℓ = {}, A = {}", row[0] - row[1], row[2]);
                let size = exact.abs() + cancelling;
                let digits = 2.0 + exact.abs().max(TINY).ln().abs();
                assert!(
                    (plain - exact).abs() <= PLAIN * digits * size + 1e-290,
                    "{what}: plainly {plain:e}, exactly {exact:e}"
                );
                let single = f64::from(single);
                assert!((single - exact).abs() <= fast * digits * size + TINY, "{what}: {single:e}, exactly {exact:e}");
            }
            count += 1;
        }
    }
    count
}

#[test]
fn points_of_every_objective() {
    for recipe in RECIPES {
        let count = points_of(recipe.key);
        assert!(count >= 40, "{}: {count} points", recipe.key);
    }
}

#[test]
fn losses_and_gradients_of_whole_batches() {
    for case in read("batches.json").as_array().unwrap() {
        let key = case["objective"].as_str().unwrap();
        let mut objective = Objective::named(key).unwrap();
        for (option, value) in options(&case["options"]) {
            objective.set(option, value).unwrap();
        }
        for (option, value) in options(&case["regularizer"]) {
            objective.regularizer.set(option, value).unwrap();
        }
        let aggregation = case["aggregation"].as_str().unwrap();
        if case["default_aggregation"].as_bool().unwrap() {
            assert_eq!(objective.aggregation.key(), aggregation, "{key}");
        }
        objective.set("aggregation", aggregation).unwrap();
        objective.set("aggregation_length", case["length"].as_f64().unwrap()).unwrap();
        let (offsets, groups, mask) = (offsets(&case["lengths"]), groups(&case["groups"]), flags(&case["mask"]));
        let (logp, logp_old, advantages) =
            (singles(&case["logp"]), singles(&case["logp_old"]), singles(&case["advantages"]));
        let (logp_ref, logp_epoch, weights) =
            (singles(&case["logp_ref"]), singles(&case["logp_epoch"]), singles(&case["token_weights"]));
        let batch = TokenBatch::new(&logp, &logp_old, Advantages::PerSequence(&advantages), &offsets, &groups)
            .and_then(|batch| batch.with_mask(&mask))
            .and_then(|batch| batch.with_logp_ref(&logp_ref))
            .and_then(|batch| batch.with_logp_epoch(&logp_epoch))
            .and_then(|batch| batch.with_token_weights(&weights))
            .unwrap();
        let denominators = objective.denominators(&offsets, Some(&mask), &groups).unwrap();
        let what = format!("{key} {:?} {:?} {aggregation}", case["options"], case["regularizer"]);
        let (loss, grad) = (case["loss"].as_f64().unwrap(), floats(&case["grad_logp"]));
        let size: f64 = grad.iter().map(|g| g.abs()).sum();
        for result in [
            objective.evaluate(&batch, &denominators).unwrap(),
            objective.loss_and_gradient(&batch, &denominators).unwrap(),
        ] {
            assert!(
                (result.loss - loss).abs() <= 2e-6 * (loss.abs() + size),
                "{what}: loss {}, exactly {loss}",
                result.loss
            );
            for (token, (got, exact)) in result.grad_logp.iter().zip(&grad).enumerate() {
                let got = f64::from(*got);
                assert!(
                    (got - exact).abs() <= 4e-6 * exact.abs() + 1e-8 * size,
                    "{what}: token {token}: {got}, exactly {exact}"
                );
                assert!(mask[token] || got == 0.0, "{what}: token {token} is not trained");
            }
        }
    }
}

#[test]
fn advantages_of_every_estimator() {
    let mut seen = Vec::new();
    for case in read("advantages.json").as_array().unwrap() {
        let name = case["estimator"].as_str().unwrap();
        seen.push(name.to_owned());
        let mut estimator = AdvantageEstimator::named(name).unwrap();
        for (option, value) in options(&case["options"]) {
            estimator.set(option, value).unwrap();
        }
        let (rewards, groups, mask) = (singles(&case["rewards"]), groups(&case["groups"]), flags(&case["mask"]));
        let (offsets, logp_old, logp_ref) =
            (offsets(&case["lengths"]), singles(&case["logp_old"]), singles(&case["logp_ref"]));
        let batch = RewardBatch::new(&rewards, &groups)
            .and_then(|batch| batch.with_tokens(&offsets, Some(&mask)))
            .and_then(|batch| batch.with_logp(&logp_old, &logp_ref))
            .unwrap();
        let parts = case.get("parts").map(|parts| (singles(parts), singles(&case["weights"])));
        let batch = match &parts {
            Some((parts, weights)) => batch.with_parts(parts, weights).unwrap(),
            None => batch,
        };
        let got = estimator.compute(&batch).unwrap();
        assert_eq!(matches!(got, AdvantageValues::PerToken(_)), estimator.estimator.by_token(), "{name}");
        let (AdvantageValues::PerSequence(got) | AdvantageValues::PerToken(got)) = got;
        let exact = floats(&case["advantages"]);
        assert_eq!(got.len(), exact.len(), "{name}");
        for (i, (got, exact)) in got.iter().zip(&exact).enumerate() {
            let got = f64::from(*got);
            assert!(
                (got - exact).abs() <= 1e-7 * exact.abs(),
                "{name} {:?}: entry {i}: {got}, exactly {exact}",
                case["options"]
            );
        }
    }
    for key in surefoot_objectives::advantage::Estimator::KEYS {
        assert!(seen.iter().any(|name| name == key), "{key} has no golden vector");
    }
}
