//! The class `AdvantageEstimator`.

use numpy::{IntoPyArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use surefoot_objectives::advantage::{self as core, AdvantageError, AdvantageValues, RewardBatch};

use crate::array::{Layout, borrow, borrow_some, groups as group_ids, mask as truths, slice, slice_some, value_error};
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

/// What lacks is an argument here, and a method in Rust.
fn in_keywords(error: AdvantageError) -> PyErr {
    match error {
        AdvantageError::Missing { estimator, field: "offsets", .. } => value_error(format!(
            "estimator {estimator} needs the tokens; give mask=, [N, T] or packed [T] with offsets="
        )),
        AdvantageError::Missing { estimator, field, .. } => {
            value_error(format!("estimator {estimator} needs {field}; give logp_old= and logp_ref="))
        }
        other => value_error(other),
    }
}

#[pymethods]
impl AdvantageEstimator {
    #[new]
    #[pyo3(signature = (name: "str", /, **options: "float | str | bool"))]
    fn new(name: &str, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut estimator = core::AdvantageEstimator::named(name).map_err(value_error)?;
        if let Some(other) = options.map(|options| options.get_item("estimator")).transpose()?.flatten() {
            return Err(value_error(format!("the estimator is named first: AdvantageEstimator(\"{other}\")")));
        }
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
    /// - rewards: `[N]`, or `[N, K]` of several rewards, which are summed; gdpo compares each by itself first
    /// - groups: `[N]` the prompt that each sequence answers
    /// - mask: `[N, T]`, or `[T]` with offsets: the tokens, for estimators by token
    /// - offsets: `[N+1]` boundaries of packed sequences
    /// - logp_old, logp_ref: of the tokens, for `kl_coefficient`
    /// - weights: `[K]` of several rewards, 1 each where they are not given
    /// - penalties: what each token costs, where it is known already, instead of `kl_coefficient` times a divergence
    #[pyo3(signature = (
        rewards: "npt.ArrayLike", groups: "npt.ArrayLike", *, mask: "npt.ArrayLike | None" = None, offsets: "npt.ArrayLike | None" = None,
        logp_old: "npt.ArrayLike | None" = None, logp_ref: "npt.ArrayLike | None" = None, penalties: "npt.ArrayLike | None" = None,
        weights: "npt.ArrayLike | None" = None
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
        weights: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let rewards = borrow::<f32>("rewards", rewards)?;
        let (sequences, kinds) = match rewards.shape() {
            &[sequences] => (sequences, None),
            &[sequences, kinds] => (sequences, Some(kinds)),
            shape => return Err(value_error(format!("rewards has shape {shape:?}, expected [N] or [N, K]"))),
        };
        let given = borrow_some::<f32>("weights", weights)?;
        let weights = match (slice_some(&given)?, kinds) {
            (Some(_), None) => return Err(value_error("weights without several rewards; give rewards as [N, K]")),
            (Some(weights), Some(kinds)) if weights.len() != kinds => {
                let got = weights.len();
                return Err(value_error(format!("weights has {got} entries, and rewards has {kinds} columns")));
            }
            (Some(weights), Some(_)) => weights.to_vec(),
            (None, kinds) => vec![1.0; kinds.unwrap_or(1)],
        };
        let groups = group_ids(groups)?;
        let mask = mask.map(truths).transpose()?;
        let layout = mask.as_ref().map(|mask| Layout::of("mask", &mask.shape, offsets)).transpose()?;
        match &layout {
            None if offsets.is_some() => {
                return Err(value_error("offsets without a mask; give mask=, that of the packed tokens"));
            }
            Some(layout) if layout.sequences() != sequences => {
                let rows = layout.sequences();
                return Err(value_error(format!("mask has {rows} sequences, and rewards has {sequences}")));
            }
            _ => {}
        }
        let of_tokens = |name: &str, value| {
            let column = borrow_some::<f32>(name, value)?;
            match (&column, &layout) {
                (Some(column), Some(layout)) => layout.check(name, column.shape())?,
                (Some(_), None) => return Err(value_error(format!("{name} without a mask; give mask=, the tokens"))),
                (None, _) => {}
            }
            Ok(column)
        };
        let logp_old = of_tokens("logp_old", logp_old)?;
        let logp_ref = of_tokens("logp_ref", logp_ref)?;
        let penalties = of_tokens("penalties", penalties)?;
        let parts = slice(&rewards)?;
        let summed = kinds.map(|_| core::weighted_sum(parts, &weights));
        let mut batch = RewardBatch::new(summed.as_deref().unwrap_or(parts), &groups).map_err(value_error)?;
        if kinds.is_some() {
            batch = batch.with_parts(parts, &weights).map_err(value_error)?;
        }
        if let Some(layout) = &layout {
            batch = batch
                .with_tokens(&layout.offsets, mask.as_ref().map(|mask| mask.values.as_slice()))
                .map_err(value_error)?;
        }
        match (slice_some(&logp_old)?, slice_some(&logp_ref)?) {
            (Some(logp_old), Some(logp_ref)) => batch = batch.with_logp(logp_old, logp_ref).map_err(value_error)?,
            (Some(_), None) => return Err(value_error("logp_old without logp_ref; give both")),
            (None, Some(_)) => return Err(value_error("logp_ref without logp_old; give both")),
            (None, None) => {}
        }
        if let Some(penalties) = slice_some(&penalties)? {
            batch = batch.with_penalties(penalties).map_err(value_error)?;
        }
        match (py.detach(|| self.0.compute(&batch)).map_err(in_keywords)?, layout) {
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

    fn __hash__(&self) -> u64 {
        options::hash(&self.0)
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
