//! [`Device`] on the CPU.
use super::adamw::Moments;
use super::attention::{self, Workspace};
use super::cache::{self, Cache};
use super::head::{self, Kept};
use super::linear;
use super::memory::HostMemory;
use super::packed::{PackedMatrices, weight};
use super::parallel::{Shared, Threading};
use super::rope::{self, Table};
use super::{adamw, norm, sample, swiglu};
use crate::batch::{Packed, Target};
use crate::device::{
    Choice, Device, DeviceError, Direction, Heads, Lent, Sampling, Step, TargetGradients, TargetStatistics, Weights,
};
use crate::layout::Matrix;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The CPU: f32 throughout, work shared over rayon's current pool.
pub struct Cpu {
    threading: Threading,
    attention: Mutex<Workspace>,
    packed: Mutex<Vec<f32>>,
}

impl Cpu {
    /// A device whose operators use the pool of the thread that calls them, or only that thread.
    pub fn new(threading: Threading) -> Self {
        Self { threading, attention: Mutex::default(), packed: Mutex::default() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Scratch space holds nothing that a panic could leave half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device for Cpu {
    const ACTIVATION_BYTES: usize = size_of::<f32>();

    type Buffer = Vec<f32>;
    type PackedWeights = PackedMatrices;
    type Rotation = Table;
    type HeadState = Kept;
    type Moments = Moments;
    type Cache = Cache;
    type Steps = ();
    type Group = std::convert::Infallible;

    fn status(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn join(&self, _: &[u8], _: usize, _: usize) -> Result<Self::Group, DeviceError> {
        Err(DeviceError::Unavailable {
            wanted: "cpu".to_string(),
            reason: "its memory is the host's, which sums over processes".to_string(),
            hint: "have all ranks use the same kind of device (--device)".to_string(),
        })
    }

    fn sum(&self, group: &Self::Group, _: &mut Vec<f32>) {
        match *group {}
    }

    fn free_memory(&self) -> Option<usize> {
        HostMemory::now().map(|memory| memory.available)
    }

    fn zeros(&self, len: usize) -> Vec<f32> {
        vec![0.0; len]
    }

    fn activations(&self, len: usize) -> Vec<f32> {
        vec![0.0; len]
    }

    fn parameters(&self, values: Vec<f32>) -> Vec<f32> {
        values
    }

    fn lend<'a>(&self, values: &'a Vec<f32>) -> Lent<'a, Vec<f32>> {
        Lent::Borrowed(values)
    }

    fn host<'a>(&self, buffer: &'a Vec<f32>) -> Cow<'a, [f32]> {
        Cow::Borrowed(buffer)
    }

    fn retrieve(&self, buffer: Vec<f32>) -> Vec<f32> {
        buffer
    }

    fn edit(&self, buffer: &mut Vec<f32>, change: &mut dyn FnMut(&mut [f32])) {
        change(buffer);
    }

    fn upload(&self, values: &[f32]) -> Vec<f32> {
        values.to_vec()
    }

    fn download(&self, buffer: &Vec<f32>, range: Range<usize>, out: &mut [f32]) {
        out.copy_from_slice(&buffer[range]);
    }

    fn write(&self, buffer: &mut Vec<f32>, start: usize, values: &[f32]) {
        buffer[start..start + values.len()].copy_from_slice(values);
    }

    fn clear(&self, buffer: &mut Vec<f32>) {
        let all = 0..buffer.len();
        self.clear_range(buffer, all);
    }

    fn clear_range(&self, buffer: &mut Vec<f32>, range: Range<usize>) {
        let len = range.len();
        let shared = Shared::new(&mut buffer[range]);
        // SAFETY: each task has its own elements.
        self.threading.rows(len, 1 << 18, |first, count| unsafe { shared.slice(first, count) }.fill(0.0));
    }

    fn pack(&self, arena: &Vec<f32>, matrices: &[&Matrix]) -> PackedMatrices {
        PackedMatrices::new(self.threading, arena, matrices)
    }

    fn rotation(&self, inverse_frequencies: &[f32], positions: usize) -> Table {
        Table::new(inverse_frequencies, positions)
    }

    fn embed(&self, tokens: &[u32], w: Weights<Self>, table: &Matrix, x: &mut Vec<f32>) {
        let table_rows = &w.arena[table.weight.clone()];
        for (&token, x) in tokens.iter().zip(x.chunks_exact_mut(table.inputs)) {
            x.copy_from_slice(&table_rows[token as usize * table.inputs..][..table.inputs]);
        }
    }

    fn embed_backward(&self, tokens: &[u32], dx: &Vec<f32>, table: &Matrix, grads: &mut Vec<f32>) {
        let grads = &mut grads[table.weight.clone()];
        for (&token, dx) in tokens.iter().zip(dx.chunks_exact(table.inputs)) {
            for (g, &d) in grads[token as usize * table.inputs..][..table.inputs].iter_mut().zip(dx) {
                *g += d;
            }
        }
    }

    fn gather(&self, x: &Vec<f32>, width: usize, rows: &[u32], out: &mut Vec<f32>) {
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(width)) {
            out.copy_from_slice(&x[row as usize * width..][..width]);
        }
    }

    fn scatter(&self, x: &Vec<f32>, width: usize, rows: &[u32], total: usize, out: &mut Vec<f32>) {
        out[..total * width].fill(0.0);
        for (&row, x) in rows.iter().zip(x.chunks_exact(width)) {
            out[row as usize * width..][..width].copy_from_slice(x);
        }
    }

    fn norm(&self, rows: usize, x: &Vec<f32>, w: Weights<Self>, weight: &Range<usize>, eps: f32, y: &mut Vec<f32>) {
        norm::normalise(self.threading, rows, x, &w.arena[weight.clone()], eps, y);
    }

    fn add_norm(
        &self,
        rows: usize,
        x: &Vec<f32>,
        delta: &Vec<f32>,
        sum: &mut Vec<f32>,
        w: Weights<Self>,
        weight: &Range<usize>,
        eps: f32,
        y: &mut Vec<f32>,
    ) {
        norm::add_normalise(self.threading, rows, x, delta, sum, &w.arena[weight.clone()], eps, y);
    }

    fn norm_backward(
        &self,
        rows: usize,
        x: &Vec<f32>,
        w: Weights<Self>,
        weight: &Range<usize>,
        eps: f32,
        dy: &Vec<f32>,
        dx: &mut Vec<f32>,
        grads: Option<&mut Vec<f32>>,
    ) {
        let dw = grads.map(|grads| &mut grads[weight.clone()]);
        norm::backward(self.threading, rows, x, &w.arena[weight.clone()], eps, dy, dx, dw);
    }

    fn add(&self, len: usize, x: &Vec<f32>, delta: &Vec<f32>, sum: &mut Vec<f32>) {
        norm::add(self.threading, &x[..len], &delta[..len], &mut sum[..len]);
    }

    fn linear(&self, rows: usize, x: &Vec<f32>, w: Weights<Self>, m: &Matrix, y: &mut Vec<f32>) {
        if let Some(bias) = &m.bias {
            let bias = &w.arena[bias.clone()];
            y[..rows * m.outputs].chunks_exact_mut(m.outputs).for_each(|y| y.copy_from_slice(bias));
        }
        linear::forward(self.threading, rows, x, weight(w, m), y, m.outputs, m.bias.is_some());
    }

    fn linear_backward_input(&self, rows: usize, dy: &Vec<f32>, w: Weights<Self>, m: &Matrix, dx: &mut Vec<f32>) {
        linear::backward_input(self.threading, rows, dy, weight(w, m), dx, false);
    }

    fn linear_backward_weight(&self, rows: usize, dy: &Vec<f32>, x: &Vec<f32>, m: &Matrix, grads: &mut Vec<f32>) {
        let dw = &mut grads[m.weight.clone()];
        linear::backward_weight(
            self.threading,
            rows,
            dy,
            m.outputs,
            m.outputs,
            x,
            m.inputs,
            &mut lock(&self.packed),
            dw,
        );
        if let Some(bias) = &m.bias {
            let grads = &mut grads[bias.clone()];
            for dy in dy[..rows * m.outputs].chunks_exact(m.outputs) {
                grads.iter_mut().zip(dy).for_each(|(g, &d)| *g += d);
            }
        }
    }

    fn qk_norm(
        &self,
        rows: usize,
        heads: Heads,
        raw: &Vec<f32>,
        w: Weights<Self>,
        norms: &(Range<usize>, Range<usize>),
        eps: f32,
        qkv: &mut Vec<f32>,
    ) {
        for (part, weight) in head_parts(heads, norms) {
            norm::heads_forward(self.threading, rows, part, raw, &w.arena[weight.clone()], eps, qkv);
        }
        let values = (heads.queries + heads.keys) * heads.dim;
        norm::copy_columns(self.threading, rows, heads.stride(), values, raw, qkv);
    }

    fn qk_norm_backward(
        &self,
        rows: usize,
        heads: Heads,
        raw: &Vec<f32>,
        w: Weights<Self>,
        norms: &(Range<usize>, Range<usize>),
        eps: f32,
        dqkv: &mut Vec<f32>,
        mut grads: Option<&mut Vec<f32>>,
    ) {
        for (part, weight) in head_parts(heads, norms) {
            let dw = grads.as_deref_mut().map(|grads| &mut grads[weight.clone()]);
            norm::heads_backward(self.threading, rows, part, raw, &w.arena[weight.clone()], eps, dqkv, dw);
        }
    }

    fn rope(&self, positions: &[u32], heads: Heads, rotation: &Table, qkv: &mut Vec<f32>, direction: Direction) {
        rope::rotate_rows(
            self.threading,
            positions,
            heads.queries + heads.keys,
            rotation,
            qkv,
            heads.stride(),
            direction,
        );
    }

    fn attention(&self, batch: &Packed, heads: Heads, qkv: &Vec<f32>, out: &mut Vec<f32>, lse: &mut Vec<f32>) {
        attention::forward(self.threading, batch, heads, qkv, &mut lock(&self.attention), out, lse);
    }

    fn attention_backward(
        &self,
        batch: &Packed,
        heads: Heads,
        qkv: &Vec<f32>,
        out: &Vec<f32>,
        lse: &Vec<f32>,
        dout: &Vec<f32>,
        dqkv: &mut Vec<f32>,
    ) {
        attention::backward(self.threading, batch, heads, qkv, out, lse, dout, &mut lock(&self.attention), dqkv);
    }

    fn swiglu(&self, rows: usize, width: usize, gate_up: &Vec<f32>, act: &mut Vec<f32>) {
        swiglu::forward(self.threading, rows, width, gate_up, act);
    }

    fn swiglu_backward(&self, rows: usize, width: usize, gate_up: &mut Vec<f32>, act: &mut Vec<f32>) {
        swiglu::backward(self.threading, rows, width, gate_up, act);
    }

    fn head(
        &self,
        rows: usize,
        hidden: &Vec<f32>,
        w: Weights<Self>,
        m: &Matrix,
        scale: f32,
        targets: &[Target],
        state: &mut Kept,
    ) -> TargetStatistics {
        head::forward(self.threading, rows, hidden, weight(w, m), scale, targets, state)
    }

    fn head_backward(
        &self,
        rows: usize,
        hidden: &Vec<f32>,
        w: Weights<Self>,
        m: &Matrix,
        scale: f32,
        targets: &[Target],
        wanted: TargetGradients,
        state: &mut Kept,
        dhidden: &mut Vec<f32>,
        grads: Option<&mut Vec<f32>>,
    ) {
        let dw = grads.map(|grads| &mut grads[m.weight.clone()]);
        head::backward(
            self.threading,
            rows,
            hidden,
            weight(w, m),
            scale,
            targets,
            wanted,
            state,
            &mut lock(&self.packed),
            dhidden,
            dw,
        );
    }

    fn cache(&self, layers: usize, heads: Heads, prefix: Option<Arc<Cache>>) -> Cache {
        Cache::new(layers, heads, prefix)
    }

    fn cached(&self, cache: &Cache) -> usize {
        cache.tokens()
    }

    fn rope_append(
        &self,
        caches: &mut [&mut Cache],
        layer: usize,
        positions: &[u32],
        heads: Heads,
        rotation: &Table,
        qkv: &mut Vec<f32>,
        rows: &[Range<usize>],
    ) {
        self.rope(positions, heads, rotation, qkv, Direction::Forward);
        for (cache, rows) in caches.iter_mut().zip(rows) {
            cache.append(layer, qkv, rows.start, rows.len());
        }
    }

    fn decode_attention(&self, caches: &[&Cache], layer: usize, heads: Heads, qkv: &Vec<f32>, out: &mut Vec<f32>) {
        cache::decode_attention(self.threading, caches, layer, heads, qkv, out);
    }

    fn sample(&self, logits: &Vec<f32>, vocabulary: usize, rule: &Sampling, uniforms: &[f32]) -> Vec<Choice> {
        sample::sample(self.threading, logits, vocabulary, rule, uniforms)
    }

    fn sample_row(&self, logits: &Vec<f32>, row: usize, vocabulary: usize, rule: &Sampling, uniform: f32) -> Choice {
        sample::choose(&logits[row * vocabulary..][..vocabulary], rule, uniform)
    }

    fn moments(&self, len: usize, half: bool) -> Moments {
        Moments::zeros(len, half)
    }

    fn read_moments<'a>(&self, moments: &'a Moments) -> (Cow<'a, [f32]>, Cow<'a, [f32]>) {
        match moments {
            Moments::F32(first, second) => (Cow::Borrowed(first), Cow::Borrowed(second)),
            Moments::Bf16(..) => {
                let (first, second) = moments.to_f32();
                (Cow::Owned(first), Cow::Owned(second))
            }
        }
    }

    fn write_moments(&self, moments: &mut Moments, new: (Vec<f32>, Vec<f32>)) {
        moments.set(new);
    }

    fn adamw(
        &self,
        step: Step,
        decayed: &[Range<usize>],
        weights: &mut Vec<f32>,
        grads: &Vec<f32>,
        moments: &mut Moments,
    ) {
        adamw::step(self.threading, step, decayed, weights, grads, moments);
    }

    fn norm_of(&self, buffer: &Vec<f32>) -> f64 {
        adamw::global_norm(self.threading, buffer)
    }
}

/// The query heads with their norm, and the key heads with theirs.
fn head_parts(heads: Heads, norms: &(Range<usize>, Range<usize>)) -> [(norm::Heads, &Range<usize>); 2] {
    let part = |first: usize, count: usize| norm::Heads { stride: heads.stride(), first: first * heads.dim, count };
    [(part(0, heads.queries), &norms.0), (part(heads.queries, heads.keys), &norms.1)]
}
