//! Model folders with other weights than they should have.

use std::fs;
use std::ops::Range;
use std::path::Path;

use serde_json::Value;

use crate::tiny::{demo_model, names};

/// Copies the demo's model to `to`.
pub fn copy_model(to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in names(&demo_model()) {
        fs::copy(demo_model().join(&name), to.join(&name)).unwrap();
    }
}

/// Changes the configuration of a model folder.
pub fn edit_config(model: &Path, edit: impl FnOnce(&mut Value)) {
    let file = model.join("config.json");
    let mut config = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    edit(&mut config);
    fs::write(&file, config.to_string()).unwrap();
}

/// Changes the bytes of one tensor of a model.
pub fn edit_tensor(model: &Path, tensor: &str, edit: impl FnOnce(&mut [u8])) {
    edit_tensor_of(&model.join("model.safetensors"), tensor, edit);
}

/// Changes the bytes of one tensor of a file.
pub fn edit_tensor_of(file: &Path, tensor: &str, edit: impl FnOnce(&mut [u8])) {
    let mut bytes = fs::read(file).unwrap();
    let (header, data) = header(&bytes);
    let place = |end: usize| data + header[tensor]["data_offsets"][end].as_u64().unwrap() as usize;
    edit(&mut bytes[place(0)..place(1)]);
    fs::write(file, bytes).unwrap();
}

fn header(bytes: &[u8]) -> (Value, usize) {
    let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..data]).unwrap(), data)
}

/// Every F32 number of a safetensors file.
pub fn numbers(bytes: &[u8]) -> impl Iterator<Item = f32> {
    let Range { start, end } = header(bytes).1..bytes.len();
    bytes[start..end].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()))
}
