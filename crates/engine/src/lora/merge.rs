//! The weights that adapters are added to.
use super::Adapters;
use crate::device::{Device, Weights};

/// `W0` of every adapted matrix.
#[derive(Clone, Debug, PartialEq)]
pub enum Base {
    /// As bfloat16, for models that were published so: exact at half the memory.
    Bf16(Vec<u16>),
    /// As f32.
    F32(Vec<f32>),
}

impl Base {
    /// Keeps the adapted matrices of `weights`.
    pub fn of(adapters: &Adapters, weights: &[f32]) -> Self {
        let values = || adapters.list.iter().flat_map(|adapter| &weights[adapter.of.weight.clone()]);
        if values().all(|value| value.to_bits() & 0xffff == 0) {
            Self::Bf16(values().map(|value| (value.to_bits() >> 16) as u16).collect())
        } else {
            Self::F32(values().copied().collect())
        }
    }

    /// Writes `W = W0 + (alpha / r) B A` into `weights`.
    pub fn merge<D: Device<Buffer = Vec<f32>>>(
        &self,
        device: &D,
        adapters: &Adapters,
        values: &Vec<f32>,
        weights: &mut [f32],
    ) {
        let (scale, mut first) = (adapters.scale(), 0);
        let (mut b, mut product) = (Vec::new(), Vec::new());
        for adapter in &adapters.list {
            let len = adapter.of.weight.len();
            b.clear();
            b.extend_from_slice(&values[adapter.b.weight.clone()]);
            product.resize(len, 0.0);
            // `B A` is the backward pass of `A`'s product by its input, for `B` as the gradient.
            let w = Weights { arena: values, packed: None };
            device.linear_backward_input(adapter.of.outputs, &b, w, &adapter.a, &mut product);
            let weights = &mut weights[adapter.of.weight.clone()];
            let base = first..first + len;
            match self {
                Self::Bf16(bits) => {
                    let base = bits[base].iter().map(|&bits| f32::from_bits(u32::from(bits) << 16));
                    add(weights, base, scale, &product);
                }
                Self::F32(values) => add(weights, values[base].iter().copied(), scale, &product),
            }
            first += len;
        }
    }
}

fn add(weights: &mut [f32], base: impl Iterator<Item = f32>, scale: f32, product: &[f32]) {
    for ((w, base), &p) in weights.iter_mut().zip(base).zip(product) {
        *w = scale.mul_add(p, base);
    }
}
