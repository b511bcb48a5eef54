//! An evaluation of a training run that Ctrl-C cuts off is finished by the resume, and nothing shows that it was cut.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::tiny::{Finished, Tiny, done, ended, latest, signal};

const SETS: [&str; 7] = [
    "train.steps=4",
    "checkpoint.every=4",
    "checkpoint.best=eval/avg",
    "eval.every=2",
    "eval.samples=16",
    "eval.data=task:addition,rows=400,seed=9,digits=2,style=plain",
    "rollout.batch=16",
];

/// Lines of a file that may not be there.
fn lines(tiny: &Tiny, file: &str) -> usize {
    fs::read_to_string(tiny.path(file)).map_or(0, |text| text.lines().count())
}

/// Starts `command` and waits until `problems` of the evaluation after `step` are written.
fn until(mut command: Command, tiny: &Tiny, step: u64, problems: usize) -> std::process::Child {
    let mut child = command.spawn().unwrap();
    while lines(tiny, &format!("run/eval/step-{step:06}/addition.jsonl")) < problems {
        assert!(child.try_wait().unwrap().is_none(), "ended before the evaluation of step {step}");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

fn interrupt(command: Command, tiny: &Tiny, step: u64, problems: usize) {
    let child = until(command, tiny, step, problems);
    signal(&child, "INT");
    let (code, stderr) = ended(&child.wait_with_output().unwrap());
    assert_eq!(code, Some(130), "{stderr}");
    assert!(latest(&tiny.path("run")).unwrap().ends_with(format!("step-{step}")), "{stderr}");
    assert_eq!(lines(tiny, "run/metrics.jsonl"), step as usize - 1, "the step of the evaluation is not finished");
}

#[test]
fn a_resume_finishes_the_evaluation() {
    let tiny = Tiny::new();
    let reference = tiny.finish("reference", &SETS);
    // Twice in the evaluation of step 2, once of them by a kill, and then in that of the last step.
    interrupt(tiny.train("run", &SETS), &tiny, 2, 1);
    let mut child = until(tiny.go_on("run"), &tiny, 2, 12);
    child.kill().unwrap();
    child.wait().unwrap();
    interrupt(tiny.go_on("run"), &tiny, 2, 24);
    interrupt(tiny.go_on("run"), &tiny, 4, 1);
    done(&tiny.go_on("run").output().unwrap());
    let run = Finished::read(&tiny.path("run"));
    run.assert_equals(&reference);
    assert!(run.metrics()[1]["eval/avg"].as_f64().unwrap() > 0.0);
    for file in ["step-000002/addition.jsonl", "step-000004/addition.jsonl", "step-000004/summary.json"] {
        let read = |run: &str| fs::read(tiny.path(run).join("eval").join(file)).unwrap();
        assert!(read("run") == read("reference"), "{file}");
    }
    // Another resume finds nothing to do.
    done(&tiny.go_on("run").output().unwrap());
    Finished::read(&tiny.path("run")).assert_equals(&reference);
}
