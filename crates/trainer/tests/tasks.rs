//! Built-in tasks: right answers, fixed rows, options that are checked.
#![allow(clippy::unwrap_used)]

use surefoot_trainer::tasks::{Style, Task, TaskSpec};

fn numbers(text: &str) -> Vec<i64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[test]
fn answers_are_right() {
    type Answer = fn(&[i64]) -> i64;
    let cases: [(&str, Answer); 5] = [
        ("addition", |n| n[0] + n[1]),
        ("subtraction", |n| n[0] - n[1]),
        ("multiplication", |n| n[0] * n[1]),
        ("remainder", |n| n[0].rem_euclid(n[1])),
        ("gcd", |n| (1..=n[0].min(n[1])).rev().find(|d| n[0] % d == 0 && n[1] % d == 0).unwrap()),
    ];
    for (name, answer) in cases {
        for style in ["words", "plain"] {
            for (problem, gold) in TaskSpec::parse(&format!("{name},rows=300,digits=3,style={style}")).unwrap().rows() {
                assert_eq!(gold, answer(&numbers(&problem)).to_string(), "{problem}");
            }
        }
    }
}

#[test]
fn linear_equations_hold() {
    for (problem, gold) in TaskSpec::parse("linear,rows=500").unwrap().rows() {
        let equation = problem.strip_prefix("Solve for x: ").unwrap();
        let (left, right) = equation.split_once(" = ").unwrap();
        let (a, b) = left.split_once('x').unwrap();
        let b: i64 = b.replace(' ', "").parse().unwrap_or(0);
        let x: i64 = gold.parse().unwrap();
        assert_eq!(a.parse::<i64>().unwrap() * x + b, right.parse::<i64>().unwrap(), "{problem} x = {gold}");
    }
}

#[test]
fn rows_are_fixed_by_the_seed_and_not_by_their_number() {
    for (_, name, _) in Task::ALL {
        let make = |rows: usize, seed: u64| TaskSpec { rows, seed, ..TaskSpec::new(name).unwrap() }.rows();
        assert_eq!(make(5, 7), make(50, 7)[..5], "{name}");
        assert_ne!(make(20, 7), make(20, 8), "{name}");
    }
    assert_eq!(
        TaskSpec::parse("addition,rows=2,seed=1,style=plain").unwrap().rows(),
        [("140+297=".to_string(), "437".to_string()), ("65+855=".to_string(), "920".to_string())]
    );
}

#[test]
fn digits_are_kept() {
    let spec = TaskSpec::parse("addition,rows=2000,min_digits=2,digits=3").unwrap();
    let all: Vec<i64> = spec.rows().iter().flat_map(|(problem, _)| numbers(problem)).collect();
    assert!(all.iter().all(|n| (10..1000).contains(n)));
    let short = all.iter().filter(|n| **n < 100).count() as f64 / all.len() as f64;
    assert!((0.45..0.55).contains(&short), "{short}");
}

#[test]
fn bad_options_are_named() {
    for (text, expected) in [
        ("additon", "did you mean `addition`?"),
        ("zzz", "tasks are addition, subtraction"),
        ("addition,row=3", "unknown option `row` of task `addition`"),
        ("addition,rows=x", "option `rows` of task `addition` is `x`"),
        ("addition,rows=0", "at least 1"),
        ("addition,digits=10", "between 1 and 9"),
        ("addition,min_digits=4", "between 1 and `digits`"),
        ("countdown,numbers=1", "between 2 and 6"),
        ("addition,style=poem", "words or plain"),
    ] {
        let message = TaskSpec::parse(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
    assert_eq!(TaskSpec::parse("gcd, style=plain").unwrap().style, Style::Plain);
}
