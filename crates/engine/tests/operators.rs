//! Operators against plain f64 references, their gradients against central differences of these, on odd shapes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use surefoot_engine::batch::{Packed, Target};
use surefoot_engine::cpu::attention::{self, Workspace};
use surefoot_engine::cpu::parallel::Threading;
use surefoot_engine::cpu::{head, linear::Weight, norm, rope, swiglu};
use surefoot_engine::device::{Direction, Heads, TargetGradients};

const POOL: Threading = Threading::Pool;

fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&v| f64::from(v)).collect()
}

fn close(what: &str, got: &[f32], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(1e-9f64, |m, v| m.max(v.abs()));
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(g) - w).abs() / scale < 2e-5, "{what}[{i}]: {g} against {w}");
    }
}

/// Gradient of `sum(weight * f(x))` by central differences in f64.
fn differences(x: &[f32], weight: &[f32], f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let step = 1e-5;
    let mut x = widen(x);
    let total = |x: &[f64]| f(x).iter().zip(weight).map(|(y, &w)| y * f64::from(w)).sum::<f64>();
    (0..x.len())
        .map(|i| {
            let at = x[i];
            x[i] = at + step;
            let above = total(&x);
            x[i] = at - step;
            let below = total(&x);
            x[i] = at;
            (above - below) / (2.0 * step)
        })
        .collect()
}

/// A prompt with two completions, a sequence of one token and one of seven.
fn batch() -> Packed {
    let mut batch = Packed::default();
    let prompt = batch.push(&[0; 5], None);
    batch.push(&[0; 3], Some(prompt));
    batch.push(&[0; 1], None);
    batch.push(&[0; 2], Some(prompt));
    batch.push(&[0; 7], None);
    batch
}

/// The keys that a row attends to: its prefix, then its own segment up to itself.
fn visible(batch: &Packed) -> Vec<Vec<usize>> {
    let segments = batch.segments();
    segments
        .iter()
        .flat_map(|s| {
            let prefix = s.prefix.map_or(0..0, |p| segments[p].start..segments[p].start + segments[p].len);
            (0..s.len).map(move |t| prefix.clone().chain(s.start..=s.start + t).collect())
        })
        .collect()
}

fn plain_attention(batch: &Packed, heads: Heads, qkv: &[f64]) -> Vec<f64> {
    let (stride, dim, group) = (heads.stride(), heads.dim, heads.queries / heads.keys);
    let mut out = vec![0.0; batch.len() * heads.width()];
    for (row, keys) in visible(batch).iter().enumerate() {
        for query in 0..heads.queries {
            let (k_at, v_at) =
                ((heads.queries + query / group) * dim, (heads.queries + heads.keys + query / group) * dim);
            let score = |&key: &usize| -> f64 {
                let dot: f64 =
                    (0..dim).map(|d| qkv[row * stride + query * dim + d] * qkv[key * stride + k_at + d]).sum();
                (dot / (dim as f64).sqrt()).exp()
            };
            let weights: Vec<f64> = keys.iter().map(score).collect();
            let total: f64 = weights.iter().sum();
            for d in 0..dim {
                let mixed: f64 = keys.iter().zip(&weights).map(|(key, w)| w * qkv[key * stride + v_at + d]).sum();
                out[row * heads.width() + query * dim + d] = mixed / total;
            }
        }
    }
    out
}

#[test]
fn attention_and_its_gradient() {
    for heads in [
        Heads { queries: 4, keys: 2, dim: 6 },
        Heads { queries: 3, keys: 1, dim: 16 },
        Heads { queries: 8, keys: 1, dim: 4 },
    ] {
        let batch = batch();
        let rows = batch.len();
        let qkv = values(rows * heads.stride(), 1);
        let (mut out, mut lse) = (vec![0.0; rows * heads.width()], vec![0.0; rows * heads.queries]);
        let mut space = Workspace::default();
        attention::forward(POOL, &batch, heads, &qkv, &mut space, &mut out, &mut lse);
        close("attention", &out, &plain_attention(&batch, heads, &widen(&qkv)));
        let dout = values(out.len(), 2);
        let mut dqkv = vec![f32::NAN; qkv.len()];
        attention::backward(POOL, &batch, heads, &qkv, &out, &lse, &dout, &mut space, &mut dqkv);
        close("attention gradient", &dqkv, &differences(&qkv, &dout, |x| plain_attention(&batch, heads, x)));
    }
}

#[test]
fn norm_and_its_gradients() {
    let (rows, n, eps) = (5, 37, 1e-5f32);
    let (x, weight, dy) = (values(rows * n, 3), values(n, 4), values(rows * n, 5));
    let plain = |x: &[f64], weight: &[f64]| -> Vec<f64> {
        x.chunks(n)
            .flat_map(|row| {
                let rms = (row.iter().map(|v| v * v).sum::<f64>() / n as f64 + f64::from(eps)).sqrt();
                row.iter().zip(weight).map(move |(v, w)| v / rms * w).collect::<Vec<_>>()
            })
            .collect()
    };
    let mut y = vec![0.0; rows * n];
    norm::normalise(POOL, rows, &x, &weight, eps, &mut y);
    close("norm", &y, &plain(&widen(&x), &widen(&weight)));
    let (mut dx, mut dw) = (vec![0.0; rows * n], vec![0.0; n]);
    norm::backward(POOL, rows, &x, &weight, eps, &dy, &mut dx, Some(&mut dw));
    close("norm dx", &dx, &differences(&x, &dy, |x| plain(x, &widen(&weight))));
    close("norm dw", &dw, &differences(&weight, &dy, |w| plain(&widen(&x), w)));
}

#[test]
fn swiglu_and_its_gradient() {
    let (rows, width) = (3, 21);
    let (gate_up, d) = (values(rows * 2 * width, 6), values(rows * width, 7));
    let plain = |x: &[f64]| -> Vec<f64> {
        let row =
            |row: &[f64]| (0..width).map(|i| row[i] / (1.0 + (-row[i]).exp()) * row[width + i]).collect::<Vec<_>>();
        x.chunks(2 * width).flat_map(row).collect()
    };
    let mut act = vec![0.0; rows * width];
    swiglu::forward(POOL, rows, width, &gate_up, &mut act);
    close("swiglu", &act, &plain(&widen(&gate_up)));
    let (mut gradient, mut inout) = (gate_up.clone(), d.clone());
    swiglu::backward(POOL, rows, width, &mut gradient, &mut inout);
    close("swiglu gradient", &gradient, &differences(&gate_up, &d, plain));
    close("swiglu again", &inout, &widen(&act));
}

#[test]
fn rotation_turns_pairs_by_position_and_back() {
    let (frequencies, positions) = ([1.0f32, 0.25, 0.01], [0u32, 3, 11]);
    let table = rope::Table::new(&frequencies, 12);
    let x = values(3 * 14, 8);
    let mut turned = x.clone();
    rope::rotate_rows(POOL, &positions, 2, &table, &mut turned, 14, Direction::Forward);
    let mut want = widen(&x);
    for (t, &position) in positions.iter().enumerate() {
        for (h, (i, &f)) in [0, 1].into_iter().flat_map(|h| frequencies.iter().enumerate().map(move |f| (h, f))) {
            let (low, high) = (t * 14 + h * 6 + i, t * 14 + h * 6 + i + 3);
            let (sin, cos) = (f64::from(position) * f64::from(f)).sin_cos();
            let (a, b) = (f64::from(x[low]), f64::from(x[high]));
            (want[low], want[high]) = (a * cos - b * sin, b * cos + a * sin);
        }
    }
    close("rotation", &turned, &want);
    rope::rotate_rows(POOL, &positions, 2, &table, &mut turned, 14, Direction::Backward);
    close("rotation back", &turned, &widen(&x));
}

#[test]
fn head_statistics_and_gradients() {
    let (rows, width, vocabulary, scale) = (4, 9, 131, 1.25f32);
    let (hidden, weights, grad) = (values(rows * width, 9), values(vocabulary * width, 10), values(6, 11));
    let target = |row, token| Target { row, token };
    let targets = [target(0, 5), target(1, 130), target(1, 0), target(1, 7), target(2, 64), target(3, 64)];
    let logits = |hidden: &[f64], weights: &[f64], row: usize| -> Vec<f64> {
        let dot = |v: usize| (0..width).map(|i| hidden[row * width + i] * weights[v * width + i]).sum::<f64>();
        (0..vocabulary).map(|v| dot(v) * f64::from(scale)).collect()
    };
    let plain = |hidden: &[f64], weights: &[f64]| -> Vec<f64> {
        let logp = |t: &Target| {
            let logits = logits(hidden, weights, t.row as usize);
            logits[t.token as usize] - logits.iter().map(|l| l.exp()).sum::<f64>().ln()
        };
        targets.iter().map(logp).collect()
    };
    let weight = Weight { data: &weights, panels: None, outputs: vocabulary, inputs: width };
    let mut kept = head::Kept::default();
    let found = head::forward(POOL, rows, &hidden, weight, scale, &targets, &mut kept);
    close("logp", &found.logp, &plain(&widen(&hidden), &widen(&weights)));
    let entropies = |hidden: &[f64], weights: &[f64]| -> Vec<f64> {
        let entropy = |t: &Target| {
            let e: Vec<f64> = logits(hidden, weights, t.row as usize).iter().map(|l| l.exp()).collect();
            let total: f64 = e.iter().sum();
            -e.iter().map(|e| e / total * (e / total).ln()).sum::<f64>()
        };
        targets.iter().map(entropy).collect()
    };
    close("entropy", &found.entropy, &entropies(&widen(&hidden), &widen(&weights)));
    let both = |hidden: &[f64], weights: &[f64]| [plain(hidden, weights), entropies(hidden, weights)].concat();
    for entropy in [vec![], values(6, 12)] {
        let (mut dhidden, mut dw) = (vec![f32::NAN; rows * width], vec![0.0; vocabulary * width]);
        let mut packed = Vec::new();
        head::forward(POOL, rows, &hidden, weight, scale, &targets, &mut kept);
        let wanted = TargetGradients { logp: &grad, entropy: &entropy };
        head::backward(
            POOL,
            rows,
            &hidden,
            weight,
            scale,
            &targets,
            wanted,
            &mut kept,
            &mut packed,
            &mut dhidden,
            Some(&mut dw),
        );
        let mut slopes = [grad.clone(), entropy].concat();
        slopes.resize(2 * grad.len(), 0.0);
        close("head dhidden", &dhidden, &differences(&hidden, &slopes, |h| both(h, &widen(&weights))));
        close("head dw", &dw, &differences(&weights, &slopes, |w| both(&widen(&hidden), w)));
    }
}
