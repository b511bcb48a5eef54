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
    // Steps from 0 on: the step of the evaluation is not finished.
    assert_eq!(lines(tiny, "run/metrics.jsonl"), step as usize);
}

#[test]
fn a_resume_finishes_the_evaluation() {
    let tiny = Tiny::new();
    let reference = tiny.finish("reference", &SETS);
    // In that of the starting model by Ctrl-C and by a kill; twice in the evaluation of step 2, once of them by a kill, and then in
    // that of the last step.
    interrupt(tiny.train("run", &SETS), &tiny, 0, 1);
    let mut child = until(tiny.go_on("run"), &tiny, 0, 12);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(lines(&tiny, "run/metrics.jsonl"), 0);
    interrupt(tiny.go_on("run"), &tiny, 2, 1);
    let mut child = until(tiny.go_on("run"), &tiny, 2, 12);
    child.kill().unwrap();
    child.wait().unwrap();
    interrupt(tiny.go_on("run"), &tiny, 2, 24);
    interrupt(tiny.go_on("run"), &tiny, 4, 1);
    done(&tiny.go_on("run").output().unwrap());
    let run = Finished::read(&tiny.path("run"));
    run.assert_equals(&reference);
    assert!(run.metrics()[2]["eval/avg"].as_f64().unwrap() > 0.0);
    for file in [
        "step-000000/addition.jsonl",
        "step-000002/addition.jsonl",
        "step-000004/addition.jsonl",
        "step-000004/summary.json",
    ] {
        let read = |run: &str| fs::read(tiny.path(run).join("eval").join(file)).unwrap();
        assert!(read("run") == read("reference"), "{file}");
    }
    // Another resume finds nothing to do.
    done(&tiny.go_on("run").output().unwrap());
    Finished::read(&tiny.path("run")).assert_equals(&reference);
}

/// A kill before the first checkpoint: what the starting model was evaluated to is there, and is not evaluated again.
#[test]
fn the_starting_model_is_evaluated_once() {
    let tiny = Tiny::new();
    let sets = [&SETS[..], &["eval.every=3", "train.steps=4"]].concat();
    let reference = tiny.finish("reference", &sets);
    let evaluated: Vec<u64> = reference
        .metrics()
        .iter()
        .filter(|record| record.contains_key("eval/avg"))
        .map(|record| record["step"].as_u64().unwrap())
        .collect();
    // Before training, every third step, and after the last.
    assert_eq!(evaluated, [0, 3, 4]);
    let first = &reference.metrics()[0];
    assert!(first.keys().all(|name| name == "step" || name.starts_with("eval/")), "{first:?}");
    let mut child = tiny.train("run", &sets).spawn().unwrap();
    while lines(&tiny, "run/metrics.jsonl") < 2 {
        assert!(child.try_wait().unwrap().is_none(), "ended before its first step");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let results = tiny.path("run/eval/step-000000/addition.jsonl");
    let written = fs::metadata(&results).unwrap().modified().unwrap();
    done(&tiny.go_on("run").output().unwrap());
    Finished::read(&tiny.path("run")).assert_equals(&reference);
    assert_eq!(fs::metadata(&results).unwrap().modified().unwrap(), written);
    // Not where it is not wanted.
    let without = tiny.finish("without", &[&sets[..], &["eval.before=false"]].concat());
    assert_eq!(without.metrics()[0]["step"], 1);
    assert_eq!(without.metrics(), &reference.metrics()[1..]);
}
