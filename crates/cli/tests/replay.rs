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

/// Three steps of two mini-batches on the demo's model: in the second one, ratios are no longer 1.
fn trained(folder: &Path) -> PathBuf {
    let run = folder.join("run");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainer/demo").canonicalize().unwrap();
    let config = format!(
        "[train]\nsteps = 3\n[model]\npath = {model:?}\n[data]\ntrain = \"task:addition,rows=50,seed=7,digits=2,style=plain\"\n\
         [prompt]\nchat = \"never\"\nmax_tokens = 16\n[rollout]\nprompts = 16\nsamples = 4\nmax_new_tokens = 5\n\
         [reward]\nname = \"exact\"\n[optimizer]\nlearning_rate = 3e-4\n[update]\nmini_batches = 2\n[log]\nrun_dir = {run:?}\n"
    );
    let file = folder.join("config.toml");
    std::fs::write(&file, config).unwrap();
    let (code, _, stderr) = surefoot(&["train", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    run
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
    let run = trained(folder.path());
    let (path, svg) = (run.to_str().unwrap(), folder.path().join("replay.svg"));
    let (code, stdout, stderr) =
        surefoot(&["replay", path, "--all", "--format", "json", "--svg", svg.to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let rows: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Nineteen objectives, the run's own not twice, on three steps and on all.
    assert_eq!(rows.len(), 19 * 4);
    let of = |step: Value, objective: &str| {
        rows.iter().find(|row| row["step"] == step && row["objective"] == objective).unwrap()
    };

    // The run's own objective comes to what the run wrote down.
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    for line in metrics.lines() {
        let metrics: Value = serde_json::from_str(line).unwrap();
        let own = of(metrics["step"].clone(), "mhpo");
        assert_eq!((own["own"].clone(), own["cosine"].clone()), (true.into(), 1.0.into()));
        for (name, value) in own["stats"].as_object().unwrap() {
            let written = metrics[&format!("update/{}", name.replace('/', "_"))].as_f64();
            let written = written.unwrap_or_else(|| panic!("{name} is not in metrics.jsonl"));
            assert!((written - value.as_f64().unwrap()).abs() <= 1e-9 * written.abs().max(1.0), "{name}");
        }
    }

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
    assert!(picture.contains("cosine with the run") && picture.contains(">mhpo (the run&#39;s)<"), "{picture}");

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

#[test]
fn what_is_no_run_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let (code, _, stderr) = surefoot(&["replay", path, "--all"]);
    assert!(code == 2 && stderr.contains("holds no run"), "{stderr}");
    let (code, _, stderr) = surefoot(&["replay", path]);
    assert!(code == 2 && stderr.contains("--objective"), "{stderr}");
}
