//! What steps left that are made again after a resume: samples and evaluations that are no part of the run any more.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::tiny::{Finished, Tiny, done, ended, names, signal};

const SETS: [&str; 5] = [
    "checkpoint.every=2",
    "checkpoint.keep=9",
    "eval.every=2",
    "eval.samples=4",
    "eval.data=task:addition,rows=60,seed=9,digits=2,style=plain",
];

/// Of an evaluation of a run, a key of its settings.
fn setting(run: &Path, step: u64, key: &str) -> Value {
    let text = fs::read_to_string(run.join(format!("eval/step-{step:06}/eval.json"))).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()[key].clone()
}

fn resume(tiny: &Tiny, sets: &[&str]) {
    let mut command = tiny.go_on("run");
    sets.iter().for_each(|set| {
        command.args(["--set", set]);
    });
    done(&command.output().unwrap());
}

/// As after a kill in step 7: the checkpoint of step 4 is the newest, and steps 5 and 6 come to other weights than they did.
#[test]
fn steps_that_are_made_again_are_evaluated_again() {
    let tiny = Tiny::new();
    tiny.finish("run", &[&SETS[..], &["train.steps=6"]].concat());
    let run = tiny.path("run");
    fs::remove_dir_all(run.join("checkpoints/step-6")).unwrap();
    let (before, kept) = (setting(&run, 6, "weights"), setting(&run, 4, "weights"));
    resume(&tiny, &["optimizer.learning_rate=2e-3", "eval.samples=3"]);
    assert_eq!(setting(&run, 6, "samples"), 3);
    assert_ne!(setting(&run, 6, "weights"), before);
    // Step 4 was not made again.
    assert_eq!((setting(&run, 4, "samples"), setting(&run, 4, "weights")), (Value::from(4), kept));
}

#[test]
fn nothing_is_left_of_steps_that_are_not_made_again() {
    let tiny = Tiny::new();
    tiny.finish("run", &[&SETS[..], &["train.steps=6"]].concat());
    let run = tiny.path("run");
    fs::remove_dir_all(run.join("checkpoints/step-6")).unwrap();
    resume(&tiny, &["train.steps=5"]);
    // Of the start, of every second step, and of the last.
    assert_eq!(names(&run.join("eval")), [0, 2, 4, 5].map(|step| format!("step-{step:06}")));
    let rollouts: Vec<String> = (1..=5).map(|step| format!("step-{step:06}.parquet")).collect();
    assert_eq!(names(&run.join("rollouts")), rollouts);
    assert_eq!(Finished::read(&run).metrics().len(), 1 + 5);
}

#[test]
fn a_run_without_a_checkpoint_begins_with_nothing() {
    let tiny = Tiny::new();
    let mut child =
        tiny.train("run", &[&SETS[..4], &["checkpoint.every=0", "eval.every=1", SETS[4]]].concat()).spawn().unwrap();
    while names(&tiny.path("run/eval")).len() < 4 {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    resume(&tiny, &["train.steps=2", "optimizer.learning_rate=2e-3"]);
    assert_eq!(names(&tiny.path("run/eval")), [0, 1, 2].map(|step| format!("step-{step:06}")));
    assert_eq!(names(&tiny.path("run/rollouts")), ["step-000001.parquet", "step-000002.parquet"]);
}

/// An evaluation that Ctrl-C cut off, and settings of evaluations that the resume changes.
#[test]
fn an_evaluation_that_was_cut_off_is_made_anew_with_other_settings() {
    let tiny = Tiny::new();
    let many = ["eval.data=task:addition,rows=400,seed=9,digits=2,style=plain", "eval.samples=16", "rollout.batch=16"];
    let mut child = tiny.train("run", &[&["train.steps=2", "eval.every=2", "eval.before=false"], &many[..]].concat()).spawn().unwrap();
    let problems = tiny.path("run/eval/step-000002/addition.jsonl");
    while fs::read_to_string(&problems).map_or(0, |text| text.lines().count()) == 0 {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    signal(&child, "INT");
    assert_eq!(ended(&child.wait_with_output().unwrap()).0, Some(130));
    resume(&tiny, &["eval.samples=3"]);
    let run = Finished::read(&tiny.path("run"));
    assert_eq!(run.metrics().len(), 2);
    let text = fs::read_to_string(&problems).unwrap();
    assert!(text.lines().count() > 300);
    for line in text.lines() {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["samples"].as_array().unwrap().len(), 3);
    }
}

/// Samples that are drawn ahead are judged while an evaluation is, by the same processes.
#[test]
fn a_reward_program_serves_samples_and_evaluations_at_once() {
    let tiny = Tiny::new();
    let script =
        "while read -r line; do sleep 0.002; id=${line#*:}; echo \"{\\\"id\\\": ${id%%,*}, \\\"reward\\\": 1}\"; done";
    let command = format!("reward.command=[\"sh\", \"-c\", {script:?}]");
    let sets =
        ["reward.name=command", &command, "reward.workers=2", "rollout.staleness=2", "eval.every=1", SETS[3], SETS[4]];
    let output = tiny.train("run", &sets).output().unwrap();
    done(&output);
    assert!(!ended(&output).1.contains("rewards failed"), "{}", ended(&output).1);
    let run = Finished::read(&tiny.path("run"));
    for record in &run.metrics()[1..] {
        assert_eq!((&record["reward/mean"], &record["eval/avg"]), (&Value::from(1.0), &Value::from(1.0)), "{record:?}");
    }
}
