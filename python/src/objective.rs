//! The class `Objective`.

use numpy::PyUntypedArrayMethods;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use surefoot_objectives::advantage::Estimator;
use surefoot_objectives::{self as core, Advantages, Aggregation, ObjectiveError, RECIPES, Region, Setting, Value};

use crate::array::{Layout, borrow, borrow_some, groups as group_ids, is_double, mask, slice, slice_some, value_error};
use crate::counts::Counts;
use crate::evaluation::{Columns, Computed, Evaluation, Precision, Wanted};
use crate::options;

/// An objective with its paper's defaults, and options of it or of its regularisers by keyword.
///
/// >>> surefoot.Objective("mhpo", bound=1.0).options["bound"]
/// 1.0
///
/// Raises ValueError for a name or an option that is not there (with the nearest one), a value out of range, and
/// options that contradict each other.
#[pyclass(frozen, eq, module = "surefoot", from_py_object)]
#[derive(Debug, Clone, PartialEq)]
pub struct Objective(core::Objective);

/// Arguments of one evaluation.
struct Arguments<'a, 'py> {
    logp: &'a Bound<'py, PyAny>,
    logp_old: &'a Bound<'py, PyAny>,
    advantages: &'a Bound<'py, PyAny>,
    mask: Option<&'a Bound<'py, PyAny>>,
    offsets: Option<&'a Bound<'py, PyAny>>,
    groups: Option<&'a Bound<'py, PyAny>>,
    logp_ref: Option<&'a Bound<'py, PyAny>>,
    logp_epoch: Option<&'a Bound<'py, PyAny>>,
    token_weights: Option<&'a Bound<'py, PyAny>>,
    counts: Option<&'a Counts>,
    wanted: Wanted,
}

impl Objective {
    /// The options that are set: all of the objective's own, and of the regularisers' those that it has not itself.
    fn settings(&self) -> Vec<Setting> {
        let mut settings = self.0.settings();
        // 0 stands for "not set" and cannot be set
        settings.retain(|setting| setting.key != "aggregation_length" || setting.value != Value::Number(0.0));
        let known: Vec<&str> = settings.iter().map(|setting| setting.key).collect();
        let added: Vec<Setting> =
            self.0.regularizer.settings().into_iter().filter(|setting| !known.contains(&setting.key)).collect();
        settings.extend(added);
        settings
    }

    /// Sets options and refuses those that contradict each other. A length that lacks is asked for where it is read: whoever
    /// calls may have an aggregation of its own.
    fn with(mut objective: core::Objective, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        options::set_all(options, |key, value| objective.set_anywhere(key, value))?;
        let mut complete = objective.clone();
        complete.aggregation_length.get_or_insert(1.0);
        complete.check().map_err(value_error)?;
        Ok(Self(objective))
    }

    fn run<F: Precision>(&self, py: Python<'_>, given: &Arguments<'_, '_>) -> PyResult<Evaluation> {
        let logp = borrow::<F>("logp", given.logp)?;
        let layout = Layout::of("logp", logp.shape(), given.offsets)?;
        let logp_old = borrow::<F>("logp_old", given.logp_old)?;
        layout.check("logp_old", logp_old.shape())?;
        let advantages = borrow::<F>("advantages", given.advantages)?;
        let by_sequence = layout.is_by_sequence(advantages.shape());
        if !by_sequence {
            layout.check("advantages", advantages.shape()).map_err(|_| {
                value_error(format!(
                    "advantages has shape {:?}, expected one a sequence [{}] or one a token {:?}",
                    advantages.shape(),
                    layout.sequences(),
                    logp.shape()
                ))
            })?;
        }
        let mask = given.mask.map(mask).transpose()?;
        if let Some(mask) = &mask {
            layout.check("mask", &mask.shape)?;
        }
        let optional = |name: &str, value| {
            let column = borrow_some::<F>(name, value)?;
            column.as_ref().map_or(Ok(()), |column| layout.check(name, column.shape()))?;
            Ok::<_, PyErr>(column)
        };
        let logp_ref = optional("logp_ref", given.logp_ref)?;
        let logp_epoch = optional("logp_epoch", given.logp_epoch)?;
        let token_weights = optional("token_weights", given.token_weights)?;
        let groups = match given.groups {
            Some(groups) => group_ids(groups)?,
            None if self.0.aggregation == Aggregation::PromptMeanTokenMean => {
                return Err(value_error(
                    "aggregation prompt-mean-token-mean needs groups, the prompt that each sequence answers",
                ));
            }
            None => vec![0; layout.sequences()],
        };
        let values = slice(&advantages)?;
        let columns = Columns {
            logp: slice(&logp)?,
            logp_old: slice(&logp_old)?,
            advantages: if by_sequence { Advantages::PerSequence(values) } else { Advantages::PerToken(values) },
            offsets: &layout.offsets,
            groups: &groups,
            mask: mask.as_ref().map(|mask| mask.values.as_slice()),
            logp_ref: slice_some(&logp_ref)?,
            logp_epoch: slice_some(&logp_epoch)?,
            token_weights: slice_some(&token_weights)?,
        };
        let (counts, wanted) = (given.counts.map(|counts| &counts.0), given.wanted);
        let computed = py.detach(|| self.compute(&columns, counts, wanted)).map_err(in_keywords)?;
        Evaluation::new(py, &layout, computed)
    }

    fn compute<F: Precision>(
        &self,
        columns: &Columns<'_, F>,
        counts: Option<&core::Counts>,
        wanted: Wanted,
    ) -> Result<Computed<F>, ObjectiveError> {
        let denominators = match counts {
            Some(counts) => self.0.denominators_from(counts.clone())?,
            None => self.0.denominators(columns.offsets, columns.mask, columns.groups)?,
        };
        match F::compute(&self.0, columns, &denominators, wanted) {
            // A part of a mini-batch may hold nothing to train: it adds nothing.
            Err(ObjectiveError::NothingTrained) if counts.is_some() => Ok(Computed {
                loss: 0.0,
                grad_logp: vec![F::default(); columns.logp.len()],
                stats: core::Stats::empty(),
                detail: None,
            }),
            other => other,
        }
    }
}

/// What lacks is an argument here, and a method in Rust.
fn in_keywords(error: ObjectiveError) -> PyErr {
    match error {
        ObjectiveError::Missing { field, reader, .. } => value_error(format!("{reader} needs {field}; give {field}=")),
        other => value_error(other),
    }
}

#[pymethods]
impl Objective {
    #[new]
    #[pyo3(signature = (name: "str", /, **options: "float | str | bool"))]
    fn new(name: &str, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::with(core::Objective::named(name).map_err(value_error)?, options)
    }

    /// A copy with other options.
    #[pyo3(signature = (**options: "float | str | bool") -> "Objective")]
    fn with_options(&self, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::with(self.0.clone(), options)
    }

    /// Its key, as `mhpo`.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name()
    }

    /// What it is, in a few words.
    #[getter]
    fn title(&self) -> &'static str {
        self.0.recipe().title
    }

    /// Where its formula stands.
    #[getter]
    fn source(&self) -> &'static str {
        self.0.recipe().source
    }

    /// How token terms become one loss.
    #[getter]
    fn aggregation(&self) -> &'static str {
        self.0.aggregation.key()
    }

    /// The key of its paper's advantage estimator.
    #[getter]
    fn advantage_estimator(&self) -> &'static str {
        self.0.recipe().estimator.key()
    }

    /// Every option with its present value.
    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        options::dictionary(py, &self.settings())
    }

    /// Loss, `dL/dlogp` and statistics of N sequences with T tokens.
    ///
    /// Arrays are `[N, T]`, a row a sequence, or packed `[T]` with `offsets`. In `float32` and row-major order they are
    /// read in place; a `logp` in `float64` is computed in `float64`. The interpreter's lock is released.
    ///
    /// - logp: log-probabilities of the policy being trained
    /// - logp_old: of the policy that sampled the tokens
    /// - advantages: one a sequence `[N]` (also `[N, 1]`) or one a token
    /// - mask: true where a token is trained; `None` trains all
    /// - offsets: `[N+1]` boundaries of packed sequences
    /// - groups: `[N]` the prompt that each sequence answers, for prompt-mean-token-mean
    /// - logp_ref: of the reference policy, for `reference_coefficient`
    /// - logp_epoch: of the policy at the start of the epoch, for CPGD's `epoch_weight`
    /// - token_weights: factors on each token's term, as a correction gives them
    /// - counts: those of the whole mini-batch, where this is a part of it; by default this is all of it
    /// - stats, detail: whether statistics and each token's terms are wanted
    ///
    /// Raises ValueError for shapes that do not fit and for values that are not finite, by sequence and position.
    #[pyo3(signature = (
        logp: "npt.ArrayLike", logp_old: "npt.ArrayLike", advantages: "npt.ArrayLike", mask: "npt.ArrayLike | None" = None, *,
        offsets: "npt.ArrayLike | None" = None, groups: "npt.ArrayLike | None" = None, logp_ref: "npt.ArrayLike | None" = None,
        logp_epoch: "npt.ArrayLike | None" = None, token_weights: "npt.ArrayLike | None" = None, counts: "Counts | None" = None,
        stats: "bool" = true, detail: "bool" = false
    ) -> "Evaluation")]
    #[allow(clippy::too_many_arguments)] // keywords of a Python method
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        logp: &Bound<'py, PyAny>,
        logp_old: &Bound<'py, PyAny>,
        advantages: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
        offsets: Option<&Bound<'py, PyAny>>,
        groups: Option<&Bound<'py, PyAny>>,
        logp_ref: Option<&Bound<'py, PyAny>>,
        logp_epoch: Option<&Bound<'py, PyAny>>,
        token_weights: Option<&Bound<'py, PyAny>>,
        counts: Option<&Counts>,
        stats: bool,
        detail: bool,
    ) -> PyResult<Evaluation> {
        let wanted = match (stats, detail) {
            (_, true) => Wanted::Detail,
            (true, false) => Wanted::Stats,
            (false, false) => Wanted::Loss,
        };
        #[rustfmt::skip] // one line
        let given = Arguments { logp, logp_old, advantages, mask, offsets, groups, logp_ref, logp_epoch, token_weights, counts, wanted };
        if is_double(logp) { self.run::<f64>(py, &given) } else { self.run::<f32>(py, &given) }
    }

    #[pyo3(signature = () -> "tuple[tuple[str], dict[str, float | str]]")]
    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        Ok((PyTuple::new(py, [self.name()])?, self.options(py)?))
    }

    fn __hash__(&self) -> u64 {
        options::hash(&self.0)
    }

    fn __repr__(&self) -> String {
        format!("Objective('{}', {})", self.name(), options::listed(&self.settings()))
    }
}

/// The keys of all objectives.
#[pyfunction]
pub fn objectives() -> Vec<&'static str> {
    RECIPES.iter().map(|recipe| recipe.key).collect()
}

/// The keys of all advantage estimators.
#[pyfunction]
pub fn advantage_estimators() -> Vec<&'static str> {
    Estimator::KEYS.to_vec()
}

/// What the numbers in the detail's region stand for.
#[pyfunction]
pub fn region_names() -> Vec<&'static str> {
    Region::ALL.iter().map(|region| region.key()).collect()
}
