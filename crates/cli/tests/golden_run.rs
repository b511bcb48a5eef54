//! Short runs whose metrics and weights may change only on purpose. They do not depend on threads or on the instruction set.
//!
//! After a change that is meant to change them: `UPDATE_GOLDEN=1 cargo test -p surefoot --test golden_run`, and the commit says why.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};
use surefoot_trainer::metrics::definition::depends_on_the_clock;

const RUNS: [&str; 2] = ["mhpo", "mixture"];
/// How far a value may be off where the system's own `exp` and `ln` are other ones: they are in the statistics.
const OTHER_SYSTEMS: f64 = 1e-3;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Metrics without the clock, one line a step, and a last line with a fingerprint of the weights.
fn run(name: &str, sets: &[&str], instructions: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
    // The CPU on every machine.
    command.env("CUDA_VISIBLE_DEVICES", "");
    command.arg("train").arg(root().join(format!("golden/run/{name}.toml")));
    command.args(["--set", &format!("log.run_dir={run:?}")]);
    command.args(["--set", &format!("model.path={:?}", root().join("crates/trainer/demo"))]);
    sets.iter().for_each(|set| {
        command.args(["--set", set]);
    });
    let output = command.env("SUREFOOT_INSTRUCTIONS", instructions).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut text = String::new();
    for line in metrics.lines() {
        let line: Map<String, Value> = serde_json::from_str(line).unwrap();
        let line: Map<String, Value> = line.into_iter().filter(|(name, _)| !depends_on_the_clock(name)).collect();
        text += &format!("{}\n", Value::Object(line));
    }
    let weights = fs::read(run.join("checkpoints/step-3/model.safetensors")).unwrap();
    // FNV-1a
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = weights.iter().fold(0xcbf2_9ce4_8422_2325, mix);
    text + &format!("{}\n", json!({ "weights": format!("{hash:016x}") }))
}

#[test]
fn the_short_runs_are_what_they_were() {
    for name in RUNS {
        let file = root().join(format!("golden/run/{name}.jsonl"));
        let found = run(name, &[], "");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&file, &found).unwrap();
        }
        let golden = fs::read_to_string(&file).unwrap();
        if cfg!(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")) {
            for (found, golden) in found.lines().zip(golden.lines()) {
                assert_eq!(found, golden, "run {name}: see the head of this file");
            }
            assert_eq!(found.lines().count(), golden.lines().count());
        } else {
            near(name, &found, &golden);
        }
    }
}

fn near(name: &str, found: &str, golden: &str) {
    for (found, golden) in found.lines().zip(golden.lines()) {
        let read = |line| serde_json::from_str::<Map<String, Value>>(line).unwrap();
        let (found, golden) = (read(found), read(golden));
        assert!(found.keys().eq(golden.keys()), "{name}");
        for (key, value) in golden.iter().filter_map(|(key, value)| Some((key, value.as_f64()?))) {
            let off = (found[key].as_f64().unwrap() - value).abs();
            assert!(off <= OTHER_SYSTEMS * value.abs().max(1.0), "{name}: {key} is off by {off}");
        }
    }
}

#[test]
fn threads_and_instruction_sets_change_no_bit_of_them() {
    for name in RUNS {
        let plain = run(name, &["train.threads=1"], "portable");
        assert!(plain == run(name, &["train.threads=3"], ""), "{name}: portable code and one thread");
        assert!(plain == run(name, &["train.threads=2"], "avx2"), "{name}: AVX2 and two threads");
    }
}
