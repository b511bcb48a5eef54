//! Typed access to the metadata.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::GgufError;

/// Metadata keys with their values.
#[derive(Debug)]
pub(super) struct Metadata {
    pub values: BTreeMap<String, Value>,
    pub file: PathBuf,
}

/// A metadata value; the ten widths of numbers are read as two.
#[derive(Debug)]
pub(super) enum Value {
    /// Fits every integer type.
    Integer(i128),
    Float(f64),
    Bool(bool),
    Text(String),
    Array(Array),
}

/// A list of one type; lists of lists do not occur in model files.
#[derive(Debug)]
pub(super) enum Array {
    Integers(Vec<i64>),
    /// Checked for length only: nothing here reads one.
    Floats,
    Texts(Vec<String>),
}

impl Metadata {
    /// A non-negative integer.
    pub fn integer(&self, key: &str) -> Result<Option<u64>, GgufError> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Value::Integer(number)) => {
                u64::try_from(*number).map(Some).map_err(|_| self.wrong(key, "a non-negative integer"))
            }
            Some(_) => Err(self.wrong(key, "a non-negative integer")),
        }
    }

    pub fn size(&self, key: &str) -> Result<usize, GgufError> {
        let number = self.integer(key)?.ok_or_else(|| self.missing(key))?;
        usize::try_from(number).map_err(|_| self.wrong(key, "an integer that fits a machine word"))
    }

    pub fn number(&self, key: &str) -> Result<Option<f64>, GgufError> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Value::Float(number)) => Ok(Some(*number)),
            Some(Value::Integer(number)) => Ok(Some(*number as f64)),
            Some(_) => Err(self.wrong(key, "a number")),
        }
    }

    pub fn flag(&self, key: &str) -> Result<Option<bool>, GgufError> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    pub fn text(&self, key: &str) -> Result<Option<&str>, GgufError> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "a text")),
        }
    }

    pub fn texts(&self, key: &str) -> Result<&[String], GgufError> {
        match self.values.get(key) {
            None => Err(self.missing(key)),
            Some(Value::Array(Array::Texts(texts))) => Ok(texts),
            Some(_) => Err(self.wrong(key, "a list of texts")),
        }
    }

    pub fn integers(&self, key: &str) -> Result<Option<&[i64]>, GgufError> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Value::Array(Array::Integers(numbers))) => Ok(Some(numbers)),
            Some(_) => Err(self.wrong(key, "a list of integers")),
        }
    }

    pub fn missing(&self, key: &str) -> GgufError {
        GgufError::MissingKey { file: self.file.clone(), key: key.into() }
    }

    pub fn wrong(&self, key: &str, expected: &'static str) -> GgufError {
        GgufError::KeyType { file: self.file.clone(), key: key.into(), expected }
    }

    pub fn unsupported(&self, key: &str, found: &str, supported: &'static str) -> GgufError {
        GgufError::Unsupported { file: self.file.clone(), key: key.into(), found: found.into(), supported }
    }
}
