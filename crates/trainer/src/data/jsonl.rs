//! JSON lines.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use super::Take;
use super::error::{DataError, Place};
use super::row::{Columns, kind};
use super::written;

/// Hands every row of `path` to `take`, until that says no. Blank lines are skipped.
pub(super) fn read(path: &Path, columns: &Columns<'_>, take: &mut Take<'_>) -> Result<(), DataError> {
    let unreadable = |source| DataError::Read { path: path.to_path_buf(), source };
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path).map_err(unreadable)?);
    let mut line = Vec::new();
    let mut first = true;
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        let bytes = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line) } else { &line };
        let bytes = bytes.trim_ascii_end();
        if bytes.is_empty() {
            continue;
        }
        let place = || Place::Line(path.to_path_buf(), number);
        // Whether on one line or over many, an array is a whole file in another format, not a broken row.
        if first && bytes.trim_ascii_start().starts_with(b"[") {
            return Err(DataError::Array { place: place() });
        }
        first = false;
        let value: Value = serde_json::from_slice(bytes).map_err(|error| match foreign(&line, path) {
            Some((found, hint)) if number == 1 => DataError::Foreign { path: path.to_path_buf(), found, hint },
            _ => DataError::NotJson { place: place(), message: reason(&error) },
        })?;
        let Value::Object(mut row) = value else {
            return Err(DataError::NotObject { place: place(), found: kind(&value) });
        };
        if written::suspect(bytes) {
            written::restore(&mut row, bytes);
        }
        if !take(number, columns.read(&row, &place))? {
            break;
        }
    }
    Ok(())
}

/// What a file is instead that begins with `line`, and what to do about it.
fn foreign(line: &[u8], path: &Path) -> Option<(&'static str, &'static str)> {
    let kinds: [(&[u8], _, _); 7] = [
        (b"\xff\xfe", "UTF-16", "convert it with `iconv -f UTF-16 -t UTF-8`"),
        (b"\xfe\xff", "UTF-16", "convert it with `iconv -f UTF-16 -t UTF-8`"),
        (b"\x1f\x8b", "compressed by gzip", "unpack it with `gunzip`"),
        (b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it with `unzstd`"),
        (b"PK\x03\x04", "a zip archive", "unpack it with `unzip`"),
        (b"PAR1", "a parquet file", "set data.format = \"parquet\", or give it that ending"),
        (b"version https://git-lfs", "a Git LFS pointer", "fetch the file itself with `git lfs pull`"),
    ];
    if let Some((_, found, hint)) = kinds.into_iter().find(|(begin, ..)| line.starts_with(begin)) {
        return Some((found, hint));
    }
    let table = path.extension().is_some_and(|end| ["csv", "tsv"].iter().any(|known| end.eq_ignore_ascii_case(known)));
    table.then_some((
        "a table",
        "write each row as a JSON object, as pandas does: to_json(\"rows.jsonl\", orient=\"records\", lines=True)",
    ))
}

/// The parser's message with the column instead of its own line number, which is always 1.
fn reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let text = message.split(" at line ").next().unwrap_or_default();
    format!("{text} at column {}", error.column())
}
