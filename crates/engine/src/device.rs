//! The operators that a device implements; the decoder is written once over them.
//!
//! A device owns its memory: a [`Device::Buffer`] is a run of f32 values (whatever the device computes with), and all
//! matrices are dense and row-major. `T` is the number of rows (tokens) of a call, `H` the width of the residual
//! stream, `F` that of the feed-forward part, `V` the vocabulary.
mod error;
mod select;
mod types;

use crate::batch::{Packed, Target};
use crate::config::ModelConfig;
use crate::layout::Matrix;
use std::borrow::Cow;
use std::ops::Range;

pub use error::{Bytes, DeviceError};
pub use select::{Chosen, Wanted, select};
pub use types::{Choice, Direction, Heads, Lent, Sampling, Step, TargetGradients, TargetStatistics, Weights};

/// A device: its memory and its operators. Unless said otherwise results are written, not added.
///
/// Operators return no errors, as those of a GPU are found out about later than they happen. A device keeps its first
/// error, its operators do nothing from then on, and [`Device::status`] tells it: whoever reads a result asks first.
pub trait Device: Send + Sync {
    /// Bytes of a value in a buffer of [`Device::activations`].
    const ACTIVATION_BYTES: usize;

    /// A run of f32 values.
    type Buffer: Send + Sync;
    /// Weights laid out for products with few rows.
    type PackedWeights: Send + Sync;
    /// Rotation table of [`Device::rope`].
    type Rotation: Send + Sync;
    /// What the head's forward pass leaves for its backward pass.
    type HeadState: Default + Send + Sync;
    /// The optimizer's moments.
    type Moments: Send + Sync;
    /// Keys and values of one sequence, or of a prefix that several share.
    type Cache: Send + Sync;
    /// Records of decoding steps.
    type Steps: Default + Send + Sync;
    /// This device's place among those of other processes, with which it sums by itself.
    type Group: Send + Sync;

    /// Whether models of this structure can be computed.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`] says what does not fit.
    fn supports(&self, _config: &ModelConfig) -> Result<(), DeviceError> {
        Ok(())
    }
    /// Whether everything so far has worked.
    ///
    /// # Errors
    /// The device's first error.
    fn status(&self) -> Result<(), DeviceError>;
    /// A name for a group of devices that is to be, for all of its processes; none where the host has to sum.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`] says what such sums lack.
    fn name_group(&self) -> Result<Option<Vec<u8>>, DeviceError> {
        Ok(None)
    }
    /// Joins the group of this name as `rank` of `size`; returns when all have.
    ///
    /// # Errors
    /// What kept it from that.
    fn join(&self, name: &[u8], rank: usize, size: usize) -> Result<Self::Group, DeviceError>;
    /// Makes `buffer` the sum of that of every device of the group, to the same bits on all; every one must call it.
    fn sum(&self, group: &Self::Group, buffer: &mut Self::Buffer);

    /// Bytes that are free, where that is known.
    fn free_memory(&self) -> Option<usize>;

    /// A buffer of zeros.
    fn zeros(&self, len: usize) -> Self::Buffer;
    /// A buffer for activations, in the number format that the device computes with.
    fn activations(&self, len: usize) -> Self::Buffer;
    /// A model's parameters that learn, for [`Weights`].
    fn parameters(&self, values: Vec<f32>) -> Self::Buffer;
    /// A model's parameters that only are read, for [`Weights`]: in the number format that the device computes with.
    fn constants(&self, values: Vec<f32>) -> Self::Buffer {
        self.parameters(values)
    }
    /// Host values for [`Weights`] without a copy where the device reads the host's memory.
    #[allow(clippy::ptr_arg, reason = "the CPU's buffers are vectors")]
    fn lend<'a>(&self, values: &'a Vec<f32>) -> Lent<'a, Self::Buffer>;
    /// A copy of host values.
    fn upload(&self, values: &[f32]) -> Self::Buffer;
    /// All values of a buffer, without a copy where they are in the host's memory.
    fn host<'a>(&self, buffer: &'a Self::Buffer) -> Cow<'a, [f32]>;
    /// As [`Device::host`], of a buffer that is not needed any more.
    fn retrieve(&self, buffer: Self::Buffer) -> Vec<f32> {
        self.host(&buffer).into_owned()
    }
    /// Changes a buffer on the host: in place where it is in the host's memory, else a copy that is brought back.
    fn edit(&self, buffer: &mut Self::Buffer, change: &mut dyn FnMut(&mut [f32]));
    /// Copies a range of a buffer to the host.
    fn download(&self, buffer: &Self::Buffer, range: Range<usize>, out: &mut [f32]);
    /// Overwrites a range of a buffer.
    fn write(&self, buffer: &mut Self::Buffer, start: usize, values: &[f32]);
    /// Sets a buffer to zero.
    fn clear(&self, buffer: &mut Self::Buffer);
    /// Sets a range of a buffer to zero.
    fn clear_range(&self, buffer: &mut Self::Buffer, range: Range<usize>);
    /// Lays out the given matrices for repeated use.
    fn pack(&self, arena: &Self::Buffer, matrices: &[&Matrix]) -> Self::PackedWeights;
    /// Cosines and sines for positions below `positions`.
    fn rotation(&self, inverse_frequencies: &[f32], positions: usize) -> Self::Rotation;

    /// `x[t] = table[tokens[t]]`, `[T, H]`.
    fn embed(&self, tokens: &[u32], w: Weights<Self>, table: &Matrix, x: &mut Self::Buffer);
    /// `dtable[tokens[t]] += dx[t]`, tokens in order.
    fn embed_backward(&self, tokens: &[u32], dx: &Self::Buffer, table: &Matrix, grads: &mut Self::Buffer);
    /// `out[i] = x[rows[i]]`.
    fn gather(&self, x: &Self::Buffer, width: usize, rows: &[u32], out: &mut Self::Buffer);
    /// `out` is zero but `out[rows[i]] = x[i]`; rows are distinct.
    fn scatter(&self, x: &Self::Buffer, width: usize, rows: &[u32], total: usize, out: &mut Self::Buffer);

    /// `y = RMSNorm(x) * weight`, `[T, n]` with `n` the weight's length.
    fn norm(
        &self,
        rows: usize,
        x: &Self::Buffer,
        w: Weights<Self>,
        weight: &Range<usize>,
        eps: f32,
        y: &mut Self::Buffer,
    );
    /// `sum = x + delta; y = RMSNorm(sum) * weight`: the residual connection and the norm after it.
    fn add_norm(
        &self,
        rows: usize,
        x: &Self::Buffer,
        delta: &Self::Buffer,
        sum: &mut Self::Buffer,
        w: Weights<Self>,
        weight: &Range<usize>,
        eps: f32,
        y: &mut Self::Buffer,
    );
    /// `dx += d(norm)/dx . dy`, and adds the weight's gradient if it has one.
    fn norm_backward(
        &self,
        rows: usize,
        x: &Self::Buffer,
        w: Weights<Self>,
        weight: &Range<usize>,
        eps: f32,
        dy: &Self::Buffer,
        dx: &mut Self::Buffer,
        grads: Option<&mut Self::Buffer>,
    );
    /// `sum = x + delta`.
    fn add(&self, len: usize, x: &Self::Buffer, delta: &Self::Buffer, sum: &mut Self::Buffer);

    /// `y = x Wᵀ + bias`, `[T, inputs] -> [T, outputs]`.
    fn linear(&self, rows: usize, x: &Self::Buffer, w: Weights<Self>, m: &Matrix, y: &mut Self::Buffer);
    /// `dx = dy W`.
    fn linear_backward_input(
        &self,
        rows: usize,
        dy: &Self::Buffer,
        w: Weights<Self>,
        m: &Matrix,
        dx: &mut Self::Buffer,
    );
    /// `dW += dyᵀ x`, `dbias += sum_t dy[t]`.
    fn linear_backward_weight(
        &self,
        rows: usize,
        dy: &Self::Buffer,
        x: &Self::Buffer,
        m: &Matrix,
        grads: &mut Self::Buffer,
    );

    /// Per-head norms of queries and keys: `qkv = raw` with the query and key heads normalised.
    fn qk_norm(
        &self,
        rows: usize,
        heads: Heads,
        raw: &Self::Buffer,
        w: Weights<Self>,
        norms: &(Range<usize>, Range<usize>),
        eps: f32,
        qkv: &mut Self::Buffer,
    );
    /// Gradient of [`Device::qk_norm`], in place in `dqkv`; adds the weights' if they have one.
    fn qk_norm_backward(
        &self,
        rows: usize,
        heads: Heads,
        raw: &Self::Buffer,
        w: Weights<Self>,
        norms: &(Range<usize>, Range<usize>),
        eps: f32,
        dqkv: &mut Self::Buffer,
        grads: Option<&mut Self::Buffer>,
    );
    /// Rotates query and key heads in place.
    fn rope(
        &self,
        positions: &[u32],
        heads: Heads,
        rotation: &Self::Rotation,
        qkv: &mut Self::Buffer,
        direction: Direction,
    );
    /// Causal attention: `out` is `[T, queries x dim]`, `lse` `[T, queries]`.
    fn attention(
        &self,
        batch: &Packed,
        heads: Heads,
        qkv: &Self::Buffer,
        out: &mut Self::Buffer,
        lse: &mut Self::Buffer,
    );
    /// Gradient of [`Device::attention`]: writes `dqkv`.
    fn attention_backward(
        &self,
        batch: &Packed,
        heads: Heads,
        qkv: &Self::Buffer,
        out: &Self::Buffer,
        lse: &Self::Buffer,
        dout: &Self::Buffer,
        dqkv: &mut Self::Buffer,
    );
    /// `act = silu(gate) * up`; a row of `gate_up` is `[gate, up]`.
    fn swiglu(&self, rows: usize, width: usize, gate_up: &Self::Buffer, act: &mut Self::Buffer);
    /// Turns `gate_up` into its gradient and `act`, which holds the gradient of `act`, into `act` again.
    fn swiglu_backward(&self, rows: usize, width: usize, gate_up: &mut Self::Buffer, act: &mut Self::Buffer);

    /// Log-probability and entropy of each target under `softmax(scale * hidden Wᵀ)`; targets in order of row.
    fn head(
        &self,
        rows: usize,
        hidden: &Self::Buffer,
        w: Weights<Self>,
        m: &Matrix,
        scale: f32,
        targets: &[Target],
        state: &mut Self::HeadState,
    ) -> TargetStatistics;
    /// The gradient that `wanted` says: writes `dhidden`, adds the weight's if it has one.
    fn head_backward(
        &self,
        rows: usize,
        hidden: &Self::Buffer,
        w: Weights<Self>,
        m: &Matrix,
        scale: f32,
        targets: &[Target],
        wanted: TargetGradients,
        state: &mut Self::HeadState,
        dhidden: &mut Self::Buffer,
        grads: Option<&mut Self::Buffer>,
    );

    /// An empty cache for `layers` layers, that continues `prefix` if given.
    fn cache(&self, layers: usize, heads: Heads, prefix: Option<std::sync::Arc<Self::Cache>>) -> Self::Cache;
    /// Tokens that a cache holds, those of its prefix included.
    fn cached(&self, cache: &Self::Cache) -> usize;
    /// Rotates query and key heads in place, as [`Device::rope`] forward, then appends the keys and values of `rows[c]` to `caches[c]`, for
    /// one layer; the last layer counts the tokens. `rows` follow one another: they are all that have a position but those of padding.
    fn rope_append(
        &self,
        caches: &mut [&mut Self::Cache],
        layer: usize,
        positions: &[u32],
        heads: Heads,
        rotation: &Self::Rotation,
        qkv: &mut Self::Buffer,
        rows: &[Range<usize>],
    );
    /// Rows that a decoding step of `rows` sequences is made with: those beyond are computed for nothing.
    fn step_rows(&self, rows: usize) -> usize {
        rows
    }
    /// How many sequences of how many tokens, prompts included, the caches to come will hold at a time.
    fn expect(&self, _sequences: usize, _tokens: usize) {}
    /// Runs the operators of one decoding step: row `b` appends one token to `caches[b]`. `tokens` and `positions` have
    /// [`Device::step_rows`] rows. The operators and their buffers are the same in every step with the same `steps`, so a
    /// device may record them and play the record again with other tokens.
    fn step(
        &self,
        _steps: &mut Self::Steps,
        _arena: &Self::Buffer,
        _tokens: &[u32],
        _positions: &[u32],
        caches: &mut [&mut Self::Cache],
        operators: &mut dyn FnMut(&mut [&mut Self::Cache]),
    ) {
        operators(caches);
    }
    /// Attention of one new token a sequence over its cache, in which it is already: `out[b]` for `caches[b]`.
    fn decode_attention(
        &self,
        caches: &[&Self::Cache],
        layer: usize,
        heads: Heads,
        qkv: &Self::Buffer,
        out: &mut Self::Buffer,
    );

    /// Draws one token from each of the first `uniforms.len()` rows of logits; `uniforms[b]` in [0, 1) decides row `b`.
    fn sample(&self, logits: &Self::Buffer, vocabulary: usize, rule: &Sampling, uniforms: &[f32]) -> Vec<Choice>;

    /// Draws a token from one row of logits.
    fn sample_row(&self, logits: &Self::Buffer, row: usize, vocabulary: usize, rule: &Sampling, uniform: f32)
    -> Choice;

    /// Zero moments of `len` parameters, stored as bfloat16 if `half`.
    fn moments(&self, len: usize, half: bool) -> Self::Moments;
    /// Both moments as f32.
    fn read_moments<'a>(&self, moments: &'a Self::Moments) -> (Cow<'a, [f32]>, Cow<'a, [f32]>);
    /// Takes over both moments; exact if they came from [`Device::read_moments`] of the same kind.
    fn write_moments(&self, moments: &mut Self::Moments, new: (Vec<f32>, Vec<f32>));
    /// One AdamW step; weight decay applies to the `decayed` ranges.
    fn adamw(
        &self,
        step: Step,
        decayed: &[Range<usize>],
        weights: &mut Self::Buffer,
        grads: &Self::Buffer,
        moments: &mut Self::Moments,
    );
    /// Euclidean norm of a buffer.
    fn norm_of(&self, buffer: &Self::Buffer) -> f64;
}
