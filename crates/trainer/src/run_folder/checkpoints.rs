//! `checkpoints/step-N/`: whole folders only, the newest found, old ones pruned.

use std::path::{Path, PathBuf};

use surefoot_engine::folder::{PARTIAL, sync_directory};

use super::atomic;
use super::error::RunFolderError;

/// Ending of the name of a complete checkpoint that another one of its step is taking the place of.
const REPLACED: &str = "replaced";

/// The checkpoints of a run. A folder with the name `step-N` is complete: it got that name when everything was in it.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    path: PathBuf,
}

/// A checkpoint that is being written, under a temporary name.
#[derive(Debug)]
pub struct PartialCheckpoint {
    temporary: PathBuf,
    target: PathBuf,
}

impl Checkpoints {
    /// The checkpoints in the folder `path`.
    pub fn at(path: &Path) -> Self {
        Checkpoints { path: path.to_path_buf() }
    }

    /// Folder of the checkpoint of `step`, whether it is there or not.
    pub fn step(&self, step: u64) -> PathBuf {
        self.path.join(format!("step-{step}"))
    }

    /// Every complete checkpoint with its step, oldest first.
    ///
    /// # Errors
    /// [`RunFolderError::File`].
    pub fn list(&self) -> Result<Vec<(u64, PathBuf)>, RunFolderError> {
        let failed = || RunFolderError::file("read", &self.path);
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if let Some(step) = name.strip_prefix("step-").and_then(|step| step.parse().ok())
                && path.is_dir()
            {
                found.push((step, path));
            }
        }
        found.sort();
        Ok(found)
    }

    /// The newest complete checkpoint.
    ///
    /// # Errors
    /// [`RunFolderError::File`].
    pub fn latest(&self) -> Result<Option<(u64, PathBuf)>, RunFolderError> {
        Ok(self.list()?.pop())
    }

    /// Begins the checkpoint of `step`: everything is to be written into [`PartialCheckpoint::path`].
    ///
    /// # Errors
    /// [`RunFolderError::File`].
    pub fn begin(&self, step: u64) -> Result<PartialCheckpoint, RunFolderError> {
        let target = self.step(step);
        let temporary = atomic::temporary_name(&target).map_err(RunFolderError::file("make", &target))?;
        if temporary.exists() {
            std::fs::remove_dir_all(&temporary).map_err(RunFolderError::file("clear", &temporary))?;
        }
        std::fs::create_dir_all(&temporary).map_err(RunFolderError::file("make", &temporary))?;
        Ok(PartialCheckpoint { temporary, target })
    }

    /// Gives checkpoints their names back that a kill found between the two renames of a [`PartialCheckpoint::commit`].
    ///
    /// # Errors
    /// [`RunFolderError::File`].
    pub(super) fn restore_replaced(&self) -> Result<(), RunFolderError> {
        let failed = || RunFolderError::file("read", &self.path);
        if !self.path.exists() {
            return Ok(());
        }
        for entry in std::fs::read_dir(&self.path).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let replaced = name.strip_prefix(PARTIAL).and_then(|name| name.strip_suffix(&format!(".{REPLACED}")));
            if let Some(target) = replaced.map(|name| self.path.join(name)).filter(|target| !target.exists()) {
                std::fs::rename(&path, &target).map_err(RunFolderError::file("restore", &target))?;
            }
        }
        Ok(())
    }

    /// Removes all but the newest `keep` checkpoints and that of the step `best`.
    ///
    /// # Errors
    /// [`RunFolderError::File`].
    pub fn prune(&self, keep: usize, best: Option<u64>) -> Result<(), RunFolderError> {
        let all = self.list()?;
        for (_, path) in all[..all.len().saturating_sub(keep)].iter().filter(|(step, _)| Some(*step) != best) {
            remove(path)?;
        }
        Ok(())
    }
}

/// Removes a checkpoint. It loses its name first, so that a kill in between leaves no incomplete `step-N`.
fn remove(path: &Path) -> Result<(), RunFolderError> {
    let failed = || RunFolderError::file("remove", path);
    let temporary = atomic::temporary_name(path).map_err(failed())?;
    if temporary.exists() {
        std::fs::remove_dir_all(&temporary).map_err(failed())?;
    }
    std::fs::rename(path, &temporary).map_err(failed())?;
    std::fs::remove_dir_all(&temporary).map_err(failed())
}

impl PartialCheckpoint {
    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Where a complete checkpoint of the same step goes until this one has its name.
    pub fn replaced(&self) -> PathBuf {
        self.temporary.with_extension(REPLACED)
    }

    /// Makes the checkpoint complete: everything goes to the disk, and then it gets its name.
    ///
    /// # Errors
    /// [`RunFolderError::File`], for instance on a full disk; earlier checkpoints are untouched then.
    pub fn commit(self) -> Result<PathBuf, RunFolderError> {
        let failed = || RunFolderError::file("write", &self.target);
        atomic::sync_tree(&self.temporary).map_err(failed())?;
        if self.target.exists() {
            // The same step once more, after a resume from an older one.
            let old = self.replaced();
            std::fs::rename(&self.target, &old).map_err(failed())?;
            std::fs::rename(&self.temporary, &self.target).map_err(failed())?;
            std::fs::remove_dir_all(&old).map_err(failed())?;
        } else {
            std::fs::rename(&self.temporary, &self.target).map_err(failed())?;
        }
        let parent = self.target.parent().unwrap_or(&self.target);
        sync_directory(parent).map_err(failed())?;
        Ok(self.target.clone())
    }
}

impl Drop for PartialCheckpoint {
    /// A checkpoint that was given up leaves nothing.
    fn drop(&mut self) {
        if self.temporary.exists() {
            let _gone = std::fs::remove_dir_all(&self.temporary);
        }
    }
}
