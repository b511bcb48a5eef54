//! What can be wrong with a configuration.

use std::fmt;
use std::path::PathBuf;

use super::Meant;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file (1-based).
    File {
        /// The file.
        path: PathBuf,
        /// Its line.
        line: usize,
    },
    /// A `--set` argument, as it was typed.
    Set(String),
    /// Nobody set it: it is the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Set(text) => write!(f, "--set {text}"),
            Origin::Default => write!(f, "default"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What.
    pub kind: ProblemKind,
}

impl Problem {
    /// Whether the text is no TOML at all, so that nothing else can be said about it.
    pub fn is_syntax(&self) -> bool {
        matches!(self.kind, ProblemKind::Syntax(_))
    }
}

/// The ways in which an entry can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// The text is not TOML.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// No such section.
    #[error("unknown section `[{section}]`; {}", match nearest { Some(name) => format!("did you mean `[{name}]`?"), None => format!("sections are {valid}") })]
    UnknownSection {
        /// As it was written.
        section: String,
        /// The valid section nearest to it.
        nearest: Option<String>,
        /// Every valid section.
        valid: String,
    },
    /// No such key.
    #[error("unknown key `{key}`; {}", match nearest { Some(meant) => meant.to_string(), None => format!("keys of the section are {valid}") })]
    UnknownKey {
        /// As it was written, with its section.
        key: String,
        /// The valid key nearest to it.
        nearest: Option<Meant>,
        /// Every key of the section.
        valid: String,
    },
    /// A value of the wrong type.
    #[error("`{key}` must be {expected}, found {found}")]
    WrongType {
        /// The key with its section.
        key: String,
        /// What it takes.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A value that makes no sense, alone or beside another.
    #[error("`{key}` {message}")]
    Invalid {
        /// The key with its section.
        key: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A `--set` without `section.key=value`.
    #[error("expected section.key=value, as in --set rollout.samples=8")]
    SetShape,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.kind)
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Everything that is wrong, in the order of the file.
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    match problems {
        [one] => one.to_string(),
        many => {
            let lines: Vec<String> = many.iter().map(|problem| format!("  {problem}")).collect();
            format!("{} problems in the configuration:\n{}", many.len(), lines.join("\n"))
        }
    }
}
