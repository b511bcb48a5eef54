//! The gradient of attention: probabilities are computed again from the scores and the forward pass's sums.
use super::View;
use super::copies::{Blocks, Workspace, copy_head, copy_heads};
use crate::batch::{Packed, Segment};
use crate::cpu::math::{dot, exp};
use crate::cpu::parallel::{Shared, Threading, with_scratch};
use crate::cpu::simd::kernel;
use crate::cpu::tile::{Ahead, LANES, Left, ROWS, Tile};
use crate::device::Heads;
use std::ops::Range;

/// Queries whose probabilities are held at once: several tiles, still in the second-level cache.
const GRADIENT_BLOCK: usize = 24;

kernel! {
    /// `p = exp(scale * score - lse)` for the first `n` scores, then 0; `ds = p (dp - delta) scale` over `dp`.
    fn softmax_gradient(scores: &mut [f32], dp: &mut [f32], n: usize, scale: f32, lse: f32, delta: f32) {
        for (p, d) in scores[..n].iter_mut().zip(&mut dp[..n]) {
            *p = exp(p.mul_add(scale, -lse));
            *d = *p * (*d - delta) * scale;
        }
        scores[n..].fill(0.0);
        dp[n..].fill(0.0);
    }
}

/// Sequences that share a prefix, and the prefix: their gradients meet in the prefix's keys and values, so one task
/// adds them up in a fixed order.
fn families(batch: &Packed) -> Vec<Vec<usize>> {
    let mut families: Vec<Vec<usize>> = Vec::new();
    let mut of = vec![usize::MAX; batch.segments().len()];
    for (s, segment) in batch.segments().iter().enumerate() {
        match segment.prefix {
            Some(p) => families[of[p]].push(s),
            None => {
                of[s] = families.len();
                families.push(vec![s]);
            }
        }
    }
    families
}

/// What the tasks of one call read, and where they write.
struct Call<'a> {
    batch: &'a Packed,
    blocks: Blocks,
    heads: Heads,
    qkv: &'a [f32],
    out: &'a [f32],
    lse: &'a [f32],
    dout: &'a [f32],
    space: &'a Workspace,
    dqkv: Shared<'a>,
}

/// Memory of a task, for `rows` tokens and rows of `ld` keys.
struct Scratch<'a> {
    /// `[rows, padded]`
    dk: &'a mut [f32],
    /// `[rows, padded]`
    dv: &'a mut [f32],
    /// `[GRADIENT_BLOCK, ld]`: scores, then probabilities.
    p: &'a mut [f32],
    /// `[GRADIENT_BLOCK, ld]`: gradient of the probabilities, then of the scores.
    ds: &'a mut [f32],
    /// `[GRADIENT_BLOCK, padded]`
    queries: &'a mut [f32],
    /// `[GRADIENT_BLOCK, padded]`
    douts: &'a mut [f32],
    /// `[ROWS, padded]`
    mixed: &'a mut [f32],
    ld: usize,
}

impl<'a> Scratch<'a> {
    fn len(rows: usize, padded: usize, ld: usize) -> usize {
        2 * (rows * padded + GRADIENT_BLOCK * (ld + padded)) + ROWS * padded
    }

    /// `memory`, of [`Scratch::len`] elements, with gradients of zero.
    fn new(memory: &'a mut [f32], rows: usize, padded: usize, ld: usize) -> Self {
        let (dk, memory) = memory.split_at_mut(rows * padded);
        let (dv, memory) = memory.split_at_mut(rows * padded);
        let (p, memory) = memory.split_at_mut(GRADIENT_BLOCK * ld);
        let (ds, memory) = memory.split_at_mut(GRADIENT_BLOCK * ld);
        let (queries, memory) = memory.split_at_mut(GRADIENT_BLOCK * padded);
        let (douts, mixed) = memory.split_at_mut(GRADIENT_BLOCK * padded);
        dk.fill(0.0);
        dv.fill(0.0);
        Self { dk, dv, p, ds, queries, douts, mixed, ld }
    }
}

/// Gradient of [`super::forward`]: `dqkv` is written whole. `qkv`, `out` and `lse` are the forward pass's.
pub fn backward(
    threading: Threading,
    batch: &Packed,
    heads: Heads,
    qkv: &[f32],
    out: &[f32],
    lse: &[f32],
    dout: &[f32],
    space: &mut Workspace,
    dqkv: &mut [f32],
) {
    let blocks = Blocks::new(batch);
    copy_heads(threading, batch, &blocks, heads, qkv, |h| heads.key_at(h), true, &mut space.keys);
    copy_heads(threading, batch, &blocks, heads, qkv, |h| heads.value_at(h), true, &mut space.values);
    let families = families(batch);
    let call = Call { batch, blocks, heads, qkv, out, lse, dout, space, dqkv: Shared::new(dqkv) };
    threading.run(families.len() * heads.keys, |task| call.family(&families[task / heads.keys], task % heads.keys));
}

impl Call<'_> {
    /// The gradient of one key head, and of its queries, over a family of segments.
    fn family(&self, family: &[usize], head: usize) {
        let (heads, padded) = (self.heads, self.heads.padded());
        let segments = || family.iter().map(|&s| &self.batch.segments()[s]);
        let longest = segments().map(|s| s.len).max().unwrap_or(0);
        let prefix_rows = self.batch.segments()[family[0]].len;
        let ld = prefix_rows + longest.next_multiple_of(LANES) + LANES;
        let total: usize = segments().map(|s| s.len).sum();
        with_scratch(Scratch::len(total, padded, ld), |memory| {
            let mut scratch = Scratch::new(memory, total, padded, ld);
            let mut first = 0;
            for (&s, segment) in family.iter().zip(segments()) {
                let view = View::new(self.batch, &self.blocks, heads, self.space, s, head);
                for query in head * heads.group()..(head + 1) * heads.group() {
                    for start in (0..segment.len).step_by(GRADIENT_BLOCK) {
                        let queries = start..segment.len.min(start + GRADIENT_BLOCK);
                        self.block(&view, query, segment.start, queries, &mut scratch, first);
                    }
                }
                first += segment.len;
            }
            self.write(segments(), head, &scratch);
        });
    }

    /// The queries `range` of head `query` in the segment that starts at row `start`, whose keys are number `first` and later in the
    /// family's gradients.
    fn block(&self, view: &View, query: usize, start: usize, range: Range<usize>, to: &mut Scratch, first: usize) {
        let (heads, dim, padded) = (self.heads, self.heads.dim, self.heads.padded());
        let (stride, width, ld) = (heads.stride(), heads.width(), to.ld);
        let (row, count, own) = (start + range.start, range.len(), range.end);
        copy_head(&self.qkv[row * stride..], stride, query * dim, dim, count, padded, to.queries, &mut []);
        copy_head(&self.dout[row * width..], width, query * dim, dim, count, padded, to.douts, &mut []);
        // Rows of a tile, and the segment's keys that the last of them sees.
        let tiles =
            || (0..count).step_by(ROWS).map(|t| (t, ROWS.min(count - t), range.end.min(range.start + t + ROWS)));
        // SAFETY: `Scratch` has room for a block of queries and all keys; a task writes its own rows and heads of `dqkv`.
        unsafe {
            for (t, rows, seen) in tiles() {
                let (q, dout) = (to.queries[t * padded..].as_ptr(), to.douts[t * padded..].as_ptr());
                view.scores(rows, q, padded, view.key_panels, seen, to.p[t * ld..].as_mut_ptr(), ld);
                view.scores(rows, dout, padded, view.value_panels, seen, to.ds[t * ld..].as_mut_ptr(), ld);
            }
            for t in 0..count {
                let o = &self.out[(row + t) * width + query * dim..][..dim];
                let delta = dot(o, &to.douts[t * padded..][..dim]);
                let keys = t * ld..t * ld + view.prefix + own;
                let lse = self.lse[(row + t) * heads.queries + query];
                let seen = view.prefix + range.start + t + 1;
                softmax_gradient(&mut to.p[keys.clone()], &mut to.ds[keys], seen, heads.scale(), lse, delta);
            }
            for (t, rows, seen) in tiles() {
                view.mix(rows, to.ds[t * ld..].as_ptr(), ld, view.key_rows, seen, to.mixed.as_mut_ptr());
                for r in 0..rows {
                    let dq = self.dqkv.slice((row + t + r) * stride + query * dim, dim);
                    dq.copy_from_slice(&to.mixed[r * padded..][..dim]);
                }
            }
            let pairs = [(&*to.p, &*to.douts, &mut *to.dv), (&*to.ds, &*to.queries, &mut *to.dk)];
            for (weights, values, gradient) in pairs {
                scatter(weights, ld, count, view.prefix, values, padded, gradient);
                scatter(&weights[view.prefix..], ld, count, own, values, padded, &mut gradient[first * padded..]);
            }
        }
    }

    /// Copies the gradients of a family's keys and values to where they belong.
    fn write<'s>(&self, segments: impl Iterator<Item = &'s Segment>, head: usize, from: &Scratch) {
        let (heads, dim, padded) = (self.heads, self.heads.dim, self.heads.padded());
        for (i, row) in segments.flat_map(|segment| segment.start..segment.start + segment.len).enumerate() {
            for (at, gradient) in [(heads.key_at(head), &from.dk), (heads.value_at(head), &from.dv)] {
                // SAFETY: each task has its own rows and heads.
                let to = unsafe { self.dqkv.slice(row * heads.stride() + at, dim) };
                to.copy_from_slice(&gradient[i * padded..][..dim]);
            }
        }
    }
}

/// `gradient[j, :] += sum_i weights[i, j] values[i, :]` for `keys` keys.
///
/// # Safety
/// `weights` covers `count` rows at distance `ld`, `values` as many padded heads, `gradient` the keys.
unsafe fn scatter(
    weights: &[f32],
    ld: usize,
    count: usize,
    keys: usize,
    values: &[f32],
    padded: usize,
    gradient: &mut [f32],
) {
    debug_assert!(gradient.len() >= keys * padded);
    for j in (0..keys).step_by(ROWS) {
        let tile = Tile {
            rows: ROWS.min(keys - j),
            depth: count,
            left: Left::Columns,
            a: weights[j..].as_ptr(),
            lda: ld,
            b: values.as_ptr(),
            ldb: padded,
            panels: padded / LANES,
            panel: LANES,
            c: gradient[j * padded..].as_mut_ptr(),
            ldc: padded,
            accumulate: true,
            ahead: Ahead::NONE,
        };
        unsafe { tile.run() };
    }
}
