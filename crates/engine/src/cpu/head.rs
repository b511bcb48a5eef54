//! The vocabulary head: per-token log-probability and entropy, and their gradient, over blocks of rows, so that the
//! logits of a whole batch never exist.
use super::linear::{self, Weight};
use super::math::{exp, fold};
use super::parallel::{Shared, Threading};
use super::simd::kernel;
use super::tile::LANES;
use crate::batch::Target;
use crate::device::{TargetGradients, TargetStatistics};

/// Bytes of logits held at once. A batch whose logits fit keeps them from the forward to the backward pass.
const LOGIT_BYTES: usize = 32 << 20;
/// Fewest rows of a block: below this the weights are packed too often.
const MIN_ROWS: usize = 64;

/// What the softmax of one row of logits comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowStatistics {
    /// Logarithm of the sum of the exponentials of the scaled logits.
    pub log_sum: f32,
    /// Largest scaled logit.
    pub max: f32,
    /// Entropy in nats.
    pub entropy: f32,
}

kernel! {
    /// Statistics of `softmax(scale * logits)`; sampler and trainer both use this, so they agree to the bit.
    pub fn row_statistics(logits: &[f32], scale: f32) -> RowStatistics {
        let (whole, rest) = logits.as_chunks::<LANES>();
        let mut best = [f32::NEG_INFINITY; LANES];
        for chunk in whole {
            for l in 0..LANES {
                best[l] = if chunk[l] > best[l] { chunk[l] } else { best[l] };
            }
        }
        let max = rest.iter().chain(&best).fold(f32::NEG_INFINITY, |m, &v| if v > m { v } else { m }) * scale;
        let (mut sums, mut moments) = ([0f32; LANES], [0f32; LANES]);
        for chunk in whole {
            for l in 0..LANES {
                let above = chunk[l].mul_add(scale, -max);
                let e = exp(above);
                sums[l] += e;
                moments[l] = e.mul_add(above, moments[l]);
            }
        }
        for (l, v) in rest.iter().enumerate() {
            let above = v.mul_add(scale, -max);
            let e = exp(above);
            sums[l] += e;
            moments[l] = e.mul_add(above, moments[l]);
        }
        let sum = fold(sums);
        RowStatistics { log_sum: max + sum.ln(), max, entropy: sum.ln() - fold(moments) / sum }
    }
}

/// Log-probability of `token` in a row.
#[inline]
pub fn token_logp(logits: &[f32], token: u32, scale: f32, row: &RowStatistics) -> f32 {
    logits[token as usize].mul_add(scale, -row.log_sum)
}

kernel! {
    /// `dlogits = -scale * weight * softmax` over `logits`.
    fn softmax_scaled(logits: &mut [f32], scale: f32, log_sum: f32, weight: f32) {
        let factor = -scale * weight;
        for v in logits {
            *v = exp(v.mul_add(scale, -log_sum)) * factor;
        }
    }
}

kernel! {
    /// `dlogits = -scale * softmax * (weight + pull * (log softmax + entropy))`, with the gradient of the entropy:
    /// `dH/dz_v = -p_v (log p_v + H)`.
    fn softmax_pulled(logits: &mut [f32], scale: f32, row: RowStatistics, weight: f32, pull: f32) {
        for v in logits {
            let logp = v.mul_add(scale, -row.log_sum);
            *v = exp(logp) * (-scale * (logp + row.entropy).mul_add(pull, weight));
        }
    }
}

/// What the forward pass leaves for the backward pass.
#[derive(Default)]
pub struct Kept {
    rows: Vec<RowStatistics>,
    logits: Vec<f32>,
    whole: bool,
}

fn block_rows(vocabulary: usize) -> usize {
    (LOGIT_BYTES / 4 / vocabulary).max(MIN_ROWS)
}

/// Targets of the rows `first..first + count`; targets are in order of their row.
fn targets_of(targets: &[Target], first: usize, count: usize) -> std::ops::Range<usize> {
    let start = targets.partition_point(|t| (t.row as usize) < first);
    start..targets.partition_point(|t| (t.row as usize) < first + count)
}

/// Statistics of `targets` (in order of row) from the normalised hidden states `[rows, hidden]`; `scale` is one over
/// the temperature.
pub fn forward(
    threading: Threading,
    rows: usize,
    hidden: &[f32],
    head: Weight,
    scale: f32,
    targets: &[Target],
    kept: &mut Kept,
) -> TargetStatistics {
    let (vocabulary, width) = (head.outputs, head.inputs);
    let block = block_rows(vocabulary);
    kept.rows.clear();
    kept.rows.resize(rows, RowStatistics::default());
    kept.whole = rows <= block;
    kept.logits.resize(kept.logits.len().max(rows.min(block) * vocabulary), 0.0);
    let mut out = TargetStatistics { logp: vec![0.0; targets.len()], entropy: vec![0.0; targets.len()] };
    for first in (0..rows).step_by(block) {
        let count = block.min(rows - first);
        logits(threading, count, &hidden[first * width..], head, &mut kept.logits);
        statistics(threading, scale, vocabulary, &kept.logits, &mut kept.rows[first..first + count]);
        for i in targets_of(targets, first, count) {
            let (row, token) = (targets[i].row as usize, targets[i].token);
            let logits = &kept.logits[(row - first) * vocabulary..][..vocabulary];
            out.logp[i] = token_logp(logits, token, scale, &kept.rows[row]);
            out.entropy[i] = kept.rows[row].entropy;
        }
    }
    out
}

fn logits(threading: Threading, rows: usize, hidden: &[f32], head: Weight, out: &mut [f32]) {
    linear::forward(threading, rows, hidden, head, out, head.outputs, false);
}

fn statistics(threading: Threading, scale: f32, vocabulary: usize, logits: &[f32], rows: &mut [RowStatistics]) {
    let target = std::sync::Mutex::new(rows);
    let count = target.lock().map_or(0, |rows| rows.len());
    threading.rows(count, 8, |first, count| {
        for r in first..first + count {
            let found = row_statistics(&logits[r * vocabulary..][..vocabulary], scale);
            if let Ok(mut rows) = target.lock() {
                rows[r] = found;
            }
        }
    });
}

/// The gradient that `wanted` says: `dhidden` is written, `dw` is added to if there is one.
pub fn backward(
    threading: Threading,
    rows: usize,
    hidden: &[f32],
    head: Weight,
    scale: f32,
    targets: &[Target],
    wanted: TargetGradients,
    kept: &mut Kept,
    packed: &mut Vec<f32>,
    dhidden: &mut [f32],
    mut dw: Option<&mut [f32]>,
) {
    let (vocabulary, width) = (head.outputs, head.inputs);
    let block = block_rows(vocabulary);
    for first in (0..rows).step_by(block) {
        let count = block.min(rows - first);
        if !kept.whole {
            logits(threading, count, &hidden[first * width..], head, &mut kept.logits);
        }
        let shared = Shared::new(&mut kept.logits);
        let statistics = &kept.rows;
        threading.rows(count, 8, |start, live| {
            for r in start..start + live {
                // SAFETY: each task has its own rows.
                let row = unsafe { shared.slice(r * vocabulary, vocabulary) };
                let own = targets_of(targets, first + r, 1);
                let total: f32 = wanted.logp[own.clone()].iter().sum();
                let pull: f32 = wanted.entropy.get(own.clone()).unwrap_or_default().iter().sum();
                let found = statistics[first + r];
                if pull == 0.0 {
                    softmax_scaled(row, scale, found.log_sum, total);
                } else {
                    softmax_pulled(row, scale, found, total, pull);
                }
                for i in own {
                    row[targets[i].token as usize] += scale * wanted.logp[i];
                }
            }
        });
        linear::backward_input(threading, count, &kept.logits, head, &mut dhidden[first * width..], false);
        let hidden = &hidden[first * width..][..count * width];
        if let Some(dw) = dw.as_deref_mut() {
            linear::backward_weight(threading, count, &kept.logits, vocabulary, vocabulary, hidden, width, packed, dw);
        }
    }
}
