//! What can be wrong with a study.

use std::path::{Path, PathBuf};

use surefoot_engine::folder::FileError;

use crate::config::ConfigError;
use crate::demo::DemoError;

/// Why a study cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// A file that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The study's file is not TOML, or has keys that a study does not have.
    #[error("{}: {message}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The parser's message, with line and key.
        message: String,
    },
    /// A value that makes no sense.
    #[error("{}: {key}: {message}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The configuration of a run is wrong.
    #[error("run {name}: {source}")]
    Config {
        /// The run.
        name: String,
        /// What is wrong.
        source: ConfigError,
    },
    /// The demo's model cannot be written.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// A folder of the study holds another run than the study asks for.
    #[error(
        "{} holds a run with other settings ({differences}); remove that folder, or give the study another `folder`",
        path.display()
    )]
    OtherRun {
        /// The run folder.
        path: PathBuf,
        /// Keys with the values there and here.
        differences: String,
    },
}

impl StudyError {
    /// For `map_err` on the file system's errors.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        FileError::of(action, path)
    }
}
