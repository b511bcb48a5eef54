//! RMSNorm, forward and backward, over rows and over the heads of the queries and keys.
//!
//! `y = w * x / sqrt(mean(x^2) + eps)` (Zhang & Sennrich 2019).
use super::math::dot;
use super::parallel::{Shared, Threading, with_scratch};
use super::simd::kernel;

/// Rows a task.
const ROWS: usize = 64;

kernel! {
    /// Normalises one row and returns `1 / rms`.
    fn norm_row(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) -> f32 {
        let inv = 1.0 / (dot(x, x) / x.len() as f32 + eps).sqrt();
        for ((y, &x), &w) in y.iter_mut().zip(x).zip(weight) {
            *y = x * inv * w;
        }
        inv
    }
}

kernel! {
    /// `dx (+)= d(norm)/dx . dy`: `inv (w dy) - x inv^3 / n * sum(w dy x)`.
    fn norm_row_backward(x: &[f32], weight: &[f32], inv: f32, dy: &[f32], dx: &mut [f32], accumulate: bool) {
        let n = x.len();
        let (weight, dy, dx) = (&weight[..n], &dy[..n], &mut dx[..n]);
        let along = super::math::sum_by(n, |i| weight[i] * dy[i] * x[i]);
        let pull = along * inv * inv * inv / n as f32;
        if accumulate {
            for i in 0..n {
                dx[i] += (weight[i] * dy[i]).mul_add(inv, -pull * x[i]);
            }
        } else {
            for i in 0..n {
                dx[i] = (weight[i] * dy[i]).mul_add(inv, -pull * x[i]);
            }
        }
    }
}

kernel! {
    /// `dw[c] += sum_t dy[t, c] x[t, c] inv[t]` for the columns that `dw` covers, tokens in order.
    fn weight_columns(rows: usize, stride: usize, first: usize, x: &[f32], inv: &[f32], dy: &[f32], dw: &mut [f32]) {
        for t in 0..rows {
            let (x, dy) = (&x[t * stride + first..][..dw.len()], &dy[t * stride + first..][..dw.len()]);
            for ((dw, &x), &dy) in dw.iter_mut().zip(x).zip(dy) {
                *dw = (x * inv[t]).mul_add(dy, *dw);
            }
        }
    }
}

kernel! {
    fn add_rows(x: &[f32], delta: &[f32], sum: &mut [f32]) {
        for ((sum, &x), &d) in sum.iter_mut().zip(x).zip(delta) {
            *sum = x + d;
        }
    }
}

/// `sum = x + delta` (the residual connection), then `y = norm(sum)`.
pub fn add_normalise(
    threading: Threading,
    rows: usize,
    x: &[f32],
    delta: &[f32],
    sum: &mut [f32],
    weight: &[f32],
    eps: f32,
    y: &mut [f32],
) {
    let n = weight.len();
    let (sum, y) = (Shared::new(&mut sum[..rows * n]), Shared::new(&mut y[..rows * n]));
    threading.rows(rows, ROWS, |first, count| {
        let range = first * n..(first + count) * n;
        // SAFETY: each task has its own rows.
        let (sum, y) = unsafe { (sum.slice(range.start, range.len()), y.slice(range.start, range.len())) };
        add_rows(&x[range.clone()], &delta[range], sum);
        for (x, y) in sum.chunks_exact(n).zip(y.chunks_exact_mut(n)) {
            norm_row(x, weight, eps, y);
        }
    });
}

/// `sum = x + delta`.
pub fn add(threading: Threading, x: &[f32], delta: &[f32], sum: &mut [f32]) {
    let shared = Shared::new(sum);
    threading.rows(x.len(), 1 << 15, |first, count| {
        // SAFETY: each task has its own elements.
        add_rows(&x[first..first + count], &delta[first..first + count], unsafe { shared.slice(first, count) });
    });
}

/// `y = norm(x)`.
pub fn normalise(threading: Threading, rows: usize, x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
    let n = weight.len();
    let y = Shared::new(&mut y[..rows * n]);
    threading.rows(rows, ROWS, |first, count| {
        // SAFETY: each task has its own rows.
        let y = unsafe { y.slice(first * n, count * n) };
        for (x, y) in x[first * n..].chunks_exact(n).zip(y.chunks_exact_mut(n)) {
            norm_row(x, weight, eps, y);
        }
    });
}

/// `dx += d(norm)/dx . dy` and `dw += d(norm)/dw . dy`, if there is a `dw`.
pub fn backward(
    threading: Threading,
    rows: usize,
    x: &[f32],
    weight: &[f32],
    eps: f32,
    dy: &[f32],
    dx: &mut [f32],
    dw: Option<&mut [f32]>,
) {
    let n = weight.len();
    with_scratch(rows, |inv| {
        let (dx, inv_out) = (Shared::new(&mut dx[..rows * n]), Shared::new(&mut *inv));
        threading.rows(rows, ROWS, |first, count| {
            // SAFETY: each task has its own rows.
            let (dx, inv) = unsafe { (dx.slice(first * n, count * n), inv_out.slice(first, count)) };
            for (i, dx) in dx.chunks_exact_mut(n).enumerate() {
                let row = (first + i) * n;
                let x = &x[row..row + n];
                inv[i] = 1.0 / (dot(x, x) / n as f32 + eps).sqrt();
                norm_row_backward(x, weight, inv[i], &dy[row..row + n], dx, true);
            }
        });
        let Some(dw) = dw else { return };
        let dw = Shared::new(&mut dw[..n]);
        threading.rows(n, 64, |first, count| {
            // SAFETY: each task has its own columns.
            weight_columns(rows, n, first, x, inv, dy, unsafe { dw.slice(first, count) });
        });
    });
}

/// Where the heads that share one norm lie in a row.
#[derive(Clone, Copy)]
pub struct Heads {
    /// Elements of a row.
    pub stride: usize,
    /// First element of the first head.
    pub first: usize,
    /// Number of heads.
    pub count: usize,
}

/// Normalises every head of `raw` into the same place of `out` (QK-norm of Qwen3: one weight for all heads).
pub fn heads_forward(
    threading: Threading,
    rows: usize,
    heads: Heads,
    raw: &[f32],
    weight: &[f32],
    eps: f32,
    out: &mut [f32],
) {
    let out = Shared::new(&mut out[..rows * heads.stride]);
    threading.rows(rows, ROWS, |first, count| {
        for t in first..first + count {
            for h in 0..heads.count {
                let at = t * heads.stride + heads.first + h * weight.len();
                // SAFETY: each task has its own rows.
                norm_row(&raw[at..at + weight.len()], weight, eps, unsafe { out.slice(at, weight.len()) });
            }
        }
    });
}

/// Copies the columns from `first` on of rows of `stride` elements.
pub fn copy_columns(threading: Threading, rows: usize, stride: usize, first: usize, from: &[f32], to: &mut [f32]) {
    let to = Shared::new(&mut to[..rows * stride]);
    threading.rows(rows, ROWS, |row, count| {
        for t in row..row + count {
            let from = &from[t * stride + first..(t + 1) * stride];
            // SAFETY: each task has its own rows.
            unsafe { to.slice(t * stride + first, from.len()) }.copy_from_slice(from);
        }
    });
}

/// Turns the gradient of the normalised heads in `d` into that of the raw ones, and adds the weight's to `dw`, if there is one.
pub fn heads_backward(
    threading: Threading,
    rows: usize,
    heads: Heads,
    raw: &[f32],
    weight: &[f32],
    eps: f32,
    d: &mut [f32],
    dw: Option<&mut [f32]>,
) {
    let n = weight.len();
    with_scratch(rows * heads.count * (n + 1), |scratch| {
        let (inv, products) = scratch.split_at_mut(rows * heads.count);
        let (d, inv, products) = (Shared::new(&mut d[..rows * heads.stride]), Shared::new(inv), Shared::new(products));
        threading.rows(rows, ROWS, |first, count| {
            for t in first..first + count {
                for h in 0..heads.count {
                    let (at, i) = (t * heads.stride + heads.first + h * n, t * heads.count + h);
                    let x = &raw[at..at + n];
                    // SAFETY: each task has its own rows.
                    let (d, inv, product) = unsafe { (d.slice(at, n), inv.slice(i, 1), products.slice(i * n, n)) };
                    inv[0] = 1.0 / (dot(x, x) / n as f32 + eps).sqrt();
                    for ((p, &x), &d) in product.iter_mut().zip(x).zip(&*d) {
                        *p = x * inv[0] * d;
                    }
                    with_copy(d, |dy, d| norm_row_backward(x, weight, inv[0], dy, d, false));
                }
            }
        });
        let Some(dw) = dw else { return };
        // SAFETY: the tasks that wrote are done.
        let products = unsafe { products.slice(0, rows * heads.count * n) };
        for product in products.chunks_exact(n) {
            dw.iter_mut().zip(product).for_each(|(w, &p)| *w += p);
        }
    });
}

fn with_copy(d: &mut [f32], body: impl FnOnce(&[f32], &mut [f32])) {
    let mut copy = [0f32; 512];
    let copy = &mut copy[..d.len()];
    copy.copy_from_slice(d);
    body(copy, d);
}
