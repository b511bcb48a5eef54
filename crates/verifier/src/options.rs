//! Everything that can be chosen, with its default and the reason for it.

use std::time::Duration;

/// How an answer is looked for in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Only the required format counts; an answer elsewhere in the text is no answer.
    Strict(Format),
    /// Every rule, the most explicit first.
    #[default]
    Lenient,
}

/// A required format of a model's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The answer stands in `\boxed{…}` or `\fbox{…}` (DGPO's format check).
    Boxed,
    /// `<think>…</think><answer>…</answer>` and nothing else (CPGD's template).
    ThinkAnswer,
    /// `<answer>…</answer>` once.
    Answer,
    /// A last line `#### 72` (GSM8K's own format).
    Hashes,
}

/// What several boxes in one text mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Boxes {
    /// Boxes must agree; where the gold answer has several parts, the boxes together may give them.
    #[default]
    Agree,
    /// The last box alone counts.
    Last,
    /// All boxes together are one list.
    Joined,
}

/// When a decimal equals a value that it only rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rounding {
    /// A decimal gold such as `3.14` accepts every answer that rounds to it at its own last digit (a tie either way).
    /// Whole numbers, also `3e6`, are exact. Default: true.
    pub at_gold_precision: bool,
    /// An exact gold such as `\pi` or `2/3` accepts a decimal answer with at least this many significant digits that is
    /// its rounding or truncation; `None` never does. Default: 6, the place to which math-verify rounds.
    pub digits_for_exact_gold: Option<u32>,
}

impl Default for Rounding {
    fn default() -> Self {
        Rounding { at_gold_precision: true, digits_for_exact_gold: Some(6) }
    }
}

/// What `10\%` equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Percent {
    /// `10\%` equals `0.1`, and also `10`, because questions that ask "what percent" accept the bare number. A bare gold answer
    /// up to 1 is a part of one: `0.5\%` is not `0.5`.
    #[default]
    Either,
    /// `10\%` equals `0.1` alone.
    Value,
}

/// Choices for [`crate::verify`]; the default fits MATH, GSM8K, AIME, OlympiadBench and Minerva.
///
/// ```
/// use surefoot_verifier::{Format, Mode, Options, verify};
/// let strict = Options { mode: Mode::Strict(Format::Boxed), ..Options::default() };
/// assert!(verify("72", r"so \boxed{72}", &strict).verdict.is_correct());
/// assert!(!verify("72", "so 72", &strict).verdict.is_correct());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How the answer is found in the model's text. Default: lenient.
    pub mode: Mode,
    /// What several boxes mean. Default: they must agree.
    pub boxes: Boxes,
    /// Rounding policy.
    pub rounding: Rounding,
    /// What percent signs mean.
    pub percent: Percent,
    /// Steps that one comparison may take: the deterministic limit. Default: 400,000, some tens of milliseconds.
    pub max_steps: u64,
    /// Wall clock limit behind the steps; `None` makes every verdict independent of the machine. Default: 100 ms.
    pub deadline: Option<Duration>,
    /// Longest answer that is parsed, in bytes, after extraction. Default: 20,000.
    pub max_answer_bytes: usize,
    /// Seed of the random points at which expressions are evaluated. Default: 0.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            mode: Mode::Lenient,
            boxes: Boxes::Agree,
            rounding: Rounding::default(),
            percent: Percent::Either,
            max_steps: 400_000,
            deadline: Some(Duration::from_millis(100)),
            max_answer_bytes: 20_000,
            seed: 0,
        }
    }
}
