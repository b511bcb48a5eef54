//! Products with a weight matrix `W` (row-major, `outputs` x `inputs`, as Hugging Face stores it).
//!
//! | function | product | shapes |
//! |---|---|---|
//! | [`forward`] | `y (+)= x Wᵀ` | `[T, in] -> [T, out]` |
//! | [`backward_input`] | `dx (+)= dy W` | `[T, out] -> [T, in]` |
//! | [`backward_weight`] | `dW += dyᵀ x` | `[T, out], [T, in] -> [out, in]` |
//!
//! Each is cut into tasks by columns of the result; a task packs its own columns once and uses them for all rows. Every
//! element is one chain of fused multiply-adds ([`super::tile`]), so the cut changes no bit, and `dW` continues its
//! chain from one micro-batch to the next.
use super::panel::{pack_columns, pack_rows, panel_len};
use super::parallel::{Shared, Threading, with_scratch};
use super::tile::{Ahead, LANES, Left, ROWS, Tile};

/// Steps of the inner index per pass: a panel slice of 512 x 16 elements fills the first-level cache.
const DEPTH_BLOCK: usize = 512;
/// Rows whose left operand stays in the second-level cache during a pass over the panels.
const ROW_BLOCK: usize = 48;
/// Rows up to which the weights are read faster than they are used: their next panel is fetched meanwhile.
const STREAM_ROWS: usize = 48;
/// Tokens per pass of the weight gradient: long enough that reading and writing the result costs little.
const TOKEN_BLOCK: usize = 512;
/// Panels that a task packs and multiplies.
const CHUNK: usize = 8;

/// Outputs of a task of the weight gradient: sixteen whole tiles for each panel that it reads.
const GRADIENT_CHUNK: usize = 16 * ROWS;

/// Rows of tiles for `rows` x (`panels` x 16) elements of a result with `columns` valid columns from `c` on.
///
/// # Safety
/// As [`Tile::run`], for every row.
unsafe fn block(
    rows: usize,
    columns: usize,
    depth: usize,
    a: *const f32,
    lda: usize,
    panels: *const f32,
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
) {
    let whole = columns / LANES;
    let rest = columns % LANES;
    let panel_count = columns.div_ceil(LANES);
    let slices = depth.div_ceil(DEPTH_BLOCK);
    let slice = depth.div_ceil(slices.max(1)).max(1);
    let streamed = rows <= STREAM_ROWS;
    // Few rows stay in the cache, and the panels are read in order, once; many rows stay for a slice of every panel.
    let after = |(p, k0): (usize, usize)| match (streamed, k0 + slice < depth, p + 1 < panel_count) {
        (true, true, _) => (p, k0 + slice),
        (true, false, _) | (false, _, true) => (p + 1, if streamed { 0 } else { k0 }),
        (false, _, false) => (0, k0 + slice),
    };
    let start = |(p, k0): (usize, usize)| panels.wrapping_add(p * LANES * depth + k0 * LANES);
    for row0 in (0..rows).step_by(ROW_BLOCK) {
        let live = ROW_BLOCK.min(rows - row0);
        // Tiles of even height: one of one or two rows would wait for its own few chains.
        let tiles = live.div_ceil(ROWS);
        let (height, higher) = (live / tiles, live % tiles);
        let fetch_bytes = LANES * size_of::<f32>() / tiles;
        let mut place = (0, 0);
        for _ in 0..panel_count * slices {
            let ((p, k0), b) = (place, start(place));
            let kb = slice.min(depth - k0);
            place = after(place);
            let mut fetch = if streamed { start(place) } else { std::ptr::null() };
            let mut row = row0;
            for t in 0..tiles {
                let count = height + usize::from(t < higher);
                unsafe {
                    let (a, c) = (a.add(row * lda + k0), c.add(row * ldc + p * LANES));
                    let tile = Tile {
                        rows: count,
                        depth: kb,
                        left: Left::Rows,
                        a,
                        lda,
                        b,
                        ldb: LANES,
                        panels: 1,
                        panel: 0,
                        c,
                        ldc,
                        accumulate: accumulate || k0 > 0,
                        ahead: Ahead { next_c: (count * ldc) as isize, fetch, fetch_bytes },
                    };
                    if p < whole {
                        tile.run();
                    } else {
                        edge(&tile, rest);
                    }
                }
                row += count;
                if streamed {
                    fetch = fetch.wrapping_byte_add(kb * fetch_bytes);
                }
            }
        }
    }
}

/// A tile of which only `columns` < 16 columns exist in the result.
///
/// # Safety
/// As [`Tile::run`], with `columns` columns of the result.
pub(super) unsafe fn edge(tile: &Tile, columns: usize) {
    let mut whole = [0f32; ROWS * LANES];
    unsafe {
        if tile.accumulate {
            for r in 0..tile.rows {
                std::ptr::copy_nonoverlapping(tile.c.add(r * tile.ldc), whole.as_mut_ptr().add(r * LANES), columns);
            }
        }
        Tile { c: whole.as_mut_ptr(), ldc: LANES, ..*tile }.run();
        for r in 0..tile.rows {
            std::ptr::copy_nonoverlapping(whole.as_ptr().add(r * LANES), tile.c.add(r * tile.ldc), columns);
        }
    }
}

/// Where the columns of a task's right operand come from.
#[derive(Clone, Copy)]
enum Right<'a> {
    /// Rows of `W`, to be packed.
    Rows(&'a [f32]),
    /// Columns of `W`, to be packed.
    Columns(&'a [f32]),
    /// Panels that are packed already.
    Packed(&'a [f32]),
}

/// A result to write: `rows` x `columns`, starting at column `first` of rows at distance `stride`.
struct Output<'a> {
    data: &'a mut [f32],
    stride: usize,
    accumulate: bool,
}

fn product(threading: Threading, rows: usize, x: &[f32], depth: usize, right: Right, columns: usize, out: Output) {
    let (stride, accumulate) = (out.stride, out.accumulate);
    assert!(x.len() >= rows * depth && out.data.len() >= rows * stride && stride >= columns);
    let shared = Shared::new(out.data);
    let panels = columns.div_ceil(LANES);
    // Small products of few columns are cut by rows as well, so that every thread has work.
    let chunk = match right {
        Right::Packed(_) if rows <= ROW_BLOCK => panels.div_ceil(4 * threading.width()).max(CHUNK),
        _ => CHUNK,
    };
    let chunks = panels.div_ceil(chunk);
    let splits = (2 * threading.width()).div_ceil(chunks).min(rows.div_ceil(ROW_BLOCK)).max(1);
    let split = rows.div_ceil(splits);
    let small = rows * depth * columns < 1 << 18;
    let threading = if small { Threading::Serial } else { threading };
    threading.run(chunks * splits, |task| {
        let (first_panel, row) = (task / splits * chunk, task % splits * split);
        let first = first_panel * LANES;
        let count = (chunk * LANES).min(columns - first);
        if row >= rows {
            return;
        }
        let live = split.min(rows - row);
        let run = |panels: &[f32]| {
            let (a, c) = (x[row * depth..].as_ptr(), shared.at(row * stride + first));
            // SAFETY: tasks write disjoint rows and columns of the result, within the bounds asserted above.
            unsafe { block(live, count, depth, a, depth, panels.as_ptr(), c, stride, accumulate) }
        };
        match right {
            Right::Packed(panels) => run(&panels[first * depth..][..panel_len(count, depth)]),
            Right::Rows(w) => with_scratch(panel_len(count, depth), |panels| {
                pack_rows(&w[first * depth..], count, depth, panels);
                run(panels)
            }),
            Right::Columns(w) => with_scratch(panel_len(count, depth), |panels| {
                pack_columns::<LANES>(w, columns, depth, first, count, panels);
                run(panels)
            }),
        }
    });
}

/// A weight matrix as the forward product takes it.
#[derive(Clone, Copy)]
pub struct Weight<'a> {
    /// Row-major `outputs` x `inputs`.
    pub data: &'a [f32],
    /// The same as panels of rows ([`pack_rows`]), if they have been packed ahead (decoding).
    pub panels: Option<&'a [f32]>,
    /// Rows of `data`.
    pub outputs: usize,
    /// Columns of `data`.
    pub inputs: usize,
}

/// `y = x Wᵀ`, or `y += x Wᵀ` continued from what `y` holds (a bias) if `accumulate`; `y` has rows of `stride` elements.
pub fn forward(
    threading: Threading,
    rows: usize,
    x: &[f32],
    w: Weight,
    y: &mut [f32],
    stride: usize,
    accumulate: bool,
) {
    let right = w.panels.map_or(Right::Rows(w.data), Right::Packed);
    product(threading, rows, x, w.inputs, right, w.outputs, Output { data: y, stride, accumulate });
}

/// `dx = dy W`, or continued from what `dx` holds if `accumulate`; `dy` has rows of `outputs` elements.
pub fn backward_input(threading: Threading, rows: usize, dy: &[f32], w: Weight, dx: &mut [f32], accumulate: bool) {
    let out = Output { data: dx, stride: w.inputs, accumulate };
    product(threading, rows, dy, w.outputs, Right::Columns(&w.data[..w.outputs * w.inputs]), w.inputs, out);
}

/// `dW += dyᵀ x`, the chain of each element continued over the tokens in order; `dy` has rows of `dy_stride` elements.
/// `packed` is scratch space that grows to the panels of `x`.
pub fn backward_weight(
    threading: Threading,
    rows: usize,
    dy: &[f32],
    dy_stride: usize,
    outputs: usize,
    x: &[f32],
    inputs: usize,
    packed: &mut Vec<f32>,
    dw: &mut [f32],
) {
    assert!(
        dw.len() >= outputs * inputs && dy.len() >= (rows.max(1) - 1) * dy_stride + outputs && x.len() >= rows * inputs
    );
    let need = panel_len(inputs, rows);
    if packed.len() < need {
        packed.resize(need, 0.0);
    }
    let panel = LANES * rows;
    let target = Shared::new(&mut packed[..need]);
    threading.run(inputs.div_ceil(LANES), |p| {
        // SAFETY: one panel a task.
        let to = unsafe { target.slice(p * panel, panel) };
        pack_columns::<LANES>(x, inputs, rows, p * LANES, LANES.min(inputs - p * LANES), to);
    });
    let right = &packed[..need];
    let shared = Shared::new(dw);
    threading.run(outputs.div_ceil(GRADIENT_CHUNK), |task| {
        let first = task * GRADIENT_CHUNK;
        let count = GRADIENT_CHUNK.min(outputs - first);
        let tiles = count.div_ceil(ROWS);
        with_scratch(tiles * ROWS * rows, |left| {
            pack_columns::<ROWS>(dy, dy_stride, rows, first, count, left);
            let mut t0 = 0;
            while t0 < rows {
                let depth = TOKEN_BLOCK.min(rows - t0);
                for q in 0..inputs.div_ceil(LANES) {
                    let live = LANES.min(inputs - q * LANES);
                    for p in 0..tiles {
                        let last = p + 1 == tiles;
                        let down = (ROWS * inputs) as isize;
                        let tile = Tile {
                            rows: ROWS.min(count - p * ROWS),
                            depth,
                            left: Left::Columns,
                            a: left[(p * rows + t0) * ROWS..].as_ptr(),
                            lda: ROWS,
                            b: right[q * panel + t0 * LANES..].as_ptr(),
                            ldb: LANES,
                            panels: 1,
                            panel: 0,
                            c: shared.at((first + p * ROWS) * inputs + q * LANES),
                            ldc: inputs,
                            accumulate: true,
                            ahead: Ahead {
                                next_c: if last { LANES as isize - p as isize * down } else { down },
                                ..Ahead::NONE
                            },
                        };
                        // SAFETY: each task owns the rows `first..first + count` of `dw`.
                        unsafe {
                            if live == LANES {
                                tile.run();
                            } else {
                                edge(&tile, live);
                            }
                        }
                    }
                }
                t0 += depth;
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of mixed size and sign.
    fn values(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2654435761).wrapping_add(1);
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    /// The plain reference: one chain of fused multiply-adds per element.
    fn chain(start: f32, n: usize, a: impl Fn(usize) -> f32, b: impl Fn(usize) -> f32) -> f32 {
        (0..n).fold(start, |sum, k| a(k).mul_add(b(k), sum))
    }

    #[test]
    fn products_have_the_bits_of_the_plain_chain() {
        for &(rows, outputs, inputs) in &[(1, 1, 1), (7, 33, 19), (100, 97, 48), (130, 64, 600), (513, 31, 17)] {
            let (x, w, dy) = (values(rows * inputs, 1), values(outputs * inputs, 2), values(rows * outputs, 3));
            let weight = Weight { data: &w, panels: None, outputs, inputs };
            let mut y = values(rows * outputs, 4);
            let start = y.clone();
            forward(Threading::Pool, rows, &x, weight, &mut y, outputs, true);
            for (i, got) in y.iter().enumerate() {
                let (r, c) = (i / outputs, i % outputs);
                let want = chain(start[i], inputs, |k| x[r * inputs + k], |k| w[c * inputs + k]);
                assert_eq!(got.to_bits(), want.to_bits(), "y[{r}, {c}] of {rows}x{outputs}x{inputs}");
            }
            let mut panels = vec![0.0; panel_len(outputs, inputs)];
            pack_rows(&w, outputs, inputs, &mut panels);
            let mut again = start.clone();
            forward(Threading::Serial, rows, &x, Weight { panels: Some(&panels), ..weight }, &mut again, outputs, true);
            assert_eq!(y, again);

            let mut dx = vec![f32::NAN; rows * inputs];
            backward_input(Threading::Pool, rows, &dy, weight, &mut dx, false);
            for (i, got) in dx.iter().enumerate() {
                let (r, c) = (i / inputs, i % inputs);
                let want = chain(0.0, outputs, |k| dy[r * outputs + k], |k| w[k * inputs + c]);
                assert_eq!(got.to_bits(), want.to_bits(), "dx[{r}, {c}]");
            }

            let mut dw = values(outputs * inputs, 5);
            let start = dw.clone();
            backward_weight(Threading::Pool, rows, &dy, outputs, outputs, &x, inputs, &mut Vec::new(), &mut dw);
            for (i, got) in dw.iter().enumerate() {
                let (r, c) = (i / inputs, i % inputs);
                let want = chain(start[i], rows, |t| dy[t * outputs + r], |t| x[t * inputs + c]);
                assert_eq!(got.to_bits(), want.to_bits(), "dw[{r}, {c}]");
            }
        }
    }
}
