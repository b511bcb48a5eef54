//! What can be wrong with a `config.json`.

use std::path::PathBuf;

use super::Architecture;

/// An error in a model's configuration; every message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot read the model's configuration: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a JSON object.
    #[error("{}: not a JSON object: {message}", file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// What the parser says, with line and column.
        message: String,
    },
    /// A key without default is not there.
    #[error("{}: key `{key}` is missing", file.display())]
    Missing {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
    },
    /// A key's value has the wrong type.
    #[error("{}: key `{key}`: expected {expected}, found {found}", file.display())]
    Type {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// What the key takes.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The decoder family is none that the engine runs.
    #[error("{}: architecture `{found}` is not supported; supported are {}", file.display(), supported_architectures())]
    Architecture {
        /// The file.
        file: PathBuf,
        /// The name in the file.
        found: String,
    },
    /// A feature that the engine does not have.
    #[error("{}: key `{key}`: {found} is not supported; supported: {supported}", file.display())]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// The value in the file.
        found: String,
        /// What the engine can do.
        supported: &'static str,
    },
    /// Values that no model can have.
    #[error("{}: impossible configuration: {message}", file.display())]
    Impossible {
        /// The file.
        file: PathBuf,
        /// Keys and values that contradict each other.
        message: String,
    },
}

fn supported_architectures() -> String {
    Architecture::ALL.map(Architecture::class_name).join(", ")
}
