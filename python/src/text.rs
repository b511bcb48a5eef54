//! Text from Python.

use std::ops::Deref;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyString;

/// A `str`, borrowed. Half of a surrogate pair, which Python allows and UTF-8 has no bytes for, becomes U+FFFD: models give
/// such texts, and one must not end a batch of rewards.
pub enum Text {
    Borrowed(PyBackedStr),
    Replaced(String),
}

impl<'py> FromPyObject<'_, 'py> for Text {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let text = value.cast::<PyString>()?;
        Ok(match text.extract::<PyBackedStr>() {
            Ok(text) => Self::Borrowed(text),
            Err(_) => Self::Replaced(text.to_string_lossy().into_owned()),
        })
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Replaced(text) => text,
        }
    }
}
