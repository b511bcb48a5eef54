//! Options of the core from keyword arguments, and what objects that hold options have in common.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};
use surefoot_objectives::{OptionError, Setting, Value};

use crate::array::value_error;

/// A number, text or truth value.
fn value(key: &str, value: &Bound<'_, PyAny>) -> PyResult<Value> {
    if value.is_instance_of::<PyBool>() {
        Ok(value.extract::<bool>()?.into())
    } else if value.is_instance_of::<PyFloat>() || value.is_instance_of::<PyInt>() {
        Ok(value.extract::<f64>()?.into())
    } else if value.is_instance_of::<PyString>() {
        Ok(value.extract::<String>()?.into())
    } else if let Ok(number) = value.extract::<f64>() {
        Ok(number.into()) // NumPy's numbers
    } else {
        let kind = value.get_type().name()?;
        Err(PyTypeError::new_err(format!("option `{key}` is of type {kind}, expected a number or text")))
    }
}

/// Hands every keyword argument to `set`.
pub fn set_all(
    options: Option<&Bound<'_, PyDict>>,
    mut set: impl FnMut(&str, Value) -> Result<(), OptionError>,
) -> PyResult<()> {
    for (key, given) in options.into_iter().flatten() {
        let key: String = key.extract()?;
        set(&key, value(&key, &given)?).map_err(value_error)?;
    }
    Ok(())
}

/// Settings as a dictionary.
pub fn dictionary<'py>(py: Python<'py>, settings: &[Setting]) -> PyResult<Bound<'py, PyDict>> {
    let options = PyDict::new(py);
    for setting in settings {
        match &setting.value {
            Value::Number(number) => options.set_item(setting.key, number)?,
            Value::Text(text) => options.set_item(setting.key, text)?,
        }
    }
    Ok(options)
}

/// A hash that equal objects share, from what they show. Zeros are equal whatever their sign.
pub fn hash(object: &impl Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{object:?}").replace("-0.0", "0.0").hash(&mut hasher);
    hasher.finish()
}

/// `key=value, …`, as `repr` shows an object with options.
pub fn listed(settings: &[Setting]) -> String {
    let shown = |Setting { key, value, .. }: &Setting| match value {
        Value::Number(number) => format!("{key}={number}"),
        Value::Text(word) => format!("{key}='{word}'"),
    };
    settings.iter().map(shown).collect::<Vec<_>>().join(", ")
}
