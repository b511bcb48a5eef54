//! Two numbers and one operation.

use super::{Style, TaskSpec};
use crate::random::Random;

type Pair = (String, String);

pub(super) fn addition(spec: &TaskSpec, random: &mut Random) -> Pair {
    let (a, b) = (spec.number(random), spec.number(random));
    (written(spec, a, '+', b), (a + b).to_string())
}

pub(super) fn subtraction(spec: &TaskSpec, random: &mut Random) -> Pair {
    let (a, b) = (spec.number(random), spec.number(random));
    (written(spec, a, '-', b), (a - b).to_string())
}

pub(super) fn multiplication(spec: &TaskSpec, random: &mut Random) -> Pair {
    let (a, b) = (spec.number(random), spec.number(random));
    (written(spec, a, '*', b), (a * b).to_string())
}

pub(super) fn remainder(spec: &TaskSpec, random: &mut Random) -> Pair {
    let (a, b) = (spec.number(random), random.between(2, 12));
    let problem = match spec.style {
        Style::Words => format!("What is the remainder when {a} is divided by {b}?"),
        Style::Plain => format!("{a}%{b}="),
    };
    (problem, (a % b).to_string())
}

pub(super) fn gcd(spec: &TaskSpec, random: &mut Random) -> Pair {
    // A common factor, or most answers would be 1.
    let factor = random.between(1, 12);
    let (a, b) = ((spec.number(random) + 1) * factor, (spec.number(random) + 1) * factor);
    let problem = match spec.style {
        Style::Words => format!("What is the greatest common divisor of {a} and {b}?"),
        Style::Plain => format!("gcd({a},{b})="),
    };
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (problem, x.to_string())
}

fn written(spec: &TaskSpec, a: i64, sign: char, b: i64) -> String {
    match spec.style {
        Style::Words => format!("What is {a} {sign} {b}?"),
        Style::Plain => format!("{a}{sign}{b}="),
    }
}
