//! Dynamic sampling and masked completions, in runs of the binary on the demo's model.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use surefoot_trainer::run_folder::rollouts;

const GROUPS: usize = 8;
const SAMPLES: usize = 4;

/// A run of `steps` steps in `folder`, or the rest of one.
fn train(folder: &Path, run: &str, more: &[&str]) -> PathBuf {
    let path = folder.join(run);
    let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
    // The CPU on every machine.
    command.env("CUDA_VISIBLE_DEVICES", "");
    command.arg("train").current_dir(folder);
    if path.join("config.toml").exists() {
        command.arg("--resume").arg(&path);
    } else {
        command.arg("--set").arg(format!("log.run_dir={path:?}"));
        for set in [
            "rollout.samples=4",
            "rollout.prompts=8",
            "update.mini_batches=2",
            "checkpoint.every=2",
            "log.rollouts_every=1",
        ] {
            command.args(["--set", set]);
        }
    }
    for set in more {
        command.args(["--set", set]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Groups of a step with rewards that all are equal.
fn flat_groups(run: &Path, step: u64) -> usize {
    let samples = rollouts::read(&run.join(format!("rollouts/step-{step:06}.parquet"))).unwrap();
    assert_eq!(samples.len(), GROUPS * SAMPLES);
    samples.chunks(SAMPLES).filter(|group| group.iter().all(|s| s.reward == group[0].reward)).count()
}

#[test]
fn groups_without_signal_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let plain = train(folder.path(), "plain", &["train.steps=4"]);
    assert!(
        (1..=4).map(|step| flat_groups(&plain, step)).sum::<usize>() > 0,
        "the task must have groups without signal"
    );
    let dynamic = train(folder.path(), "dynamic", &["train.steps=4", "rollout.resample_rounds=20"]);
    for step in 1..=4 {
        assert_eq!(flat_groups(&dynamic, step), 0, "step {step}");
        let record = &metrics(&dynamic)[step as usize - 1];
        let sampled = GROUPS as f64 / (1.0 - record["rollout/discarded"].as_f64().unwrap());
        // Rewards are those of all groups that were sampled, so that they compare with other runs'.
        let flat = record["reward/groups_without_signal"].as_f64().unwrap() * sampled;
        assert!((sampled - flat - GROUPS as f64).abs() < 1e-9, "{record}");
    }
    // One round more than none, and the rest is filled up.
    let bounded =
        train(folder.path(), "bounded", &["train.steps=2", "rollout.resample_rounds=1", "rollout.temperature=0.05"]);
    assert!(metrics(&bounded).iter().all(|record| record["rollout/rounds"] == 2.0));
    assert!(flat_groups(&bounded, 1) > 0);
}

#[test]
fn a_resumed_run_samples_the_same_groups() {
    let folder = tempfile::tempdir().unwrap();
    let sets = ["rollout.resample_rounds=3", "update.truncated=mask"];
    let whole = train(folder.path(), "whole", &[&sets[..], &["train.steps=4"]].concat());
    train(folder.path(), "halves", &[&sets[..], &["train.steps=2"]].concat());
    let halves = train(folder.path(), "halves", &["train.steps=4"]);
    let weights = |run: &Path| fs::read(run.join("checkpoints/step-4/model.safetensors")).unwrap();
    assert_eq!(weights(&whole), weights(&halves));
}

#[test]
fn masked_completions_are_not_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    // Two tokens cut nearly every completion of the demo's sums.
    let sets = ["train.steps=1", "rollout.max_new_tokens=2"];
    let trained = train(folder.path(), "trained", &sets);
    let masked = train(folder.path(), "masked", &[&sets[..], &["update.truncated=mask"]].concat());
    let (trained, masked) = (&metrics(&trained)[0], &metrics(&masked)[0]);
    assert!(trained["rollout/truncated"].as_f64().unwrap() > 0.5);
    assert_eq!(trained["rollout/tokens"], masked["rollout/tokens"]);
    assert!(masked["update/tokens"].as_f64().unwrap() < 0.6 * trained["update/tokens"].as_f64().unwrap(), "{masked}");
}
