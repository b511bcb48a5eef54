//! Operators that work on rows one by one: embedding, norms, rotation, SwiGLU, the residual stream.
use super::buffer::{Buffer, Memory};
use super::machine::Address;
use super::{Cuda, plan};
use crate::cpu::rope::Table;
use crate::device::{Direction, Heads};
use crate::layout::Matrix;
use std::ops::Range;

/// Greatest number of blocks along the second and third axis of a grid.
const MOST_BLOCKS: usize = 65_535;
/// Rows whose gradients by a norm's weight one block sums, as `norm.cu` and `qk_norm.cu` have it.
const NORM_ROWS: usize = 32;
const QK_NORM_ROWS: usize = 16;

/// Cosines and sines of every position.
pub struct Rotation {
    cosines: Memory,
    sines: Memory,
    positions: usize,
}

impl Cuda {
    pub(super) fn make_rotation(&self, inverse_frequencies: &[f32], positions: usize) -> Rotation {
        let table = Table::new(inverse_frequencies, positions);
        let (cosines, sines) = table.parts();
        let upload = |values: &[f32]| {
            let memory = self.allocate(size_of_val(values));
            self.upload_bytes(memory.address(), &super::bytes(values));
            memory
        };
        Rotation { cosines: upload(cosines), sines: upload(sines), positions }
    }

    pub(super) fn do_embed(&self, tokens: &[u32], arena: &Buffer, table: &Matrix, x: &mut Buffer) {
        if tokens.iter().any(|&token| token as usize >= table.outputs) {
            return self.wrong("the embedding", "a token is not in the vocabulary".to_string());
        }
        let (at, to) = (self.tokens(tokens), self.floats_mut(x));
        let from = self.weight(arena, table.weight.start);
        let parameters = [at.into(), from.into(), to.into(), table.inputs.into()];
        self.launch("embed", [tokens.len(), 1, 1], 128, 0, &parameters);
    }

    pub(super) fn do_embed_backward(&self, tokens: &[u32], dx: &Buffer, table: &Matrix, grads: &mut Buffer) {
        let rows = plan::TokenRows::new(tokens);
        let to = self.floats_mut(grads) + 4 * table.weight.start as u64;
        let parameters = [
            self.table(&rows.tokens).into(),
            self.table(&rows.offsets).into(),
            self.table(&rows.rows).into(),
            self.floats(dx).into(),
            to.into(),
            table.inputs.into(),
        ];
        self.launch("embed_backward", [rows.tokens.len(), table.inputs.div_ceil(256), 1], 256, 0, &parameters);
    }

    pub(super) fn do_gather(&self, x: &Buffer, width: usize, rows: &[u32], out: &mut Buffer) {
        let (from, to) = (self.floats(x), self.floats_mut(out));
        let parameters = [from.into(), self.table(rows).into(), to.into(), width.into()];
        self.launch("gather", [rows.len(), 1, 1], 128, 0, &parameters);
    }

    pub(super) fn do_scatter(&self, x: &Buffer, width: usize, rows: &[u32], total: usize, out: &mut Buffer) {
        let (from, to) = (self.floats(x), self.floats_mut(out));
        self.zero(to, 4 * total * width);
        let parameters = [from.into(), self.table(rows).into(), to.into(), width.into()];
        self.launch("scatter", [rows.len(), 1, 1], 128, 0, &parameters);
    }

    pub(super) fn do_norm(
        &self,
        rows: usize,
        x: &Buffer,
        arena: &Buffer,
        weight: &Range<usize>,
        eps: f32,
        y: &mut Buffer,
    ) {
        let (from, to) = (self.floats(x), self.halves_mut(y));
        let scale = self.weight(arena, weight.start);
        let parameters = [from.into(), scale.into(), eps.into(), weight.len().into(), to.into()];
        self.launch("rmsnorm", [rows, 1, 1], 256, 0, &parameters);
    }

    pub(super) fn do_add_norm(
        &self,
        rows: usize,
        x: &Buffer,
        delta: &Buffer,
        sum: &mut Buffer,
        arena: &Buffer,
        weight: &Range<usize>,
        eps: f32,
        y: &mut Buffer,
    ) {
        let width = weight.len();
        let parameters = [
            self.floats(x).into(),
            self.halves(delta, rows * width).into(),
            self.floats_mut(sum).into(),
            self.weight(arena, weight.start).into(),
            eps.into(),
            width.into(),
            self.halves_mut(y).into(),
        ];
        self.launch("add_rmsnorm", [rows, 1, 1], 256, 0, &parameters);
    }

    pub(super) fn do_norm_backward(
        &self,
        rows: usize,
        x: &Buffer,
        arena: &Buffer,
        weight: &Range<usize>,
        eps: f32,
        dy: &Buffer,
        dx: &mut Buffer,
        grads: Option<&mut Buffer>,
    ) {
        let (width, blocks) = (weight.len(), rows.div_ceil(NORM_ROWS));
        let partial = if grads.is_some() { self.room(4 * blocks * width) } else { 0 };
        let to = self.floats_mut(dx);
        // The product that reads `dx` next wants it as bfloat16: written here, it need not be read once more.
        let copy: Address = dx.half_mut().as_mut().map_or(0, |half| {
            half.fresh = rows * width;
            half.memory.address()
        });
        let parameters = [
            self.floats(x).into(),
            self.weight(arena, weight.start).into(),
            eps.into(),
            self.halves(dy, rows * width).into(),
            to.into(),
            copy.into(),
            partial.into(),
            rows.into(),
            width.into(),
        ];
        let shared = if partial == 0 { 0 } else { 4 * width };
        self.launch("rmsnorm_backward", [blocks, 1, 1], 256, shared, &parameters);
        if let Some(grads) = grads {
            let out = self.floats_mut(grads) + 4 * weight.start as u64;
            self.fold_columns(partial, blocks, width, width, out);
        }
    }

    /// `out[c] += Σ_i partial[i · stride + c]`, in order.
    pub(super) fn fold_columns(&self, partial: Address, count: usize, stride: usize, width: usize, out: Address) {
        let parameters = [partial.into(), count.into(), stride.into(), width.into(), out.into()];
        self.launch("fold_columns", [width.div_ceil(32), 1, 1], 256, 0, &parameters);
    }

    pub(super) fn do_add(&self, len: usize, x: &Buffer, delta: &Buffer, sum: &mut Buffer) {
        let parameters =
            [self.floats(x).into(), self.halves(delta, len).into(), self.floats_mut(sum).into(), len.into()];
        self.launch("add", [len.div_ceil(1024), 1, 1], 256, 0, &parameters);
    }

    pub(super) fn do_qk_norm(
        &self,
        rows: usize,
        heads: Heads,
        raw: &Buffer,
        arena: &Buffer,
        norms: &(Range<usize>, Range<usize>),
        eps: f32,
        qkv: &mut Buffer,
    ) {
        let parameters = [
            self.halves(raw, rows * heads.stride()).into(),
            self.weight(arena, norms.0.start).into(),
            self.weight(arena, norms.1.start).into(),
            eps.into(),
            heads.queries.into(),
            heads.keys.into(),
            heads.dim.into(),
            self.halves_mut(qkv).into(),
        ];
        self.launch("qk_norm", [rows, 1, 1], 128, 0, &parameters);
    }

    pub(super) fn do_qk_norm_backward(
        &self,
        rows: usize,
        heads: Heads,
        raw: &Buffer,
        arena: &Buffer,
        norms: &(Range<usize>, Range<usize>),
        eps: f32,
        dqkv: &mut Buffer,
        grads: Option<&mut Buffer>,
    ) {
        let (blocks, dim) = (rows.div_ceil(QK_NORM_ROWS), heads.dim);
        let partial = if grads.is_some() { self.room(4 * blocks * 2 * dim) } else { 0 };
        let parameters = [
            self.halves(raw, rows * heads.stride()).into(),
            self.weight(arena, norms.0.start).into(),
            self.weight(arena, norms.1.start).into(),
            eps.into(),
            rows.into(),
            heads.queries.into(),
            heads.keys.into(),
            dim.into(),
            self.halves_mut(dqkv).into(),
            partial.into(),
        ];
        self.launch("qk_norm_backward", [blocks, 1, 1], 128, 32 * dim, &parameters);
        if let Some(grads) = grads {
            let grads = self.floats_mut(grads);
            for (first, norm) in [(0, &norms.0), (dim, &norms.1)] {
                let out = grads + 4 * norm.start as u64;
                self.fold_columns(partial + 4 * first as u64, blocks, 2 * dim, dim, out);
            }
        }
    }

    /// Where these positions lie, and their cosines and sines; none, and an error, where the table does not reach so far.
    pub(super) fn turned_by(&self, positions: &[u32], rotation: &Rotation) -> Option<[Address; 3]> {
        if positions.iter().any(|&position| position as usize >= rotation.positions) {
            self.wrong("the rotation", format!("a position beyond the {} of its table", rotation.positions));
            return None;
        }
        Some([self.positions(positions), rotation.cosines.address(), rotation.sines.address()])
    }

    pub(super) fn do_rope(
        &self,
        positions: &[u32],
        heads: Heads,
        rotation: &Rotation,
        qkv: &mut Buffer,
        direction: Direction,
    ) {
        let Some([at, cosines, sines]) = self.turned_by(positions, rotation) else { return };
        let parameters = [
            self.halves_mut(qkv).into(),
            at.into(),
            cosines.into(),
            sines.into(),
            (heads.queries + heads.keys).into(),
            heads.dim.into(),
            heads.stride().into(),
            (if direction == Direction::Forward { 1f32 } else { -1f32 }).into(),
        ];
        self.launch("rope", [positions.len(), 1, 1], 128, 0, &parameters);
    }

    pub(super) fn do_swiglu(&self, rows: usize, width: usize, gate_up: &Buffer, act: &mut Buffer) {
        let (from, to) = (self.halves(gate_up, 2 * rows * width), self.halves_mut(act));
        self.swiglu_blocks("swiglu", rows, width, from, to);
    }

    pub(super) fn do_swiglu_backward(&self, rows: usize, width: usize, gate_up: &mut Buffer, act: &mut Buffer) {
        let (gate_up, act) = (self.halves_mut(gate_up), self.halves_mut(act));
        self.swiglu_blocks("swiglu_backward", rows, width, gate_up, act);
    }

    fn swiglu_blocks(&self, kernel: &'static str, rows: usize, width: usize, gate_up: Address, act: Address) {
        for first in (0..rows).step_by(MOST_BLOCKS) {
            let at = |start: Address, width: usize| start + 2 * (first * width) as u64;
            let parameters = [at(gate_up, 2 * width).into(), at(act, width).into(), width.into()];
            self.launch(kernel, [width.div_ceil(1024), MOST_BLOCKS.min(rows - first), 1], 256, 0, &parameters);
        }
    }
}
