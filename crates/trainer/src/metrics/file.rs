//! `metrics.jsonl`: one line a step, in steps that only grow, whatever kills the run.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};

use surefoot_engine::folder::FileError;

use super::Record;
use crate::run_folder::atomic;

/// Why metrics cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// The file system's error.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line that is no record, and not the last one.
    #[error("{}:{line}: not a line of metrics; move the file away to go on without it", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line (1-based).
        line: usize,
    },
}

/// The open file of a run.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: File,
}

impl MetricsFile {
    /// Opens `path` for a run that goes on after `step` (0 for a new run): a last line that was cut in the middle goes, and so
    /// do the lines of later steps, which will be made again.
    ///
    /// # Errors
    /// [`MetricsError`] when the file cannot be used.
    pub fn open(path: &Path, step: u64) -> Result<Self, MetricsError> {
        let failed = |action| FileError::of::<MetricsError>(action, path);
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            text => text.map_err(failed("read"))?,
        };
        // As they stand: another version may have written metrics that this one does not know.
        let mut kept = Vec::new();
        for (line, number) in text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")).zip(1..)
        {
            let broken = || MetricsError::Broken { path: path.to_path_buf(), line: number };
            if record_of(line).ok_or_else(broken)?.step <= step {
                kept.extend_from_slice(line);
            }
        }
        if kept.len() < text.len() {
            atomic::write(path, &kept).map_err(failed("write"))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed("open"))?;
        Ok(MetricsFile { path: path.to_path_buf(), file })
    }

    /// Appends one line in one write.
    ///
    /// # Errors
    /// [`MetricsError::File`], for instance on a full disk.
    pub fn append(&mut self, record: &Record) -> Result<(), MetricsError> {
        let line = record.to_line() + "\n";
        self.file.write_all(line.as_bytes()).map_err(self.failed("write"))
    }

    /// Makes sure that every line is on the disk; to be called before a checkpoint that relies on them.
    ///
    /// # Errors
    /// [`MetricsError::File`].
    pub fn sync(&self) -> Result<(), MetricsError> {
        self.file.sync_data().map_err(self.failed("write"))
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> MetricsError + use<> {
        FileError::of(action, &self.path)
    }
}

/// Every record of a metrics file, in its order; none when there is no file. A cut last line is passed over.
///
/// # Errors
/// [`MetricsError::Broken`] names a line in the middle that is no record.
pub fn read(path: &Path) -> Result<Vec<Record>, MetricsError> {
    let readable = read_what_is_whole(path)?;
    match readable.broken.first() {
        Some(&line) => Err(MetricsError::Broken { path: path.to_path_buf(), line }),
        None => Ok(readable.records),
    }
}

/// What can be read of a metrics file.
#[derive(Debug, Default)]
pub struct Readable {
    /// The records, in their order.
    pub records: Vec<Record>,
    /// Lines (1-based) that are no records.
    pub broken: Vec<usize>,
    /// The last line, if it was cut in the middle.
    pub cut: Option<usize>,
}

/// As [`read`], but what is no record is told, and the rest is read all the same.
///
/// # Errors
/// [`MetricsError::File`] when there is a file that cannot be read.
pub fn read_what_is_whole(path: &Path) -> Result<Readable, MetricsError> {
    let failed = || FileError::of::<MetricsError>("read", path);
    let mut readable = Readable::default();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(readable),
        Err(error) => return Err(failed()(error)),
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(failed())? == 0 {
            break;
        }
        if !line.ends_with(b"\n") {
            readable.cut = Some(number);
            break;
        }
        match record_of(&line) {
            Some(record) => readable.records.push(record),
            None => readable.broken.push(number),
        }
    }
    Ok(readable)
}

fn record_of(line: &[u8]) -> Option<Record> {
    Record::from_line(std::str::from_utf8(line).ok()?)
}
