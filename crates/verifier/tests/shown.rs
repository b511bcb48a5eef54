//! What a report says that it understood reads back as the same, and so does what [`restate`] makes of a text.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod golds;

use golds::golds;
use proptest::prelude::*;
use surefoot_verifier::{Options, read_gold, restate, verify};

fn options() -> Options {
    Options { deadline: None, ..Options::default() }
}

/// Why the readings of a gold answer do not say what it says.
fn fault(gold: &str) -> Option<String> {
    let shown = read_gold(gold, &options()).unwrap();
    for (at, reading) in shown.split("; or ").enumerate() {
        if reading.contains('…') {
            continue;
        }
        let again = read_gold(reading, &options()).unwrap_or_else(|why| why.to_string());
        // A reading that needs `5 m` to be metres, say, may come second again.
        if !again.split("; or ").any(|again| again == reading) {
            return Some(format!("{gold:?} reads as {reading:?}, which reads as {again:?}"));
        }
        for (one, other) in [(gold, reading), (reading, gold)] {
            let boxed = format!("\\boxed{{{other}}}");
            if at == 0 && !gold.starts_with("C. ") && !verify(one, &boxed, &options()).verdict.is_correct() {
                return Some(verify(one, &boxed, &options()).to_string());
            }
        }
    }
    let said = restate(gold, &options()).unwrap();
    for text in said.iter().flat_map(|text| [text.clone(), format!("The answer is ${text}$.")]) {
        if !verify(gold, &text, &options()).verdict.is_correct() {
            return Some(format!("of {said:?}:\n{}", verify(gold, &text, &options())));
        }
    }
    said.iter().map(|text| verify(text, gold, &options())).find(|r| !r.verdict.is_correct()).map(|r| r.to_string())
}

#[test]
fn gold_answers_read_back() {
    let read = golds().into_iter().filter(|gold| read_gold(gold, &options()).is_ok());
    let faults: Vec<_> = read.filter_map(|gold| fault(&gold)).collect();
    assert!(faults.is_empty(), "{} faults: {}", faults.len(), faults.join("\n"));
}

#[test]
fn every_kind_of_answer_reads_back() {
    for gold in [
        r"\sqrt{2}",
        r"\frac{\sqrt3}{2}",
        "2\\sqrt3",
        "(2^{1/2})^{1/3}",
        "2^{2^{x}}",
        "(2^x)^2",
        "(-2)^{1/2}",
        "-x^2",
        "(-x)^2",
        "(-3)x",
        "-3x",
        r"\sqrt[3]{x+1}",
        r"\frac{1}{2}x",
        r"\frac{a}{b/c}",
        r"\frac{a/b}{c}",
        "a-(b-c)",
        "a-b-c",
        "a(b+c)",
        "x-\\frac12",
        "n!",
        "(n!)!",
        "n!!",
        "(2n)!^2",
        "|x-1|",
        r"\lfloor x \rfloor",
        r"\binom{n}{2}",
        r"\max(a, b, c)",
        r"x \bmod 3 + 1",
        r"\log x",
        r"\log_2 x",
        r"\sin^2 x",
        r"\arctan 2",
        r"\sin 30^\circ",
        "3.140",
        "-0.50",
        "1.50 \\times 10^5",
        "2.5e-50",
        "0.\\overline{3}",
        "12.5\\%",
        "50\\%",
        "-5\\%",
        "x\\%",
        r"\$5.50",
        "5 \\text{ cm}^2",
        "60 km/h",
        "5 m",
        "9.8 \\text{ m/s}^2",
        "£3",
        "30^\\circ",
        "-x^\\circ",
        "1,234",
        "100,200",
        r"x_{12}",
        r"\alpha'",
        r"\vec{v}",
        r"\angle ABC = 30^\circ",
        r"\frac{dy}{dx}",
        "f(x) = x^2",
        "f'(3)",
        "P(0.5)",
        "P(A|B)",
        "f(x, y)",
        "f^{-1}(x)",
        "\\Gamma(x+1)",
        r"\det(A+B)",
        "C_5^2 + (C_{5})^{2}",
        "height = 5",
        "x = A",
        "1, 2, 3",
        r"\{1, 2\}",
        r"\{\}",
        r"(1, 2)",
        "[0, 1)",
        "(-\\infty, 3] \\cup \\{5\\}",
        r"(A \cup B) \cap C",
        r"\mathbb{R} \setminus \{0\}",
        r"\langle 1, 2\rangle",
        r"x \in (1, 2) \cup (3, 4)",
        "1 < x \\le 2",
        r"\{x \mid x > 2\}",
        r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}",
        "[[1, 2], [3, x+1]]",
        "1:2:3",
        "5:30 \\text{ p.m.}",
        r"x \equiv 3 \pmod{7}",
        "October 3, 1990",
        "May",
        "A",
        "(A), (B)",
        "yes",
        r"\text{isosceles triangle}",
        "do not intersect",
        "\\pm 3",
        r"\frac{-b \pm \sqrt{d}}{2}",
        r"\sum_{k=1}^{n} k^2 + 1",
        r"\prod_{i=1}^{n} (i+1)",
        r"\int_0^1 \sin(x^2) \, dx",
        r"\int x^x dx",
        r"\iint_D xy \, dx \, dy",
        r"\lim_{x \to 0^+} x^x",
        r"\lim_{n \to \infty} a_n",
        r"\frac{d^2}{dx^2} f(x)",
        "x = 1 \\text{ or } x = -2",
        "\\frac{\\pi}{6} + 2k\\pi, k \\in \\mathbb{Z}",
        "1011_2",
        "3 + 4i",
        "e^{i\\pi/3}",
        "2^{10000}",
    ] {
        assert_eq!(fault(gold), None);
    }
}

#[test]
fn what_is_too_long_to_show_does_not_read_as_something_else() {
    for gold in ["2^{2008}", &format!("{}0", "(y+1)+".repeat(200))] {
        let shown = read_gold(gold, &options()).unwrap();
        assert!(shown.contains('…') && read_gold(&shown, &options()).is_err(), "{shown}");
        assert!(!verify(&shown, "2008", &options()).verdict.is_correct());
    }
}

#[test]
fn texts_are_restated() {
    let said = |text: &str| restate(text, &options()).ok();
    let both = |reading: &str, piece: &str| Some(vec![reading.to_owned(), piece.to_owned()]);
    assert_eq!(said("so \\boxed{2/4}"), both("1/2", "2/4"));
    assert_eq!(said("We get $x=1$ and so on. The answer is $\\sqrt{8}$."), both("sqrt(8)", "\\sqrt{8}"));
    assert_eq!(said("I think it is 73."), both("73", "73"));
    // One box could not say that there were two.
    for hedge in ["\\boxed{5} or \\boxed{72}", "\\boxed{5} or 72", "<answer>5</answer><answer>6</answer>"] {
        assert_eq!(said(hedge), Some(vec![hedge.to_owned()]));
    }
    assert_eq!(
        said("the two lines meet in no point of the plane"),
        Some(vec![
            "\\boxed{\\text{the two lines meet in no point of the plane}}".to_owned(),
            "\\boxed{the two lines meet in no point of the plane}".to_owned()
        ])
    );
    for nothing in [
        "",
        "I do not know",
        "I do not know.",
        "The final answer is: I do not know.",
        "N/A",
        "unknown",
        "[invalid]",
        "\\boxed{",
        "x ++ (",
        "<think>\\boxed{72}",
        "How many clips did she sell altogether if 72 were sold?",
    ] {
        assert_eq!(said(nothing), None, "{nothing}");
    }
}

#[test]
fn a_placeholder_is_no_gold_answer() {
    for gold in ["N/A", "n/a", "unknown", "[invalid]", "\\text{unknown}", "NaN", "null"] {
        for answer in ["5", gold] {
            let report = verify(gold, answer, &options());
            assert!(report.verdict.to_string().contains("gold"), "{gold}: {report}");
        }
    }
    assert!(verify("None", "\\emptyset", &options()).verdict.is_correct());
}

/// Expressions in LaTeX of every kind of operator, over numbers that calculate at once and those that do not.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (-30i64..30).prop_map(|n| n.to_string()),
        (-9i64..9, 2i64..9).prop_map(|(p, q)| format!("\\frac{{{p}}}{{{q}}}")),
        (2i64..50).prop_map(|n| format!("\\sqrt{{{n}}}")),
        prop::sample::select(
            &["x", "y", "m", "n", "A", "a_1", "\\pi", "e", "i", "\\theta", "x'", "f(x)", "\\vec{v}", "0.25"][..]
        )
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 30, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            pair.clone().prop_map(|(a, b)| format!("{a} + ({b})")),
            pair.clone().prop_map(|(a, b)| format!("{a} - ({b})")),
            pair.clone().prop_map(|(a, b)| format!("({a})({b})")),
            pair.clone().prop_map(|(a, b)| format!("-({a}) \\cdot ({b})")),
            pair.clone().prop_map(|(a, b)| format!("({a}) / (({b})^2+1)")),
            pair.clone().prop_map(|(a, b)| format!("({a})^{{{b}}}")),
            pair.prop_map(|(a, b)| format!("\\log_{{({b})^2+2}} (({a})^2+2)")),
            (inner.clone(), 2u32..5).prop_map(|(a, n)| format!("\\sqrt[{n}]{{{a}}}")),
            inner.clone().prop_map(|a| format!("-{a}")),
            inner.clone().prop_map(|a| format!("|{a}|")),
            inner.clone().prop_map(|a| format!("\\sin^2({a})")),
            inner.prop_map(|a| format!("\\left\\lfloor {a} \\right\\rfloor")),
        ]
    })
}

fn answer() -> impl Strategy<Value = String> {
    let items = |least| prop::collection::vec(expression(), least..4);
    prop_oneof![
        4 => expression(),
        1 => items(2).prop_map(|items| items.join(", ")),
        1 => items(1).prop_map(|items| format!("\\{{{}\\}}", items.join(", "))),
        1 => items(2).prop_map(|items| format!("({}]", items.join(", "))),
        1 => items(2).prop_map(|items| format!("\\begin{{pmatrix}} {} \\end{{pmatrix}}", items.join(" \\\\ "))),
        1 => items(3).prop_map(|items| format!("z = {}", items.join(" < "))),
        1 => items(2).prop_map(|items| format!("\\{{{0}\\}} \\cup ({0}, {1})", items[0], items[1])),
        1 => expression().prop_map(|a| format!("\\int_0^{{2}} {a} \\, dx")),
        1 => expression().prop_map(|a| format!("\\sum_{{n=1}}^{{\\infty}} {a}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shown_forms_read_back(gold in answer()) {
        let Ok(shown) = read_gold(&gold, &options()) else { return Ok(()) };
        for reading in shown.split("; or ").filter(|reading| !reading.contains('…')) {
            let again = read_gold(reading, &options()).unwrap_or_else(|why| why.to_string());
            prop_assert!(again.split("; or ").any(|again| again == reading), "{gold} is {reading}, which is {again}");
        }
    }

    #[test]
    fn restated_answers_are_equal(gold in answer()) {
        let Ok(said) = restate(&gold, &options()) else { return Ok(()) };
        for text in &said {
            for (one, other) in [(&gold, text), (text, &gold)] {
                let report = verify(one, other, &options());
                // What is not decided against itself is not decided here either.
                prop_assert!(report.verdict.is_correct() || !verify(&gold, &gold, &options()).verdict.is_correct(), "{report}");
            }
        }
    }
}
