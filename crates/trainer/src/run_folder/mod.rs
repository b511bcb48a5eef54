//! The folder of a run: what lies where, who may write to it, and how it stays whole.
//!
//! ```text
//! config.toml        resolved configuration, with every default
//! changes.jsonl      settings that a resume changed, and after which step
//! metrics.jsonl      one line a step
//! tensorboard/       the same for TensorBoard
//! rollouts/          step-000001.parquet …: prompts, completions, rewards, token log-probabilities
//! checkpoints/       step-20/ …: a Hugging Face folder and what a resume needs
//! eval/              step-000010/ …: evaluations in between, each as `surefoot eval` writes it
//! served/            step-20/ …: the newest weights that a server was given (`server.reload`)
//! lock               held by the process that writes
//! ```

pub mod atomic;
mod checkpoints;
mod error;
mod lock;
pub mod rollouts;

use std::path::{Path, PathBuf};

pub use checkpoints::{Checkpoints, PartialCheckpoint};
pub use error::RunFolderError;
pub(crate) use lock::Lock;

/// A run folder that this process may write to; nobody else may until it is dropped.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: Option<Lock>,
}

impl RunFolder {
    /// Makes the folder of a new run. A folder that holds a run already is refused.
    ///
    /// ```
    /// use surefoot_trainer::run_folder::RunFolder;
    ///
    /// let parent = tempfile::tempdir()?;
    /// let run = RunFolder::create(&parent.path().join("first"))?;
    /// run.write_config("[train]\nsteps = 3\n")?;
    /// assert!(RunFolder::create(run.path()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RunFolderError::Exists`] for a folder with a run, [`RunFolderError::Busy`] when another process writes to it.
    pub fn create(path: &Path) -> Result<Self, RunFolderError> {
        std::fs::create_dir_all(path.join("checkpoints")).map_err(RunFolderError::file("make", path))?;
        std::fs::create_dir_all(path.join("rollouts")).map_err(RunFolderError::file("make", path))?;
        let lock = Lock::take(&path.join("lock"), "log.run_dir")?;
        let folder = RunFolder { path: path.to_path_buf(), _lock: Some(lock) };
        if folder.config().exists() || folder.metrics().exists() {
            return Err(RunFolderError::Exists { path: path.to_path_buf() });
        }
        Ok(folder)
    }

    /// Opens the folder of a run that goes on, and clears what a killed process left half-written.
    ///
    /// # Errors
    /// [`RunFolderError::NoRun`] when there is none, [`RunFolderError::Busy`] when another process writes to it.
    pub fn resume(path: &Path) -> Result<Self, RunFolderError> {
        if !path.join("config.toml").is_file() {
            return Err(RunFolderError::no_run(path));
        }
        let folder =
            RunFolder { path: path.to_path_buf(), _lock: Some(Lock::take(&path.join("lock"), "log.run_dir")?) };
        folder.checkpoints().restore_replaced()?;
        for part in [path.to_path_buf(), folder.rollouts(), path.join("checkpoints")] {
            std::fs::create_dir_all(&part).map_err(RunFolderError::file("make", &part))?;
            atomic::clear_leftovers(&part).map_err(RunFolderError::file("clear", &part))?;
        }
        for (_, checkpoint) in folder.checkpoints().list()? {
            atomic::clear_leftovers(&checkpoint).map_err(RunFolderError::file("clear", &checkpoint))?;
        }
        Ok(folder)
    }

    /// The folder of a run that another process writes to: rank 0, for the other ranks.
    pub(crate) fn of_another(path: &Path) -> Self {
        RunFolder { path: path.to_path_buf(), _lock: None }
    }

    /// Who writes to the folder, if a process does.
    pub fn holder(path: &Path) -> Option<String> {
        let lock = path.join("lock");
        // A folder without a lock file has no writer, and is not to get one.
        if !lock.exists() {
            return None;
        }
        Lock::holder(&lock)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.toml`
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// `metrics.jsonl`
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// `rollouts/`
    pub fn rollouts(&self) -> PathBuf {
        self.path.join("rollouts")
    }

    /// The rollout file of a step.
    pub fn rollout(&self, step: u64) -> PathBuf {
        self.rollouts().join(format!("step-{step:06}.parquet"))
    }

    /// `eval/`
    pub fn evaluations(&self) -> PathBuf {
        self.path.join("eval")
    }

    /// The evaluation after a step.
    pub fn evaluation(&self, step: u64) -> PathBuf {
        self.evaluations().join(format!("step-{step:06}"))
    }

    /// Removes samples and evaluations of the steps after `step`: a run that goes on from there makes them again, and perhaps otherwise.
    ///
    /// # Errors
    /// [`RunFolderError::File`].
    pub fn forget_after(&self, step: u64) -> Result<(), RunFolderError> {
        for (folder, ending) in [(self.rollouts(), ".parquet"), (self.evaluations(), "")] {
            if !folder.is_dir() {
                continue;
            }
            let failed = |action| RunFolderError::file(action, &folder);
            for entry in std::fs::read_dir(&folder).map_err(failed("read"))? {
                let path = entry.map_err(failed("read"))?.path();
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let made = name.strip_prefix("step-").and_then(|name| name.strip_suffix(ending)?.parse::<u64>().ok());
                if made.is_some_and(|made| made > step) {
                    let removed =
                        if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                    removed.map_err(RunFolderError::file("remove", &path))?;
                }
            }
        }
        Ok(())
    }

    /// `checkpoints/`
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::at(&self.path.join("checkpoints"))
    }

    /// Writes `config.toml`, whole or not at all.
    ///
    /// # Errors
    /// [`RunFolderError::File`].
    pub fn write_config(&self, toml: &str) -> Result<(), RunFolderError> {
        atomic::write(&self.config(), toml.as_bytes()).map_err(RunFolderError::file("write", &self.config()))
    }
}
