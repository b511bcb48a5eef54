//! The decoder: Llama, Qwen2 and Qwen3 in one description over the operators of a device.
//!
//! A layer: `x += Wo attention(rope(qk_norm(Wqkv norm(x))))`, then `x += Wdown (silu(Wgate h) * Wup h)` with
//! `h = norm(x)`. What `config.json` says decides about biases, QK-norm and a tied head.
pub mod infer;
mod train;
mod trained;

use crate::config::ModelConfig;
use crate::device::{Device, Heads};
use crate::layout::Layout;

pub use train::{Activations, Predictions, Tape};
pub use trained::{Frozen, Trained};

/// A model's structure on a device; its weights are passed to each call.
pub struct Decoder<D: Device> {
    device: D,
    layout: Layout,
    heads: Heads,
    eps: f32,
    hidden: usize,
    ffn: usize,
    positions: usize,
    rotation: D::Rotation,
}

impl<D: Device> Decoder<D> {
    /// The decoder of `config`, for sequences of at most `positions` tokens.
    pub fn new(device: D, config: &ModelConfig, positions: usize) -> Self {
        let heads =
            Heads { queries: config.num_attention_heads, keys: config.num_key_value_heads, dim: config.head_dim };
        let rotation = device.rotation(&config.inverse_frequencies(), positions);
        Self {
            layout: Layout::new(config),
            heads,
            eps: config.rms_norm_eps as f32,
            hidden: config.hidden_size,
            ffn: config.intermediate_size,
            positions,
            rotation,
            device,
        }
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// Where the parameters lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Longest sequence, in tokens.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Size of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.layout.embedding.outputs
    }

    /// The weights laid out for decoding.
    pub fn pack(&self, arena: &D::Buffer) -> D::PackedWeights {
        let layers = self.layout.layers.iter().flat_map(|l| [&l.qkv, &l.output, &l.gate_up, &l.down]);
        let matrices: Vec<_> = layers.chain([&self.layout.head]).collect();
        self.device.pack(arena, &matrices)
    }
}
