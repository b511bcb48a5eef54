//! Arguments as slices: NumPy arrays of the right type and order are borrowed, everything else is copied once.

use numpy::{
    Element, IntoPyArray, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// An argument that is borrowed for the call.
pub type Borrowed<'py, T> = PyReadonlyArrayDyn<'py, T>;

/// A `ValueError` with the text of a Rust error.
pub fn value_error(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// The argument `name` as an array of `T` in row-major order.
pub fn borrow<'py, T: Element>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Borrowed<'py, T>> {
    let named = |error: &dyn std::fmt::Display| PyValueError::new_err(format!("{name}: {error}"));
    refuse_masked(name, value)?;
    if let Ok(array) = value.cast::<PyArrayDyn<T>>()
        && array.is_c_contiguous()
    {
        return array.try_readonly().map_err(|error| named(&error));
    }
    let py = value.py();
    let kwargs = PyDict::new(py);
    kwargs.set_item("dtype", numpy::dtype::<T>(py))?;
    let copy = py.import("numpy")?.call_method("ascontiguousarray", (value,), Some(&kwargs));
    let copy = copy.map_err(|error| named(&error.value(py)))?;
    let array = copy.cast::<PyArrayDyn<T>>().map_err(|error| named(&error))?;
    array.try_readonly().map_err(|error| named(&error))
}

/// Refuses NumPy's masked arrays, of which only the data would be read.
fn refuse_masked(name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    if value.is_exact_instance_of::<PyUntypedArray>() || !value.is_instance_of::<PyUntypedArray>() {
        return Ok(());
    }
    if value.is_instance(&value.py().import("numpy.ma")?.getattr("MaskedArray")?)? {
        return Err(value_error(format!(
            "{name} is a masked array, whose mask would be lost; give its data, and what is trained as mask="
        )));
    }
    Ok(())
}

/// As [`borrow`], for an argument that may be `None`.
pub fn borrow_some<'py, T: Element>(
    name: &str,
    value: Option<&Bound<'py, PyAny>>,
) -> PyResult<Option<Borrowed<'py, T>>> {
    value.map(|value| borrow(name, value)).transpose()
}

/// The values of a borrowed array.
pub fn slice<'a, T: Element>(array: &'a Borrowed<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(value_error)
}

/// The values of a borrowed array that may be `None`.
pub fn slice_some<'a, T: Element>(array: &'a Option<Borrowed<'_, T>>) -> PyResult<Option<&'a [T]>> {
    array.as_ref().map(slice).transpose()
}

/// Whether an argument is an array of `f64`, for which everything is computed in `f64`.
pub fn is_double(value: &Bound<'_, PyAny>) -> bool {
    value.cast::<PyArrayDyn<f64>>().is_ok()
}

/// A mask as it was given.
pub struct Mask {
    pub shape: Vec<usize>,
    pub values: Vec<bool>,
}

/// The argument `mask`. NumPy's and PyTorch's truth values are bytes that may hold more than 0 and 1, which a `bool` must
/// not: whatever is not 0 is true.
pub fn mask(value: &Bound<'_, PyAny>) -> PyResult<Mask> {
    let truths = borrow::<bool>("mask", value)?;
    let bytes = truths.call_method1("view", (numpy::dtype::<u8>(value.py()),))?;
    let bytes = borrow::<u8>("mask", &bytes)?;
    let values = slice(&bytes)?.iter().map(|&byte| byte != 0).collect();
    Ok(Mask { shape: bytes.shape().to_vec(), values })
}

/// The argument `name`, whole numbers `[length]`. NumPy would cut fractions off.
fn whole_numbers(name: &str, length: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    refuse_masked(name, value)?;
    let array = value.py().import("numpy")?.call_method1("asarray", (value,))?;
    let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
    let (shape, numbers) = if matches!(kind.as_str(), "b" | "i" | "u") {
        let numbers = borrow::<i64>(name, &array)?;
        (numbers.shape().to_vec(), slice(&numbers)?.to_vec())
    } else {
        let numbers = borrow::<f64>(name, &array)?;
        let whole = |&number: &f64| match number.fract() {
            0.0 => Ok(number as i64),
            _ => Err(value_error(format!("{name}: {number} is not a whole number"))),
        };
        (numbers.shape().to_vec(), slice(&numbers)?.iter().map(whole).collect::<PyResult<_>>()?)
    };
    match shape.as_slice() {
        [_] => Ok(numbers),
        shape => Err(value_error(format!("{name} has shape {shape:?}, expected [{length}]"))),
    }
}

/// Group ids as the core has them.
pub fn groups(value: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
    let id = |id: i64| {
        u32::try_from(id).map_err(|_| value_error(format!("groups: {id} is not a number from 0 to {}", u32::MAX)))
    };
    whole_numbers("groups", "N", value)?.into_iter().map(id).collect()
}

/// How the tokens of a call lie.
pub struct Layout {
    shape: Vec<usize>,
    /// The N+1 boundaries of the sequences, at least one.
    pub offsets: Vec<usize>,
}

impl Layout {
    /// Of an array `name` with this shape: `[T]` with offsets, or `[N, T]` with a sequence in each row.
    pub fn of(name: &str, shape: &[usize], offsets: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let offsets = match (shape, offsets) {
            ([_], Some(offsets)) => {
                let boundary =
                    |at: i64| usize::try_from(at).map_err(|_| value_error(format!("offsets: {at} is negative")));
                let numbers = whole_numbers("offsets", "N+1", offsets)?;
                if numbers.is_empty() {
                    return Err(value_error("offsets is empty, expected the N+1 boundaries of N packed sequences"));
                }
                numbers.into_iter().map(boundary).collect::<PyResult<_>>()?
            }
            (&[rows, columns], None) => (0..=rows).map(|row| row * columns).collect(),
            ([_], None) => {
                return Err(value_error(format!(
                    "{name} has one dimension, so offsets are needed: the N+1 boundaries of N packed sequences"
                )));
            }
            ([_, _], Some(_)) => {
                return Err(value_error(format!("{name} has two dimensions, one row a sequence; leave offsets out")));
            }
            (other, _) => {
                return Err(value_error(format!(
                    "{name} has {} dimensions, expected 1 (packed tokens, with offsets) or 2 (a row a sequence)",
                    other.len()
                )));
            }
        };
        Ok(Self { shape: shape.to_vec(), offsets })
    }

    /// N.
    pub fn sequences(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether an array of this shape has an entry a sequence: `[N]`, or `[N, 1]` beside a matrix.
    pub fn is_by_sequence(&self, shape: &[usize]) -> bool {
        let rows = self.sequences();
        shape == [rows] || (self.shape.len() == 2 && shape == [rows, 1])
    }

    /// Refuses an argument whose shape is not that of the tokens, where lengths alone would not show it.
    pub fn check(&self, name: &str, shape: &[usize]) -> PyResult<()> {
        if shape == self.shape {
            return Ok(());
        }
        Err(value_error(format!("{name} has shape {shape:?}, expected {:?}, that of the tokens", self.shape)))
    }

    /// Values of the tokens as an array of their shape.
    pub fn array<'py, T: Element>(&self, py: Python<'py>, values: Vec<T>) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
        values.into_pyarray(py).reshape(self.shape.as_slice())
    }
}
