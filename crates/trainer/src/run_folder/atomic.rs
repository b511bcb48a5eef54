//! Files and folders that are there whole or not at all: temporary name, fsync, rename, fsync of the folder.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Beginning of the temporary names; what has it when a run resumes was left by a process that died.
const PREFIX: &str = ".partial-";

/// Writes `bytes` to `path`.
///
/// # Errors
/// The file system's error; `path` is then as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Writes what `fill` writes to `path`.
///
/// # Errors
/// The error of `fill` or of the file system; `path` is then as it was.
pub fn write_with<T>(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>) -> io::Result<T> {
    let temporary = temporary_name(path)?;
    let filled = File::create(&temporary).and_then(|file| {
        let mut file = BufWriter::new(file);
        let value = fill(&mut file)?;
        file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        Ok(value)
    });
    let value = filled.inspect_err(|_| {
        let _gone = std::fs::remove_file(&temporary);
    })?;
    std::fs::rename(&temporary, path)?;
    sync_folder(parent(path))?;
    Ok(value)
}

/// The name under which something is written before it is renamed to `path`.
///
/// # Errors
/// When `path` has no name.
pub fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    let name =
        path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a path without a file name"))?;
    Ok(parent(path).join(format!("{PREFIX}{}", name.to_string_lossy())))
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
    sync_folder(folder)
}

/// Makes sure that the names in `folder` are on the disk.
///
/// # Errors
/// The file system's error.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows cannot open a folder as a file, and keeps names safe by itself.
    if cfg!(windows) { Ok(()) } else { File::open(folder)?.sync_all() }
}

/// Removes what a killed process left half-written in `folder`.
///
/// # Errors
/// The file system's error.
pub fn clear_leftovers(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
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
