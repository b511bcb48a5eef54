//! Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685): `W = W0 + (alpha / r) B A`, of which only `A` and `B` learn.
//!
//! The arena of the model holds `W`, so sampling and the forward pass know nothing of adapters, cost nothing more, and give
//! the same log-probabilities to the bit. [`Base`] keeps the `W0` of the adapted matrices, as bfloat16 where that is exact.
//! The backward pass needs no gradient of `W`: with `u = x Aᵀ` and `v = dy B` it adds `dB = dyᵀ u` and `dA = vᵀ x`.
//!
//! Matrices that share one product in the arena (queries, keys and values; gate and up) share it here: their `A` are
//! stacked, and their `B` are the blocks of one block-diagonal matrix, whose other entries stay zero.

mod merge;
mod peft;

use crate::device::Device;
use crate::layout::{Layout, Matrix};
use crate::random::Stream;
use std::collections::HashMap;
use std::ops::Range;

pub use merge::Base;
pub use peft::PeftError;

/// Names of the matrices of a layer that can have adapters, as `peft` and `transformers` call them.
pub const MODULES: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// Rank, scale and place of adapters.
#[derive(Clone, Debug, PartialEq)]
pub struct Lora {
    /// Rank r.
    pub rank: usize,
    /// Scale of the product, times r.
    pub alpha: f64,
    /// Of [`MODULES`]: those that get adapters, in every layer.
    pub targets: Vec<String>,
}

/// One matrix of the arena with its adapters.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// The matrix in the model's arena.
    pub of: Matrix,
    /// `[parts x r, inputs]`, in the adapters' arena.
    pub a: Matrix,
    /// `[outputs, parts x r]`, in the adapters' arena; zero outside of the parts' blocks.
    pub b: Matrix,
    parts: Vec<Part>,
}

/// One module of a matrix.
#[derive(Clone, Debug)]
struct Part {
    /// As in `model.layers.0.self_attn.q_proj`.
    module: String,
    /// Its rows in the matrix.
    rows: Range<usize>,
}

/// Where the adapters of a model lie in one arena of their own.
#[derive(Clone, Debug)]
pub struct Adapters {
    lora: Lora,
    list: Vec<Adapter>,
    /// Index in `list` by the first element of the matrix in the model's arena.
    places: HashMap<usize, usize>,
    len: usize,
}

/// Room for the low-rank activations of a backward pass.
pub struct Scratch<D: Device> {
    /// `[T, parts x r]`.
    pub(crate) low: D::Buffer,
}

impl Adapters {
    /// The adapters of a model.
    pub fn new(layout: &Layout, lora: &Lora) -> Self {
        let mut adapters = Self { lora: lora.clone(), list: Vec::new(), places: HashMap::new(), len: 0 };
        for layer in &layout.layers {
            for of in [&layer.qkv, &layer.output, &layer.gate_up, &layer.down] {
                let parts = adapters.parts(layout, of);
                if !parts.is_empty() {
                    let width = parts.len() * lora.rank;
                    let a = adapters.take(width, of.inputs);
                    let b = adapters.take(of.outputs, width);
                    adapters.places.insert(of.weight.start, adapters.list.len());
                    adapters.list.push(Adapter { of: of.clone(), a, b, parts });
                }
            }
        }
        adapters
    }

    /// The targeted modules of a matrix.
    fn parts(&self, layout: &Layout, of: &Matrix) -> Vec<Part> {
        let within = layout.parameters().filter(|(_, at)| of.weight.start <= at.start && at.end <= of.weight.end);
        let row = |at: usize| (at - of.weight.start) / of.inputs;
        let parts = within.filter_map(|(parameter, at)| {
            let module = parameter.name.strip_suffix(".weight")?;
            let targeted = self.lora.targets.iter().any(|t| module.rsplit('.').next() == Some(t.as_str()));
            targeted.then(|| Part { module: module.to_string(), rows: row(at.start)..row(at.end) })
        });
        let mut parts: Vec<Part> = parts.collect();
        parts.sort_by_key(|part| part.rows.start);
        parts
    }

    fn take(&mut self, outputs: usize, inputs: usize) -> Matrix {
        let start = self.len;
        self.len += outputs * inputs;
        Matrix { weight: start..self.len, bias: None, outputs, inputs }
    }

    /// Elements of the adapters' arena.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Parameters that learn: without the zeros between the blocks.
    pub fn parameters(&self) -> usize {
        let part = |adapter: &Adapter, part: &Part| self.lora.rank * (adapter.of.inputs + part.rows.len());
        self.list.iter().flat_map(|a| a.parts.iter().map(move |p| part(a, p))).sum()
    }

    /// The adapter of a matrix of the model's arena.
    pub fn of(&self, m: &Matrix) -> Option<&Adapter> {
        self.places.get(&m.weight.start).map(|&at| &self.list[at])
    }

    /// `alpha / r`.
    pub fn scale(&self) -> f32 {
        (self.lora.alpha / self.lora.rank as f64) as f32
    }

    /// Scratch space for backward passes over up to `rows` tokens.
    pub fn scratch<D: Device>(&self, device: &D, rows: usize) -> Scratch<D> {
        let widest = self.list.iter().map(|adapter| adapter.a.outputs).max().unwrap_or(0);
        Scratch { low: device.activations(rows * widest) }
    }

    /// Fresh adapters: `A` uniform in ±1/sqrt(inputs) as PyTorch's linear layers, `B` zero, so that `W = W0`.
    pub fn initialise(&self, seed: u64) -> Vec<f32> {
        let mut values = vec![0.0; self.len];
        for (number, adapter) in self.list.iter().enumerate() {
            let stream = Stream { seed, sequence: number as u64 };
            let bound = 1.0 / (adapter.of.inputs as f32).sqrt();
            for (i, value) in values[adapter.a.weight.clone()].iter_mut().enumerate() {
                *value = (2.0 * stream.uniform(i as u32) - 1.0) * bound;
            }
        }
        values
    }

    /// Makes the sum of a backward pass's additions the gradient by the adapters: times `alpha / r`, and zero between the blocks.
    pub fn finish_gradient(&self, grads: &mut [f32]) {
        let scale = self.scale();
        for adapter in &self.list {
            grads[adapter.a.weight.clone()].iter_mut().for_each(|g| *g *= scale);
            for (row, g) in grads[adapter.b.weight.clone()].chunks_exact_mut(adapter.b.inputs).enumerate() {
                for (at, part) in g.chunks_exact_mut(self.lora.rank).zip(&adapter.parts) {
                    let live = part.rows.contains(&row);
                    at.iter_mut().for_each(|g| *g = if live { *g * scale } else { 0.0 });
                }
            }
        }
    }
}
