//! What the verifier can say, and on what ground.

use std::fmt;

/// The answer to "does this text give the gold answer?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The two were shown equal, or agree by overwhelming evidence; [`Decision`] says which.
    Correct,
    /// The two differ, or the text gives several answers that contradict each other.
    Wrong,
    /// One side could not be read, so nothing was judged.
    Unparseable {
        /// The side that could not be read.
        side: Side,
        /// What was missing or unreadable.
        why: Why,
    },
    /// The budget ended before a decision was reached.
    OverBudget,
}

impl Verdict {
    /// `correct`, `wrong`, `unparseable` or `over-budget`.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Correct => "correct",
            Verdict::Wrong => "wrong",
            Verdict::Unparseable { .. } => "unparseable",
            Verdict::OverBudget => "over-budget",
        }
    }

    /// Whether this is [`Verdict::Correct`].
    pub fn is_correct(&self) -> bool {
        *self == Verdict::Correct
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Unparseable { side, why } => write!(f, "unparseable ({side}: {why})"),
            other => f.write_str(other.name()),
        }
    }
}

/// One of the two texts that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The reference answer.
    Gold,
    /// The model's text.
    Answer,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Gold => "gold",
            Side::Answer => "answer",
        })
    }
}

/// Why a text gives nothing to compare.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// No rule of extraction found an answer.
    #[error("no answer was found in the text")]
    NoAnswer,
    /// The text ends inside its answer.
    #[error("the text ends inside {0}")]
    Unfinished(&'static str),
    /// The required format is not there.
    #[error("the required format is missing: {0}")]
    Format(&'static str),
    /// The answer is longer than [`crate::Options::max_answer_bytes`].
    #[error("the answer has {bytes} bytes, more than the limit of {limit}")]
    TooLong {
        /// Length of the answer.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Brackets and arguments are nested deeper than the parser goes.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// The answer is not mathematics or text that the parser knows.
    #[error("at byte {at}: expected {expected}")]
    Syntax {
        /// Byte position in the extracted answer.
        at: usize,
        /// What would have fitted there.
        expected: &'static str,
    },
    /// A number contradicts itself, such as the digit 9 in base 8, or a division by zero.
    #[error("{0}")]
    Invalid(&'static str),
}

/// The ground on which [`Verdict::Correct`] or [`Verdict::Wrong`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Both sides are rational numbers, compared exactly.
    Exact,
    /// Both sides have the same, or provably different, normal form.
    Canonical,
    /// Interval bounds of the two values are disjoint: a proof that they differ.
    Bounds {
        /// Bits of precision at which they came apart.
        bits: u32,
    },
    /// The values agree at several random points up to this precision: overwhelming evidence, not proof.
    Evidence {
        /// Number of points.
        points: u32,
        /// Bits of precision.
        bits: u32,
    },
    /// An integral, series or limit was worked out numerically: strong evidence that the values agree or differ.
    Estimate {
        /// Bits to which the values are known, as the last refinement changed them.
        bits: u32,
    },
    /// A decimal was compared at the precision of the policy in [`crate::Rounding`].
    Rounded,
    /// Words, letters, dates or times were compared.
    Text,
    /// The two are different kinds of object, or have different numbers of parts.
    Shape,
    /// The text gives several different answers.
    Contradiction,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decision::Exact => f.write_str("exact arithmetic"),
            Decision::Canonical => f.write_str("normal forms"),
            Decision::Bounds { bits } => write!(f, "disjoint bounds at {bits} bits"),
            Decision::Evidence { points, bits } => write!(f, "agreement at {points} points to {bits} bits"),
            Decision::Estimate { bits } => write!(f, "numeric estimates to {bits} bits"),
            Decision::Rounded => f.write_str("decimals at the policy's precision"),
            Decision::Text => f.write_str("words"),
            Decision::Shape => f.write_str("different kinds of answer"),
            Decision::Contradiction => f.write_str("several answers that contradict each other"),
        }
    }
}
