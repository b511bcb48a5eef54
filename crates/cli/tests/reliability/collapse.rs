//! A run that a detector of `[stop]` ends: where it ends, what it says, and that a resume ends in the same place.

use std::fs;

use crate::tiny::{Finished, Tiny, done, ended, latest};

/// Completions have five tokens at most.
const SHORT: [&str; 2] = ["stop.length_min=5", "stop.patience=4"];

#[test]
fn a_collapse_ends_the_run_with_a_code_of_its_own() {
    let tiny = Tiny::new();
    let (code, stderr) = ended(&tiny.train("run", &SHORT).output().unwrap());
    assert_eq!(code, Some(5), "{stderr}");
    let last = stderr.lines().last().unwrap();
    let wanted = "ended early by stop.length_min: rollout/length_mean is ";
    assert!(last.starts_with(wanted) && last.contains(" in step 4, below 5, 4 steps in a row. "), "{last}");
    assert!(
        last.ends_with(&format!("surefoot train --resume {} --set stop.length_min=LIMIT", tiny.path("run").display()))
    );
    assert!(latest(&tiny.path("run")).unwrap().ends_with("step-4"));
    // More steps alone would end at once: what is proposed goes on.
    let next = stderr.lines().find_map(|line| line.strip_prefix("  surefoot train ")).unwrap();
    assert!(next.ends_with(" --set stop.after=4"), "{stderr}");
    let (code, stderr) = ended(
        &crate::tiny::surefoot([&["train"], &next.split(' ').collect::<Vec<_>>()[..]].concat()).output().unwrap(),
    );
    // Four more steps with completions as short.
    assert_eq!(code, Some(5), "{stderr}");
    assert!(latest(&tiny.path("run")).unwrap().ends_with("step-8"), "{stderr}");
    // They were the last, so more are needed as well.
    let next = stderr.lines().find_map(|line| line.strip_prefix("  surefoot train ")).unwrap();
    assert!(next.ends_with(" --set stop.after=8 --set train.steps=16"), "{stderr}");
}

#[test]
fn a_resume_ends_where_the_run_would_have_ended() {
    let tiny = Tiny::new();
    let sets = [&SHORT[..], &["checkpoint.every=3"]].concat();
    let reference = tiny.train("reference", &sets).output().unwrap();
    assert_eq!(ended(&reference).0, Some(5));
    let reference = Finished::read(&tiny.path("reference"));
    // Three steps, then the rest: the detector has seen the first three only in the metrics.
    tiny.finish("run", &[&sets[..], &["train.steps=3"]].concat());
    let (code, first) = ended(&tiny.go_on("run").args(["--set", "train.steps=8"]).output().unwrap());
    assert_eq!(code, Some(5), "{first}");
    Finished::read(&tiny.path("run")).assert_equals(&reference);
    // It stays ended, also when it was killed before it could say so ...
    let (code, again) = ended(&tiny.go_on("run").output().unwrap());
    assert_eq!((code, again.lines().last()), (Some(5), first.lines().last()));
    Finished::read(&tiny.path("run")).assert_equals(&reference);
    // ... and goes on with another limit.
    done(&tiny.go_on("run").args(["--set", "stop.length_min=1"]).output().unwrap());
    Finished::read(&tiny.path("run")).assert_equals(&tiny.finish("whole", &["checkpoint.every=3"]));
    assert_eq!(fs::read_to_string(tiny.path("run").join("metrics.jsonl")).unwrap().lines().count(), 8);
}
