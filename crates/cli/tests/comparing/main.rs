//! `surefoot report` and `surefoot study`, driven as a person does.
#![allow(clippy::unwrap_used, reason = "tests")]

mod report;
mod study;
mod told;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A command of the binary in the folder `at`, not started.
fn surefoot(at: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
    // The CPU on every machine.
    command.env("CUDA_VISIBLE_DEVICES", "");
    command.args(arguments).current_dir(at).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code, stdout and stderr of a command.
fn ended(at: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = surefoot(at, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A configuration of few small steps on the demo's model.
fn tiny_config(at: &Path) {
    let model: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainer/demo").canonicalize().unwrap();
    let config = format!(
        "[train]\nsteps = 4\nthreads = 1\n[model]\npath = {model:?}\n\
         [data]\ntrain = \"task:addition,rows=50,seed=7,digits=2,style=plain\"\n\
         [prompt]\nchat = \"never\"\nmax_tokens = 16\n\
         [rollout]\nprompts = 4\nsamples = 4\nmax_new_tokens = 5\n[reward]\nname = \"exact\"\n\
         [optimizer]\nlearning_rate = 1e-3\n[update]\nmini_batches = 2\n[checkpoint]\nevery = 1\n"
    );
    std::fs::write(at.join("tiny.toml"), config).unwrap();
}
