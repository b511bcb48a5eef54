//! Countdown: use every given number once, with `+ - * /`, to reach a target.
//!
//! The gold answer is one solution; any other expression of the same numbers with the same value is as good, and [`solves`]
//! tells, so that the task is rewarded for what it asks and not for repeating the target.

use super::expression::{Fraction, evaluate};
use super::{Style, TaskSpec};
use crate::random::Random;

/// Greatest number that is given, and greatest target.
const LARGEST: i64 = 99;
/// Draws of signs after which new numbers are drawn.
const TRIES: usize = 20;

pub(super) fn row(spec: &TaskSpec, random: &mut Random) -> (String, String) {
    loop {
        let numbers: Vec<i64> = (0..spec.numbers).map(|_| random.between(1, LARGEST)).collect();
        for _ in 0..TRIES {
            let mut order = numbers.clone();
            random.shuffle(&mut order);
            if let Some((solution, target)) = combine(&order, random) {
                let given: Vec<String> = numbers.iter().map(i64::to_string).collect();
                let problem = match spec.style {
                    Style::Words => format!(
                        "Using each of the numbers {} exactly once, and + - * /, write an expression that equals {target}.",
                        given.join(", ")
                    ),
                    Style::Plain => format!("{}>{target}:", given.join(",")),
                };
                return (problem, solution);
            }
        }
    }
}

/// A random expression of `order` from left to right whose steps stay whole and positive, with its value.
fn combine(order: &[i64], random: &mut Random) -> Option<(String, i64)> {
    let (mut text, mut value) = (order.first()?.to_string(), *order.first()?);
    for (index, &number) in order.iter().enumerate().skip(1) {
        let sign = ['+', '-', '*', '/'][random.below(4) as usize];
        if index > 1 {
            text = format!("({text})");
        }
        text = format!("{text}{sign}{number}");
        value = Fraction::whole(value).apply(sign, Fraction::whole(number))?.as_whole().filter(|value| *value > 0)?;
    }
    (value <= LARGEST).then_some((text, value))
}

/// Whether `completion` gives an expression of the numbers of `gold` with its value. `None` when `gold` is no expression.
///
/// The expression is what stands in the last `<answer>` or `\boxed{}`, or else in the last line that is not blank; what
/// follows an equals sign is dropped.
///
/// ```
/// use surefoot_trainer::tasks::countdown::solves;
///
/// assert_eq!(solves("(3+5)*2", "so <answer>2 * (5 + 3) = 16</answer>"), Some(true));
/// assert_eq!(solves("(3+5)*2", "16"), Some(false)); // the target alone is no solution
/// ```
pub fn solves(gold: &str, completion: &str) -> Option<bool> {
    let (target, mut given) = evaluate(gold)?;
    given.sort_unstable();
    let Some((value, mut used)) = expression_in(completion).and_then(evaluate) else { return Some(false) };
    used.sort_unstable();
    Some(value == target && used == given)
}

fn expression_in(completion: &str) -> Option<&str> {
    let tagged = completion.rsplit_once("<answer>").map(|(_, rest)| rest.split("</answer>").next().unwrap_or(rest));
    let boxed = || completion.rsplit_once("\\boxed{").and_then(|(_, rest)| Some(rest.rsplit_once('}')?.0));
    let last = || completion.lines().rev().find(|line| !line.trim().is_empty());
    let answer = tagged.or_else(boxed).or_else(last)?;
    Some(answer.split('=').next().unwrap_or(answer).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gold_answer_solves_its_problem() {
        for numbers in 2..=6 {
            let spec = TaskSpec { rows: 200, numbers, ..TaskSpec::new("countdown").unwrap() };
            for (problem, gold) in spec.rows() {
                assert_eq!(solves(&gold, &gold), Some(true), "{problem} {gold}");
                let (value, used) = evaluate(&gold).unwrap();
                let target: i64 = problem.rsplit(' ').next().unwrap().trim_end_matches('.').parse().unwrap();
                assert_eq!(value.as_whole(), Some(target), "{problem} {gold}");
                assert_eq!(used.len(), numbers);
                assert_eq!(solves(&gold, &target.to_string()), Some(false), "{problem}");
            }
        }
    }

    #[test]
    fn other_solutions_count_and_cheats_do_not() {
        let gold = "(8-2)*4"; // 24
        for (completion, right) in [
            ("4*(8-2)", true),
            ("I try this:\n\n(8 - 2) × 4 = 24\n", true),
            ("\\boxed{(8-2) \\cdot 4}", true),
            ("8*4-2*4", false),
            ("8+2*4+8", false),
            ("24", false),
            ("(8-2)*4+0", false),
            ("8/0", false),
            ("99999999999999999999*8", false),
            ("", false),
        ] {
            assert_eq!(solves(gold, completion), Some(right), "{completion}");
        }
        assert_eq!(solves("none", "1+1"), None);
        assert_eq!(solves(gold, &"(".repeat(100_000)), Some(false));
    }

    #[test]
    fn fractions_between_are_exact() {
        assert_eq!(evaluate("8/(3-8/3)").and_then(|(value, _)| value.as_whole()), Some(24));
        assert_eq!(evaluate("1/3*3").and_then(|(value, _)| value.as_whole()), Some(1));
        assert_eq!(evaluate("7/2").and_then(|(value, _)| value.as_whole()), None);
    }
}
