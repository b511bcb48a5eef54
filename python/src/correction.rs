//! The class `Correction`.

use numpy::PyUntypedArrayMethods;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use surefoot_objectives::correction as core;

use crate::array::{Layout, borrow, mask as truths, slice, value_error};
use crate::options;

/// Weights and a mask for tokens that another engine sampled, with verl's names for the options.
///
/// >>> surefoot.Correction(rollout_is="token", rollout_is_threshold=2.0)
#[pyclass(frozen, eq, module = "surefoot", from_py_object)]
#[derive(Debug, Clone, PartialEq)]
pub struct Correction(core::Correction);

#[pymethods]
impl Correction {
    #[new]
    #[pyo3(signature = (**options: "float | str | bool"))]
    fn new(options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut correction = core::Correction::default();
        // What is on decides which bounds there are, so it comes first, in whatever order the caller wrote.
        let mut later = Vec::new();
        options::set_all(options, |key, value| {
            if matches!(key, "rollout_is" | "rollout_rs") {
                return correction.set(key, value);
            }
            later.push((key.to_owned(), value));
            Ok(())
        })?;
        for (key, value) in later {
            correction.set(&key, value).map_err(value_error)?;
        }
        Ok(Self(correction))
    }

    /// Every option with its present value.
    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        options::dictionary(py, &self.0.settings())
    }

    /// Token weights (`None` without importance weights), the mask less rejected tokens (`None` without rejections)
    /// and statistics, from the log-probabilities of both engines `[N, T]`, or `[T]` with offsets.
    ///
    /// Count the denominators with the mask that comes back.
    #[pyo3(signature = (
        logp_old: "npt.ArrayLike", logp_behavior: "npt.ArrayLike", mask: "npt.ArrayLike | None" = None, *, offsets: "npt.ArrayLike | None" = None
    ) -> "tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.bool_] | None, dict[str, float]]")]
    fn apply<'py>(
        &self,
        py: Python<'py>,
        logp_old: &Bound<'py, PyAny>,
        logp_behavior: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
        offsets: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let logp_old = borrow::<f32>("logp_old", logp_old)?;
        let layout = Layout::of("logp_old", logp_old.shape(), offsets)?;
        let logp_behavior = borrow::<f32>("logp_behavior", logp_behavior)?;
        layout.check("logp_behavior", logp_behavior.shape())?;
        let mask = mask.map(truths).transpose()?;
        if let Some(mask) = &mask {
            layout.check("mask", &mask.shape)?;
        }
        let trained = mask.as_ref().map(|mask| mask.values.as_slice());
        let (old, behavior) = (slice(&logp_old)?, slice(&logp_behavior)?);
        let corrected = py.detach(|| self.0.apply(old, behavior, &layout.offsets, trained)).map_err(value_error)?;
        let weights = corrected.token_weights.map(|weights| layout.array(py, weights)).transpose()?;
        let kept = corrected.mask.map(|mask| layout.array(py, mask)).transpose()?;
        let stats = PyDict::new(py);
        for (name, value) in corrected.stats.metrics() {
            stats.set_item(name, value)?;
        }
        (weights, kept, stats).into_pyobject(py)
    }

    #[pyo3(signature = () -> "tuple[tuple[()], dict[str, float | str]]")]
    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        Ok((PyTuple::empty(py), self.options(py)?))
    }

    fn __hash__(&self) -> u64 {
        options::hash(&self.0)
    }

    fn __repr__(&self) -> String {
        format!("Correction({})", options::listed(&self.0.settings()))
    }
}
