//! How tests read `golden/objectives/`.

#![allow(clippy::unwrap_used, dead_code)] // each test reads some of it

use std::path::PathBuf;

use serde_json::Value;

pub fn read(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/objectives").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

pub fn singles(value: &Value) -> Vec<f32> {
    floats(value).into_iter().map(|x| x as f32).collect()
}

pub fn flags(value: &Value) -> Vec<bool> {
    value.as_array().unwrap().iter().map(|x| x.as_bool().unwrap()).collect()
}

pub fn offsets(lengths: &Value) -> Vec<usize> {
    let mut offsets = vec![0];
    for length in lengths.as_array().unwrap() {
        offsets.push(offsets.last().unwrap() + length.as_u64().unwrap() as usize);
    }
    offsets
}

pub fn groups(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect()
}

pub fn options(value: &Value) -> Vec<(&str, &str)> {
    value.as_object().unwrap().iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect()
}
