//! The best checkpoint stays, whatever became of the run in between.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::tiny::{Finished, Tiny, done, ended, names, signal};

/// Steps of the checkpoints, and the score of each.
fn kept(tiny: &Tiny, run: &str) -> Vec<(u64, Option<f64>)> {
    let folder = tiny.path(run).join("checkpoints");
    let step = |name: String| {
        let state: Value =
            serde_json::from_slice(&fs::read(folder.join(&name).join("trainer_state.json")).unwrap()).unwrap();
        (state["step"].as_u64().unwrap(), state["score"].as_f64())
    };
    let mut kept: Vec<_> = names(&folder).into_iter().map(step).collect();
    kept.sort_by_key(|(step, _)| *step);
    kept
}

/// The step with the greatest value, the first of equal ones.
fn greatest(scores: impl Iterator<Item = (u64, f64)>) -> (u64, f64) {
    scores.reduce(|best, next| if next.1 > best.1 { next } else { best }).unwrap()
}

/// Twelve steps in pairs, of which only the newest checkpoint would stay. The rate lets the reward rise, and fall again.
const PAIRS: [&str; 4] = ["train.steps=12", "checkpoint.every=2", "checkpoint.keep=1", "checkpoint.best=reward/mean"];

#[test]
fn the_checkpoint_with_the_greatest_reward_stays() {
    let tiny = Tiny::new();
    let sets = [&PAIRS[..], &["optimizer.learning_rate=1e-4"]].concat();
    let output = tiny.train("run", &sets).output().unwrap();
    done(&output);
    let run = Finished::read(&tiny.path("run"));
    let rewards: Vec<f64> = run.metrics().iter().map(|step| step["reward/mean"].as_f64().unwrap()).collect();
    let (best, score) = greatest(
        (1..=6).map(|pair| (2 * pair, (rewards[2 * pair as usize - 2] + rewards[2 * pair as usize - 1]) / 2.0)),
    );
    assert_ne!(best, 12, "the best of this run must not be its last: {rewards:?}");
    let found = kept(&tiny, "run");
    assert_eq!(found.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [best, 12], "{found:?} {rewards:?}");
    assert_eq!(found[0].1, Some(score));
    let said = format!("best checkpoint: step-{best} (reward/mean ");
    assert!(ended(&output).1.contains(&said), "{}", ended(&output).1);
    // Kills and stops in between change neither the choice nor the scores.
    for (number, wait) in [150, 400, 250, 600, 350].into_iter().enumerate() {
        let mut child = tiny.go_on_with("killed", &sets).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        if child.try_wait().unwrap().is_none() {
            if number % 2 == 0 { child.kill().unwrap() } else { signal(&child, "INT") }
        }
        child.wait().unwrap();
    }
    done(&tiny.go_on_with("killed", &sets).output().unwrap());
    assert_eq!(kept(&tiny, "killed"), found);
    Finished::read(&tiny.path("killed")).assert_equals(&run);
}

#[test]
fn evaluations_have_checkpoints_of_their_own() {
    let tiny = Tiny::new();
    let sets = [
        "checkpoint.every=0",
        "checkpoint.keep=1",
        "checkpoint.best=eval/avg",
        "eval.every=3",
        "eval.samples=4",
        "eval.data=task:addition,rows=20,seed=9,digits=2,style=plain",
        "optimizer.learning_rate=1e-4",
    ];
    let run = tiny.finish("run", &sets);
    let value = |step: u64| (step, run.metrics()[step as usize]["eval/avg"].as_f64().unwrap());
    let (best, score) = greatest([3, 6, 8].into_iter().map(value));
    // The last step has an evaluation too; the starting model has no checkpoint.
    let last = value(8);
    let expected = if best == 8 { vec![(8, Some(score))] } else { vec![(best, Some(score)), (8, Some(last.1))] };
    assert_eq!(kept(&tiny, "run"), expected);
}
