//! Safetensors files, written tensor by tensor.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Dtype, FolderError, write_atomically};
use crate::config::Parameter;

/// Numbers converted at a time.
const BLOCK: usize = 1 << 15;

/// Writes tensors `(name, shape, values)` to one safetensors file, values rounded to `dtype`.
///
/// The iterator runs twice, for the header and for the data. The file appears at once or not at all
/// ([`write_atomically`]); the data begin at a multiple of 8 bytes.
///
/// # Errors
/// [`FolderError::Write`], a shape that contradicts its values included.
pub fn write_safetensors<'a, I>(path: &Path, tensors: I, dtype: Dtype) -> Result<(), FolderError>
where
    I: IntoIterator<Item = (&'a str, &'a [usize], &'a [f32])>,
    I::IntoIter: Clone,
{
    let tensors = tensors.into_iter();
    let write = |source| FolderError::Write { file: path.into(), source };
    let mut list = Vec::new();
    for (name, shape, values) in tensors.clone() {
        if shape.iter().product::<usize>() != values.len() {
            let message = format!("tensor `{name}`: shape {shape:?} does not hold {} values", values.len());
            return Err(write(io::Error::new(io::ErrorKind::InvalidInput, message)));
        }
        list.push(Parameter { name: name.to_owned(), shape: shape.to_vec() });
    }
    write_atomically(path, |writer| {
        write_header(writer, &list, dtype)?;
        let mut bytes = Vec::new();
        tensors.clone().try_for_each(|(_, _, values)| write_values(writer, values, dtype, &mut bytes))
    })
    .map_err(write)
}

/// As [`write_safetensors`], with values that are made when their turn comes: `fill` is given each parameter and its values
/// to set. Only one tensor is in memory.
///
/// # Errors
/// [`FolderError::Write`], or what `fill` returns.
pub fn write_safetensors_from<E: From<FolderError>>(
    path: &Path,
    parameters: &[Parameter],
    dtype: Dtype,
    mut fill: impl FnMut(&Parameter, &mut [f32]) -> Result<(), E>,
) -> Result<(), E> {
    let mut failed = None;
    let written = write_atomically(path, |writer| {
        write_header(writer, parameters, dtype)?;
        let (mut values, mut bytes) = (Vec::new(), Vec::new());
        for parameter in parameters {
            values.clear();
            values.resize(parameter.len(), 0.0);
            if let Err(error) = fill(parameter, &mut values) {
                failed = Some(error);
                // Only to leave; the caller gets `failed`.
                return Err(io::Error::other("no values"));
            }
            write_values(writer, &values, dtype, &mut bytes)?;
        }
        Ok(())
    });
    match failed {
        Some(error) => Err(error),
        None => written.map_err(|source| FolderError::Write { file: path.into(), source }.into()),
    }
}

fn write_values(writer: &mut impl Write, values: &[f32], dtype: Dtype, bytes: &mut Vec<u8>) -> io::Result<()> {
    for block in values.chunks(BLOCK) {
        bytes.clear();
        dtype.encode(block, bytes);
        writer.write_all(bytes)?;
    }
    Ok(())
}

fn write_header(writer: &mut impl Write, list: &[Parameter], dtype: Dtype) -> io::Result<()> {
    let mut object = Map::new();
    // transformers asks for this entry.
    object.insert("__metadata__".into(), json!({"format": "pt"}));
    let mut begin = 0usize;
    for parameter in list {
        let (name, end) = (&parameter.name, begin + parameter.len() * dtype.size());
        let entry = json!({"dtype": dtype.safetensors_name(), "shape": parameter.shape, "data_offsets": [begin, end]});
        if object.insert(name.clone(), entry).is_some() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("tensor `{name}` is given twice")));
        }
        begin = end;
    }
    let mut text = Value::Object(object).to_string();
    let padded = text.len().next_multiple_of(8);
    text.extend(std::iter::repeat_n(' ', padded - text.len()));
    writer.write_all(&(text.len() as u64).to_le_bytes())?;
    writer.write_all(text.as_bytes())
}
