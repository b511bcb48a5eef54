//! What an objective says of a batch.

use numpy::Element;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use surefoot_objectives::{Advantages, Denominators};
use surefoot_objectives::{Objective, ObjectiveError, PlainLoss, Stats, TokenBatch, TokenDetail, TokenLoss};

use crate::array::{Layout, value_error};

/// What is wanted besides loss and gradient.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Loss,
    Stats,
    Detail,
}

/// A loss in the precision of the caller.
pub struct Computed<F> {
    pub loss: f64,
    pub grad_logp: Vec<F>,
    pub stats: Stats,
    pub detail: Option<TokenDetail>,
}

/// The columns of a batch.
pub struct Columns<'a, F> {
    pub logp: &'a [F],
    pub logp_old: &'a [F],
    pub advantages: Advantages<'a, F>,
    pub offsets: &'a [usize],
    pub groups: &'a [u32],
    pub mask: Option<&'a [bool]>,
    pub logp_ref: Option<&'a [F]>,
    pub logp_epoch: Option<&'a [F]>,
    pub token_weights: Option<&'a [F]>,
}

impl<'a, F: Copy> Columns<'a, F> {
    fn batch(&self) -> Result<TokenBatch<'a, F>, ObjectiveError> {
        let mut batch = TokenBatch::new(self.logp, self.logp_old, self.advantages, self.offsets, self.groups)?;
        if let Some(mask) = self.mask {
            batch = batch.with_mask(mask)?;
        }
        if let Some(logp_ref) = self.logp_ref {
            batch = batch.with_logp_ref(logp_ref)?;
        }
        if let Some(logp_epoch) = self.logp_epoch {
            batch = batch.with_logp_epoch(logp_epoch)?;
        }
        if let Some(weights) = self.token_weights {
            batch = batch.with_token_weights(weights)?;
        }
        Ok(batch)
    }
}

/// The precisions that a caller may have.
pub trait Precision: Element + Copy + Sync + Default {
    /// Evaluates the objective.
    fn compute(
        objective: &Objective,
        columns: &Columns<'_, Self>,
        denominators: &Denominators,
        wanted: Wanted,
    ) -> Result<Computed<Self>, ObjectiveError>;
}

impl Precision for f32 {
    fn compute(
        objective: &Objective,
        columns: &Columns<'_, f32>,
        denominators: &Denominators,
        wanted: Wanted,
    ) -> Result<Computed<f32>, ObjectiveError> {
        let batch = columns.batch()?;
        let TokenLoss { loss, grad_logp, detail, stats } = match wanted {
            Wanted::Loss => objective.loss_and_gradient(&batch, denominators)?,
            Wanted::Stats => objective.evaluate(&batch, denominators)?,
            Wanted::Detail => objective.evaluate_detailed(&batch, denominators)?,
        };
        Ok(Computed { loss, grad_logp, stats, detail })
    }
}

impl Precision for f64 {
    /// Loss and gradient in `f64`; statistics and detail as of the same columns in `f32`.
    fn compute(
        objective: &Objective,
        columns: &Columns<'_, f64>,
        denominators: &Denominators,
        wanted: Wanted,
    ) -> Result<Computed<f64>, ObjectiveError> {
        let PlainLoss { loss, grad_logp } = objective.evaluate_plainly(&columns.batch()?, denominators)?;
        let mut computed = Computed { loss, grad_logp, stats: Stats::empty(), detail: None };
        if wanted != Wanted::Loss {
            let narrow = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<f32>>();
            let (logp, logp_old) = (narrow(columns.logp), narrow(columns.logp_old));
            let values = match columns.advantages {
                Advantages::PerSequence(values) | Advantages::PerToken(values) => narrow(values),
            };
            let [logp_ref, logp_epoch, token_weights] =
                [columns.logp_ref, columns.logp_epoch, columns.token_weights].map(|column| column.map(narrow));
            let narrowed = Columns {
                logp: &logp,
                logp_old: &logp_old,
                advantages: match columns.advantages {
                    Advantages::PerSequence(_) => Advantages::PerSequence(&values),
                    Advantages::PerToken(_) => Advantages::PerToken(&values),
                },
                offsets: columns.offsets,
                groups: columns.groups,
                mask: columns.mask,
                logp_ref: logp_ref.as_deref(),
                logp_epoch: logp_epoch.as_deref(),
                token_weights: token_weights.as_deref(),
            };
            let single = f32::compute(objective, &narrowed, denominators, wanted)?;
            (computed.stats, computed.detail) = (single.stats, single.detail);
        }
        Ok(computed)
    }
}

/// Loss and gradient of a batch. It pickles, so that ranks may merge their statistics.
#[pyclass(frozen, module = "surefoot")]
pub struct Evaluation {
    /// The loss, which is minimised.
    #[pyo3(get)]
    loss: f64,
    grad_logp: Py<PyAny>,
    stats: Stats,
    detail: Option<Py<PyDict>>,
}

impl Evaluation {
    pub fn new<F: Precision>(py: Python<'_>, layout: &Layout, computed: Computed<F>) -> PyResult<Self> {
        let detail = computed.detail.map(|detail| {
            let columns = PyDict::new(py);
            columns.set_item("surrogate", layout.array(py, detail.surrogate)?)?;
            columns.set_item("coefficient", layout.array(py, detail.coefficient)?)?;
            columns.set_item("multiplier", layout.array(py, detail.multiplier)?)?;
            let regions = detail.region.iter().map(|region| *region as u8).collect();
            columns.set_item("region", layout.array::<u8>(py, regions)?)?;
            Ok::<_, PyErr>(columns.unbind())
        });
        Ok(Self {
            loss: computed.loss,
            grad_logp: layout.array(py, computed.grad_logp)?.into_any().unbind(),
            stats: computed.stats,
            detail: detail.transpose()?,
        })
    }
}

fn metrics<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyDict>> {
    let metrics = PyDict::new(py);
    for (name, value) in stats.metrics() {
        metrics.set_item(name, value)?;
    }
    Ok(metrics)
}

#[pymethods]
impl Evaluation {
    #[new] // what pickle hands back
    #[pyo3(signature = (
        loss: "float", grad_logp: "npt.NDArray[typing.Any]", stats: "typing.Sequence[int]", detail: "dict[str, typing.Any] | None"
    ))]
    fn read(loss: f64, grad_logp: Py<PyAny>, stats: Vec<u64>, detail: Option<Py<PyDict>>) -> PyResult<Self> {
        let stats = Stats::from_words(&stats).ok_or_else(|| {
            value_error("these are no statistics of an evaluation; Objective.evaluate gives an Evaluation")
        })?;
        Ok(Self { loss, grad_logp, stats, detail })
    }

    /// `dL/dlogp` in the shape and precision of `logp`; 0 where the mask is false.
    #[getter]
    fn grad_logp(&self, py: Python<'_>) -> Py<PyAny> {
        self.grad_logp.clone_ref(py)
    }

    /// Statistics of the trained tokens by name; empty where they were not asked for.
    #[getter]
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        metrics(py, &self.stats)
    }

    /// Each token's surrogate, coefficient, multiplier and region (an index into `region_names()`), where asked for.
    #[getter]
    fn detail(&self, py: Python<'_>) -> Option<Py<PyDict>> {
        self.detail.as_ref().map(|detail| detail.clone_ref(py))
    }

    #[pyo3(signature = () -> "tuple[typing.Any, ...]")]
    fn __getnewargs__(&self, py: Python<'_>) -> (f64, Py<PyAny>, Vec<u64>, Option<Py<PyDict>>) {
        (self.loss, self.grad_logp(py), self.stats.to_words(), self.detail(py))
    }

    fn __repr__(&self) -> String {
        format!("Evaluation(loss={}, {} trained tokens)", self.loss, self.stats.tokens)
    }
}

/// The statistics of several micro-batches together, as if they had been evaluated as one.
#[pyfunction]
#[pyo3(signature = (evaluations: "typing.Sequence[Evaluation]") -> "dict[str, float]")]
pub fn merge_stats<'py>(py: Python<'py>, evaluations: Vec<Bound<'py, Evaluation>>) -> PyResult<Bound<'py, PyDict>> {
    let mut stats = Stats::empty();
    for evaluation in &evaluations {
        stats.merge(&evaluation.get().stats);
    }
    metrics(py, &stats)
}
