//! Ctrl-C and SIGTERM checkpoint, say how to go on, and lose nothing.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::tiny::{Finished, Tiny, demo_model, done, ended, latest, signal, surefoot};

/// Starts a run, sends it a signal after its first step, and checks how it leaves.
fn interrupted(mut command: Command, tiny: &Tiny, name: &str, with: &str, go_on: &str) {
    let run = tiny.path(name);
    let mut child = command.spawn().unwrap();
    while fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |text| text.lines().count()) < 1 {
        assert!(child.try_wait().unwrap().is_none(), "ended before its first step");
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, with);
    let (code, stderr) = ended(&child.wait_with_output().unwrap());
    assert_eq!(code, Some(130), "{stderr}");
    let command = format!("Go on with: surefoot {go_on} --resume {}\n", run.display());
    assert!(stderr.contains("stopping after a checkpoint") && stderr.ends_with(&command), "{stderr}");
    let steps = fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines().count();
    assert!(latest(&run).unwrap().ends_with(format!("step-{steps}")), "{steps} steps");
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bits() {
    let tiny = Tiny::new();
    let sets = ["train.steps=12", "checkpoint.every=0"];
    let reference = tiny.finish("reference", &sets);
    for with in ["INT", "TERM"] {
        interrupted(tiny.train(with, &sets), &tiny, with, with, "train");
        done(&tiny.go_on(with).output().unwrap());
        Finished::read(&tiny.path(with)).assert_equals(&reference);
    }
}

#[test]
fn supervised_runs_as_well() {
    let tiny = Tiny::new();
    let config = format!(
        "[train]\nsteps = 40\nthreads = 2\n[model]\npath = {:?}\n[prompt]\nchat = \"never\"\n\
         [data]\ntrain = \"task:addition,rows=50,digits=2,style=plain\"\n[checkpoint]\nevery = 0\n",
        demo_model()
    );
    fs::write(tiny.path("sft.toml"), config).unwrap();
    let sft = |name: &str| {
        let mut command = surefoot(["sft"]);
        command.arg(tiny.path("sft.toml")).arg("--set").arg(format!("log.run_dir={:?}", tiny.path(name)));
        command
    };
    done(&sft("reference").output().unwrap());
    interrupted(sft("stopped"), &tiny, "stopped", "INT", "sft");
    done(&surefoot(["sft", "--resume"]).arg(tiny.path("stopped")).output().unwrap());
    Finished::read(&tiny.path("stopped")).assert_equals(&Finished::read(&tiny.path("reference")));
}
