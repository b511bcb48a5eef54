//! Answers that try to pass without being right: `hacks/answers.tsv`, and larger ones made here. None may pass, none may take long.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use surefoot_verifier::{Options, Verdict, verify};

/// The default deadline, with room for a slow and busy machine.
const LIMIT: Duration = Duration::from_millis(1_000);

fn must_not_pass(gold: &str, answer: &str) {
    let start = Instant::now();
    let report = verify(gold, answer, &Options::default());
    let took = start.elapsed();
    let shown: String = answer.chars().take(80).collect();
    assert!(!report.verdict.is_correct(), "{gold:?} against {shown:?} passed:\n{report}");
    assert!(took < LIMIT, "{gold:?} against {shown:?} took {took:?}");
}

#[test]
fn the_folder() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/hacks/answers.tsv")).unwrap();
    let rows: Vec<_> = text.lines().skip(1).map(|line| line.split_once('\t').unwrap()).collect();
    assert!(rows.len() >= 100, "only {} rows", rows.len());
    rows.into_iter().for_each(|(gold, answer)| must_not_pass(gold, answer));
}

#[test]
fn megabytes() {
    let million = 1_000_000;
    for answer in [
        "72".repeat(million / 2),
        "7".repeat(million),
        "(".repeat(million),
        "\\boxed{".repeat(million / 7),
        "{".repeat(million),
        "\\frac".repeat(million / 5),
        "1+".repeat(million / 2) + "1",
        format!("\\boxed{{{}}}", "1+".repeat(million / 2) + "1"),
        format!("\\boxed{{{}}}", "9".repeat(million)),
        format!("\\boxed{{{}72{}}}", "(".repeat(million), ")".repeat(million)),
        "answer is ".repeat(million / 10),
        "$".repeat(million),
        "$x$ ".repeat(million / 4),
        "5 or ".repeat(million / 5) + "72",
        "\\boxed{72} \\boxed{5} ".repeat(million / 20),
        "<answer>".repeat(million / 8),
        "<answer>5</answer>".repeat(million / 20),
        "#### 5\n".repeat(million / 7),
        "\u{221a}".repeat(million / 3),
        "\\text{".repeat(million / 6),
        "-".repeat(million),
        "^".repeat(million),
        "9^".repeat(million / 2) + "9",
        "a_".repeat(million / 2),
        "\\begin{pmatrix}".repeat(million / 15),
    ] {
        must_not_pass("72", &answer);
    }
}

#[test]
fn long_but_within_the_limit_of_length() {
    for answer in [
        "9".repeat(19_990),
        "1+".repeat(9_000) + "1",
        "(x+1)".repeat(3_000),
        "(x+y+z+w)^".to_owned() + "99",
        "(x+1)(x+2)(x+3)(y+1)(y+2)(z+3)(w+4)(a+5)(b+6)(c+7)(d+8)^50".to_owned(),
        "\\sqrt{".repeat(3_000),
        "\\sqrt{".repeat(3_000) + &"}".repeat(3_000),
        "-".repeat(19_000) + "5",
        "2^".repeat(9_000) + "2",
        "5!".to_owned() + &"!".repeat(9_000),
        "\\pm ".repeat(4_000) + "1",
        "1\\pm1".repeat(3_000),
        "\\sin ".repeat(3_000) + "x",
        "x_1".repeat(6_000),
        (0..4_000).map(|k| format!("x_{{{k}}}+")).collect::<String>() + "1",
        (0..3_000).map(|k| format!("{k},")).collect::<String>(),
        "|".repeat(10_000),
        "\\sum_{k=1}^{1999}".repeat(500) + "k",
        "\\sum_{a=1}^{999}\\sum_{b=1}^{999}\\sum_{c=1}^{999}abc".to_owned(),
        "\\sum_{k=1}^{1999} \\frac{1}{k^{99}}".to_owned(),
        "\\prod_{k=1}^{1999} (k+1)^{k}".to_owned(),
        "\\frac{1}{".repeat(50) + "3" + &"}".repeat(50),
        "5000!".to_owned(),
        "5000! \\cdot 5000! \\cdot 5000!".to_owned(),
        "\\binom{10000}{5000}".to_owned(),
        "7^{40000} + 3^{50000}".to_owned(),
        "\\sin(10^{300})".to_owned(),
        "e^{e^{e^{e}}}".to_owned(),
        "\\ln(\\ln(\\ln 2))".to_owned(),
    ] {
        must_not_pass("72", &answer);
        must_not_pass("x^2+\\sqrt{2}", &answer);
        must_not_pass("1,2,3,4", &answer);
        // As its own gold answer it may pass or not, but within the budget.
        let start = Instant::now();
        let _ = verify(&answer, &answer, &Options::default());
        assert!(
            start.elapsed() < LIMIT,
            "{:?} against itself took {:?}",
            &answer[..answer.len().min(60)],
            start.elapsed()
        );
    }
}

#[test]
fn steps_alone_stop_the_work() {
    let options = Options { deadline: None, ..Options::default() };
    let huge = "\\sum_{a=1}^{999}\\sum_{b=1}^{999} (a+b)^{99}";
    let first = verify("72", huge, &options);
    let second = verify("72", huge, &options);
    assert_eq!(first, second);
    assert_eq!(first.verdict, Verdict::OverBudget);
}

#[test]
fn small_stacks_suffice() {
    let deep = "\\frac{1}{".repeat(59) + "2" + &"}".repeat(59);
    let deeper = "\\sqrt{(".repeat(10_000);
    let run = move || {
        let _ = verify(&deep, &deep, &Options::default());
        let _ = verify("1", &deeper, &Options::default());
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}
