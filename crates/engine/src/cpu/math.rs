//! Elementary functions that vectorise, and sums with a fixed order.
use super::simd::kernel;
use super::tile::LANES;

/// `exp(x)` with a relative error under 2 units in the last place; 0 below -87.3, saturated above 88.3. NaN stays NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to the nearest integer
    let clamped = if x > 88.3 { 88.3 } else { x };
    let clamped = if clamped < -87.3 { -87.3 } else { clamped };
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, SHIFT);
    let n = shifted - SHIFT;
    // ln 2 in two parts, so that the reduced argument keeps its digits.
    let r = n.mul_add(-0.693_359_4, clamped);
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = r.mul_add(1.987_569_1e-4, 1.398_199_9e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 0.166_666_65);
    let p = p.mul_add(r, 0.5);
    let p = (p * r).mul_add(r, r) + 1.0;
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    if x < -87.3 { 0.0 } else { p * scale }
}

/// The logistic function `1 / (1 + exp(-x))`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Sums of sixteen interleaved streams, folded pairwise: element `i` always joins stream `i mod 16`, so trailing zeros
/// and the vector width change nothing.
#[inline(always)]
pub fn fold(lanes: [f32; LANES]) -> f32 {
    let mut v = lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            v[i] += v[i + width];
        }
        width /= 2;
    }
    v[0]
}

/// `sum_i f(i)` in sixteen streams.
#[inline(always)]
pub fn sum_by(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = n / LANES * LANES;
    let mut i = 0;
    while i < whole {
        for (l, lane) in lanes.iter_mut().enumerate() {
            *lane += f(i + l);
        }
        i += LANES;
    }
    for i in whole..n {
        lanes[i - whole] += f(i);
    }
    fold(lanes)
}

kernel! {
    /// `sum_i a[i] b[i]` in sixteen streams.
    pub fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [0f32; LANES];
        let (a_whole, a_rest) = a.as_chunks::<LANES>();
        let (b_whole, b_rest) = b[..a.len()].as_chunks::<LANES>();
        for (x, y) in a_whole.iter().zip(b_whole) {
            for l in 0..LANES {
                lanes[l] = x[l].mul_add(y[l], lanes[l]);
            }
        }
        for (l, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
            lanes[l] = x.mul_add(*y, lanes[l]);
        }
        fold(lanes)
    }
}

kernel! {
    /// Turns the first `n` scores of `row` into `exp(scale * (score - max))`, zeroes the rest, and returns
    /// `(scale * max, sum)`.
    pub fn softmax_row(row: &mut [f32], n: usize, scale: f32) -> (f32, f32) {
        let (live, rest) = row.split_at_mut(n);
        rest.fill(0.0);
        let mut best = [f32::NEG_INFINITY; LANES];
        let (whole, tail) = live.as_chunks::<LANES>();
        for chunk in whole {
            for l in 0..LANES {
                best[l] = if chunk[l] > best[l] { chunk[l] } else { best[l] };
            }
        }
        let max = tail.iter().chain(&best).fold(f32::NEG_INFINITY, |m, &v| if v > m { v } else { m }) * scale;
        let mut lanes = [0f32; LANES];
        let (whole, tail) = live.as_chunks_mut::<LANES>();
        for chunk in whole {
            for l in 0..LANES {
                chunk[l] = exp(chunk[l].mul_add(scale, -max));
                lanes[l] += chunk[l];
            }
        }
        for (l, v) in tail.iter_mut().enumerate() {
            *v = exp(v.mul_add(scale, -max));
            lanes[l] += *v;
        }
        (max, fold(lanes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_accurate_over_its_range() {
        let mut worst = 0f64;
        for i in -870_000..=880_000 {
            let x = i as f32 / 10_000.0;
            let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
            worst = worst.max((got / want - 1.0).abs());
        }
        assert!(worst < 2.4e-7, "relative error {worst}");
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-88.0), 0.0);
        assert!(exp(1e4).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn softmax_row_ignores_what_lies_beyond_its_length() {
        let scores: Vec<f32> = (0..37).map(|i| ((i * 37) % 23) as f32 * 0.3 - 2.0).collect();
        let mut short = scores.clone();
        let (max, sum) = softmax_row(&mut short, 37, 0.5);
        let mut long = [scores.clone(), vec![f32::NAN; 27]].concat();
        assert_eq!(softmax_row(&mut long, 37, 0.5), (max, sum));
        assert_eq!(long[..37], short[..]);
        assert!(long[37..].iter().all(|&v| v == 0.0));
        let exact: f64 = scores.iter().map(|&s| (f64::from(s) * 0.5 - f64::from(max)).exp()).sum();
        assert!((f64::from(sum) / exact - 1.0).abs() < 1e-6);
    }
}
