//! Answers in displayed formulas of several lines.
#![allow(clippy::unwrap_used)]

use surefoot_verifier::{Options, verify};

fn is_correct(gold: &str, answer: &str) -> bool {
    verify(gold, answer, &Options::default()).verdict.is_correct()
}

#[test]
fn the_last_line_of_a_formula_is_the_answer() {
    for text in [
        "Thus\n\\[\n\\begin{aligned}\nx &= \\frac{10}{18} \\\\\n&= \\frac{5}{9}\n\\end{aligned}\n\\]",
        "Thus\n\\begin{align*}\nx &= \\frac{10}{18} \\\\\n&= \\frac{5}{9}\n\\end{align*}",
        "Thus\n\\begin{align}\nx &= \\frac{10}{18} \\\\\n&= \\frac{5}{9}.\n\\end{align}",
        "Thus\n\\begin{equation}\nx = \\frac{5}{9}\n\\end{equation}",
        "Thus $$\\begin{split}x &= \\frac{10}{18} \\\\ &= \\frac{5}{9}\\end{split}$$",
    ] {
        assert!(is_correct(r"\frac{5}{9}", text), "{text}");
        assert!(!is_correct("9", text) && !is_correct(r"\frac{10}{9}", text), "{text}");
    }
}
