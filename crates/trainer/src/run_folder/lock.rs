//! One writer a folder of a run or an evaluation: an advisory lock that the system frees when its process dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::error::RunFolderError;

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock file at `path`, whose text says who holds it, of a folder that `key` names. What a dead process left is
    /// taken over.
    pub(crate) fn take(path: &Path, key: &'static str) -> Result<Self, RunFolderError> {
        let failed = |action| RunFolderError::file(action, path);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let folder = path.parent().unwrap_or(path).to_path_buf();
                return Err(RunFolderError::Busy { path: folder, owner: owner(&mut file), key });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed("write"))?;
        writeln!(file, "process {}", std::process::id()).map_err(failed("write"))?;
        Ok(Lock { _file: file })
    }

    /// Who holds the lock file at `path`, if a process does; nothing is written.
    pub(super) fn holder(path: &Path) -> Option<String> {
        let mut file = File::open(path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(owner(&mut file)),
            _ => None,
        }
    }
}

/// What the text of a lock file says of its holder.
fn owner(file: &mut File) -> String {
    let mut owner = String::new();
    let _unreadable = file.read_to_string(&mut owner);
    if owner.trim().is_empty() { "another process".to_string() } else { owner.trim().to_string() }
}
