//! Files and folders that are there whole or not at all: temporary name, fsync, rename, fsync of the folder.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use surefoot_engine::folder::{PARTIAL, sync_directory, write_atomically};

/// Writes `bytes` to `path`.
///
/// # Errors
/// The file system's error; `path` is then as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomically(path, |file| file.write_all(bytes))
}

/// The name under which something is written before it is renamed to `path`.
///
/// # Errors
/// When `path` has no name.
pub fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    let name =
        path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a path without a file name"))?;
    Ok(parent(path).join(format!("{PARTIAL}{}", name.to_string_lossy())))
}

/// Makes sure that every file below `folder`, and `folder` itself, is on the disk.
///
/// # Errors
/// The file system's error.
pub fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_directory(folder)
}

/// Removes what a killed process left half-written in `folder`.
///
/// # Errors
/// The file system's error.
pub fn clear_leftovers(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
