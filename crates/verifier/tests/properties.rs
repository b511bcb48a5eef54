//! Properties over generated answers: reflexive, symmetric, invariant to spelling, and never equal after a change.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use surefoot_verifier::{Options, Verdict, extract, verify};

fn options() -> Options {
    Options { deadline: None, ..Options::default() }
}

fn is_correct(gold: &str, answer: &str) -> bool {
    verify(gold, answer, &options()).verdict.is_correct()
}

/// A number as people write it: an integer, a decimal, a fraction, a root, a multiple of π.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        (-99_999i64..99_999).prop_map(|n| n.to_string()),
        (1i64..9_999, 1u32..4).prop_map(|(n, places)| {
            let scale = 10i64.pow(places);
            format!("{}.{:0width$}", n / scale, n % scale, width = places as usize)
        }),
        (-99i64..99, 2i64..60).prop_map(|(p, q)| format!("\\frac{{{p}}}{{{q}}}")),
        (1i64..20, 2i64..50).prop_map(|(m, n)| format!("{m}\\sqrt{{{n}}}")),
        (1i64..30, 2i64..12).prop_map(|(p, q)| format!("\\frac{{{p}\\pi}}{{{q}}}")),
        (1i64..9, 1i64..9, 2i64..9).prop_map(|(w, p, q)| format!("{w}\\frac{{{p}}}{{{q}}}")),
    ]
}

/// An expression over two variables.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![number(), Just("x".to_owned()), Just("y".to_owned())];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) + ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("\\frac{{{a}}}{{({b})^2+1}}")),
            inner.clone().prop_map(|a| format!("\\sqrt{{({a})^2+1}}")),
            inner.clone().prop_map(|a| format!("\\sin({a})")),
            (inner, 1u32..4).prop_map(|(a, n)| format!("({a})^{{{n}}}")),
        ]
    })
}

/// Any answer with a structure.
fn answer() -> impl Strategy<Value = String> {
    prop_oneof![
        number(),
        expression(),
        prop::collection::vec(number(), 2..5).prop_map(|v| format!("\\{{{}\\}}", v.join(", "))),
        prop::collection::vec(number(), 2..5).prop_map(|v| format!("({})", v.join(", "))),
        (-50i64..0, 1i64..50).prop_map(|(a, b)| format!("[{a}, {b})")),
        (-50i64..0, 1i64..50).prop_map(|(a, b)| format!("(-\\infty, {a}) \\cup ({b}, \\infty)")),
        (1i64..20, -20i64..20).prop_map(|(m, c)| format!("y = {m}x + {c}")),
        prop::collection::vec(number(), 4..5)
            .prop_map(|v| format!("\\begin{{pmatrix}} {} & {} \\\\ {} & {} \\end{{pmatrix}}", v[0], v[1], v[2], v[3])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reflexive(a in answer()) {
        prop_assert!(is_correct(&a, &a), "{}", verify(&a, &a, &options()));
    }

    #[test]
    fn invariant_to_dress(a in answer()) {
        for dressed in [
            format!("\\boxed{{{a}}}"),
            format!("${a}$"),
            format!("The final answer is ${a}$."),
            format!("<think>5</think><answer>{a}</answer>"),
            format!("\\[ {a} \\]"),
            a.replace("\\frac", "\\dfrac"),
            a.replace(' ', "\\, "),
            a.replace('(', "\\left(").replace(')', "\\right)").replace('[', "\\left["),
            a.replace("\\pi", "π").replace("\\infty", "∞").replace("\\cup", "∪"),
            a.replace("pmatrix", "bmatrix"),
        ] {
            prop_assert!(is_correct(&a, &dressed), "{}", verify(&a, &dressed, &options()));
        }
    }

    #[test]
    fn symmetric_for_exact_answers(a in expression(), b in expression()) {
        let (one, other) = (verify(&a, &b, &options()).verdict, verify(&b, &a, &options()).verdict);
        prop_assert_eq!(one.is_correct(), other.is_correct(), "{} and {}", a, b);
    }

    #[test]
    fn never_equal_after_a_changed_digit(n in number(), position in 0usize..20, digit in 1u8..10) {
        let places: Vec<usize> = n.bytes().enumerate().filter(|(_, b)| b.is_ascii_digit()).map(|(at, _)| at).collect();
        let at = places[position % places.len()];
        let old = n.as_bytes()[at] - b'0';
        let new = (old + digit) % 10;
        let changed = format!("{}{}{}", &n[..at], new, &n[at + 1..]);
        // 0/5 changed to 0/7, and √4 to 2√1, are changes of no value.
        let same_value = n.contains("frac{0}") || changed.contains("frac{0}") || n.contains("sqrt") || n.contains("frac");
        prop_assume!(old != new && !same_value);
        prop_assert!(!is_correct(&n, &changed), "{} and {}", n, changed);
        prop_assert!(!is_correct(&changed, &n), "{} and {}", changed, n);
    }

    #[test]
    fn never_equal_after_a_summand(a in expression(), k in 1i64..9) {
        let other = format!("({a}) + {k}");
        let verdict = verify(&a, &other, &options()).verdict;
        prop_assert!(!verdict.is_correct(), "{}", verify(&a, &other, &options()));
    }

    #[test]
    fn fractions_in_any_terms(p in -999i64..999, q in 1i64..999, k in 1i64..99) {
        let gold = format!("\\frac{{{p}}}{{{q}}}");
        for other in [format!("{p}/{q}"), format!("\\frac{{{}}}{{{}}}", p * k, q * k), format!("{}/{}", -p * k, -q * k)] {
            prop_assert!(is_correct(&gold, &other));
        }
        let wrong = format!("\\frac{{{}}}{{{q}}}", p + 1);
        prop_assert!(!is_correct(&gold, &wrong));
    }

    #[test]
    fn polynomials_expanded_or_not(a in -9i64..9, b in -9i64..9, c in 1i64..9) {
        let gold = format!("{c}(x+{a})(x+{b})").replace("+-", "-");
        let expanded = format!("{c}x^2 + {}x + {}", c * (a + b), c * a * b).replace("+ -", "- ");
        prop_assert!(is_correct(&gold, &expanded));
        let wrong = format!("{expanded} + 1");
        prop_assert!(!is_correct(&gold, &wrong));
    }

    #[test]
    fn determinants_are_worked_out(m in prop::array::uniform9(-9i64..10), k in 1i64..9) {
        let row = |r: usize| format!("{} & {} & {}", m[3 * r], m[3 * r + 1], m[3 * r + 2]);
        let gold = format!("\\begin{{vmatrix}} {} \\\\ {} \\\\ {} \\end{{vmatrix}}", row(0), row(1), row(2));
        // The rule of Sarrus.
        let value = m[0] * m[4] * m[8] + m[1] * m[5] * m[6] + m[2] * m[3] * m[7]
            - m[2] * m[4] * m[6] - m[0] * m[5] * m[7] - m[1] * m[3] * m[8];
        prop_assert!(is_correct(&gold, &value.to_string()), "{}", verify(&gold, &value.to_string(), &options()));
        prop_assert!(!is_correct(&gold, &(value + k).to_string()));
    }

    #[test]
    fn a_bound_variable_has_any_name(a in expression(), low in -9i64..0, high in 1i64..9) {
        let (a, renamed) = (a.replace('y', "2"), a.replace('y', "2").replace('x', "t"));
        let other = format!("({a}) + 1");
        let with = |body: &str, name: &str| [
            format!("\\int_{{{low}}}^{{{high}}} ({body}) \\, d{name}"),
            format!("\\lim_{{{name} \\to {high}}} ({body})"),
        ];
        for ((gold, same), different) in with(&a, "x").iter().zip(&with(&renamed, "t")).zip(&with(&other, "x")) {
            prop_assert!(is_correct(gold, same), "{}", verify(gold, same, &options()));
            prop_assert!(!is_correct(gold, different), "{}", verify(gold, different, &options()));
        }
    }

    #[test]
    fn bases_are_read(n in 1u64..1_000_000, base in 2u64..10, k in 1u64..9) {
        let (mut digits, mut rest) = (String::new(), n);
        while rest > 0 {
            digits.insert_str(0, &(rest % base).to_string());
            rest /= base;
        }
        let gold = format!("{digits}_{{{base}}}");
        prop_assert!(is_correct(&gold, &n.to_string()), "{gold} and {n}");
        prop_assert!(!is_correct(&gold, &(n + k).to_string()), "{gold} and {}", n + k);
    }

    #[test]
    fn repeating_decimals_are_fractions(whole in 0i64..50, block in 1i64..999, k in 1i64..9) {
        // 0.(d) of three digits is d/999.
        let gold = format!("\\frac{{{}}}{{999}}", whole * 999 + block);
        for spelling in [format!("{whole}.\\overline{{{block:03}}}"), format!("{whole}.({block:03})")] {
            prop_assert!(is_correct(&gold, &spelling), "{}", verify(&gold, &spelling, &options()));
        }
        let wrong = format!("{whole}.\\overline{{{:03}}}", (block + k) % 999);
        prop_assert!(!is_correct(&gold, &wrong), "{}", verify(&gold, &wrong, &options()));
    }

    #[test]
    fn intervals_are_inequalities(a in -50i64..0, b in 1i64..50, closed in any::<(bool, bool)>()) {
        let sign = |closed| if closed { "\\le" } else { "<" };
        let interval = |(left, right)| format!("{}{a}, {b}{}", if left { '[' } else { '(' }, if right { ']' } else { ')' });
        let chain = format!("{a} {} x {} {b}", sign(closed.0), sign(closed.1));
        prop_assert!(is_correct(&interval(closed), &chain), "{}", verify(&interval(closed), &chain, &options()));
        prop_assert!(!is_correct(&interval((!closed.0, closed.1)), &chain));
        prop_assert!(!is_correct(&interval((closed.0, !closed.1)), &chain));
    }

    #[test]
    fn order_counts_in_tuples_and_not_in_sets(mut items in prop::collection::hash_set(-99i64..99, 2..6)) {
        let forth: Vec<String> = items.drain().map(|n| n.to_string()).collect();
        let back: Vec<String> = forth.iter().rev().cloned().collect();
        let set = |items: &[String]| format!("\\{{{}\\}}", items.join(", "));
        prop_assert!(is_correct(&set(&forth), &set(&back)));
        prop_assert!(!is_correct(&set(&forth), &set(&back[1..])));
        let tuple = |items: &[String]| format!("({})", items.join(", "));
        prop_assert!(!is_correct(&tuple(&forth), &tuple(&back)));
    }

    #[test]
    fn thousands_and_powers_of_ten(n in 1_000i64..999_999_999, shift in 1u32..12, digit in 1i64..9) {
        let digits = n.to_string();
        let grouped = |mark: &str| {
            let mut text = String::new();
            for (at, c) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at) % 3 == 0 {
                    text.push_str(mark);
                }
                text.push(c);
            }
            text
        };
        for mark in [",", "{,}", "\\,", ",\\!"] {
            prop_assert!(is_correct(&digits, &grouped(mark)), "{}", verify(&digits, &grouped(mark), &options()));
        }
        let scaled = format!("{n} \\times 10^{{-{shift}}}");
        let fraction = format!("\\frac{{{n}}}{{1{}}}", "0".repeat(shift as usize));
        prop_assert!(is_correct(&scaled, &fraction), "{}", verify(&scaled, &fraction, &options()));
        let wrong = format!("{} \\times 10^{{{shift}}}", n + digit);
        prop_assert!(!is_correct(&digits, &wrong), "{}", verify(&digits, &wrong, &options()));
    }

    #[test]
    fn two_answers_never_pass(gold in -999i64..999, k in 1i64..99, first in any::<bool>()) {
        let (a, b) = if first { (gold, gold + k) } else { (gold + k, gold) };
        for hedge in [
            format!("{a} or {b}"),
            format!("\\boxed{{{a}}} or \\boxed{{{b}}}"),
            format!("The answer is {a} or {b}."),
            format!("\\boxed{{{a}, {b}}}"),
            format!("<answer>{a}</answer><answer>{b}</answer>"),
            format!("I do not know, {a} or {b}"),
            format!("\\boxed{{{a} = {b}}}"),
        ] {
            prop_assert!(!is_correct(&gold.to_string(), &hedge), "{}", verify(&gold.to_string(), &hedge, &options()));
        }
    }

    #[test]
    fn no_input_panics(text in "\\PC{0,60}", gold in "\\PC{0,30}") {
        let _ = verify(&gold, &text, &options());
        let _ = extract(&text, surefoot_verifier::Mode::Lenient);
    }

    #[test]
    fn no_latex_like_input_panics(words in prop::collection::vec(prop::sample::select(WORDS), 0..40), gold in prop::collection::vec(prop::sample::select(WORDS), 0..12)) {
        let (text, gold) = (words.concat(), gold.concat());
        let report = verify(&gold, &text, &options());
        prop_assert!(report.steps <= 2 * options().max_steps || report.verdict == Verdict::OverBudget);
    }
}

const WORDS: &[&str] = &[
    "\\frac",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "\\{",
    "\\}",
    "1",
    "23",
    "4.5",
    "x",
    "y_",
    "^",
    "_",
    "+",
    "-",
    "*",
    "/",
    "=",
    "<",
    "\\le",
    ",",
    ";",
    ":",
    "|",
    "!",
    "'",
    "%",
    "\\%",
    "$",
    "\\$",
    " ",
    "\\sqrt",
    "\\sqrt[3]",
    "\\sin",
    "\\log_",
    "\\pi",
    "\\infty",
    "\\pm",
    "\\cup",
    "\\text{",
    "cm",
    "or",
    "and",
    "\\boxed{",
    "\\begin{pmatrix}",
    "\\end{pmatrix}",
    "&",
    "\\\\",
    "\\left",
    "\\right",
    "\\sum_{k=1}^{9}",
    "\\int_0^1",
    "\\int",
    "dx",
    "d",
    "\\lim_{x\\to 0^+}",
    "\\frac{d}{dx}",
    "\\frac{dy}{dx}",
    "\\det",
    "\\begin{vmatrix}",
    "\\end{vmatrix}",
    "\\binom",
    "\\choose",
    "\\mod",
    "\\mathbb{R}",
    "\\setminus",
    "\\overline",
    "\\circ",
    "e",
    "i",
    "E",
    "√",
    "²",
    "½",
    "∞",
    "≤",
    "1e9",
    "\\mathrm{",
    "####",
    "answer is ",
    "<answer>",
    "</answer>",
    "\n",
    ".",
    "\\lfloor",
    "\\rfloor",
    "\\mid",
    "\\in",
    "\\ldots",
    "October",
    "p.m.",
    "1,000",
];
