//! A run that a detector of `[stop]` ends: where it ends, what it says, and that a resume ends in the same place.

use std::fs;

use crate::tiny::{Finished, Tiny, demo_model, done, ended, latest, surefoot};

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

/// Fine-tuning has the detectors of what it measures.
#[test]
fn supervised_runs_end_early_as_well() {
    let tiny = Tiny::new();
    let config = |extra: &str| {
        let text = format!(
            "[train]\nsteps = 9\nthreads = 2\n[model]\npath = {:?}\n[prompt]\nchat = \"never\"\n\
             [data]\ntrain = \"task:addition,rows=50,digits=2,style=plain\"\n[stop]\n{extra}\n",
            demo_model()
        );
        fs::write(tiny.path("sft.toml"), text).unwrap();
    };
    let sft = |name: &str, sets: &[&str]| {
        let mut command = surefoot(["sft"]);
        command.arg(tiny.path("sft.toml")).arg("--set").arg(format!("log.run_dir={:?}", tiny.path(name)));
        sets.iter().for_each(|set| {
            command.args(["--set", set]);
        });
        ended(&command.output().unwrap())
    };
    config("grad_norm_max = 1e-9\npatience = 2");
    let (code, stderr) = sft("steep", &[]);
    assert!(code == Some(5) && stderr.contains("stop.grad_norm_max: update/grad_norm_max is "), "{code:?} {stderr}");
    assert!(latest(&tiny.path("steep")).unwrap().ends_with("step-2"), "{stderr}");
    // Updates that are made end the row of those that are skipped; here none is made from the second on.
    config("skipped_max = 0");
    let (code, stderr) = sft("thrown", &["optimizer.learning_rate=1e30", "optimizer.weight_decay=0"]);
    assert!(code == Some(5) && stderr.contains("stop.skipped_max: update/skipped_steps is 1"), "{code:?} {stderr}");
    assert!(
        fs::read_to_string(tiny.path("thrown").join("metrics.jsonl")).unwrap().contains("\"update/skipped_steps\":0.0")
    );
    config("reward_min = 0.5");
    let (code, stderr) = sft("reward", &[]);
    assert!(code == Some(2) && stderr.contains("`stop.reward_min` is for `surefoot train`"), "{code:?} {stderr}");
}
