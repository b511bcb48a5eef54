//! Keys and values of packed segments in the layouts that the tile kernel reads.
use crate::batch::Packed;
use crate::cpu::parallel::{Shared, Threading};
use crate::cpu::simd::kernel;
use crate::cpu::tile::LANES;
use crate::cpu::transpose::interleave;
use crate::device::Heads;

/// Keys or values of one layer, copied out of `qkv` in the two layouts that the tile kernel reads.
#[derive(Default)]
pub(super) struct Copied {
    /// `[kv head][block of 16 rows][dim][16]`
    pub panels: Vec<f32>,
    /// `[kv head][row, segments padded to 16][padded dim]`
    pub rows: Vec<f32>,
}

/// Where segments start when each is padded to blocks of [`LANES`] rows.
pub(super) struct Blocks {
    pub first: Vec<usize>,
    pub total: usize,
}

impl Blocks {
    pub fn new(batch: &Packed) -> Self {
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
    pub(super) keys: Copied,
    pub(super) values: Copied,
}

kernel! {
    /// Columns `at..at + dim` of `count` rows as zero-padded rows and, unless `panels` is empty, as panels of 16 rows.
    pub(super) fn copy_head(source: &[f32], stride: usize, at: usize, dim: usize, count: usize, padded: usize, rows: &mut [f32], panels: &mut [f32]) {
        for (t, row) in rows.chunks_exact_mut(padded).enumerate() {
            if t < count {
                row[..dim].copy_from_slice(&source[t * stride + at..][..dim]);
                row[dim..].fill(0.0);
            } else {
                row.fill(0.0);
            }
        }
        for (block, panel) in panels.chunks_exact_mut(dim * LANES).enumerate() {
            interleave(&rows[block * LANES * padded..], padded, dim, panel);
        }
    }
}

/// Copies the heads that start at `at(head)` of every segment; `with_panels` says whether panels are needed too.
pub(super) fn copy_heads(
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
