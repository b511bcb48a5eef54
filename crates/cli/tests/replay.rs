//! `surefoot replay` on a run that was just made: against the run's own metrics, and against the formulas written out here.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use surefoot_trainer::run_folder::rollouts::{self, Sample};

fn surefoot(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_surefoot")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Three steps of two mini-batches on the demo's model, with these overrides: in the second one, ratios are no longer 1.
fn trained(folder: &Path, name: &str, sets: &[&str]) -> PathBuf {
    let run = folder.join(name);
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainer/demo").canonicalize().unwrap();
    let config = format!(
        "[train]\nsteps = 3\n[model]\npath = {model:?}\n[data]\ntrain = \"task:addition,rows=50,seed=7,digits=2,style=plain\"\n\
         [prompt]\nchat = \"never\"\nmax_tokens = 16\n[rollout]\nprompts = 16\nsamples = 4\nmax_new_tokens = 5\n\
         [reward]\nname = \"exact\"\n[optimizer]\nlearning_rate = 3e-4\n[update]\nmini_batches = 2\n[log]\nrun_dir = {run:?}\n"
    );
    let file = folder.join("config.toml");
    std::fs::write(&file, config).unwrap();
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = ["train", file.to_str().unwrap()].into_iter().chain(sets).collect();
    let (code, _, stderr) = surefoot(&arguments);
    assert_eq!(code, 0, "{stderr}");
    run
}

fn metrics(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The run's own objective, replayed, comes to the loss and the statistics that the run wrote down.
fn assert_own_is_what_the_run_wrote(run: &Path) {
    let (code, stdout, stderr) =
        surefoot(&["replay", run.to_str().unwrap(), "--objective", "dapo", "--format", "json"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let rows: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for metrics in metrics(run) {
        let own = rows.iter().find(|row| row["step"] == metrics["step"] && row["own"] == true).unwrap();
        let close = |name: &str, own: &Value| {
            let written = metrics[name].as_f64().unwrap_or_else(|| panic!("{name} is not in metrics.jsonl"));
            let (own, size) = (own.as_f64().unwrap(), written.abs().max(1e-3));
            assert!(
                (written - own).abs() <= 1e-6 * size,
                "step {}: {name} is {written}, replayed {own}",
                metrics["step"]
            );
        };
        close("update/loss", &own["loss"]);
        for (name, value) in own["stats"].as_object().unwrap() {
            close(&format!("update/{}", name.replace('/', "_")), value);
        }
    }
}

/// What one objective puts on each token that was trained, in the order of the file.
fn gradient(samples: &[Sample], multiplier: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let mut gradient = Vec::new();
    for sample in samples.iter().filter(|sample| !sample.logp.is_empty()) {
        // seq-mean-token-mean: 1/(N·T), with the N of the mini-batch, samples without a signal included.
        let n = samples.iter().filter(|other| other.mini_batch == sample.mini_batch).count() as f64;
        let advantage = f64::from(sample.advantage);
        for (&logp, &old) in sample.logp.iter().zip(&sample.logp_old) {
            let log_ratio = f64::from(logp - old);
            gradient.push(-multiplier(log_ratio, advantage) * advantage / (n * sample.tokens.len() as f64));
        }
    }
    gradient
}

fn mhpo(log_ratio: f64, _advantage: f64) -> f64 {
    let c = 1.5;
    let softplus = |x: f64| x.exp().ln_1p();
    let psi = c * (log_ratio / c).tanh();
    let zeta = softplus(psi).powf(1.5) + (softplus(-psi) / 0.8).powi(2);
    (psi - zeta).exp() / (log_ratio / c).cosh().powi(2)
}

fn grpo(log_ratio: f64, advantage: f64) -> f64 {
    let ratio = log_ratio.exp();
    let clipped = (ratio < 0.8 && advantage < 0.0) || (ratio > 1.2 && advantage > 0.0);
    if clipped { 0.0 } else { ratio }
}

#[test]
fn a_run_is_replayed_with_every_objective() {
    let folder = tempfile::tempdir().unwrap();
    let run = trained(folder.path(), "run", &[]);
    let (path, svg) = (run.to_str().unwrap(), folder.path().join("replay.svg"));
    let (code, stdout, stderr) =
        surefoot(&["replay", path, "--all", "--format", "json", "--svg", svg.to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let rows: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Twenty-two objectives, the run's own not twice, on three steps and on all.
    assert_eq!(rows.len(), 22 * 4);
    let of = |step: Value, objective: &str| {
        rows.iter().find(|row| row["step"] == step && row["objective"] == objective).unwrap()
    };

    assert_own_is_what_the_run_wrote(&run);
    assert!((1..=3).all(|step| of(step.into(), "mhpo")["cosine"] == 1.0));

    // Cosine and norm against the formulas.
    let file = run.join("rollouts/step-000003.parquet");
    let samples = rollouts::read(&file).unwrap();
    let (own, other) = (gradient(&samples, mhpo), gradient(&samples, grpo));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let found = of(3.into(), "grpo");
    let expected = product(&own, &other) / (product(&own, &own) * product(&other, &other)).sqrt();
    assert!(expected < 0.99999, "the step must have ratios other than 1: {expected}");
    assert!((found["cosine"].as_f64().unwrap() - expected).abs() < 1e-5, "{found} {expected}");
    let norm = (product(&other, &other) / product(&own, &own)).sqrt();
    assert!((found["norm"].as_f64().unwrap() / norm - 1.0).abs() < 1e-4);
    let zeroed = other.iter().filter(|g| **g == 0.0).count() as f64 / other.len() as f64;
    assert!((found["stats"]["gradient/zeroed"].as_f64().unwrap() - zeroed).abs() < 1e-9);
    let counted: u64 = found["multiplier_bins"].as_array().unwrap().iter().map(|bin| bin[2].as_u64().unwrap()).sum();
    assert_eq!(counted, other.len() as u64);

    let all = of(Value::Null, "grpo");
    let sum: u64 = (1..=3).map(|step| of(step.into(), "grpo")["tokens"].as_u64().unwrap()).sum();
    assert_eq!(all["tokens"].as_u64().unwrap(), sum);
    let picture = std::fs::read_to_string(&svg).unwrap();
    assert!(picture.contains("Cosine with the run") && picture.contains(">mhpo (the run&#39;s)<"), "{picture}");

    let (_, table, _) = surefoot(&["replay", path, "--objective", "mhpo,bound=1.0", "--objective", "dr_grpo"]);
    assert_eq!(table.lines().count(), 1 + 3 * 4, "{table}");
    assert!(
        table.lines().next().unwrap().starts_with("step  objective") && table.contains("mhpo,bound=1.0"),
        "{table}"
    );

    let (code, _, stderr) = surefoot(&["replay", path, "--objective", "grop"]);
    assert!(code == 2 && stderr.contains("did you mean `grpo`?"), "{stderr}");
    let (code, _, stderr) = surefoot(&["replay", path, "--objective", "mhpo,shape_positive=0"]);
    assert!(code == 2 && stderr.contains("greater than 0"), "{stderr}");
    let mut broken = samples;
    broken.iter_mut().find(|sample| !sample.logp.is_empty()).unwrap().logp.push(0.0);
    rollouts::write(&file, &broken).unwrap();
    let (code, _, stderr) = surefoot(&["replay", path, "--all"]);
    assert!(code == 2 && stderr.contains("step-000003.parquet: row") && stderr.contains("logp has"), "{stderr}");
    std::fs::remove_dir_all(run.join("rollouts")).unwrap();
    let (code, _, stderr) = surefoot(&["replay", path, "--all"]);
    assert!(code == 2 && stderr.contains("holds no rollouts"), "{stderr}");
}

/// Losses depend on what counts in the denominators: on completions that were cut, and on tokens that were rejected.
#[test]
fn what_a_run_left_out_is_left_out_of_the_replay() {
    let folder = tempfile::tempdir().unwrap();
    // Sums of three digits have no room for their end token.
    let cut = trained(folder.path(), "cut", &["update.truncated=mask", "rollout.max_new_tokens=3"]);
    let share = |run: &Path, name: &str| {
        let shares: Vec<f64> = metrics(run).iter().map(|record| record[name].as_f64().unwrap()).collect();
        assert!(shares.iter().any(|share| (0.05..0.95).contains(share)), "{name}: {shares:?}");
    };
    share(&cut, "rollout/truncated");
    assert_own_is_what_the_run_wrote(&cut);
    let stale = ["rollout.staleness=1", "correction.mode=decoupled", "train.steps=6"];
    let weighed = ["correction.rollout_is=token", "correction.rollout_rs=token_k1"];
    let bounds = ["correction.rollout_is_threshold=1.02", "correction.rollout_rs_threshold=0.97_1.03"];
    let corrected = trained(folder.path(), "corrected", &[&stale[..], &weighed, &bounds].concat());
    let rejected =
        metrics(&corrected).iter().map(|record| record["update/behavior_rejected"].as_f64().unwrap()).sum::<f64>();
    assert!(rejected > 0.01, "{rejected}");
    assert_own_is_what_the_run_wrote(&corrected);
    let masked = trained(folder.path(), "masked", &[&stale[..], &["objective.off_policy_mask=0.0005"]].concat());
    share(&masked, "update/off_policy_masked");
    assert_own_is_what_the_run_wrote(&masked);
    assert_own_is_what_the_run_wrote(&trained(folder.path(), "dr_grpo", &["objective.name=dr_grpo"]));
}

/// CPGD's loss of the second of two epochs, with the formula of the paper (eq. 2 and section 6.1) written out here.
fn cpgd_loss(samples: &[Sample], weigh: bool) -> f64 {
    let mut groups: Vec<(f64, f64)> = Vec::new();
    for sample in samples {
        if sample.sample == 0 {
            groups.push((0.0, 0.0));
        }
        let group = groups.last_mut().unwrap();
        for i in 0..sample.tokens.len() {
            let (logp, old) = (f64::from(sample.logp[i]), f64::from(sample.logp_old[i]));
            let weight = (f64::from(sample.logp_epoch[i]) - old).exp().clamp(0.8, 1.2);
            let advantage = f64::from(sample.advantage) * if weigh { weight } else { 1.0 };
            let log_ratio = logp - old;
            let clipped = if advantage < 0.0 { log_ratio.max(0.8f64.ln()) } else { log_ratio.min(1.2f64.ln()) };
            let drift = 0.01 * (log_ratio.exp() - 1.0).min(2.0) * logp;
            *group = (group.0 + clipped * advantage - drift, group.1 + 1.0);
        }
    }
    -groups.iter().map(|(sum, tokens)| sum / tokens).sum::<f64>() / groups.len() as f64
}

#[test]
fn later_epochs_weigh_by_the_policy_that_they_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let sets = [
        "objective.name=cpgd",
        "update.epochs=2",
        "update.mini_batches=1",
        "train.steps=1",
        "objective.epoch_weight=truncated",
    ];
    let run = trained(folder.path(), "weighed", &sets);
    let samples = rollouts::read(&run.join("rollouts/step-000001.parquet")).unwrap();
    // With one update an epoch, the policy of the last one is that with which its epoch began.
    assert!(samples.iter().all(|sample| sample.logp == sample.logp_epoch && sample.logp.len() == sample.tokens.len()));
    assert!(samples.iter().any(|sample| sample.logp != sample.logp_old));
    let (weighed, plain) = (cpgd_loss(&samples, true), cpgd_loss(&samples, false));
    // In the first epoch all ratios are 1, and its loss is 0.
    let written = 2.0 * metrics(&run)[0]["update/loss"].as_f64().unwrap();
    assert!((written - weighed).abs() < 1e-6, "{written} {weighed}");
    assert!((weighed - plain).abs() > 1e-5, "the weight must matter: {weighed} {plain}");
    // The policy of the epoch's beginning, not that of the update: with two updates an epoch they differ.
    let run = trained(
        folder.path(),
        "several",
        &[&sets[..2], &["update.mini_batches=2", "train.steps=1"], &sets[4..]].concat(),
    );
    let samples = rollouts::read(&run.join("rollouts/step-000001.parquet")).unwrap();
    let (first, second): (Vec<&Sample>, Vec<&Sample>) = samples.iter().partition(|sample| sample.mini_batch == 0);
    assert!(first.iter().all(|sample| sample.logp == sample.logp_epoch));
    assert!(second.iter().any(|sample| sample.logp != sample.logp_epoch));
    let plain = trained(folder.path(), "plain", &sets[..4]);
    assert!(rollouts::read(&plain.join("rollouts/step-000001.parquet")).unwrap()[0].logp_epoch.is_empty());
    // Replays read it from the file.
    let (code, stdout, stderr) =
        surefoot(&["replay", run.to_str().unwrap(), "--objective", "cpgd,epoch_weight=truncated", "--format", "json"]);
    assert!(code == 0 && stdout.lines().count() == 2, "{stdout}{stderr}");
    let (code, _, stderr) =
        surefoot(&["replay", plain.to_str().unwrap(), "--objective", "cpgd,epoch_weight=truncated"]);
    assert!(code == 2 && stderr.contains("logp_epoch"), "{stderr}");
}

#[test]
fn what_is_no_run_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let (code, _, stderr) = surefoot(&["replay", path, "--all"]);
    assert!(code == 2 && stderr.contains("holds no run"), "{stderr}");
    let (code, _, stderr) = surefoot(&["replay", path]);
    assert!(code == 2 && stderr.contains("--objective"), "{stderr}");
}
