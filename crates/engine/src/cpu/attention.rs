//! Causal attention with grouped queries over packed segments, a shared prefix attended to in place.
//!
//! `o_i = sum_j p_ij v_j`, `p_ij = softmax_j(q_i . k_j / sqrt(d))` over the keys of the prefix and of the own segment up
//! to `i`. Scores of a query lie in order of the keys' positions, whichever segment a key is in, so that neither the
//! softmax's sum nor the chains of the value product depend on where a sequence is cut; decoding runs the same steps
//! over its cache ([`super::cache`]).
use super::math::{dot, exp, softmax_row};
use super::parallel::{Shared, Threading};
use super::simd::kernel;
use super::tile::{LANES, Left, ROWS, Tile};
use crate::batch::Packed;

/// Queries a task of the forward pass.
const QUERY_BLOCK: usize = 48;
/// Queries whose probabilities the backward pass holds at once: several tiles, still in the second-level cache.
const GRADIENT_BLOCK: usize = 24;

/// Sizes of an attention layer; a row of `qkv` holds all query heads, then all key heads, then all value heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub queries: usize,
    /// Key and value heads.
    pub keys: usize,
    /// Elements of a head.
    pub dim: usize,
}

impl Heads {
    /// Elements of a row of `qkv`.
    pub fn stride(self) -> usize {
        (self.queries + 2 * self.keys) * self.dim
    }

    /// Elements of a row of the attention's output.
    pub fn width(self) -> usize {
        self.queries * self.dim
    }

    /// A head's elements rounded up to whole lanes.
    pub(super) fn padded(self) -> usize {
        self.dim.div_ceil(LANES) * LANES
    }

    pub(super) fn group(self) -> usize {
        self.queries / self.keys
    }

    pub(super) fn scale(self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }

    fn key_at(self, head: usize) -> usize {
        (self.queries + head) * self.dim
    }

    fn value_at(self, head: usize) -> usize {
        (self.queries + self.keys + head) * self.dim
    }
}

/// Keys or values of one layer, copied out of `qkv` in the two layouts that the tile kernel reads.
#[derive(Default)]
struct Copied {
    /// `[kv head][block of 16 rows][dim][16]`
    panels: Vec<f32>,
    /// `[kv head][row, segments padded to 16][padded dim]`
    rows: Vec<f32>,
}

/// Where segments start when each is padded to blocks of [`LANES`] rows.
struct Blocks {
    first: Vec<usize>,
    total: usize,
}

impl Blocks {
    fn new(batch: &Packed) -> Self {
        let mut total = 0;
        let first = batch
            .segments()
            .iter()
            .map(|s| {
                total += s.len.div_ceil(LANES);
                total - s.len.div_ceil(LANES)
            })
            .collect();
        Self { first, total }
    }
}

/// Scratch space of the attention operators, reused from call to call.
#[derive(Default)]
pub struct Workspace {
    keys: Copied,
    values: Copied,
}

kernel! {
    /// Columns `at..at + dim` of `count` rows as zero-padded rows and, unless `panels` is empty, as panels of 16 rows.
    fn copy_head(source: &[f32], stride: usize, at: usize, dim: usize, count: usize, padded: usize, rows: &mut [f32], panels: &mut [f32]) {
        for (t, row) in rows.chunks_exact_mut(padded).enumerate() {
            if t < count {
                row[..dim].copy_from_slice(&source[t * stride + at..][..dim]);
                row[dim..].fill(0.0);
            } else {
                row.fill(0.0);
            }
        }
        for (block, panel) in panels.chunks_exact_mut(dim * LANES).enumerate() {
            for (k, lanes) in panel.chunks_exact_mut(LANES).enumerate() {
                for (l, lane) in lanes.iter_mut().enumerate() {
                    *lane = rows[(block * LANES + l) * padded + k];
                }
            }
        }
    }
}

/// Copies the heads that start at `at(head)` of every segment; `with_panels` says whether panels are needed too.
fn copy_heads(
    threading: Threading,
    batch: &Packed,
    blocks: &Blocks,
    heads: Heads,
    qkv: &[f32],
    at: impl Fn(usize) -> usize + Sync,
    with_panels: bool,
    to: &mut Copied,
) {
    let (stride, dim, padded) = (heads.stride(), heads.dim, heads.padded());
    to.rows.resize(heads.keys * blocks.total * LANES * padded, 0.0);
    to.panels.resize(if with_panels { heads.keys * blocks.total * LANES * dim } else { 0 }, 0.0);
    let (rows, panels) = (Shared::new(&mut to.rows), Shared::new(&mut to.panels));
    let segments = batch.segments();
    threading.run(segments.len() * heads.keys, |task| {
        let (s, head) = (task / heads.keys, task % heads.keys);
        let segment = &segments[s];
        let first = head * blocks.total + blocks.first[s];
        let count = segment.len.div_ceil(LANES);
        // SAFETY: each task has its own segment and head.
        let (rows, panels) = unsafe {
            let rows = rows.slice(first * LANES * padded, count * LANES * padded);
            (
                rows,
                if with_panels {
                    panels.slice(first * LANES * dim, count * LANES * dim)
                } else {
                    &mut [] as &mut [f32]
                },
            )
        };
        copy_head(&qkv[segment.start * stride..], stride, at(head), dim, segment.len, padded, rows, panels);
    });
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
        let mut scores = vec![0f32; ROWS * ld];
        let mut mixed = vec![0f32; ROWS * padded];
        for query in head * heads.group()..(head + 1) * heads.group() {
            for t in (block..end).step_by(ROWS) {
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
        }
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

/// Gradient of [`forward`]: `dqkv` is written whole. `qkv`, `out` and `lse` are the forward pass's.
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
        let mut dk = vec![0f32; total * padded];
        let mut dv = vec![0f32; total * padded];
        let mut p = vec![0f32; GRADIENT_BLOCK * ld];
        let mut ds = vec![0f32; GRADIENT_BLOCK * ld];
        let mut queries = vec![0f32; GRADIENT_BLOCK * padded];
        let mut douts = vec![0f32; GRADIENT_BLOCK * padded];
        let mut mixed = vec![0f32; ROWS * padded];
        let mut first = 0;
        for &s in family {
            let segment = &batch.segments()[s];
            let view = View::new(batch, &blocks, heads, space, s, head);
            for query in head * heads.group()..(head + 1) * heads.group() {
                for block in (0..segment.len).step_by(GRADIENT_BLOCK) {
                    let count = GRADIENT_BLOCK.min(segment.len - block);
                    let row = segment.start + block;
                    copy_head(&qkv[row * stride..], stride, query * dim, dim, count, padded, &mut queries, &mut []);
                    copy_head(&dout[row * width..], width, query * dim, dim, count, padded, &mut douts, &mut []);
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
                                at(&mut p),
                                ld,
                            );
                            view.scores(
                                rows,
                                douts[t * padded..].as_ptr(),
                                padded,
                                view.value_panels,
                                own,
                                at(&mut ds),
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
                        for (weights, values, gradient) in [(&p, &douts, &mut dv), (&ds, &queries, &mut dk)] {
                            scatter(&weights[..], ld, count, view.prefix, &values[..], padded, gradient);
                            scatter(
                                &weights[view.prefix..],
                                ld,
                                count,
                                own,
                                &values[..],
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
        };
        unsafe { tile.run() };
    }
}
