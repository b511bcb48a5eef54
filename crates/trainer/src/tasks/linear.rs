//! Linear equations with a whole solution.

use super::{Style, TaskSpec};
use crate::random::Random;

pub(super) fn row(spec: &TaskSpec, random: &mut Random) -> (String, String) {
    let x = spec.number(random) * if random.below(2) == 0 { 1 } else { -1 };
    let a = random.between(2, 9) * if random.below(4) == 0 { -1 } else { 1 };
    let b = random.between(-20, 20);
    let c = a * x + b;
    let problem = match (spec.style, b) {
        (Style::Words, 0) => format!("Solve for x: {a}x = {c}"),
        (Style::Words, 1..) => format!("Solve for x: {a}x + {b} = {c}"),
        (Style::Words, _) => format!("Solve for x: {a}x - {} = {c}", -b),
        (Style::Plain, 0) => format!("{a}x={c},x="),
        (Style::Plain, _) => format!("{a}x{b:+}={c},x="),
    };
    (problem, x.to_string())
}
