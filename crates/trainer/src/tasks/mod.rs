//! Built-in tasks whose answers can be verified: generators with a seed, for demos, tests and studies.

mod arithmetic;
pub mod countdown;
mod expression;
mod linear;
mod spec;

use crate::random::Random;

pub use spec::{Style, TaskError, TaskSpec};

/// A built-in task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// `a + b`
    Addition,
    /// `a - b`, which may be negative.
    Subtraction,
    /// `a * b`
    Multiplication,
    /// The remainder of `a` divided by `b`.
    Remainder,
    /// The greatest common divisor.
    Gcd,
    /// `a x + b = c`, solved for `x`.
    Linear,
    /// An expression of given numbers with a given value.
    Countdown,
}

impl Task {
    /// Every task with its name and one sentence.
    pub const ALL: &'static [(Task, &'static str, &'static str)] = &[
        (Task::Addition, "addition", "sum of two numbers of up to `digits` digits"),
        (Task::Subtraction, "subtraction", "difference of two numbers of up to `digits` digits, may be negative"),
        (Task::Multiplication, "multiplication", "product of two numbers of up to `digits` digits"),
        (Task::Remainder, "remainder", "remainder of a number of up to `digits` digits divided by one of 2 to 12"),
        (Task::Gcd, "gcd", "greatest common divisor of two numbers of up to `digits` digits"),
        (Task::Linear, "linear", "a x + b = c with a whole solution of up to `digits` digits"),
        (
            Task::Countdown,
            "countdown",
            "reach a target with `numbers` numbers and + - * /; verified by the reward `countdown`",
        ),
    ];

    /// Name in the configuration and on the command line.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(task, ..)| *task == self).map_or("", |(_, name, _)| name)
    }

    /// One problem with its answer.
    fn row(self, spec: &TaskSpec, random: &mut Random) -> (String, String) {
        match self {
            Task::Addition => arithmetic::addition(spec, random),
            Task::Subtraction => arithmetic::subtraction(spec, random),
            Task::Multiplication => arithmetic::multiplication(spec, random),
            Task::Remainder => arithmetic::remainder(spec, random),
            Task::Gcd => arithmetic::gcd(spec, random),
            Task::Linear => linear::row(spec, random),
            Task::Countdown => countdown::row(spec, random),
        }
    }
}
