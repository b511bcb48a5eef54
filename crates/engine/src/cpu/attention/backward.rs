//! The gradient of attention: probabilities are computed again from the scores and the forward pass's sums.
use super::copies::{Blocks, Workspace, copy_head, copy_heads};
use super::{Heads, View};
use crate::batch::Packed;
use crate::cpu::linear::with_scratch;
use crate::cpu::math::{dot, exp};
use crate::cpu::parallel::{Shared, Threading};
use crate::cpu::simd::kernel;
use crate::cpu::tile::{Ahead, LANES, Left, ROWS, Tile};

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
    let (stride, width, dim, padded) = (heads.stride(), heads.width(), heads.dim, heads.padded());
    let dqkv = Shared::new(dqkv);
    let space = &*space;
    threading.run(families.len() * heads.keys, |task| {
        let (family, head) = (&families[task / heads.keys], task % heads.keys);
        let segments = || family.iter().map(|&s| &batch.segments()[s]);
        let longest = segments().map(|s| s.len).max().unwrap_or(0);
        let prefix_rows = batch.segments()[family[0]].len;
        let ld = prefix_rows + longest.next_multiple_of(LANES) + LANES;
        let total: usize = segments().map(|s| s.len).sum();
        let sizes = [total * padded, GRADIENT_BLOCK * ld, GRADIENT_BLOCK * padded];
        with_scratch(2 * sizes.iter().sum::<usize>() + ROWS * padded, |scratch| {
            let (gradients, scratch) = scratch.split_at_mut(2 * sizes[0]);
            gradients.fill(0.0);
            let (dk, dv) = gradients.split_at_mut(sizes[0]);
            let (p, scratch) = scratch.split_at_mut(sizes[1]);
            let (ds, scratch) = scratch.split_at_mut(sizes[1]);
            let (queries, scratch) = scratch.split_at_mut(sizes[2]);
            let (douts, mixed) = scratch.split_at_mut(sizes[2]);
            let mut first = 0;
            for &s in family {
                let segment = &batch.segments()[s];
                let view = View::new(batch, &blocks, heads, space, s, head);
                for query in head * heads.group()..(head + 1) * heads.group() {
                    for block in (0..segment.len).step_by(GRADIENT_BLOCK) {
                        let count = GRADIENT_BLOCK.min(segment.len - block);
                        let row = segment.start + block;
                        copy_head(&qkv[row * stride..], stride, query * dim, dim, count, padded, queries, &mut []);
                        copy_head(&dout[row * width..], width, query * dim, dim, count, padded, douts, &mut []);
                        let own = block + count;
                        let keys = view.prefix + own;
                        // SAFETY: buffers are sized above; a task writes its own rows and heads of `dqkv`.
                        unsafe {
                            for t in (0..count).step_by(ROWS) {
                                let rows = ROWS.min(count - t);
                                let at = |buffer: &mut [f32]| buffer[t * ld..].as_mut_ptr();
                                view.scores(
                                    rows,
                                    queries[t * padded..].as_ptr(),
                                    padded,
                                    view.key_panels,
                                    own,
                                    at(p),
                                    ld,
                                );
                                view.scores(
                                    rows,
                                    douts[t * padded..].as_ptr(),
                                    padded,
                                    view.value_panels,
                                    own,
                                    at(ds),
                                    ld,
                                );
                            }
                            for t in 0..count {
                                let o = &out[(row + t) * width + query * dim..][..dim];
                                let delta = dot(o, &douts[t * padded..][..dim]);
                                let (p, ds) = (&mut p[t * ld..][..keys], &mut ds[t * ld..][..keys]);
                                let lse = lse[(row + t) * heads.queries + query];
                                softmax_gradient(p, ds, view.prefix + block + t + 1, heads.scale(), lse, delta);
                            }
                            for t in (0..count).step_by(ROWS) {
                                let rows = ROWS.min(count - t);
                                view.mix(rows, ds[t * ld..].as_ptr(), ld, view.key_rows, own, mixed.as_mut_ptr());
                                for r in 0..rows {
                                    let to = dqkv.slice((row + t + r) * stride + query * dim, dim);
                                    to.copy_from_slice(&mixed[r * padded..][..dim]);
                                }
                            }
                            for (weights, values, gradient) in [(&*p, &*douts, &mut *dv), (&*ds, &*queries, &mut *dk)] {
                                scatter(weights, ld, count, view.prefix, values, padded, gradient);
                                scatter(
                                    &weights[view.prefix..],
                                    ld,
                                    count,
                                    own,
                                    values,
                                    padded,
                                    &mut gradient[first * padded..],
                                );
                            }
                        }
                    }
                }
                first += segment.len;
            }
            let mut first = 0;
            for segment in segments() {
                for t in 0..segment.len {
                    let row = (segment.start + t) * stride;
                    let from = (first + t) * padded;
                    // SAFETY: each task has its own rows and heads.
                    unsafe {
                        dqkv.slice(row + heads.key_at(head), dim).copy_from_slice(&dk[from..from + dim]);
                        dqkv.slice(row + heads.value_at(head), dim).copy_from_slice(&dv[from..from + dim]);
                    }
                }
                first += segment.len;
            }
        });
    });
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
