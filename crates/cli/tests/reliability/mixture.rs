//! Runs on several files with weights, and on a curriculum.

use std::fs;

use crate::tiny::{Finished, Tiny, done, ended};

#[test]
fn a_weighted_mixture_and_a_curriculum_resume_to_the_same_bits() {
    let tiny = Tiny::new();
    let file = tiny.path("levels.jsonl");
    let row =
        |n: usize| format!("{{\"problem\": \"{n}+{n}=\", \"answer\": {}, \"level\": \"Level {}\"}}\n", 2 * n, n % 3);
    fs::write(&file, (10..40).map(row).collect::<String>()).unwrap();
    let other = tiny.path("others.jsonl");
    let row = |n: usize| format!("{{\"problem\": \"{n}+1=\", \"answer\": {}, \"level\": {n}}}\n", n + 1);
    fs::write(&other, (10..20).map(row).collect::<String>()).unwrap();
    let train = format!("data.train=[{file:?}, {other:?}]");
    let sets = [&train, "data.weights=[3, 1]", "data.difficulty_key=level"];
    let reference = tiny.finish("reference", &sets);
    // Four prompts a step: three of the first file, one of the second.
    let rows = |run: &str, step: u64| {
        let path = tiny.path(run).join(format!("rollouts/step-{step:06}.parquet"));
        let mut rows: Vec<u64> =
            surefoot_trainer::run_folder::rollouts::read(&path).unwrap().iter().map(|s| s.row).collect();
        rows.dedup();
        rows
    };
    for step in 1..=8 {
        let seconds = rows("reference", step).into_iter().filter(|row| *row >= 30).collect::<Vec<_>>();
        assert_eq!(seconds, [30 + step - 1], "the second file goes up by one a step");
    }
    let first: Vec<u64> = rows("reference", 1).into_iter().filter(|row| *row < 30).collect();
    assert!(first.iter().all(|row| (row + 10) % 3 == 0), "the first file begins with its easy rows: {first:?}");
    tiny.finish("run", &[&sets[..], &["train.steps=3"]].concat());
    let other_weights =
        tiny.go_on("run").args(["--set", "data.weights=[1, 1]", "--set", "train.steps=8"]).output().unwrap();
    let (code, stderr) = ended(&other_weights);
    assert!(code == Some(2) && stderr.contains("of other data"), "{stderr}");
    done(&tiny.go_on("run").args(["--set", "train.steps=8"]).output().unwrap());
    Finished::read(&tiny.path("run")).assert_equals(&reference);
}
