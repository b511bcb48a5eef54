//! Objectives and estimators against values that TRL and verl computed themselves (`golden/objectives/peers.py`).

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

mod golden_files;

use golden_files::{floats, groups, offsets, options, read, singles};
use surefoot_objectives::advantage::{AdvantageEstimator, AdvantageValues, RewardBatch, weighted_sum};
use surefoot_objectives::{Advantages, Objective, TokenBatch};

#[test]
fn advantages_are_those_of_the_trainers() {
    for case in read("peers-advantages.json").as_array().unwrap() {
        let name = case["estimator"].as_str().unwrap();
        let mut estimator = AdvantageEstimator::named(name).unwrap();
        for (option, value) in options(&case["options"]) {
            estimator.set(option, value).unwrap();
        }
        assert_eq!(estimator.check(), Ok(()));
        let (parts, weights) = (singles(&case["parts"]), singles(&case["weights"]));
        let (rewards, groups, offsets) =
            (weighted_sum(&parts, &weights), groups(&case["groups"]), offsets(&case["lengths"]));
        let batch = RewardBatch::new(&rewards, &groups)
            .and_then(|batch| batch.with_tokens(&offsets, None))
            .and_then(|batch| batch.with_parts(&parts, &weights))
            .unwrap();
        let AdvantageValues::PerSequence(got) = estimator.compute(&batch).unwrap() else { panic!("{name} by token") };
        let (theirs, tolerance) = (floats(&case["advantages"]), case["tolerance"].as_f64().unwrap());
        assert_eq!(got.len(), theirs.len());
        for (i, (got, theirs)) in got.iter().zip(&theirs).enumerate() {
            let (got, what) = (f64::from(*got), &case["source"]);
            assert!(
                (got - theirs).abs() <= tolerance * theirs.abs().max(1e-9),
                "{what}: sample {i}: {got}, theirs {theirs}"
            );
        }
    }
}

#[test]
fn losses_and_gradients_are_those_of_the_trainers() {
    for case in read("peers-losses.json").as_array().unwrap() {
        let mut objective = Objective::named(case["objective"].as_str().unwrap()).unwrap();
        for (option, value) in options(&case["options"]) {
            objective.set(option, value).unwrap();
        }
        objective.set("aggregation", case["aggregation"].as_str().unwrap()).unwrap();
        let offsets = offsets(&case["lengths"]);
        let groups = vec![0; offsets.len() - 1];
        let (logp, old, advantages) =
            (singles(&case["logp"]), singles(&case["logp_old"]), singles(&case["advantages"]));
        let batch = TokenBatch::new(&logp, &old, Advantages::PerSequence(&advantages), &offsets, &groups).unwrap();
        let denominators = objective.denominators(&offsets, None, &groups).unwrap();
        let (loss, grad) = (case["loss"].as_f64().unwrap(), floats(&case["grad_logp"]));
        let size: f64 = grad.iter().map(|g| g.abs()).sum();
        for ours in [
            objective.evaluate(&batch, &denominators).unwrap(),
            objective.loss_and_gradient(&batch, &denominators).unwrap(),
        ] {
            let what = &case["source"];
            assert!(
                (ours.loss - loss).abs() <= 2e-6 * (loss.abs() + size),
                "{what}: loss {}, theirs {loss}",
                ours.loss
            );
            for (t, (ours, theirs)) in ours.grad_logp.iter().zip(&grad).enumerate() {
                let ours = f64::from(*ours);
                assert!((ours - theirs).abs() <= 2e-6 * theirs.abs(), "{what}: token {t}: {ours}, theirs {theirs}");
            }
        }
    }
}

/// The sequence mask: which sequences TRL keeps, and the loss and gradient with it. The masked ones stay in the mean.
#[test]
fn the_off_policy_mask_is_that_of_trl() {
    let (mut masked, mut kept_negative) = (0, 0);
    for case in read("peers-off-policy.json").as_array().unwrap() {
        let mut objective = Objective::named("grpo").unwrap();
        objective.set("off_policy_mask", case["threshold"].as_f64().unwrap()).unwrap();
        let offsets = offsets(&case["lengths"]);
        let groups = vec![0; offsets.len() - 1];
        let (logp, old, advantages) =
            (singles(&case["logp"]), singles(&case["logp_old"]), singles(&case["advantages"]));
        let behavior: Option<Vec<f32>> = case["logp_behavior"]
            .as_array()
            .map(|values| values.iter().map(|x| x.as_f64().map_or(f32::NAN, |x| x as f32)).collect());
        let batch = TokenBatch::new(&logp, &old, Advantages::PerSequence(&advantages), &offsets, &groups).unwrap();
        let batch = match &behavior {
            Some(behavior) => batch.with_logp_behavior(behavior).unwrap(),
            None => batch,
        };
        let denominators = objective.denominators(&offsets, None, &groups).unwrap();
        let result = objective.evaluate(&batch, &denominators).unwrap();
        let alone = objective.loss_and_gradient(&batch, &denominators).unwrap();
        let (loss, grad) = (case["loss"].as_f64().unwrap(), floats(&case["grad_logp"]));
        for ours in [&result, &alone] {
            assert!((ours.loss - loss).abs() <= 2e-6 * loss.abs().max(1.0), "loss {}, theirs {loss}", ours.loss);
            for (t, (ours, theirs)) in ours.grad_logp.iter().zip(&grad).enumerate() {
                assert!((f64::from(*ours) - theirs).abs() <= 2e-6 * theirs.abs(), "token {t}: {ours}, theirs {theirs}");
            }
        }
        let kept = golden_files::flags(&case["kept"]);
        let stats = result.stats.off_policy.unwrap();
        assert_eq!(stats.sequences, kept.len() as u64);
        assert_eq!(stats.masked, kept.iter().filter(|kept| !**kept).count() as u64);
        masked += stats.masked;
        kept_negative += kept.iter().zip(&advantages).filter(|(kept, a)| **kept && **a < 0.0).count();
    }
    assert!(masked > 2 && kept_negative > 2, "{masked} masked, {kept_negative} kept");
}
