//! Safetensors files, written tensor by tensor.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Dtype, FolderError, write_atomically};

/// Numbers converted at a time: the only memory that writing takes.
const BLOCK: usize = 1 << 15;

/// Writes tensors `(name, shape, values)` to one safetensors file, values rounded to `dtype`.
///
/// The iterator runs twice, for the header and for the data. The file appears at once or not at all
/// ([`write_atomically`]); header and data begin at multiples of 8 bytes.
///
/// # Errors
/// [`FolderError::Write`], a shape that contradicts its values included.
pub fn write_safetensors<'a, I>(path: &Path, tensors: I, dtype: Dtype) -> Result<(), FolderError>
where
    I: IntoIterator<Item = (&'a str, &'a [usize], &'a [f32])>,
    I::IntoIter: Clone,
{
    let tensors = tensors.into_iter();
    write_atomically(path, |writer| write_to(writer, tensors, dtype))
        .map_err(|source| FolderError::Write { file: path.into(), source })
}

fn write_to<'a>(
    writer: &mut impl Write,
    tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a [f32])> + Clone,
    dtype: Dtype,
) -> io::Result<()> {
    let header = header(tensors.clone(), dtype)?;
    writer.write_all(&(header.len() as u64).to_le_bytes())?;
    writer.write_all(header.as_bytes())?;
    let mut bytes = Vec::with_capacity(BLOCK * dtype.size());
    for (_, _, values) in tensors {
        for block in values.chunks(BLOCK) {
            bytes.clear();
            dtype.encode(block, &mut bytes);
            writer.write_all(&bytes)?;
        }
    }
    Ok(())
}

fn header<'a>(tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a [f32])>, dtype: Dtype) -> io::Result<String> {
    let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
    let mut object = Map::new();
    // transformers asks for this entry.
    object.insert("__metadata__".into(), json!({"format": "pt"}));
    let mut begin = 0usize;
    for (name, shape, values) in tensors {
        if shape.iter().product::<usize>() != values.len() {
            return Err(invalid(format!("tensor `{name}`: shape {shape:?} does not hold {} values", values.len())));
        }
        let end = begin + values.len() * dtype.size();
        let entry = json!({"dtype": dtype.safetensors_name(), "shape": shape, "data_offsets": [begin, end]});
        if object.insert(name.to_owned(), entry).is_some() {
            return Err(invalid(format!("tensor `{name}` is given twice")));
        }
        begin = end;
    }
    let mut text = Value::Object(object).to_string();
    let padded = text.len().next_multiple_of(8);
    text.extend(std::iter::repeat_n(' ', padded - text.len()));
    Ok(text)
}
