//! Every gold answer of the benchmarks in `../shared/data` (seen from the workspace) reads, and verifies against itself and its
//! respellings. Without that folder the gold answers in `cases/*.tsv`, which come from the same benchmarks, stand in.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod golds;

use golds::golds;
use surefoot_verifier::{Options, read_gold, verify};

/// Share of gold answers that must read and verify.
const REQUIRED: f64 = 0.995;

fn share(golds: &[String], what: &str, holds: impl Fn(&str) -> bool) {
    let failures: Vec<_> = golds.iter().filter(|gold| !holds(gold)).collect();
    let share = 1.0 - failures.len() as f64 / golds.len() as f64;
    eprintln!("{what}: {:.2}% of {} different gold answers; the others: {failures:?}", 100.0 * share, golds.len());
    assert!(share >= REQUIRED, "{what}: only {:.2}%: {failures:?}", 100.0 * share);
}

#[test]
fn gold_answers_read_and_verify() {
    let golds = golds();
    assert!(golds.len() >= 200, "only {} gold answers", golds.len());
    let options = Options::default();
    let correct = |gold: &str, answer: &str| verify(gold, answer, &options).verdict.is_correct();
    share(&golds, "read", |gold| read_gold(gold, &options).is_ok());
    share(&golds, "verify against themselves", |gold| correct(gold, gold));
    share(&golds, "verify in a box", |gold| {
        correct(gold, &format!("Thus we have \\boxed{{{}}}.", gold.trim_matches('$')))
    });
    share(&golds, "verify behind the announcement", |gold| {
        correct(gold, &format!("The final answer is ${}$.", gold.trim_matches('$')))
    });
    share(&golds, "verify respelled", |gold| {
        let respelled = gold
            .replace("\\frac", "\\dfrac")
            .replace("\\left", "")
            .replace("\\right", "")
            .replace(' ', "  ")
            .replace("\\pi", "π");
        correct(gold, &format!("\\boxed{{{}}}", respelled.trim_matches('$')))
    });
}

#[test]
fn a_changed_gold_answer_is_no_longer_right() {
    let golds = golds();
    let options = Options::default();
    // Where the benchmarks' data is missing, small numbers are what most of its answers are.
    let numbers = golds.iter().filter_map(|gold| gold.parse::<i64>().ok()).chain(0..100);
    for gold in numbers {
        let answer = format!("\\boxed{{{}}}", gold + 1);
        assert!(!verify(&gold.to_string(), &answer, &options).verdict.is_correct(), "{gold} and {answer}");
    }
}
