//! Causal attention with grouped queries over packed segments, a shared prefix attended to in place.
//!
//! `o_i = sum_j p_ij v_j`, `p_ij = softmax_j(q_i . k_j / sqrt(d))` over the keys of the prefix and of the own segment up
//! to `i`. Scores of a query lie in order of the keys' positions, whichever segment a key is in, so that neither the
//! softmax's sum nor the chains of the value product depend on where a sequence is cut; decoding runs the same steps
//! over its cache ([`super::cache`]).
mod backward;
mod copies;

use super::math::softmax_row;
use super::parallel::{Shared, Threading, with_scratch};
use super::simd::kernel;
use super::tile::{Ahead, LANES, Left, ROWS, Tile};
use crate::batch::Packed;
use crate::device::Heads;

pub use backward::backward;
pub use copies::Workspace;
use copies::{Blocks, copy_heads};

/// Queries a task of the forward pass.
const QUERY_BLOCK: usize = 48;

impl Heads {
    /// A head's elements rounded up to whole lanes.
    pub(super) fn padded(self) -> usize {
        self.dim.div_ceil(LANES) * LANES
    }

    fn key_at(self, head: usize) -> usize {
        (self.queries + head) * self.dim
    }

    fn value_at(self, head: usize) -> usize {
        (self.queries + self.keys + head) * self.dim
    }
}

/// One key head's keys or values of a prefix and a segment.
#[derive(Clone, Copy)]
struct Span {
    prefix: *const f32,
    own: *const f32,
}

/// What a query tile of one segment and key head reads.
struct View<'a> {
    heads: Heads,
    prefix: usize,
    key_panels: Span,
    value_rows: Span,
    value_panels: Span,
    key_rows: Span,
    life: std::marker::PhantomData<&'a ()>,
}

impl<'a> View<'a> {
    fn new(batch: &Packed, blocks: &Blocks, heads: Heads, space: &'a Workspace, s: usize, head: usize) -> Self {
        let segment = &batch.segments()[s];
        let span = |data: &'a [f32], block: usize| {
            let at = |s: usize| {
                if data.is_empty() {
                    std::ptr::null()
                } else {
                    data[(head * blocks.total + blocks.first[s]) * block..].as_ptr()
                }
            };
            Span { prefix: segment.prefix.map_or(std::ptr::null(), at), own: at(s) }
        };
        let (panel, rows) = (heads.dim * LANES, heads.padded() * LANES);
        View {
            heads,
            prefix: batch.prefix_len(s),
            key_panels: span(&space.keys.panels, panel),
            value_rows: span(&space.values.rows, rows),
            value_panels: span(&space.values.panels, panel),
            key_rows: span(&space.keys.rows, rows),
            life: std::marker::PhantomData,
        }
    }

    /// `c[r, j] = a_r . b_j` for `rows` rows and the keys of the prefix and `own` of the segment, in order of position.
    ///
    /// # Safety
    /// `a` covers `rows` heads at distance `lda`; `c` has room for 16 columns more than there are keys.
    unsafe fn scores(&self, rows: usize, a: *const f32, lda: usize, panels: Span, own: usize, c: *mut f32, ldc: usize) {
        let dim = self.heads.dim;
        let tile = |b: *const f32, keys: usize, c: *mut f32| Tile {
            rows,
            depth: dim,
            left: Left::Rows,
            a,
            lda,
            b,
            ldb: LANES,
            panels: keys.div_ceil(LANES),
            panel: dim * LANES,
            c,
            ldc,
            accumulate: false,
            ahead: Ahead::NONE,
        };
        unsafe {
            if self.prefix > 0 {
                tile(panels.prefix, self.prefix, c).run();
            }
            // Overwrites what the last panel of the prefix wrote beyond its keys.
            tile(panels.own, own, c.add(self.prefix)).run();
        }
    }

    /// `out[r, :] = sum_j a[r, j] b_j` over the same keys.
    ///
    /// # Safety
    /// `a` covers `rows` rows of prefix and own keys; `out` covers `rows` padded heads.
    unsafe fn mix(&self, rows: usize, a: *const f32, lda: usize, from: Span, own: usize, out: *mut f32) {
        let padded = self.heads.padded();
        let tile = |a: *const f32, b: *const f32, depth: usize, accumulate: bool| Tile {
            rows,
            depth,
            left: Left::Rows,
            a,
            lda,
            b,
            ldb: padded,
            panels: padded / LANES,
            panel: LANES,
            c: out,
            ldc: padded,
            accumulate,
            ahead: Ahead::NONE,
        };
        unsafe {
            if self.prefix > 0 {
                tile(a, from.prefix, self.prefix, false).run();
            }
            tile(a.add(self.prefix), from.own, own, self.prefix > 0).run();
        }
    }
}

/// Attention of every token; `out` is `[T, queries x dim]`, `lse` is `[T, queries]`: the log of each softmax's sum.
pub fn forward(
    threading: Threading,
    batch: &Packed,
    heads: Heads,
    qkv: &[f32],
    space: &mut Workspace,
    out: &mut [f32],
    lse: &mut [f32],
) {
    let blocks = Blocks::new(batch);
    copy_heads(threading, batch, &blocks, heads, qkv, |h| heads.key_at(h), true, &mut space.keys);
    copy_heads(threading, batch, &blocks, heads, qkv, |h| heads.value_at(h), false, &mut space.values);
    let tasks: Vec<(usize, usize, usize)> = batch
        .segments()
        .iter()
        .enumerate()
        .flat_map(|(s, segment)| {
            let starts = (0..segment.len).step_by(QUERY_BLOCK);
            starts.flat_map(move |t| (0..heads.keys).map(move |head| (s, t, head)))
        })
        .collect();
    let (stride, width, dim, padded) = (heads.stride(), heads.width(), heads.dim, heads.padded());
    let (out, lse) = (Shared::new(out), Shared::new(lse));
    let space = &*space;
    threading.run(tasks.len(), |task| {
        let (s, block, head) = tasks[task];
        let segment = &batch.segments()[s];
        let view = View::new(batch, &blocks, heads, space, s, head);
        let end = segment.len.min(block + QUERY_BLOCK);
        let ld = view.prefix + end.next_multiple_of(LANES) + LANES;
        with_scratch(ROWS * (ld + padded), |scratch| {
            let (scores, mixed) = scratch.split_at_mut(ROWS * ld);
            let group = head * heads.group()..(head + 1) * heads.group();
            for (query, t) in group.flat_map(|query| (block..end).step_by(ROWS).map(move |t| (query, t))) {
                let rows = ROWS.min(end - t);
                let row = segment.start + t;
                let own = t + rows;
                let keys = view.prefix + own;
                // SAFETY: buffers are sized above; a task writes its own rows and heads of `out` and `lse`.
                unsafe {
                    let q = qkv[row * stride + query * dim..].as_ptr();
                    view.scores(rows, q, stride, view.key_panels, own, scores.as_mut_ptr(), ld);
                    let mut sums = [(0f32, 0f32); ROWS];
                    for (r, sum) in sums[..rows].iter_mut().enumerate() {
                        *sum = softmax_row(&mut scores[r * ld..][..keys], view.prefix + t + r + 1, heads.scale());
                    }
                    view.mix(rows, scores.as_ptr(), ld, view.value_rows, own, mixed.as_mut_ptr());
                    for (r, &(max, sum)) in sums[..rows].iter().enumerate() {
                        let to = out.slice((row + r) * width + query * dim, dim);
                        divide(&mixed[r * padded..][..dim], sum, to);
                        lse.slice((row + r) * heads.queries + query, 1)[0] = max + sum.ln();
                    }
                }
            }
        });
    });
}

kernel! {
    pub(super) fn divide(from: &[f32], sum: f32, to: &mut [f32]) {
        let inverse = 1.0 / sum;
        for (to, &v) in to.iter_mut().zip(from) {
            *to = v * inverse;
        }
    }
}
