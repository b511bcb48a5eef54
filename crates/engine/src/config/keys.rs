//! Typed access to the keys of a JSON object; what is taken leaves the object, what is left is unknown.

use std::path::Path;

use serde_json::{Map, Value};

use super::ConfigError;

/// A JSON object that is being taken apart.
pub(super) struct Keys<'a> {
    pub map: Map<String, Value>,
    /// Stands before the key in messages: empty, or `rope_scaling.`.
    pub prefix: &'static str,
    pub file: &'a Path,
}

impl Keys<'_> {
    /// Takes a key; `null` counts as absent.
    pub fn value(&mut self, key: &str) -> Option<Value> {
        self.map.shift_remove(key).filter(|value| !value.is_null())
    }

    pub fn size(&mut self, key: &str) -> Result<Option<usize>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let size = value.as_u64().and_then(|number| usize::try_from(number).ok());
        size.map(Some).ok_or_else(|| self.wrong(key, "a non-negative integer", &value))
    }

    pub fn required_size(&mut self, key: &str) -> Result<usize, ConfigError> {
        self.size(key)?.ok_or_else(|| self.missing(key))
    }

    pub fn number(&mut self, key: &str) -> Result<Option<f64>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| self.wrong(key, "a number", &value))
    }

    pub fn required_number(&mut self, key: &str) -> Result<f64, ConfigError> {
        self.number(key)?.ok_or_else(|| self.missing(key))
    }

    pub fn flag(&mut self, key: &str) -> Result<Option<bool>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.wrong(key, "true or false", &value))
    }

    pub fn text(&mut self, key: &str) -> Result<Option<String>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => Err(self.wrong(key, "a string", &value)),
        }
    }

    pub fn object(&mut self, key: &str) -> Result<Option<Map<String, Value>>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(value) => Err(self.wrong(key, "an object", &value)),
        }
    }

    /// One token id or a list of them. Negative ids, which old files use for "none", are left out.
    pub fn token_ids(&mut self, key: &str) -> Result<Vec<u32>, ConfigError> {
        let values = match self.value(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
        };
        let mut ids = Vec::with_capacity(values.len());
        for value in values {
            let id = value.as_i64().ok_or_else(|| self.wrong(key, "a token id or a list of them", &value))?;
            if id >= 0 {
                ids.push(u32::try_from(id).map_err(|_| self.wrong(key, "a token id below 2^32", &value))?);
            }
        }
        Ok(ids)
    }

    pub fn missing(&self, key: &str) -> ConfigError {
        ConfigError::Missing { file: self.file.into(), key: format!("{}{key}", self.prefix) }
    }

    pub fn wrong(&self, key: &str, expected: &'static str, found: &Value) -> ConfigError {
        let key = format!("{}{key}", self.prefix);
        ConfigError::Type { file: self.file.into(), key, expected, found: shortened(&found.to_string()) }
    }

    pub fn unsupported(&self, key: &str, found: impl std::fmt::Display, supported: &'static str) -> ConfigError {
        let key = format!("{}{key}", self.prefix);
        ConfigError::Unsupported { file: self.file.into(), key, found: shortened(&found.to_string()), supported }
    }
}

/// The first characters of a value, so that a message stays one line.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
