//! The header of a safetensors file: a length, and a JSON object of names, formats, shapes and places.
//!
//! Parsed here and not by the `safetensors` crate, whose errors do not say which tensor is cut off or contradicts itself.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::FolderError;

/// The longest header that is read; the `safetensors` crate has the same limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// A tensor's entry, checked against the file's length.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub dtype: String,
    pub shape: Vec<usize>,
    /// Place in the file, in bytes.
    pub bytes: Range<usize>,
}

#[derive(Deserialize)]
struct RawEntry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// What files begin with that Git has not fetched.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Reads the header at the beginning of `bytes`, the whole file.
pub(super) fn parse(bytes: &[u8], file: &Path) -> Result<BTreeMap<String, Entry>, FolderError> {
    let found = bytes.len() as u64;
    let truncated = |what: String, expected: u64| FolderError::Truncated { file: file.into(), what, expected, found };
    let header_error = |message: String| FolderError::Header { file: file.into(), message };

    if bytes.starts_with(LFS_POINTER) {
        let message =
            "it is a Git LFS pointer, which only stands for the file; fetch the file itself with `git lfs pull`";
        return Err(header_error(message.to_string()));
    }
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(truncated("the header's length".into(), 8));
    };
    let length = u64::from_le_bytes(*length);
    if length > LONGEST_HEADER {
        return Err(header_error(format!("its header would have {length} bytes, the most is {LONGEST_HEADER}")));
    }
    let Some((text, data)) = rest.split_at_checked(length as usize) else {
        return Err(truncated("the header".into(), 8 + length));
    };
    let object: Map<String, Value> =
        serde_json::from_slice(text).map_err(|error| header_error(format!("its header is not JSON: {error}")))?;

    let mut entries = BTreeMap::new();
    for (name, value) in object {
        if name == "__metadata__" {
            continue;
        }
        let tensor_error = |message: String| FolderError::Tensor { file: file.into(), tensor: name.clone(), message };
        let entry: RawEntry = serde_json::from_value(value).map_err(|error| tensor_error(error.to_string()))?;
        let [begin, end] = entry.data_offsets;
        let Some(stored) = end.checked_sub(begin) else {
            return Err(tensor_error(format!("its data ends at {end}, before its begin {begin}")));
        };
        if let Some(size) = dtype_size(&entry.dtype) {
            let needed = entry.shape.iter().try_fold(size, |bytes, &extent| bytes.checked_mul(extent));
            if needed != Some(stored) {
                let needed = needed.map_or("more than can be counted".into(), |bytes| bytes.to_string());
                let (shape, dtype) = (&entry.shape, &entry.dtype);
                return Err(tensor_error(format!("shape {shape:?} of {dtype} takes {needed} bytes, found {stored}")));
            }
        }
        let start = 8 + length as usize;
        if end > data.len() {
            return Err(truncated(format!("tensor `{name}`"), (start as u64).saturating_add(end as u64)));
        }
        let bytes = start + begin..start + end;
        entries.insert(name, Entry { dtype: entry.dtype, shape: entry.shape, bytes });
    }
    Ok(entries)
}

/// Bytes of one number in the formats whose numbers have whole bytes; other tensors cannot be read anyway.
fn dtype_size(name: &str) -> Option<usize> {
    match name {
        "F64" | "I64" | "U64" | "C64" => Some(8),
        "F32" | "I32" | "U32" => Some(4),
        "F16" | "BF16" | "I16" | "U16" => Some(2),
        "I8" | "U8" | "BOOL" | "F8_E4M3" | "F8_E5M2" | "F8_E8M0" => Some(1),
        _ => None,
    }
}
