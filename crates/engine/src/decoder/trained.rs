//! What a backward pass adds gradients to: all parameters, some of them, or adapters.
use crate::device::{Device, Weights};
use crate::layout::{Layout, Matrix};
use crate::lora::{Adapters, Scratch};
use std::ops::Range;

/// Parameters that keep their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frozen {
    /// Places in the arena, in order, neighbours joined.
    ranges: Vec<Range<usize>>,
    /// Layers below hold nothing that is trained, and neither does the embedding.
    first_layer: usize,
}

impl Frozen {
    /// The parameters that `frozen` says yes to, by their Hugging Face name.
    ///
    /// ```
    /// # use surefoot_engine::{config::ModelConfig, decoder::Frozen, layout::Layout};
    /// # let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/models/llama");
    /// let layout = Layout::new(&ModelConfig::from_folder(&folder)?);
    /// let frozen = Frozen::new(&layout, |name| name.contains("embed_tokens"));
    /// assert_eq!(frozen.ranges(), [layout.embedding.weight.clone()]);
    /// # Ok::<(), surefoot_engine::config::ConfigError>(())
    /// ```
    pub fn new(layout: &Layout, frozen: impl Fn(&str) -> bool) -> Self {
        let mut places: Vec<Range<usize>> =
            layout.parameters().filter(|(p, _)| frozen(&p.name)).map(|(_, at)| at).collect();
        places.sort_by_key(|at| at.start);
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for at in places {
            match ranges.last_mut() {
                Some(last) if last.end == at.start => last.end = at.end,
                _ => ranges.push(at),
            }
        }
        let mut found = Self { ranges, first_layer: 0 };
        if found.covers(&layout.embedding.weight) {
            let starts = layout.layers.iter().map(|l| l.input_norm.start);
            let ends = layout.layers.iter().skip(1).map(|l| l.input_norm.start).chain([layout.norm.start]);
            found.first_layer = starts.zip(ends).take_while(|(start, end)| found.covers(&(*start..*end))).count();
        }
        found
    }

    /// Where the frozen parameters lie.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// Whether all of `at` is frozen.
    pub fn covers(&self, at: &Range<usize>) -> bool {
        self.ranges.iter().any(|range| range.start <= at.start && at.end <= range.end)
    }

    /// Sets the gradient of frozen parameters to zero, which shared products have been added to (queries' with keys', say).
    pub fn clear(&self, grads: &mut [f32]) {
        self.ranges.iter().for_each(|range| grads[range.clone()].fill(0.0));
    }
}

/// What a backward pass adds gradients to.
pub enum Trained<'a, D: Device> {
    /// The parameters of the arena that are not frozen. Rows of frozen parameters that share a matrix with trained ones
    /// are added to as well: [`Frozen::clear`] comes after the last micro-batch.
    Parameters {
        /// Laid out like the arena.
        grads: &'a mut D::Buffer,
        /// What has no gradient.
        frozen: &'a Frozen,
    },
    /// Low-rank adapters; the arena, which holds their products already, is frozen.
    Adapters {
        /// Where they lie.
        adapters: &'a Adapters,
        /// Their values.
        weights: &'a D::Buffer,
        /// Laid out like `weights`. [`Adapters::finish_gradient`] comes after the last micro-batch.
        grads: &'a mut D::Buffer,
        /// Room for the tape's rows.
        scratch: &'a mut Scratch<D>,
    },
}

impl<D: Device> Trained<'_, D> {
    /// Where the gradient of the parameter at `at` goes, if it has one.
    pub(super) fn parameter(&mut self, at: &Range<usize>) -> Option<&mut D::Buffer> {
        match self {
            Self::Parameters { grads, frozen } if !frozen.covers(at) => Some(grads),
            _ => None,
        }
    }

    /// The gradient of the norms of queries and keys, if one of them has one.
    pub(super) fn norms(&mut self, (queries, keys): &(Range<usize>, Range<usize>)) -> Option<&mut D::Buffer> {
        match self {
            Self::Parameters { grads, frozen } if !frozen.covers(queries) || !frozen.covers(keys) => Some(grads),
            _ => None,
        }
    }

    /// Adds the gradient of matrix `m`, which turned `x` into what `dy` is the gradient of, or of its adapter.
    pub(super) fn linear(&mut self, d: &D, rows: usize, dy: &D::Buffer, x: &D::Buffer, m: &Matrix) {
        match self {
            Self::Parameters { grads, frozen } => {
                if !frozen.covers(&m.weight) || m.bias.as_ref().is_some_and(|bias| !frozen.covers(bias)) {
                    d.linear_backward_weight(rows, dy, x, m, grads);
                }
            }
            Self::Adapters { adapters, weights, grads, scratch } => {
                let Some(adapter) = adapters.of(m) else { return };
                let w = Weights { arena: *weights, packed: None };
                d.linear(rows, x, w, &adapter.a, &mut scratch.low);
                d.linear_backward_weight(rows, dy, &scratch.low, &adapter.b, grads);
                d.linear_backward_input(rows, dy, w, &adapter.b, &mut scratch.low);
                d.linear_backward_weight(rows, &scratch.low, x, &adapter.a, grads);
            }
        }
    }

    /// Whether layer `l` or anything before it has a gradient.
    pub(super) fn reaches(&self, l: usize) -> bool {
        match self {
            Self::Parameters { frozen, .. } => l >= frozen.first_layer,
            Self::Adapters { .. } => true,
        }
    }
}
