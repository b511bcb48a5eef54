//! What can be wrong with a run folder.

use std::path::{Path, PathBuf};

use crate::shell::argument;
use surefoot_engine::folder::FileError;

/// Why a run folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunFolderError {
    /// A new run in the folder of another.
    #[error("{} holds a run already; go on with `--resume {}`, or choose another log.run_dir", path.display(), argument(path))]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing to resume.
    #[error("{} holds no run (no config.toml)", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A checkpoint, where its run is meant.
    #[error("{} is a checkpoint; name the run that it is of: {}", path.display(), argument(run))]
    Checkpoint {
        /// The folder.
        path: PathBuf,
        /// The folder of its run.
        run: PathBuf,
    },
    /// Another process writes to it.
    #[error("{} is in use by {owner}; wait for it to end, or choose another log.run_dir", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
        /// The process that holds it.
        owner: String,
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
    /// That `path` holds no run; of a run's checkpoint, that the run is meant.
    pub fn no_run(path: &Path) -> Self {
        let run = path.parent().filter(|parent| parent.ends_with("checkpoints")).and_then(Path::parent);
        let path = path.to_path_buf();
        match run.filter(|run| run.join("config.toml").is_file()) {
            Some(run) => Self::Checkpoint { path, run: run.to_path_buf() },
            None => Self::NoRun { path },
        }
    }

    /// For `map_err` on the file system's errors.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        FileError::of(action, path)
    }
}
