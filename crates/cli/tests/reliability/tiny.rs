//! A small model with a small run, and the binary that makes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Map, Value};
use surefoot_trainer::metrics::definition::depends_on_the_clock;
use tempfile::TempDir;

/// Folder of the demo's model: 0.8M parameters, a third of its additions right, so that a step has something to learn.
pub fn demo_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainer/demo").canonicalize().unwrap()
}

/// A command of the binary, not started.
pub fn surefoot<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
    // The CPU on every machine.
    command.env("CUDA_VISIBLE_DEVICES", "");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code (`None` after a signal) and stderr.
pub fn ended(output: &Output) -> (Option<i32>, String) {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stderr)
}

/// A folder with a run's configuration, and the runs made from it.
pub struct Tiny {
    folder: TempDir,
}

impl Tiny {
    /// Eight steps on the demo's model, a checkpoint after each.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[train]\nsteps = 8\nthreads = 2\n[model]\npath = {model:?}\n\
             [data]\ntrain = \"task:addition,rows=50,seed=7,digits=2,style=plain\"\n\
             [prompt]\nchat = \"never\"\nmax_tokens = 16\n\
             [rollout]\nprompts = 4\nsamples = 4\nmax_new_tokens = 5\n[reward]\nname = \"exact\"\n\
             [optimizer]\nlearning_rate = 1e-3\n[update]\nmini_batches = 2\n[checkpoint]\nevery = 1\n",
            model = demo_model()
        );
        fs::write(folder.path().join("config.toml"), config).unwrap();
        Self { folder }
    }

    /// The folder, for files of a test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `surefoot train` of a new run `name`.
    pub fn train(&self, name: &str, sets: &[&str]) -> Command {
        let mut command = surefoot(["train"]);
        command.arg(self.path("config.toml")).arg("--set").arg(format!("log.run_dir={:?}", self.path(name)));
        for set in sets {
            command.args(["--set", set]);
        }
        command
    }

    /// `surefoot train --resume` of the run `name`, or the start of it where there is no run yet.
    pub fn go_on(&self, name: &str) -> Command {
        self.go_on_with(name, &[])
    }

    /// As [`Tiny::go_on`], for a run that begins with `sets`.
    pub fn go_on_with(&self, name: &str, sets: &[&str]) -> Command {
        if !self.path(name).join("config.toml").exists() {
            return self.train(name, sets);
        }
        let mut command = surefoot(["train", "--resume"]);
        command.arg(self.path(name));
        command
    }

    /// Runs `name` from beginning to end.
    pub fn finish(&self, name: &str, sets: &[&str]) -> Finished {
        done(&self.train(name, sets).output().unwrap());
        Finished::read(&self.path(name))
    }
}

/// Numbers in [0, 1) for the moments of kills (xorshift64*).
pub struct Draw(pub u64);

impl Draw {
    /// The next number.
    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Asserts that a command has done its work.
pub fn done(output: &Output) {
    let (code, stderr) = ended(output);
    assert_eq!(code, Some(0), "{stderr}");
}

/// Everything of a run that must not depend on how it got there.
#[derive(PartialEq)]
pub struct Finished {
    /// Files of the last checkpoint and of `rollouts/` by name, with their bytes.
    files: Vec<(String, Vec<u8>)>,
    /// Metrics without those of the clock.
    metrics: Vec<Map<String, Value>>,
}

impl Finished {
    /// Reads a run folder, in which nothing half-written may lie.
    pub fn read(run: &Path) -> Self {
        let mut files = Vec::new();
        collect(&latest(run).unwrap(), "checkpoint", &mut files);
        collect(&run.join("rollouts"), "rollouts", &mut files);
        let left = names(run).into_iter().chain(names(&run.join("checkpoints")));
        let left: Vec<String> = left.filter(|name| name.starts_with('.')).collect();
        assert!(left.is_empty() && files.iter().all(|(name, _)| !name.contains("/.")), "left behind: {left:?}");
        let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let metrics = metrics.lines().map(|line| {
            let record: Map<String, Value> = serde_json::from_str(line).unwrap();
            record.into_iter().filter(|(name, _)| !depends_on_the_clock(name)).collect()
        });
        Self { files, metrics: metrics.collect() }
    }

    /// Asserts that two runs came to the same bits.
    pub fn assert_equals(&self, other: &Finished) {
        assert_eq!(self.metrics, other.metrics);
        let names = |run: &Finished| run.files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(self), names(other));
        for ((name, mine), (_, others)) in self.files.iter().zip(&other.files) {
            assert!(mine == others, "{name} differs");
        }
    }

    /// The bytes of a file, as `checkpoint/model.safetensors`.
    pub fn file(&self, name: &str) -> &[u8] {
        &self.files.iter().find(|(known, _)| known == name).unwrap().1
    }

    /// The metrics, one map a step.
    pub fn metrics(&self) -> &[Map<String, Value>] {
        &self.metrics
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) {
    for name in names(folder) {
        let (path, name) = (folder.join(&name), format!("{prefix}/{name}"));
        match path.is_dir() {
            true => collect(&path, &name, files),
            false => files.push((name, fs::read(path).unwrap())),
        }
    }
}

/// Names in a folder, sorted; none when it is absent.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The newest checkpoint of a run.
pub fn latest(run: &Path) -> Option<PathBuf> {
    let folder = run.join("checkpoints");
    let step = |name: &String| name.strip_prefix("step-")?.parse::<u64>().ok();
    let newest = names(&folder).iter().filter_map(step).max()?;
    Some(folder.join(format!("step-{newest}")))
}

/// Sends a signal, as `INT`.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status().unwrap();
    assert!(status.success());
}
