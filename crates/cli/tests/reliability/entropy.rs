//! The entropy bonus.

use crate::tiny::{Finished, Tiny, done};

#[test]
fn an_entropy_bonus_makes_the_policy_less_certain() {
    let tiny = Tiny::new();
    let value = |run: &Finished, step: usize, name: &str| run.metrics()[step][name].as_f64().unwrap();
    let plain = tiny.finish("plain", &[]);
    let bonus = ["regularizer.entropy_coefficient=0.5"];
    let whole = tiny.finish("bonus", &bonus);
    let (first, last) = (value(&whole, 0, "rollout/entropy"), value(&whole, 7, "rollout/entropy"));
    assert_eq!(first, value(&plain, 0, "rollout/entropy"), "before the first update they are one policy");
    assert!(last > value(&plain, 7, "rollout/entropy"), "{last}");
    // On its first update a policy is where it sampled: the loss is less by the bonus, for all samples of the rollout weigh alike.
    let (loss, without) = (value(&whole, 0, "update/loss"), value(&plain, 0, "update/loss"));
    assert!(loss < without - 0.4 * first, "{loss}, without a bonus {without}");
    // How the mini-batch is cut changes no more than a rounding; a resume changes nothing.
    let small = tiny.finish("small", &[&bonus[..], &["update.tokens_per_micro_batch=16", "train.steps=1"]].concat());
    assert!((value(&small, 0, "update/loss") - loss).abs() < 1e-6);
    tiny.finish("half", &[&bonus[..], &["train.steps=3"]].concat());
    done(&tiny.go_on("half").args(["--set", "train.steps=8"]).output().unwrap());
    Finished::read(&tiny.path("half")).assert_equals(&whole);
}
