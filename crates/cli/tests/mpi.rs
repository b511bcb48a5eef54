//! Runs over several processes that `mpirun` starts: `cargo test -p surefoot --features mpi --test mpi`.
#![cfg(feature = "mpi")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use surefoot_trainer::metrics::definition::depends_on_the_clock;

/// One `mpirun` at a time: its ranks are more than the cores of most machines already.
static CORES: Mutex<()> = Mutex::new(());

/// No run here takes as long; one that hangs is told apart from one that is slow.
const PATIENCE: Duration = Duration::from_secs(100);

fn cores() -> MutexGuard<'static, ()> {
    CORES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `mpirun` of so many ranks of the binary, on fewer cores if need be, as any user.
fn mpirun(ranks: usize) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "-n", &ranks.to_string()]).arg(env!("CARGO_BIN_EXE_surefoot"));
    as_root(&mut command);
    command
}

fn as_root(command: &mut Command) {
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
}

/// Arguments of a new run in `run`.
fn train(command: &mut Command, run: &Path, sets: &[&str]) {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainer/demo").canonicalize().unwrap();
    let config = run.with_extension("toml");
    let text = format!(
        "[train]\nthreads = 1\n[model]\npath = {demo:?}\n\
         [data]\ntrain = \"task:addition,rows=50,seed=7,digits=2,style=plain\"\n\
         [prompt]\nchat = \"never\"\nmax_tokens = 16\n\
         [rollout]\nprompts = 6\nsamples = 4\nmax_new_tokens = 5\n[reward]\nname = \"exact\"\n\
         [optimizer]\nlearning_rate = 1e-3\n[update]\nmini_batches = 2\n[checkpoint]\nevery = 1\n"
    );
    fs::write(&config, text).unwrap();
    command.arg("train").arg(config).args(["--set", &format!("log.run_dir={run:?}")]);
    sets.iter().for_each(|set| {
        command.args(["--set", set]);
    });
}

/// Exit code and stderr.
fn ended(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[track_caller]
fn done(command: &mut Command) {
    let (code, stderr) = ended(command);
    assert_eq!(code, Some(0), "{stderr}");
}

/// Files of the last checkpoint and of `rollouts/`, and metrics without the clock.
fn left(run: &Path, steps: u64) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in [run.join(format!("checkpoints/step-{steps}")), run.join("rollouts")] {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        found.extend(paths.into_iter().map(|path| (name(&path), fs::read(&path).unwrap())));
    }
    for line in fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines() {
        let line: Map<String, Value> = serde_json::from_str(line).unwrap();
        let line: Map<_, _> = line.into_iter().filter(|(name, _)| !depends_on_the_clock(name)).collect();
        found.push(("metrics".to_string(), Value::Object(line).to_string().into_bytes()));
    }
    found
}

#[track_caller]
fn assert_same(one: &[(String, Vec<u8>)], other: &[(String, Vec<u8>)], what: &str) {
    let names = |all: &[(String, Vec<u8>)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(one), names(other), "{what}");
    for ((name, one), (_, other)) in one.iter().zip(other) {
        assert!(one == other, "{what}: {name} differs");
    }
}

/// The processes below `child`, found by their parents, rank by rank.
fn ranks_of(child: u32, size: usize) -> Vec<u32> {
    let mut ranks = vec![0; size];
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let parent: Option<u32> = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let rank = environment.split('\0').find_map(|pair| pair.strip_prefix("OMPI_COMM_WORLD_RANK=")?.parse().ok());
        if let (Some(parent), Some(rank)) = (parent, rank)
            && child == parent
        {
            ranks[{
                let rank: usize = rank;
                rank
            }] = pid;
        }
    }
    ranks
}

/// Waits until the run has so many lines of metrics.
fn wait_for_steps(run: &Path, steps: usize) {
    let started = Instant::now();
    while fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default().lines().count() < steps {
        assert!(started.elapsed() < PATIENCE, "no {steps} steps within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap().success());
}

#[test]
fn one_two_and_four_ranks_leave_the_same_bits() {
    let (_cores, folder) = (cores(), tempfile::tempdir().unwrap());
    let sets = [
        "update.shards=4",
        "train.steps=4",
        "eval.every=2",
        "eval.samples=2",
        "eval.data=\"sums=task:addition,rows=10,seed=3,digits=2,style=plain\"",
    ];
    let alone = folder.path().join("alone");
    let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
    train(&mut command, &alone, &sets);
    done(&mut command);
    let alone = left(&alone, 4);
    for size in [1, 2, 4] {
        let run = folder.path().join(format!("ranks-{size}"));
        let mut command = mpirun(size);
        train(&mut command, &run, &sets);
        done(&mut command);
        assert_same(&alone, &left(&run, 4), &format!("{size} ranks"));
    }
}

#[test]
fn a_killed_rank_ends_the_run_is_named_and_the_run_goes_on_with_others() {
    let (_cores, folder) = (cores(), tempfile::tempdir().unwrap());
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let mut command = mpirun(2);
    train(&mut command, &whole, &["train.steps=16"]);
    done(&mut command);

    let mut command = mpirun(2);
    train(&mut command, &killed, &["train.steps=16"]);
    let child = command.spawn().unwrap();
    wait_for_steps(&killed, 3);
    let victim = ranks_of(child.id(), 2)[1];
    assert_ne!(victim, 0, "rank 1 was not found");
    let at = Instant::now();
    signal(victim, "KILL");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(at.elapsed() < Duration::from_secs(20), "it took {:?} to end", at.elapsed());
    assert_ne!(output.status.code(), Some(0), "{stderr}");
    let named = stderr.contains("process rank 1 with PID") && stderr.contains("exited on signal 9");
    assert!(named, "the rank is not named: {stderr}");

    // As it was, with one process, and with four.
    for (size, steps) in [(2, 10), (1, 12), (4, 16)] {
        let mut command = if size == 1 { Command::new(env!("CARGO_BIN_EXE_surefoot")) } else { mpirun(size) };
        command.args(["train", "--resume"]).arg(&killed).args(["--set", &format!("train.steps={steps}")]);
        done(&mut command);
    }
    assert_same(&left(&whole, 16), &left(&killed, 16), "killed, and resumed with 2, 1 and 4 ranks");
}

#[test]
fn what_fails_on_one_rank_ends_all_and_is_told_once_with_its_rank() {
    let (_cores, folder) = (cores(), tempfile::tempdir().unwrap());
    // The second process runs where the data is not what it is for the first one.
    for (place, rows) in [("a", 50), ("b", 49)] {
        let place = folder.path().join(place);
        fs::create_dir(&place).unwrap();
        let rows: String =
            (0..rows).map(|n| format!("{{\"problem\": \"{n}+1=\", \"answer\": \"{}\"}}\n", n + 1)).collect();
        fs::write(place.join("rows.jsonl"), rows).unwrap();
    }
    let start = |broken: Option<&str>| {
        let (mut both, run) = (Command::new("mpirun"), folder.path().join("run"));
        both.arg("--oversubscribe");
        as_root(&mut both);
        for (place, separator) in [("a", Some(":")), ("b", None)] {
            both.args(["-n", "1", "--wdir"]).arg(folder.path().join(place)).arg(env!("CARGO_BIN_EXE_surefoot"));
            train(&mut both, &run, &["data.train=\"rows.jsonl\"", "train.steps=2"]);
            both.args(broken.map(|set| ["--set", set]).into_iter().flatten());
            both.args(separator);
        }
        let found = ended(&mut both);
        assert!(!run.exists(), "a run that could not start left a folder");
        found
    };
    let (code, stderr) = start(None);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("rank 1 of 2 has another training set than rank 0: data.train"), "{stderr}");

    fs::remove_file(folder.path().join("b/rows.jsonl")).unwrap();
    let (code, stderr) = start(None);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("error: rank 1 of 2: cannot read rows.jsonl"), "{stderr}");

    // What is wrong everywhere is told by rank 0 alone.
    for set in ["train.steps=0", "model.path=\"nowhere\""] {
        let (code, stderr) = start(Some(set));
        assert_eq!(code, Some(2), "{stderr}");
        assert_eq!(stderr.matches("error: rank").count(), 1, "{stderr}");
        assert!(stderr.contains("error: rank 0 of 2: "), "{stderr}");
    }
}

#[test]
fn a_signal_to_any_rank_stops_all_after_a_checkpoint() {
    let (_cores, folder) = (cores(), tempfile::tempdir().unwrap());
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    let mut command = mpirun(2);
    train(&mut command, &whole, &["train.steps=12"]);
    done(&mut command);

    let mut command = mpirun(2);
    train(&mut command, &stopped, &["train.steps=12", "checkpoint.every=0"]);
    let child = command.spawn().unwrap();
    wait_for_steps(&stopped, 2);
    // The lock tells which process writes: rank 0. The other one is as good.
    let lock = fs::read_to_string(stopped.join("lock")).unwrap();
    let ranks = ranks_of(child.id(), 2);
    assert_eq!(lock, format!("process {}\n", ranks[0]));
    signal(ranks[1], "TERM");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert_eq!(stderr.matches("stopped; a checkpoint is written. Go on with").count(), 1, "{stderr}");
    assert!(stderr.contains("mpirun -n 2 surefoot train --resume"), "{stderr}");

    let mut command = mpirun(2);
    command.args(["train", "--resume"]).arg(&stopped).args(["--set", "checkpoint.every=1"]);
    done(&mut command);
    assert_same(&left(&whole, 12), &left(&stopped, 12), "stopped and resumed");
}
