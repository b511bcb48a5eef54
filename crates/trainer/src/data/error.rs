//! What can be wrong with data.

use std::fmt;
use std::path::PathBuf;

use crate::tasks::TaskError;

/// A place in a data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a text file (1-based).
    Line(PathBuf, usize),
    /// A row of a parquet file (1-based).
    Row(PathBuf, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Place::Row(path, row) => write!(f, "{} row {row}", path.display()),
        }
    }
}

/// Why data cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No row at all.
    #[error("{} holds no row", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Rows, but none with an answer.
    #[error("no row has an answer ({incomplete} were left out by data.incomplete = \"drop\")")]
    NoneComplete {
        /// Rows that were left out.
        incomplete: usize,
    },
    /// A line that is not JSON.
    #[error("{place}: not JSON: {message}")]
    NotJson {
        /// Where.
        place: Place,
        /// The parser's reason.
        message: String,
    },
    /// A line that is JSON, but no object.
    #[error("{place}: expected an object such as {{\"problem\": …, \"answer\": …}}, found {found}")]
    NotObject {
        /// Where.
        place: Place,
        /// What stands there.
        found: &'static str,
    },
    /// A file that is one JSON array.
    #[error("{place}: expected JSON Lines (one object a line), found an array; `jq -c '.[]' FILE` makes lines of it")]
    Array {
        /// Where it begins.
        place: Place,
    },
    /// A row without a problem.
    #[error("{place}: no problem: expected {expected}, found the keys {found}")]
    NoProblem {
        /// Where.
        place: Place,
        /// The keys that are looked for.
        expected: String,
        /// The keys of the row.
        found: String,
    },
    /// A row without an answer.
    #[error(
        "{place}: no answer: expected {expected}, found the keys {found} (data.incomplete = \"drop\" leaves such rows out)"
    )]
    NoAnswer {
        /// Where.
        place: Place,
        /// The keys that are looked for.
        expected: String,
        /// The keys of the row.
        found: String,
    },
    /// A solution in which no final answer is marked.
    #[error(
        "{place}: `{key}` has neither \\boxed{{…}} nor \"#### …\", so its final answer is unknown (data.incomplete = \"drop\" leaves such rows out)"
    )]
    NoFinalAnswer {
        /// Where.
        place: Place,
        /// The key that holds the solution.
        key: String,
    },
    /// A row whose place in the curriculum is unknown.
    #[error("{place}: data.difficulty_key = \"{key}\": expected a number, or a text with one, found {found}")]
    NoDifficulty {
        /// Where.
        place: Place,
        /// The key.
        key: String,
        /// What stands there.
        found: String,
    },
    /// A file that is to have a share and has no row.
    #[error(
        "data.weights gives {file} a share, and none of its rows is left: each is too long, a duplicate, without answer or beyond data.limit"
    )]
    NoShare {
        /// The entry of `data.train`.
        file: String,
    },
    /// A value of a shape that cannot be used.
    #[error("{place}: `{key}` must be {expected}, found {found}")]
    Shape {
        /// Where.
        place: Place,
        /// The key.
        key: String,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A row without a column that the user's reward program is to get.
    #[error(
        "{place}: reward.columns names `{key}`, and the row has only the keys {found}; correct the name, or leave reward.columns out to pass on what each row has"
    )]
    NoColumn {
        /// Where.
        place: Place,
        /// The key.
        key: String,
        /// The keys of the row.
        found: String,
    },
    /// A file of another kind.
    #[error("{}: it is {found}, and not JSON lines; {hint}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A parquet file that cannot be decoded.
    #[error("{}: not a readable parquet file: {message}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The decoder's reason.
        message: String,
    },
    /// A built-in task that cannot be made.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A position that belongs to other data.
    #[error(
        "the run was on row {offset} of epoch {epoch} of other data ({saved} rows, now {now}, or their content, weights or difficulties changed); resume with the data that it began with"
    )]
    OtherData {
        /// Saved epoch.
        epoch: u64,
        /// Saved offset.
        offset: u64,
        /// Rows when the position was saved.
        saved: u64,
        /// Rows now.
        now: u64,
    },
}
