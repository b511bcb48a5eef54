//! A program of one's own (`examples/own_objective.rs`): its objective is known to every command, and to the runs of a study.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The example, which cargo builds with the tests (but not where a single one is asked for).
fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_surefoot")).with_file_name("examples").join("own_objective");
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is missing: cargo build -p surefoot --example own_objective", path.display());
    path
}

/// Exit code, stdout and stderr of the example in the folder `at`.
fn own(at: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(program());
    command.env("CUDA_VISIBLE_DEVICES", "").args(arguments).current_dir(at).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code().unwrap(), stdout, stderr)
}

fn done(at: &Path, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = own(at, arguments);
    assert_eq!(code, 0, "{arguments:?}: {stderr}");
    stdout
}

/// Few small steps on the demo's model, with two updates a rollout.
fn config(at: &Path) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainer/demo").canonicalize().unwrap();
    let config = format!(
        "[train]\nsteps = 2\nthreads = 1\n[model]\npath = {model:?}\n\
         [data]\ntrain = \"task:addition,rows=50,seed=7,digits=2,style=plain\"\n\
         [prompt]\nchat = \"never\"\nmax_tokens = 16\n\
         [rollout]\nprompts = 4\nsamples = 4\nmax_new_tokens = 5\n[reward]\nname = \"exact\"\n\
         [objective]\nname = \"topr\"\ncap = 0.9\n\
         [optimizer]\nlearning_rate = 1e-4\n[update]\nmini_batches = 2\n[checkpoint]\nevery = 1\n"
    );
    fs::write(at.join("topr.toml"), config).unwrap();
}

fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_objective_command_knows_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let list = done(at, &["objective", "list"]);
    let line = list.lines().find(|line| line.starts_with("topr ")).unwrap();
    assert!(line.contains("arXiv 2503.14286") && line.ends_with("cap=1"), "{line}");
    assert!(list.lines().any(|line| line.starts_with("mhpo ")));
    let table = done(at, &["objective", "check", "topr"]);
    assert!(table.contains("g is the derivative of J") && table.contains("its bound is 1.000000"), "{table}");
    let json: Value =
        serde_json::from_str(&done(at, &["objective", "check", "topr,cap=2", "--format", "json"])).unwrap();
    let findings = json[0]["findings"].as_array().unwrap();
    assert!(findings.iter().any(|one| one["check"] == "gradient" && one["verdict"] == "ok"), "{json}");
    let (code, _, stderr) = own(at, &["objective", "check", "topr", "--set", "cpa=2"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("objective topr has no option `cpa` (did you mean `cap`?)"), "{stderr}");
    let csv = done(at, &["objective", "curve", "--objective", "topr,cap=0.5", "--format", "csv"]);
    let last = |panel: &str| csv.lines().rfind(|line| line.contains(panel)).unwrap().to_string();
    assert!(last("A < 0").ends_with(",0.5") && last("A > 0").ends_with(",1"), "{csv}");
    assert!(done(at, &["objective", "bias", "--objective", "topr", "--format", "json"]).contains("\"topr\""));
}

#[test]
fn it_trains_resumes_and_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    config(at);
    let (code, _, stderr) = own(at, &["train", "topr.toml", "--set", "log.run_dir=run"]);
    assert_eq!(code, 0, "{stderr}");
    // the command that goes on with it is this program's
    assert!(stderr.contains("own_objective train --resume run"), "{stderr}");
    let first = metrics(&at.join("run"));
    assert_eq!(first.len(), 2);
    // tokens that are pushed down weigh at most 0.9, raised ones 1
    let mean = first[0]["update/multiplier_mean"].as_f64().unwrap();
    assert!((0.7..1.0).contains(&mean), "{mean}");
    assert_eq!(first[0]["update/multiplier_bound"], 1.0);
    let resolved = fs::read_to_string(at.join("run/config.toml")).unwrap();
    assert!(resolved.contains("name = \"topr\"\ncap = 0.9"), "{resolved}");
    done(at, &["train", "--resume", "run", "--set", "train.steps=3"]);
    done(at, &["train", "topr.toml", "--set", "log.run_dir=whole", "--set", "train.steps=3"]);
    let (resumed, whole) = (metrics(&at.join("run")), metrics(&at.join("whole")));
    assert_eq!((resumed.len(), &resumed[2]["update/loss"]), (3, &whole[2]["update/loss"]));

    done(at, &["report", "run", "--output", "page.html"]);
    assert!(fs::read_to_string(at.join("page.html")).unwrap().contains("topr"));
    let replay = done(at, &["replay", "run", "--objective", "mhpo", "--objective", "topr,cap=1"]);
    assert!(replay.contains("topr,cap=1"), "{replay}");
}

#[test]
fn the_runs_of_a_study_are_made_by_the_same_program() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    config(at);
    let study = "config = \"topr.toml\"\nobjectives = [\"topr\"]\nseeds = [1]\nparallel = 1\n\
        [[setting]]\nname = \"\"\nset = [\"train.steps=1\"]\n\
        [[setting]]\nname = \"cap 2\"\nset = [\"train.steps=1\", \"objective.cap=2\"]\n";
    fs::write(at.join("s.toml"), study).unwrap();
    let table = done(at, &["study", "s.toml"]);
    assert!(table.contains("| topr |") && table.contains("| topr, cap 2 |"), "{table}");
}

#[test]
fn a_mistyped_option_is_answered_with_the_own_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    config(at);
    let (code, _, stderr) = own(at, &["train", "topr.toml", "--set", "objective.capp=1"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("objective.capp") && stderr.contains("`objective.cap`"), "{stderr}");
    let (code, _, stderr) = own(at, &["train", "topr.toml", "--set", "objective.cap=-1"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("option `cap` is -1, expected a number greater than 0"), "{stderr}");
}
