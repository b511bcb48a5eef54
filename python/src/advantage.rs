//! The class `AdvantageEstimator`.

use numpy::{IntoPyArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use surefoot_objectives::advantage::{self as core, AdvantageValues, RewardBatch};

use crate::array::{Layout, borrow, borrow_some, groups as group_ids, slice, slice_some, value_error};
use crate::options;

/// Advantages from the rewards of a whole rollout batch, by an estimator with its options.
///
/// >>> surefoot.AdvantageEstimator("dr_grpo").compute([1, 0], groups=[7, 7])
/// array([ 0.5, -0.5], dtype=float32)
#[pyclass(frozen, eq, module = "surefoot", from_py_object)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdvantageEstimator(core::AdvantageEstimator);

impl AdvantageEstimator {
    /// The estimator's own key stands in its options and is the name here.
    fn settings(&self) -> Vec<surefoot_objectives::Setting> {
        self.0.settings().into_iter().filter(|setting| setting.key != "estimator").collect()
    }
}

#[pymethods]
impl AdvantageEstimator {
    #[new]
    #[pyo3(signature = (name: "str", /, **options: "float | str | bool"))]
    fn new(name: &str, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut estimator = core::AdvantageEstimator::named(name).map_err(value_error)?;
        options::set_all(options, |key, value| estimator.set(key, value))?;
        estimator.check().map_err(value_error)?;
        Ok(Self(estimator))
    }

    /// Its key, as `grpo`.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.estimator.key()
    }

    /// Every option with its present value.
    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        options::dictionary(py, &self.settings())
    }

    /// The advantages: one a sequence `[N]`, or one a token for reinforce_plus_plus and rloo_normalized.
    ///
    /// - rewards: `[N]`
    /// - groups: `[N]` the prompt that each sequence answers
    /// - mask: `[N, T]`, or `[T]` with offsets: the tokens, for estimators by token
    /// - offsets: `[N+1]` boundaries of packed sequences
    /// - logp_old, logp_ref: of the tokens, for `kl_coefficient`
    /// - penalties: what each token costs, where it is known already, instead of `kl_coefficient` times a divergence
    #[pyo3(signature = (
        rewards: "npt.ArrayLike", groups: "npt.ArrayLike", *, mask: "npt.ArrayLike | None" = None, offsets: "npt.ArrayLike | None" = None,
        logp_old: "npt.ArrayLike | None" = None, logp_ref: "npt.ArrayLike | None" = None, penalties: "npt.ArrayLike | None" = None
    ) -> "npt.NDArray[np.float32]")]
    #[allow(clippy::too_many_arguments)] // keywords of a Python method
    fn compute<'py>(
        &self,
        py: Python<'py>,
        rewards: &Bound<'py, PyAny>,
        groups: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
        offsets: Option<&Bound<'py, PyAny>>,
        logp_old: Option<&Bound<'py, PyAny>>,
        logp_ref: Option<&Bound<'py, PyAny>>,
        penalties: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let rewards = borrow::<f32>("rewards", rewards)?;
        let groups = group_ids(groups)?;
        let mask = borrow_some::<bool>("mask", mask)?;
        let (logp_old, logp_ref) =
            (borrow_some::<f32>("logp_old", logp_old)?, borrow_some::<f32>("logp_ref", logp_ref)?);
        let penalties = borrow_some::<f32>("penalties", penalties)?;
        let layout = mask.as_ref().map(|mask| Layout::of("mask", mask.shape(), offsets)).transpose()?;
        if offsets.is_some() && layout.is_none() {
            return Err(value_error("offsets without a mask; give the mask of the packed tokens"));
        }
        let mut batch = RewardBatch::new(slice(&rewards)?, &groups).map_err(value_error)?;
        if let Some(layout) = &layout {
            batch = batch.with_tokens(&layout.offsets, slice_some(&mask)?).map_err(value_error)?;
        }
        if let (Some(logp_old), Some(logp_ref)) = (slice_some(&logp_old)?, slice_some(&logp_ref)?) {
            batch = batch.with_logp(logp_old, logp_ref).map_err(value_error)?;
        }
        if let Some(penalties) = slice_some(&penalties)? {
            batch = batch.with_penalties(penalties).map_err(value_error)?;
        }
        match (py.detach(|| self.0.compute(&batch)).map_err(value_error)?, layout) {
            (AdvantageValues::PerToken(values), Some(layout)) => Ok(layout.array(py, values)?.into_any()),
            (AdvantageValues::PerToken(values) | AdvantageValues::PerSequence(values), _) => {
                Ok(values.into_pyarray(py).into_any())
            }
        }
    }

    #[pyo3(signature = () -> "tuple[tuple[str], dict[str, float | str]]")]
    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        Ok((PyTuple::new(py, [self.name()])?, self.options(py)?))
    }

    fn __repr__(&self) -> String {
        format!("AdvantageEstimator('{}', {})", self.name(), options::listed(&self.settings()))
    }
}

/// DAPO's soft punishment: 0 up to `limit - buffer` tokens, then in a line to `-factor` at `limit` and beyond.
#[pyfunction]
#[pyo3(signature = (length, limit, buffer, factor = 1.0))]
pub fn overlong_penalty(length: usize, limit: usize, buffer: usize, factor: f32) -> f32 {
    core::overlong_penalty(length, limit, buffer, factor)
}
