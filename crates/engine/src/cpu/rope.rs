//! Rotary position embedding (Su et al. 2021) in the half-split form of Hugging Face.
use super::parallel::{Shared, Threading};
use super::simd::kernel;
use crate::device::Direction;

/// Cosines and sines of every position up to a limit.
#[derive(Clone, Debug)]
pub struct Table {
    half: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Table {
    /// The table for `positions` positions; `inverse_frequencies` has half a head's length.
    pub fn new(inverse_frequencies: &[f32], positions: usize) -> Self {
        let angles = (0..positions).flat_map(|p| inverse_frequencies.iter().map(move |f| p as f32 * f));
        let (cos, sin) = angles.map(|a| (a.cos(), a.sin())).unzip();
        Self { half: inverse_frequencies.len(), cos, sin }
    }

    /// Cosines and sines, `[positions, half a head]` each.
    pub fn parts(&self) -> (&[f32], &[f32]) {
        (&self.cos, &self.sin)
    }

    /// Number of positions.
    pub fn positions(&self) -> usize {
        self.cos.len() / self.half
    }
}

kernel! {
    fn rotate(head: &mut [f32], cos: &[f32], sin: &[f32], sign: f32) {
        let (low, high) = head.split_at_mut(cos.len());
        for ((low, high), (&c, &s)) in low.iter_mut().zip(high).zip(cos.iter().zip(sin)) {
            let (a, b, s) = (*low, *high, s * sign);
            *low = a.mul_add(c, -(b * s));
            *high = b.mul_add(c, a * s);
        }
    }
}

/// Rotates the first `heads` heads of every row of `x` (rows of `stride` elements) in place.
pub fn rotate_rows(
    threading: Threading,
    positions: &[u32],
    heads: usize,
    table: &Table,
    x: &mut [f32],
    stride: usize,
    direction: Direction,
) {
    let width = heads * 2 * table.half;
    let sign = if direction == Direction::Forward { 1.0 } else { -1.0 };
    let shared = Shared::new(&mut x[..positions.len() * stride]);
    threading.rows(positions.len(), 64, |first, count| {
        for (t, &position) in positions.iter().enumerate().skip(first).take(count) {
            let at = position as usize * table.half;
            let (cos, sin) = (&table.cos[at..at + table.half], &table.sin[at..at + table.half]);
            // SAFETY: each task has its own rows.
            for head in unsafe { shared.slice(t * stride, width) }.chunks_exact_mut(2 * table.half) {
                rotate(head, cos, sin, sign);
            }
        }
    });
}
