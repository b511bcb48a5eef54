//! What can be wrong with a run folder.

use std::path::{Path, PathBuf};

use crate::shell::argument;
use surefoot_engine::folder::FileError;

/// Why a run folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunFolderError {
    /// A new run in the folder of another.
    #[error("{} holds a run already; go on with `--resume {}`, or choose another log.run_dir", path.display(), argument(path))]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing to resume.
    #[error(
        "{} holds no run (no config.toml){}",
        path.display(),
        run.as_ref().map_or_else(String::new, |run| format!("; it lies in the run {0}, which goes on with `--resume {0}`", argument(run)))
    )]
    NoRun {
        /// The folder.
        path: PathBuf,
        /// The run that it lies in, as a checkpoint does.
        run: Option<PathBuf>,
    },
    /// Another process writes to it.
    #[error("{} is in use by {owner}; wait for it to end, or choose another {key}", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
        /// The process that holds it.
        owner: String,
        /// What names the folder: `log.run_dir`, or `--out` of an evaluation.
        key: &'static str,
    },
    /// The file system's error.
    #[error(transparent)]
    File(#[from] FileError),
    /// A rollout file that cannot be written or read.
    #[error("{}: {message}", path.display())]
    Rollout {
        /// The file.
        path: PathBuf,
        /// The reason.
        message: String,
    },
}

impl RunFolderError {
    /// That `path` holds no run.
    pub fn no_run(path: &Path) -> Self {
        let holds_run = |folder: &&Path| folder.join("config.toml").is_file() && folder.join("checkpoints").is_dir();
        let above =
            path.ancestors().skip(1).map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        Self::NoRun { path: path.to_path_buf(), run: above.into_iter().find(holds_run).map(Path::to_path_buf) }
    }

    /// For `map_err` on the file system's errors.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        FileError::of(action, path)
    }
}
