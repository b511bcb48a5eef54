//! Files that are either the old or the new, never half of one.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Beginning of the names of files and folders that are not complete yet.
pub const PARTIAL: &str = ".partial-";

/// Writes a file as a whole or not at all.
///
/// `write` fills a temporary file in the same directory, whose name begins with [`PARTIAL`]; then the file is synced to
/// disk, renamed to `path`, and the directory is synced. After an error, a full disk for instance, `path` is what it was
/// and the temporary file is gone; after a kill the temporary file may stay, and nothing reads it. Returns what `write`
/// returns.
///
/// ```
/// use std::io::Write;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("note.txt");
/// surefoot_engine::folder::write_atomically(&path, |file| file.write_all(b"whole"))?;
/// assert_eq!(std::fs::read_to_string(&path)?, "whole");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// What `write` returns, or the file system's error; the caller adds the path to the message.
pub fn write_atomically<T, E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T, E>,
) -> Result<T, E> {
    let temporary = Temporary::beside(path)?;
    let mut writer = BufWriter::with_capacity(1 << 16, temporary.create()?);
    let value = write(&mut writer)?;
    writer.flush()?;
    writer.get_ref().sync_all()?;
    drop(writer);
    std::fs::rename(&temporary.path, path)?;
    temporary.renamed();
    sync_directory(parent(path))?;
    Ok(value)
}

/// Makes renames and new names in a directory last through a power cut.
///
/// # Errors
/// The file system's error.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    // Only Unix can open a directory as a file; elsewhere the file system orders renames itself.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A file that is removed unless it has got its name.
struct Temporary {
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    fn beside(path: &Path) -> io::Result<Self> {
        // Two writers of one path, in one process or two, must not share a temporary file.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file name"))?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PARTIAL}{}.{}-{count}", name.to_string_lossy(), std::process::id());
        Ok(Temporary { path: parent(path).join(name), kept: false })
    }

    fn create(&self) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).open(&self.path)
    }

    fn renamed(mut self) {
        self.kept = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // The error that brought us here is the one to report.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
