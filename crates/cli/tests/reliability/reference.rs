//! The reference policy: its log-probabilities to the bit, and its divergence as a part of the reward.

use surefoot_trainer::run_folder::rollouts::{self, Sample};

use crate::tiny::{Finished, Tiny, done, surefoot};

fn samples(tiny: &Tiny, run: &str, step: u64) -> Vec<Sample> {
    rollouts::read(&tiny.path(run).join(format!("rollouts/step-{step:06}.parquet"))).unwrap()
}

#[test]
fn the_reference_is_the_model_that_the_run_began_with() {
    let tiny = Tiny::new();
    let sets = ["regularizer.reference_coefficient=0.1", "update.epochs=2"];
    let whole = tiny.finish("run", &sets);
    let equal = |sample: &&Sample| sample.logp_ref == sample.logp_old;
    let first = samples(&tiny, "run", 1);
    assert!(first.iter().all(|sample| equal(&sample)), "the sampler's bits are those of the reference");
    assert!(!samples(&tiny, "run", 8).iter().any(|sample| equal(&sample)), "the policy has moved");
    // What is computed together changes no bit of it.
    tiny.finish("small", &[&sets[..], &["update.tokens_per_micro_batch=16"]].concat());
    assert_eq!(
        first.iter().map(|sample| &sample.logp_ref).collect::<Vec<_>>(),
        samples(&tiny, "small", 1).iter().map(|sample| &sample.logp_ref).collect::<Vec<_>>()
    );
    // Nor does it depend on where a run was resumed.
    tiny.finish("half", &[&sets[..], &["train.steps=3"]].concat());
    done(&tiny.go_on("half").args(["--set", "train.steps=8"]).output().unwrap());
    Finished::read(&tiny.path("half")).assert_equals(&whole);
}

const BETA: f64 = 0.5;

/// k3 of one token (Schulman 2020): e^(−d) − 1 + d with d = log π_old − log π_ref.
fn k3(sample: &Sample) -> Vec<f64> {
    let d = |(old, reference): (&f32, &f32)| f64::from(*old) - f64::from(*reference);
    sample.logp_old.iter().zip(&sample.logp_ref).map(|pair| (-d(pair)).exp() - 1.0 + d(pair)).collect()
}

/// (x − mean) / (std + 1e-6), with n − 1.
fn normalised(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let square = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
    values.iter().map(|x| (x - mean) / (square.sqrt() + 1e-6)).collect()
}

fn near(found: &[f32], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((f64::from(*found) - wanted).abs() < 1e-4, "{found} instead of {wanted}");
    }
}

#[test]
fn the_divergence_is_taken_from_the_reward() {
    let tiny = Tiny::new();
    let kl = ["advantage.kl_coefficient=0.5", "advantage.kl_estimator=k3", "train.steps=3"];
    for estimator in ["grpo", "reinforce_plus_plus"] {
        let name = format!("advantage.estimator={estimator}");
        let sets = [&kl[..], &[&name]].concat();
        let run = tiny.finish(estimator, &sets);
        let last = samples(&tiny, estimator, 3);
        let penalties: Vec<Vec<f64>> = last.iter().map(k3).collect();
        let mean = penalties.iter().flatten().sum::<f64>() / last.len() as f64;
        let metric = run.metrics()[2]["reward/kl"].as_f64().unwrap();
        assert!(mean > 1e-3 && (metric - mean).abs() < 1e-6, "{metric} instead of {mean}");
        let rewards = last.iter().map(|sample| f64::from(sample.reward.unwrap()));
        let returns: Vec<Vec<f64>> = rewards
            .zip(&penalties)
            .map(|(reward, k)| (0..k.len()).map(|i| reward - BETA * k[i..].iter().sum::<f64>()).collect())
            .collect();
        if estimator == "grpo" {
            let whole: Vec<f64> = returns.iter().map(|returns| returns[0]).collect();
            let wanted: Vec<f64> = whole.chunks(4).flat_map(normalised).collect();
            near(&last.iter().map(|sample| sample.advantage).collect::<Vec<_>>(), &wanted);
            assert!(last.iter().all(|sample| sample.advantages.is_empty()));
        } else {
            let found: Vec<f32> = last.iter().flat_map(|sample| sample.advantages.clone()).collect();
            near(&found, &normalised(&returns.concat()));
            assert!(last.iter().any(|sample| sample.advantages.iter().any(|a| *a != sample.advantages[0])));
        }
    }
    // The run's own objective, replayed on the tokens of a step, comes to what the step wrote down.
    let replay = ["replay", "--format", "json", "--objective", "grpo"];
    let replayed = surefoot(replay).arg(tiny.path("reinforce_plus_plus")).output().unwrap();
    done(&replayed);
    let rows = String::from_utf8(replayed.stdout).unwrap();
    let mut rows = rows.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let own = rows.find(|row| row["step"] == 3 && row["own"] == true).unwrap();
    let metrics = std::fs::read_to_string(tiny.path("reinforce_plus_plus").join("metrics.jsonl")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    for name in ["multiplier/mean", "region/hp", "region/hn", "gradient/zeroed"] {
        let written = metrics[format!("update/{}", name.replace('/', "_"))].as_f64().unwrap();
        assert!((own["stats"][name].as_f64().unwrap() - written).abs() < 1e-9, "{name}: {own} {written}");
    }
}

#[test]
fn a_run_with_the_divergence_in_its_reward_resumes_to_the_same_bits() {
    let tiny = Tiny::new();
    let sets = ["advantage.kl_coefficient=0.1", "advantage.estimator=rloo_normalized", "update.truncated=mask"];
    let whole = tiny.finish("whole", &sets);
    tiny.finish("half", &[&sets[..], &["train.steps=5"]].concat());
    done(&tiny.go_on("half").args(["--set", "train.steps=8"]).output().unwrap());
    Finished::read(&tiny.path("half")).assert_equals(&whole);
}
