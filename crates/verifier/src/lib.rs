//! A mathematics verifier: a gold answer and a model's text in, a verdict out.
//!
//! `text → `[`extract()`]` → parse → compare → `[`Report`]
//!
//! It always answers, within a budget of steps and time; "cannot judge" is a verdict of its own and never a zero. It holds no state, so any
//! number of threads may call it.
//!
//! ```
//! use surefoot_verifier::{Decision, Options, Verdict, verify};
//! let report = verify(r"\frac{\sqrt{2}}{2}", r"Therefore the answer is $\boxed{\frac{1}{\sqrt 2}}$.", &Options::default());
//! assert_eq!(report.verdict, Verdict::Correct);
//! ```
#![forbid(unsafe_code)]

mod algebra;
mod budget;
mod equal;
mod expr;
mod extract;
mod form;
mod lex;
mod numeric;
mod options;
mod parse;
mod plain;
mod report;
mod restate;
mod show;
mod units;
mod verdict;
mod verify;

pub use extract::{Extraction, Rule, extract};
pub use options::{Boxes, Format, Mode, Options, Percent, Rounding};
pub use plain::is_plain_number;
pub use report::Report;
pub use restate::restate;
pub use verdict::{Decision, Side, Verdict, Why};
pub use verify::{read_gold, verify};
