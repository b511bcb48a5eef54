//! The container: header, metadata, list of tensors.
//!
//! Layout after the GGUF specification (ggml repository, `docs/gguf.md`). Counts in the file are never trusted for an
//! allocation: lists grow as their elements are read, and each element takes bytes from the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::GgufError;
use super::blocks::Format;
use super::metadata::{Array, Metadata, Value};

const MAGIC: [u8; 4] = *b"GGUF";
/// Tensor data begins at a multiple of `general.alignment`, by default of this.
const DEFAULT_ALIGNMENT: u64 = 32;
/// The most dimensions that ggml has.
const MOST_DIMENSIONS: u32 = 4;

/// An opened file.
#[derive(Debug)]
pub(super) struct Container {
    pub metadata: Metadata,
    pub tensors: BTreeMap<String, Tensor>,
    map: Mmap,
}

/// Where a tensor lies and how it is stored.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// Row-major, slowest dimension first; the file has them the other way round.
    pub shape: Vec<usize>,
    /// `Err` holds the number of a format that is not implemented.
    pub format: Result<Format, u32>,
    bytes: Range<usize>,
}

impl Container {
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let read = |source| GgufError::Read { file: path.into(), source };
        let file = File::open(path).map_err(read)?;
        if file.metadata().map_err(read)?.len() == 0 {
            return Err(GgufError::NotGguf { file: path.into(), message: "the file is empty".into() });
        }
        // SAFETY: the map is read-only; see `folder::TensorFolder` on files that change while they are read.
        let map = unsafe { Mmap::map(&file) }.map_err(read)?;
        Self::from_map(map, path)
    }

    pub fn from_map(map: Mmap, path: &Path) -> Result<Self, GgufError> {
        let mut reader = Reader { bytes: &map, position: 0, file: path };
        let (metadata, tensors) = reader.container()?;
        Ok(Container { metadata, tensors, map })
    }

    /// The stored bytes of a tensor of this file.
    pub fn bytes(&self, tensor: &Tensor) -> &[u8] {
        &self.map[tensor.bytes.clone()]
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    file: &'a Path,
}

impl<'a> Reader<'a> {
    fn container(&mut self) -> Result<(Metadata, BTreeMap<String, Tensor>), GgufError> {
        let not_gguf = |file: &Path, message: String| GgufError::NotGguf { file: file.into(), message };
        let magic = self.array::<4>("the magic number")?;
        if magic != MAGIC {
            return Err(not_gguf(self.file, format!("it begins with {magic:?} instead of `GGUF`")));
        }
        let version = self.u32("the version")?;
        if version.swap_bytes() == 2 || version.swap_bytes() == 3 {
            return Err(not_gguf(self.file, "it is a big-endian file".into()));
        }
        if version != 2 && version != 3 {
            return Err(not_gguf(self.file, format!("version {version}, expected 2 or 3")));
        }
        let tensor_count = self.u64("the number of tensors")?;
        let key_count = self.u64("the number of metadata keys")?;
        let mut values = BTreeMap::new();
        for _ in 0..key_count {
            let key = self.string("a metadata key")?;
            let kind = self.u32(&key)?;
            let value = self.value(kind, &key)?;
            if values.insert(key.clone(), value).is_some() {
                return Err(self.damaged(format!("metadata key `{key}` stands there twice")));
            }
        }
        let metadata = Metadata { values, file: self.file.into() };
        let mut entries = Vec::new();
        for _ in 0..tensor_count {
            entries.push(self.tensor_entry()?);
        }
        let alignment = metadata.integer("general.alignment")?.unwrap_or(DEFAULT_ALIGNMENT);
        if alignment == 0 || alignment > 1 << 20 {
            return Err(self.damaged(format!("`general.alignment` is {alignment}")));
        }
        let data = (self.position as u64).next_multiple_of(alignment);
        let mut tensors = BTreeMap::new();
        for entry in entries {
            let name = entry.name.clone();
            if !entry.offset.is_multiple_of(alignment) {
                let offset = entry.offset;
                return Err(self.damaged(format!("tensor `{name}`: offset {offset} is no multiple of {alignment}")));
            }
            let tensor = self.place(entry, data)?;
            if tensors.insert(name.clone(), tensor).is_some() {
                return Err(self.damaged(format!("tensor `{name}` stands there twice")));
            }
        }
        self.apart(&tensors)?;
        Ok((metadata, tensors))
    }

    /// No byte belongs to two tensors.
    fn apart(&self, tensors: &BTreeMap<String, Tensor>) -> Result<(), GgufError> {
        let mut placed: Vec<_> = tensors.iter().filter(|(_, tensor)| !tensor.bytes.is_empty()).collect();
        placed.sort_by_key(|(_, tensor)| tensor.bytes.start);
        match placed.windows(2).find(|two| two[0].1.bytes.end > two[1].1.bytes.start) {
            None => Ok(()),
            Some(two) => Err(self.damaged(format!("tensors `{}` and `{}` share bytes", two[0].0, two[1].0))),
        }
    }

    fn tensor_entry(&mut self) -> Result<TensorEntry, GgufError> {
        let name = self.string("a tensor's name")?;
        let dimensions = self.u32(&name)?;
        if dimensions > MOST_DIMENSIONS {
            return Err(self.damaged(format!("tensor `{name}` has {dimensions} dimensions, the most is 4")));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let extent = self.u64(&name)?;
            let extent = usize::try_from(extent).ok();
            shape.push(extent.ok_or_else(|| self.damaged(format!("tensor `{name}`: a dimension does not fit")))?);
        }
        shape.reverse();
        let format = self.u32(&name)?;
        let offset = self.u64(&name)?;
        Ok(TensorEntry { name, shape, format, offset })
    }

    fn place(&self, entry: TensorEntry, data: u64) -> Result<Tensor, GgufError> {
        let TensorEntry { name, shape, format, offset } = entry;
        let count = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
        let Some(count) = count else {
            return Err(self.damaged(format!("tensor `{name}`: shape {shape:?} has more elements than can be counted")));
        };
        let Some(format) = Format::from_number(format) else {
            // Only an error if the model needs it; its size is not known.
            return Ok(Tensor { shape, format: Err(format), bytes: 0..0 });
        };
        let row = shape.last().copied().unwrap_or(1);
        if !row.is_multiple_of(format.block_len()) {
            let (kind, block) = (format.name(), format.block_len());
            return Err(self.damaged(format!("tensor `{name}`: rows of {row} are not whole {kind} blocks of {block}")));
        }
        let size = (count / format.block_len()).checked_mul(format.block_bytes());
        let begin = data.checked_add(offset).and_then(|begin| usize::try_from(begin).ok());
        let end = begin.zip(size).and_then(|(begin, size)| begin.checked_add(size));
        match (begin, end) {
            (Some(begin), Some(end)) if end <= self.bytes.len() => {
                Ok(Tensor { shape, format: Ok(format), bytes: begin..end })
            }
            (_, end) => Err(GgufError::Truncated {
                file: self.file.into(),
                what: format!("tensor `{name}`"),
                expected: end.map_or(u64::MAX, |end| end as u64),
                found: self.bytes.len() as u64,
            }),
        }
    }

    fn value(&mut self, kind: u32, key: &str) -> Result<Value, GgufError> {
        Ok(match kind {
            0..=5 | 10 | 11 => Value::Integer(self.integer(kind, key)?),
            6 | 12 => Value::Float(self.float(kind, key)?),
            7 => Value::Bool(self.array::<1>(key)? != [0]),
            8 => Value::Text(self.string(key)?),
            9 => Value::Array(self.list(key)?),
            _ => return Err(self.damaged(format!("metadata key `{key}` has type {kind}, which does not exist"))),
        })
    }

    fn list(&mut self, key: &str) -> Result<Array, GgufError> {
        let kind = self.u32(key)?;
        let count = self.u64(key)?;
        Ok(match kind {
            0..=5 | 7 | 10 | 11 => Array::Integers(self.repeat(count, |reader| {
                let number = reader.integer(kind, key)?;
                i64::try_from(number)
                    .map_err(|_| reader.damaged(format!("metadata key `{key}`: {number} is too large")))
            })?),
            6 | 12 => {
                self.take(count.saturating_mul(if kind == 6 { 4 } else { 8 }), key)?;
                Array::Floats
            }
            8 => Array::Texts(self.repeat(count, |reader| reader.string(key))?),
            _ => {
                return Err(
                    self.damaged(format!("metadata key `{key}` is a list of type {kind}, which does not exist"))
                );
            }
        })
    }

    fn repeat<T>(
        &mut self,
        count: u64,
        mut read: impl FnMut(&mut Self) -> Result<T, GgufError>,
    ) -> Result<Vec<T>, GgufError> {
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    fn integer(&mut self, kind: u32, key: &str) -> Result<i128, GgufError> {
        Ok(match kind {
            0 | 7 => u8::from_le_bytes(self.array(key)?).into(),
            1 => i8::from_le_bytes(self.array(key)?).into(),
            2 => u16::from_le_bytes(self.array(key)?).into(),
            3 => i16::from_le_bytes(self.array(key)?).into(),
            4 => u32::from_le_bytes(self.array(key)?).into(),
            5 => i32::from_le_bytes(self.array(key)?).into(),
            10 => u64::from_le_bytes(self.array(key)?).into(),
            _ => i64::from_le_bytes(self.array(key)?).into(),
        })
    }

    fn float(&mut self, kind: u32, key: &str) -> Result<f64, GgufError> {
        Ok(match kind {
            6 => f32::from_le_bytes(self.array(key)?).into(),
            _ => f64::from_le_bytes(self.array(key)?),
        })
    }

    fn string(&mut self, what: &str) -> Result<String, GgufError> {
        let length = self.u64(what)?;
        let bytes = self.take(length, what)?;
        let text = std::str::from_utf8(bytes).map(str::to_owned);
        text.map_err(|_| self.damaged(format!("{what}: the text is not UTF-8")))
    }

    fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], GgufError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    fn take(&mut self, length: u64, what: &str) -> Result<&'a [u8], GgufError> {
        let end = (self.position as u64).saturating_add(length);
        if end > self.bytes.len() as u64 {
            let (what, found) = (what.to_owned(), self.bytes.len() as u64);
            return Err(GgufError::Truncated { file: self.file.into(), what, expected: end, found });
        }
        let bytes = &self.bytes[self.position..end as usize];
        self.position = end as usize;
        Ok(bytes)
    }

    fn damaged(&self, message: String) -> GgufError {
        GgufError::Damaged { file: PathBuf::from(self.file), position: self.position as u64, message }
    }
}

struct TensorEntry {
    name: String,
    shape: Vec<usize>,
    format: u32,
    offset: u64,
}
