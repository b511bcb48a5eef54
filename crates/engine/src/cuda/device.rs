//! [`Device`] on a GPU.
use super::attention::WIDEST_HEAD;
use super::buffer::Buffer;
use super::head::HeadState;
use super::machine::Number;
use super::optimizer::{Moments, widened};
use super::pages::Cache;
use super::rows::Rotation;
use super::steps::Steps;
use super::{Cuda, Peers, lock};
use crate::batch::{Packed, Target};
use crate::config::ModelConfig;
use crate::device::{
    Choice, Device, DeviceError, Direction, Heads, Lent, Sampling, Step, TargetGradients, TargetStatistics, Weights,
};
use crate::layout::Matrix;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Rows of matrices are read sixteen bytes at a time.
const ALIGNED: usize = 8;

impl Device for Cuda {
    const ACTIVATION_BYTES: usize = 2;

    type Buffer = Buffer;
    type PackedWeights = ();
    type Rotation = Rotation;
    type HeadState = HeadState;
    type Moments = Moments;
    type Cache = Cache;
    type Steps = Steps;
    type Group = Peers;

    fn supports(&self, config: &ModelConfig) -> Result<(), DeviceError> {
        let no = |reason: String| {
            Err(DeviceError::Unavailable {
                wanted: self.describe().to_string(),
                reason,
                hint: "use --device cpu for this model".to_string(),
            })
        };
        if config.head_dim > WIDEST_HEAD || !config.head_dim.is_multiple_of(ALIGNED) {
            let dim = config.head_dim;
            return no(format!(
                "its kernels take heads of up to {WIDEST_HEAD} elements, a multiple of {ALIGNED}; the model's have {dim}"
            ));
        }
        let widths = [("hidden_size", config.hidden_size), ("intermediate_size", config.intermediate_size)];
        for (name, width) in widths {
            if !width.is_multiple_of(ALIGNED) {
                return no(format!("its kernels take widths that are a multiple of {ALIGNED}; {name} is {width}"));
            }
        }
        Ok(())
    }

    fn status(&self) -> Result<(), DeviceError> {
        self.first_error()
    }

    fn name_group(&self) -> Result<Option<Vec<u8>>, DeviceError> {
        self.shared.machine.name_group().map(Some)
    }

    fn join(&self, name: &[u8], rank: usize, size: usize) -> Result<Peers, DeviceError> {
        self.shared.machine.join(name, rank, size).map(Peers)
    }

    fn sum(&self, group: &Peers, buffer: &mut Buffer) {
        debug_assert_eq!(buffer.number, Number::F32);
        let at = self.floats_mut(buffer);
        self.attempt(|_| group.0.sum(at, buffer.len));
    }

    fn free_memory(&self) -> Option<usize> {
        self.memory().map(|(free, _)| free)
    }

    fn zeros(&self, len: usize) -> Buffer {
        self.buffer(Number::F32, len)
    }

    fn activations(&self, len: usize) -> Buffer {
        self.buffer(Number::Bf16, len)
    }

    fn parameters(&self, values: Vec<f32>) -> Buffer {
        self.upload(&values)
    }

    /// Rounded to bfloat16, as kernels and products read them.
    fn constants(&self, values: Vec<f32>) -> Buffer {
        self.rounded(&values)
    }

    fn lend<'a>(&self, values: &'a Vec<f32>) -> Lent<'a, Buffer> {
        Lent::Owned(self.rounded(values))
    }

    fn upload(&self, values: &[f32]) -> Buffer {
        let memory = self.allocate(size_of_val(values));
        self.upload_floats(memory.address(), values);
        Buffer::new(memory, Number::F32, values.len())
    }

    fn host<'a>(&self, buffer: &'a Buffer) -> Cow<'a, [f32]> {
        Cow::Owned(match buffer.number {
            Number::F32 => self.download_floats(buffer.memory.address(), buffer.len),
            Number::Bf16 => widened(&self.download_bytes(buffer.memory.address(), 2 * buffer.len)),
        })
    }

    fn edit(&self, buffer: &mut Buffer, change: &mut dyn FnMut(&mut [f32])) {
        let mut values = self.host(buffer).into_owned();
        change(&mut values);
        self.write(buffer, 0, &values);
    }

    fn download(&self, buffer: &Buffer, range: Range<usize>, out: &mut [f32]) {
        let at = buffer.memory.address() + (range.start * buffer.number.bytes()) as u64;
        let values = match buffer.number {
            Number::F32 => self.download_floats(at, range.len()),
            Number::Bf16 => widened(&self.download_bytes(at, 2 * range.len())),
        };
        out.copy_from_slice(&values);
    }

    fn write(&self, buffer: &mut Buffer, start: usize, values: &[f32]) {
        let at = buffer.memory.address() + (start * buffer.number.bytes()) as u64;
        match buffer.number {
            Number::F32 => self.upload_floats(at, values),
            Number::Bf16 => self.upload_halves(at, values),
        }
        buffer.changed();
    }

    fn clear(&self, buffer: &mut Buffer) {
        let all = 0..buffer.len;
        self.clear_range(buffer, all);
    }

    fn clear_range(&self, buffer: &mut Buffer, range: Range<usize>) {
        let value = buffer.number.bytes();
        self.zero(buffer.memory.address() + (range.start * value) as u64, range.len() * value);
        buffer.changed();
    }

    /// Kernels read the weights as they lie.
    fn pack(&self, _: &Buffer, _: &[&Matrix]) {}

    fn rotation(&self, inverse_frequencies: &[f32], positions: usize) -> Rotation {
        self.make_rotation(inverse_frequencies, positions)
    }

    fn embed(&self, tokens: &[u32], w: Weights<Self>, table: &Matrix, x: &mut Buffer) {
        self.do_embed(tokens, w.arena, table, x);
    }

    fn embed_backward(&self, tokens: &[u32], dx: &Buffer, table: &Matrix, grads: &mut Buffer) {
        self.do_embed_backward(tokens, dx, table, grads);
    }

    fn gather(&self, x: &Buffer, width: usize, rows: &[u32], out: &mut Buffer) {
        self.do_gather(x, width, rows, out);
    }

    fn scatter(&self, x: &Buffer, width: usize, rows: &[u32], total: usize, out: &mut Buffer) {
        self.do_scatter(x, width, rows, total, out);
    }

    fn norm(&self, rows: usize, x: &Buffer, w: Weights<Self>, weight: &Range<usize>, eps: f32, y: &mut Buffer) {
        self.do_norm(rows, x, w.arena, weight, eps, y);
    }

    fn add_norm(
        &self,
        rows: usize,
        x: &Buffer,
        delta: &Buffer,
        sum: &mut Buffer,
        w: Weights<Self>,
        weight: &Range<usize>,
        eps: f32,
        y: &mut Buffer,
    ) {
        self.do_add_norm(rows, x, delta, sum, w.arena, weight, eps, y);
    }

    fn norm_backward(
        &self,
        rows: usize,
        x: &Buffer,
        w: Weights<Self>,
        weight: &Range<usize>,
        eps: f32,
        dy: &Buffer,
        dx: &mut Buffer,
        grads: Option<&mut Buffer>,
    ) {
        self.do_norm_backward(rows, x, w.arena, weight, eps, dy, dx, grads);
    }

    fn add(&self, len: usize, x: &Buffer, delta: &Buffer, sum: &mut Buffer) {
        self.do_add(len, x, delta, sum);
    }

    fn linear(&self, rows: usize, x: &Buffer, w: Weights<Self>, m: &Matrix, y: &mut Buffer) {
        self.do_linear(rows, x, w.arena, m, y);
    }

    fn linear_backward_input(&self, rows: usize, dy: &Buffer, w: Weights<Self>, m: &Matrix, dx: &mut Buffer) {
        self.do_linear_backward_input(rows, dy, w.arena, m, dx);
    }

    fn linear_backward_weight(&self, rows: usize, dy: &Buffer, x: &Buffer, m: &Matrix, grads: &mut Buffer) {
        self.do_linear_backward_weight(rows, dy, x, m, grads);
    }

    fn qk_norm(
        &self,
        rows: usize,
        heads: Heads,
        raw: &Buffer,
        w: Weights<Self>,
        norms: &(Range<usize>, Range<usize>),
        eps: f32,
        qkv: &mut Buffer,
    ) {
        self.do_qk_norm(rows, heads, raw, w.arena, norms, eps, qkv);
    }

    fn qk_norm_backward(
        &self,
        rows: usize,
        heads: Heads,
        raw: &Buffer,
        w: Weights<Self>,
        norms: &(Range<usize>, Range<usize>),
        eps: f32,
        dqkv: &mut Buffer,
        grads: Option<&mut Buffer>,
    ) {
        self.do_qk_norm_backward(rows, heads, raw, w.arena, norms, eps, dqkv, grads);
    }

    fn rope(&self, positions: &[u32], heads: Heads, rotation: &Rotation, qkv: &mut Buffer, direction: Direction) {
        self.do_rope(positions, heads, rotation, qkv, direction);
    }

    fn attention(&self, batch: &Packed, heads: Heads, qkv: &Buffer, out: &mut Buffer, lse: &mut Buffer) {
        self.do_attention(batch, heads, qkv, out, lse);
    }

    fn attention_backward(
        &self,
        batch: &Packed,
        heads: Heads,
        qkv: &Buffer,
        out: &Buffer,
        lse: &Buffer,
        dout: &Buffer,
        dqkv: &mut Buffer,
    ) {
        self.do_attention_backward(batch, heads, qkv, out, lse, dout, dqkv);
    }

    fn swiglu(&self, rows: usize, width: usize, gate_up: &Buffer, act: &mut Buffer) {
        self.do_swiglu(rows, width, gate_up, act);
    }

    fn swiglu_backward(&self, rows: usize, width: usize, gate_up: &mut Buffer, act: &mut Buffer) {
        self.do_swiglu_backward(rows, width, gate_up, act);
    }

    fn head(
        &self,
        rows: usize,
        hidden: &Buffer,
        w: Weights<Self>,
        m: &Matrix,
        scale: f32,
        targets: &[Target],
        state: &mut HeadState,
    ) -> TargetStatistics {
        self.do_head(rows, hidden, w.arena, m, scale, targets, state)
    }

    fn head_backward(
        &self,
        rows: usize,
        hidden: &Buffer,
        w: Weights<Self>,
        m: &Matrix,
        scale: f32,
        targets: &[Target],
        wanted: TargetGradients,
        state: &mut HeadState,
        dhidden: &mut Buffer,
        grads: Option<&mut Buffer>,
    ) {
        self.do_head_backward(rows, hidden, w.arena, m, scale, targets, wanted, state, dhidden, grads);
    }

    fn cache(&self, layers: usize, heads: Heads, prefix: Option<Arc<Cache>>) -> Cache {
        self.make_cache(layers, heads, prefix)
    }

    fn cached(&self, cache: &Cache) -> usize {
        cache.tokens()
    }

    fn rope_append(
        &self,
        caches: &mut [&mut Cache],
        layer: usize,
        positions: &[u32],
        _heads: Heads,
        rotation: &Rotation,
        qkv: &mut Buffer,
        rows: &[Range<usize>],
    ) {
        self.do_rope_append(caches, layer, positions, rotation, qkv, rows);
    }

    fn step_rows(&self, rows: usize) -> usize {
        Self::padded_rows(rows)
    }

    fn expect(&self, sequences: usize, tokens: usize) {
        *lock(&self.shared.expected) = (sequences, tokens);
    }

    fn step(
        &self,
        steps: &mut Steps,
        arena: &Buffer,
        tokens: &[u32],
        positions: &[u32],
        caches: &mut [&mut Cache],
        operators: &mut dyn FnMut(&mut [&mut Cache]),
    ) {
        self.do_step(steps, arena, tokens, positions, caches, operators);
    }

    fn decode_attention(&self, caches: &[&Cache], layer: usize, heads: Heads, qkv: &Buffer, out: &mut Buffer) {
        self.do_decode_attention(caches, layer, heads, qkv, out);
    }

    fn sample(&self, logits: &Buffer, vocabulary: usize, rule: &Sampling, uniforms: &[f32]) -> Vec<Choice> {
        self.do_sample(logits, 0, vocabulary, rule, uniforms)
    }

    fn sample_row(&self, logits: &Buffer, row: usize, vocabulary: usize, rule: &Sampling, uniform: f32) -> Choice {
        self.do_sample(logits, row, vocabulary, rule, &[uniform]).pop().unwrap_or_default()
    }

    fn moments(&self, len: usize, half: bool) -> Moments {
        self.make_moments(len, half)
    }

    fn read_moments<'a>(&self, moments: &'a Moments) -> (Cow<'a, [f32]>, Cow<'a, [f32]>) {
        self.do_read_moments(moments)
    }

    fn write_moments(&self, moments: &mut Moments, new: (Vec<f32>, Vec<f32>)) {
        self.do_write_moments(moments, new);
    }

    fn adamw(&self, step: Step, decayed: &[Range<usize>], weights: &mut Buffer, grads: &Buffer, moments: &mut Moments) {
        self.do_adamw(step, decayed, weights, grads, moments);
    }

    fn norm_of(&self, buffer: &Buffer) -> f64 {
        self.do_norm_of(buffer)
    }
}

impl Cuda {
    /// A buffer of bfloat16 with these values.
    pub(super) fn rounded(&self, values: &[f32]) -> Buffer {
        let memory = self.allocate(2 * values.len());
        self.upload_halves(memory.address(), values);
        Buffer::new(memory, Number::Bf16, values.len())
    }
}
