//! Whether a path is the folder of a model at all, before its files are opened one by one.

use std::path::{Path, PathBuf};

use crate::run_folder::Checkpoints;
use crate::shell::argument;

/// Why a path is no model folder.
#[derive(Debug, thiserror::Error)]
pub enum ModelFolderError {
    /// There is nothing.
    #[error(
        "there is no folder {}; models are not downloaded from the Hugging Face Hub: download it, and name the folder that holds \
         its config.json",
        path.display()
    )]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A file.
    #[error(
        "{} is a file; a model is a folder with config.json (one is made from a GGUF file by: surefoot model import {} FOLDER)",
        path.display(),
        argument(path)
    )]
    File {
        /// The path.
        path: PathBuf,
    },
    /// A run, whose models are its checkpoints.
    #[error(
        "{} is a run; {}",
        path.display(),
        newest.as_ref().map_or_else(
            || "it has no checkpoint yet".to_string(),
            |newest| format!("its newest checkpoint is {}", newest.display())
        )
    )]
    Run {
        /// The path.
        path: PathBuf,
        /// Its newest checkpoint.
        newest: Option<PathBuf>,
    },
    /// Something that a new model would replace.
    #[error("{} {what}; name another folder", path.display())]
    Taken {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
}

/// That a model may be written to `path`: neither a model nor a run lies there.
///
/// # Errors
/// [`ModelFolderError::Taken`].
pub fn expect_free(path: &Path) -> Result<(), ModelFolderError> {
    let names = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.file_name());
    // Weights come last: without any, the folder is that of a model that was not finished.
    let weights = |name: &str| [".safetensors", ".safetensors.index.json"].iter().any(|ending| name.ends_with(ending));
    let what = if path.join("config.toml").is_file() {
        "is the folder of a run"
    } else if names.filter_map(|name| name.into_string().ok()).any(|name| weights(&name)) {
        "holds a model already"
    } else {
        return Ok(());
    };
    Err(ModelFolderError::Taken { path: path.to_path_buf(), what })
}

/// That `path` is a folder, and none of a run.
///
/// # Errors
/// [`ModelFolderError`] says what it is instead.
pub fn expect(path: &Path) -> Result<(), ModelFolderError> {
    let path_buf = || path.to_path_buf();
    if path.is_file() {
        return Err(ModelFolderError::File { path: path_buf() });
    }
    // What cannot be looked at is told when it is opened.
    if path.try_exists().is_ok_and(|there| !there) {
        return Err(ModelFolderError::Missing { path: path_buf() });
    }
    if path.join("config.toml").is_file() && !path.join("config.json").exists() {
        let newest = Checkpoints::at(&path.join("checkpoints")).latest().ok().flatten().map(|(_, newest)| newest);
        return Err(ModelFolderError::Run { path: path_buf(), newest });
    }
    Ok(())
}
