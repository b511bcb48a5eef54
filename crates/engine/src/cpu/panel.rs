//! Panels: operands of the tile kernel laid out so that it reads them in order.
use super::simd::kernel;
use super::tile::LANES;
use super::transpose::interleave;

/// Elements of the panels of an operand with `columns` columns and `depth` steps of the inner index.
pub fn panel_len(columns: usize, depth: usize) -> usize {
    columns.div_ceil(LANES) * LANES * depth
}

/// Panels of the *rows* of `w` (row-major, `rows` x `depth`): `out[p, k, l] = w[16 p + l, k]`, zero beyond the last row.
pub fn pack_rows(w: &[f32], rows: usize, depth: usize, out: &mut [f32]) {
    for (p, panel) in out[..panel_len(rows, depth)].chunks_exact_mut(LANES * depth).enumerate() {
        let live = LANES.min(rows - p * LANES);
        let source = &w[p * LANES * depth..][..live * depth];
        if live == LANES {
            interleave(source, depth, depth, panel);
            continue;
        }
        panel.fill(0.0);
        for (l, row) in source.chunks_exact(depth).enumerate() {
            for (k, &value) in row.iter().enumerate() {
                panel[k * LANES + l] = value;
            }
        }
    }
}

kernel! {
    /// Panels of `W` *columns* of `x` (row-major, `depth` rows at distance `stride`): `out[p, t, l] = x[t, W p + l]` for
    /// the columns `first..first + columns`, zero beyond the last.
    pub fn pack_columns<const W: usize>(x: &[f32], stride: usize, depth: usize, first: usize, columns: usize, out: &mut [f32]) {
        let panel = W * depth;
        // A few rows at a time, so that they are read in order.
        for t0 in (0..depth).step_by(8) {
            let steps = 8.min(depth - t0);
            for p in 0..columns.div_ceil(W) {
                let live = W.min(columns - p * W);
                let to = &mut out[p * panel + t0 * W..][..steps * W];
                for (t, lanes) in to.chunks_exact_mut(W).enumerate() {
                    let from = &x[(t0 + t) * stride + first + p * W..];
                    if live == W {
                        lanes.copy_from_slice(&from[..W]);
                    } else {
                        lanes[..live].copy_from_slice(&from[..live]);
                        lanes[live..].fill(0.0);
                    }
                }
            }
        }
    }
}
