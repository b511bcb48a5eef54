//! Resumes that ask for other settings than the run has had, and those that find no checkpoint.

use std::fs;
use std::path::Path;

use crate::tiny::{Finished, Tiny, done, ended, surefoot};

/// Exit code and stderr of a resume with these settings.
fn resume(tiny: &Tiny, name: &str, sets: &[&str]) -> (Option<i32>, String) {
    let mut command = tiny.go_on(name);
    sets.iter().for_each(|set| {
        command.args(["--set", set]);
    });
    ended(&command.output().unwrap())
}

fn text(run: &Path, file: &str) -> String {
    fs::read_to_string(run.join(file)).unwrap_or_default()
}

#[test]
fn changes_are_said_and_kept_and_shown_by_replay_and_report() {
    let tiny = Tiny::new();
    tiny.finish("run", &["train.steps=2"]);
    let run = tiny.path("run");
    let (code, said) = resume(&tiny, "run", &["train.steps=3", "objective.name=grpo"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("schedule"), "{said}");
    let change = "objective.name \"mhpo\" → \"grpo\"";
    assert!(said.contains(&format!("from step 3 on: {change}, train.steps 2 → 3")), "{said}");
    assert!(text(&run, "config.toml").contains("name = \"grpo\""));
    let kept = text(&run, "changes.jsonl");
    assert!(kept.contains("\"after_step\":2") && kept.lines().count() == 1, "{kept}");

    let (code, said) = ended(&surefoot(["replay", "--all"]).arg(&run).output().unwrap());
    assert!(code == Some(0) && said.contains(&format!("settings changed after step 2: {change}")), "{said}");
    let page = tiny.path("page.html");
    done(&surefoot(["report"]).arg(&run).arg("--output").arg(&page).output().unwrap());
    assert!(fs::read_to_string(page).unwrap().contains("settings changed after step 2: objective.name"));
}

#[test]
fn a_schedule_that_is_stretched_is_said_to_be() {
    let tiny = Tiny::new();
    done(&tiny.train("run", &["train.steps=2", "optimizer.schedule=cosine"]).output().unwrap());
    let (code, said) = resume(&tiny, "run", &["train.steps=3"]);
    assert!(code == Some(0) && said.contains("the learning rate goes on in the schedule of so many steps"), "{said}");
}

#[test]
fn nothing_changes_where_nothing_is_left_to_do() {
    let tiny = Tiny::new();
    tiny.finish("run", &["train.steps=2"]);
    let before = text(&tiny.path("run"), "config.toml");
    let (code, said) = resume(&tiny, "run", &["objective.name=grpo"]);
    assert!(code == Some(0) && said.contains("all 2 steps are made, so nothing changes: objective.name"), "{said}");
    assert_eq!(text(&tiny.path("run"), "config.toml"), before);
    assert_eq!(text(&tiny.path("run"), "changes.jsonl"), "");
}

#[test]
fn what_the_run_depends_on_does_not_change() {
    let tiny = Tiny::new();
    let whole = tiny.finish("run", &["train.steps=2"]);
    for (set, expected) in [
        ("train.seed=7", "train.seed is 42 in this run and cannot become 7"),
        ("lora.rank=4", "lora.rank is 0 in this run and cannot become 4"),
        ("train.steps=1", "train.steps is 1, and the run has made 2 steps already"),
        ("log.run_dir=elsewhere", "log.run_dir cannot be set with --resume: the run is in "),
    ] {
        let (code, said) = resume(&tiny, "run", &[set]);
        assert!(code == Some(2) && said.contains(expected), "{set}: {said}");
    }
    Finished::read(&tiny.path("run")).assert_equals(&whole);
    let (code, said) = ended(&surefoot(["sft", "--resume"]).arg(tiny.path("run")).output().unwrap());
    assert!(code == Some(2) && said.contains("is a run of `surefoot train`; go on with: surefoot train"), "{said}");
}

#[test]
fn a_run_without_its_checkpoints_is_not_begun_anew_over_what_is_left() {
    let tiny = Tiny::new();
    tiny.finish("run", &["train.steps=3", "checkpoint.every=2"]);
    let (run, lines) = (tiny.path("run"), text(&tiny.path("run"), "metrics.jsonl"));
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let (code, said) = resume(&tiny, "run", &["train.steps=4"]);
    assert!(code == Some(2) && said.contains("has recorded 3 steps, but holds none of its checkpoints"), "{said}");
    assert_eq!(text(&run, "metrics.jsonl"), lines);

    // As after a kill before the first checkpoint.
    let first = lines.lines().next().unwrap();
    fs::write(run.join("metrics.jsonl"), format!("{first}\n")).unwrap();
    let (code, said) = resume(&tiny, "run", &[]);
    assert!(code == Some(0) && said.contains("first step again; the records up to step 1 are discarded"), "{said}");
    assert_eq!(text(&run, "metrics.jsonl").lines().count(), 3);
}

#[test]
fn a_resume_that_is_refused_leaves_the_run_as_it_was() {
    let tiny = Tiny::new();
    let run = tiny.finish("run", &["train.steps=2"]);
    let before = fs::read_to_string(tiny.path("run/metrics.jsonl")).unwrap();
    fs::write(tiny.path("run/metrics.jsonl"), "not a line\n").unwrap();
    let (code, stderr) = resume(&tiny, "run", &["train.steps=9"]);
    assert!(code == Some(2) && stderr.contains("metrics.jsonl"), "{stderr}");
    assert!(!tiny.path("run/changes.jsonl").exists());
    fs::write(tiny.path("run/metrics.jsonl"), before).unwrap();
    assert!(Finished::read(&tiny.path("run")) == run, "settings or samples have changed");
    assert_eq!(resume(&tiny, "run", &[]).0, Some(0));
}
