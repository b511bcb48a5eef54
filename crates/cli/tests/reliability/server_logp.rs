//! Servers that tell no log-probabilities, or wrong ones: what is counted, said and refused.

use serde_json::{Value, json};

use crate::server::{fails, says, sets};
use crate::serving::{Change, Fault, Serving};
use crate::tiny::{Finished, Tiny, demo_model, ended};

fn logprobs(answer: &mut Value) -> &mut Vec<Value> {
    answer["choices"][0]["logprobs"]["token_logprobs"].as_array_mut().unwrap()
}

/// Metrics and stderr of two steps on a server whose answers are changed.
fn run(tiny: &Tiny, name: &str, serving: &Serving, change: Change) -> (Finished, String) {
    let sets = sets(&serving.behind(move |_| Fault::Change(change)), &["train.steps=2"]);
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let (code, stderr) = ended(&tiny.train(name, &sets).output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    (Finished::read(&tiny.path(name)), stderr)
}

#[test]
fn a_server_that_tells_none_is_not_in_agreement() {
    let (tiny, serving) = (Tiny::new(), Serving::start(&demo_model()));
    let none: Change = |answer| logprobs(answer).fill(Value::Null);
    let (silent, stderr) = run(&tiny, "silent", &serving, none);
    says(&stderr, &["warning: step 1: http", "gave no log-probability of", "rollout/unknown"]);
    assert_eq!(stderr.matches("gave no log-probability").count(), 1, "{stderr}");
    for record in silent.metrics() {
        assert_eq!(record["rollout/unknown"], 1.0);
        assert!(!record.keys().any(|name| name.starts_with("update/behavior")), "{record:?}");
    }
    let corrections: [(&str, &[&str]); 2] = [
        ("rollout_is", &["correction.rollout_is=token"]),
        ("rollout_rs", &["correction.rollout_rs=token_k1", "correction.rollout_rs_threshold=0.5_2.0"]),
    ];
    for (name, sets) in corrections {
        let message = fails(&tiny, name, &serving.behind(move |_| Fault::Change(none)), sets);
        says(&message, &["step 1: http", "no log-probability of any token", &format!("correction.{name}")]);
    }
    // Some are told: the others are no agreement either, and say nothing of the rest.
    let (first, stderr) = run(&tiny, "first", &serving, |answer| {
        logprobs(answer)[0] = Value::Null;
        // As from weights that are twice as sure.
        logprobs(answer).iter_mut().skip(1).for_each(|logp| *logp = json!(logp.as_f64().unwrap() - 0.01));
    });
    says(&stderr, &["gave no log-probability of"]);
    for record in first.metrics() {
        let unknown = record["rollout/unknown"].as_f64().unwrap();
        assert!(unknown > 0.0 && unknown < 1.0);
        let k1 = record["update/behavior_k1"].as_f64().unwrap();
        assert!((k1 + 0.01).abs() < 1e-5, "{k1}");
    }
}

#[test]
fn log_probabilities_that_are_plainly_wrong_are_said() {
    let (tiny, serving) = (Tiny::new(), Serving::start(&demo_model()));
    let (_, right) = run(&tiny, "right", &serving, |_| {});
    assert!(!right.contains("log-probabilit"), "{right}");
    let (_, zero) = run(&tiny, "zero", &serving, |answer| logprobs(answer).fill(json!(0.0)));
    says(&zero, &["warning: step 1: the log-probabilities of http", "all are 0", "update/behavior_k1 ="]);
    let (_, shifted) = run(&tiny, "shifted", &serving, |answer| logprobs(answer).rotate_right(1));
    says(&shifted, &["warning: step 1: the log-probabilities of http", "update/behavior_k1 ="]);
    assert_eq!(shifted.matches("are not those of the weights").count(), 1, "{shifted}");
}
