//! What the denominators of a mini-batch are made of.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use surefoot_objectives as core;

use crate::array::{Layout, groups as group_ids, mask as truths, value_error};
use crate::options::hash;

/// Counts of a whole mini-batch, which its micro-batches and data-parallel ranks divide by.
///
/// Counts of parts add up: `sum(parts, Counts())`. A sequence without a trained token does not count.
///
/// - tokens: trained tokens
/// - sequences: sequences with a trained token
/// - groups: trained tokens of each prompt, read by prompt-mean-token-mean alone
#[pyclass(frozen, eq, module = "surefoot", from_py_object)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts(pub core::Counts);

#[pymethods]
impl Counts {
    #[new]
    #[pyo3(signature = (tokens = 0, sequences = 0, groups = None))]
    fn new(tokens: u64, sequences: u64, groups: Option<BTreeMap<u32, u64>>) -> Self {
        let groups = groups.unwrap_or_default().into_iter().collect();
        Self(core::Counts { sequences, tokens, groups })
    }

    /// Counts a mini-batch by its mask `[N, T]`, or `[T]` with the boundaries of packed sequences.
    #[staticmethod]
    #[pyo3(signature = (mask: "npt.ArrayLike", *, offsets: "npt.ArrayLike | None" = None, groups: "npt.ArrayLike | None" = None))]
    fn of(
        mask: &Bound<'_, PyAny>,
        offsets: Option<&Bound<'_, PyAny>>,
        groups: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let mask = truths(mask)?;
        let layout = Layout::of("mask", &mask.shape, offsets)?;
        let ids = groups.map(group_ids).transpose()?;
        let whole = ids.clone().unwrap_or_else(|| vec![0; layout.sequences()]);
        let mut counts = core::Counts::of(&layout.offsets, Some(&mask.values), &whole).map_err(value_error)?;
        if ids.is_none() {
            counts.groups.clear();
        }
        Ok(Self(counts))
    }

    /// Trained tokens.
    #[getter]
    fn tokens(&self) -> u64 {
        self.0.tokens
    }

    /// Sequences with a trained token.
    #[getter]
    fn sequences(&self) -> u64 {
        self.0.sequences
    }

    /// Trained tokens of each group.
    #[getter]
    fn groups(&self) -> BTreeMap<u32, u64> {
        self.0.groups.iter().copied().collect()
    }

    fn __add__(&self, other: &Self) -> Self {
        let mut sum = self.0.clone();
        sum.merge(&other.0);
        Self(sum)
    }

    fn __getnewargs__(&self) -> (u64, u64, BTreeMap<u32, u64>) {
        (self.0.tokens, self.0.sequences, self.groups())
    }

    fn __hash__(&self) -> u64 {
        hash(&self.0)
    }

    fn __repr__(&self) -> String {
        let core::Counts { sequences, tokens, groups } = &self.0;
        format!("Counts(tokens={tokens}, sequences={sequences}, groups of {} prompts)", groups.len())
    }
}
