//! AdamW (Loshchilov & Hutter 2019) and the global gradient norm.
use super::parallel::{Shared, Threading};
use super::simd::kernel;
use crate::device::Step;
use std::ops::Range;

/// Elements a task; also the length of the partial sums of the norm, which makes its bits independent of threads.
const BLOCK: usize = 1 << 15;

/// First and second moments of every parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Moments {
    /// 32-bit floats.
    F32(Vec<f32>, Vec<f32>),
    /// bfloat16, rounded to nearest: half the memory. Moves of a second moment by less than 1/256 are lost, which a
    /// `beta2` above about 0.99 would need.
    Bf16(Vec<u16>, Vec<u16>),
}

impl Moments {
    /// Zero moments of `len` parameters, stored as bfloat16 if `half`.
    pub fn zeros(len: usize, half: bool) -> Self {
        if half { Self::Bf16(vec![0; len], vec![0; len]) } else { Self::F32(vec![0.0; len], vec![0.0; len]) }
    }

    /// Both moments as f32.
    pub fn to_f32(&self) -> (Vec<f32>, Vec<f32>) {
        let widen = |v: &[u16]| v.iter().map(|&b| widen(b)).collect();
        match self {
            Self::F32(first, second) => (first.clone(), second.clone()),
            Self::Bf16(first, second) => (widen(first), widen(second)),
        }
    }

    /// Takes over both moments; exact if they came from [`Moments::to_f32`] of the same kind.
    pub fn set(&mut self, new: (Vec<f32>, Vec<f32>)) {
        let narrow = |v: Vec<f32>| v.into_iter().map(narrow).collect();
        match self {
            Self::F32(first, second) => (*first, *second) = new,
            Self::Bf16(first, second) => (*first, *second) = (narrow(new.0), narrow(new.1)),
        }
    }
}

#[inline(always)]
fn widen(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Rounds to the nearest bfloat16, ties to even; moments are finite.
#[inline(always)]
fn narrow(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

kernel! {
    fn update(weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32], s: Step, rate: f32, root: f32, decay: f32) {
        let (b1, b2) = s.betas;
        for (((w, &g), m), v) in weights.iter_mut().zip(gradient).zip(first).zip(second) {
            let g = g * s.gradient_scale;
            *m = b1.mul_add(*m, (1.0 - b1) * g);
            *v = b2.mul_add(*v, (1.0 - b2) * g * g);
            *w -= decay.mul_add(*w, rate * *m / ((*v).sqrt().mul_add(root, s.eps)));
        }
    }
}

kernel! {
    fn update_bf16(weights: &mut [f32], gradient: &[f32], first: &mut [u16], second: &mut [u16], s: Step, rate: f32, root: f32, decay: f32) {
        let (b1, b2) = s.betas;
        for (((w, &g), m), v) in weights.iter_mut().zip(gradient).zip(first).zip(second) {
            let g = g * s.gradient_scale;
            let first = b1.mul_add(widen(*m), (1.0 - b1) * g);
            let second = b2.mul_add(widen(*v), (1.0 - b2) * g * g);
            *w -= decay.mul_add(*w, rate * first / (second.sqrt().mul_add(root, s.eps)));
            (*m, *v) = (narrow(first), narrow(second));
        }
    }
}

kernel! {
    fn square_sum(x: &[f32]) -> f64 {
        let mut lanes = [0f64; 8];
        let (whole, rest) = x.as_chunks::<8>();
        for chunk in whole {
            for l in 0..8 {
                lanes[l] += f64::from(chunk[l]) * f64::from(chunk[l]);
            }
        }
        for (l, &v) in rest.iter().enumerate() {
            lanes[l] += f64::from(v) * f64::from(v);
        }
        lanes.iter().sum()
    }
}

/// `w -= lr * (m_hat / (sqrt(v_hat) + eps) + decay * w)`, decay only in the ranges `decayed` (sorted, disjoint).
///
/// Both terms are one difference: `w * (1 - lr * decay)` would be `w` itself at small rates, 1 - 1e-8 being 1 as f32.
pub fn step(
    threading: Threading,
    s: Step,
    decayed: &[Range<usize>],
    weights: &mut [f32],
    gradient: &[f32],
    moments: &mut Moments,
) {
    let (b1, b2) = (f64::from(s.betas.0), f64::from(s.betas.1));
    let n = s.update as f64;
    let rate = (f64::from(s.learning_rate) / (1.0 - b1.powf(n))) as f32;
    let root = (1.0 / (1.0 - b2.powf(n)).sqrt()) as f32;
    let decay = (f64::from(s.learning_rate) * f64::from(s.weight_decay)) as f32;
    let len = weights.len();
    let weights = Shared::new(weights);
    let each = |run: &(dyn Fn(Range<usize>, f32) + Sync)| {
        threading.rows(len, BLOCK, |start, count| by_decay(decayed, start..start + count, decay, run));
    };
    match moments {
        Moments::F32(first, second) => {
            let (first, second) = (Shared::new(first), Shared::new(second));
            // SAFETY: each task has its own elements.
            each(&|at, decay| unsafe {
                let (w, m, v) = (
                    weights.slice(at.start, at.len()),
                    first.slice(at.start, at.len()),
                    second.slice(at.start, at.len()),
                );
                update(w, &gradient[at], m, v, s, rate, root, decay);
            });
        }
        Moments::Bf16(first, second) => {
            let (first, second) = (Shared::new(first), Shared::new(second));
            // SAFETY: each task has its own elements.
            each(&|at, decay| unsafe {
                let (w, m, v) = (
                    weights.slice(at.start, at.len()),
                    first.slice(at.start, at.len()),
                    second.slice(at.start, at.len()),
                );
                update_bf16(w, &gradient[at], m, v, s, rate, root, decay);
            });
        }
    }
}

/// Calls `run` on the parts of `block` that weight decay applies to, and on the others with a decay of 0.
fn by_decay(decayed: &[Range<usize>], block: Range<usize>, decay: f32, run: &dyn Fn(Range<usize>, f32)) {
    let mut at = block.start;
    let from = decayed.partition_point(|r| r.end <= block.start);
    for r in decayed[from..].iter().take_while(|r| r.start < block.end) {
        if at < r.start {
            run(at..r.start, 0.0);
        }
        run(at.max(r.start)..block.end.min(r.end), decay);
        at = block.end.min(r.end);
    }
    if at < block.end {
        run(at..block.end, 0.0);
    }
}

/// Euclidean norm of the whole gradient, summed in f64 in a fixed order.
pub fn global_norm(threading: Threading, gradient: &[f32]) -> f64 {
    let blocks = gradient.len().div_ceil(BLOCK);
    let sums = std::sync::Mutex::new(vec![0f64; blocks]);
    threading.rows(gradient.len(), BLOCK, |start, count| {
        let sum = square_sum(&gradient[start..start + count]);
        if let Ok(mut sums) = sums.lock() {
            sums[start / BLOCK] = sum;
        }
    });
    sums.into_inner().map_or(f64::NAN, |sums| sums.iter().sum::<f64>().sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_the_textbook_formula_with_decay_on_its_ranges_only() {
        let n = BLOCK + 100;
        let gradient: Vec<f32> = (0..n).map(|i| ((i % 17) as f32 - 8.0) * 0.01).collect();
        let start: Vec<f32> = (0..n).map(|i| ((i % 13) as f32 - 6.0) * 0.1).collect();
        let s = Step {
            learning_rate: 0.01,
            betas: (0.9, 0.95),
            eps: 1e-8,
            weight_decay: 0.1,
            gradient_scale: 0.5,
            update: 1,
        };
        let decayed = [10..50, BLOCK - 20..BLOCK + 20];
        let mut w = start.clone();
        let mut moments = Moments::zeros(n, false);
        let (mut w_half, mut half) = (start.clone(), Moments::zeros(n, true));
        for k in 1..=3 {
            step(Threading::Pool, Step { update: k, ..s }, &decayed, &mut w, &gradient, &mut moments);
            step(Threading::Pool, Step { update: k, ..s }, &decayed, &mut w_half, &gradient, &mut half);
        }
        assert!(
            w.iter().zip(&w_half).all(|(a, b)| (a - b).abs() < 3.0 * 0.01 / 128.0),
            "bf16 moments: within their precision"
        );
        let mut restored = Moments::zeros(n, true);
        restored.set(half.to_f32());
        assert_eq!(restored, half);
        for i in 0..n {
            let (mut ew, mut em, mut ev) = (f64::from(start[i]), 0f64, 0f64);
            for k in 1..=3 {
                let g = f64::from(gradient[i]) * 0.5;
                em = 0.9 * em + 0.1 * g;
                ev = 0.95 * ev + 0.05 * g * g;
                let decay = if decayed.iter().any(|r| r.contains(&i)) { 0.1 } else { 0.0 };
                let (mh, vh) = (em / (1.0 - 0.9f64.powi(k)), ev / (1.0 - 0.95f64.powi(k)));
                ew -= 0.01 * (mh / (vh.sqrt() + 1e-8) + decay * ew);
            }
            assert!((f64::from(w[i]) - ew).abs() < 2e-6, "element {i}: {} against {ew}", w[i]);
        }
        // Thousands of steps at a small rate: what each takes off is less than the distance of two floats.
        let s = Step { learning_rate: 1e-6, weight_decay: 0.01, gradient_scale: 1.0, ..s };
        let noise = |i: u64| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / (1 << 24) as f32 - 0.5;
        let gradient_of =
            |k: u64| -> Vec<f32> { (0..n as u64).map(|i| noise((i + 1) * 4099 + k * k * 7919)).collect() };
        let trained = |decayed: &[Range<usize>]| {
            let (mut w, mut moments) = (start.clone(), Moments::zeros(n, false));
            for k in 1..=2000 {
                step(Threading::Pool, Step { update: k, ..s }, decayed, &mut w, &gradient_of(k), &mut moments);
            }
            w
        };
        let (without, with) = (trained(&[]), trained(std::slice::from_ref(&(0..n))));
        let (mut drift, mut exact) = (0.0, 0.0);
        for i in 0..n {
            drift += (f64::from(with[i]) - f64::from(without[i])) * f64::from(start[i]);
            exact -= 2000.0 * 1e-8 * f64::from(start[i]).powi(2);
        }
        assert!((drift / exact - 1.0).abs() < 0.1, "decay is {} of what it should be", drift / exact);

        let norm = global_norm(Threading::Pool, &gradient);
        let want = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        assert!((norm / want - 1.0).abs() < 1e-12);
    }
}
