//! Rows to columns: sixteen rows become the lanes of a panel.
use super::simd::{Level, level};
use super::tile::LANES;

/// `out[k * 16 + l] = rows[l * stride + k]` for sixteen rows at distance `stride` and `depth` steps.
///
/// # Panics
/// If a slice is too short.
pub fn interleave(rows: &[f32], stride: usize, depth: usize, out: &mut [f32]) {
    assert!(rows.len() >= (LANES - 1) * stride + depth && out.len() >= LANES * depth);
    let whole = match level() {
        // SAFETY: `level` has seen AVX2; the slices are long enough.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 => unsafe { x86::blocks(rows.as_ptr(), stride, depth, out.as_mut_ptr()) },
        _ => 0,
    };
    for k in whole..depth {
        for l in 0..LANES {
            out[k * LANES + l] = rows[l * stride + k];
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::LANES;
    use std::arch::x86_64::*;

    /// Whole blocks of eight steps; returns how many steps that were.
    #[target_feature(enable = "avx2")]
    pub unsafe fn blocks(rows: *const f32, stride: usize, depth: usize, out: *mut f32) -> usize {
        let whole = depth / 8 * 8;
        for k in (0..whole).step_by(8) {
            for half in [0, 8] {
                // SAFETY: the caller's promise.
                unsafe { eight(rows.add(half * stride + k), stride, out.add(k * LANES + half)) }
            }
        }
        whole
    }

    /// Eight rows of eight elements, transposed, to rows at distance [`LANES`].
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn eight(from: *const f32, stride: usize, to: *mut f32) {
        // Row r's first four beside row r + 4's, and the other four: loads do the exchange of halves.
        let pair = |r: usize, at: usize| unsafe {
            let low = _mm256_castps128_ps256(_mm_loadu_ps(from.add(r * stride + at)));
            _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(from.add((r + 4) * stride + at)))
        };
        for at in [0, 4] {
            let (a, b, c, d) = (pair(0, at), pair(1, at), pair(2, at), pair(3, at));
            let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            let columns = [
                _mm256_shuffle_ps::<0x44>(ab_low, cd_low),
                _mm256_shuffle_ps::<0xee>(ab_low, cd_low),
                _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
                _mm256_shuffle_ps::<0xee>(ab_high, cd_high),
            ];
            for (i, column) in columns.into_iter().enumerate() {
                unsafe { _mm256_storeu_ps(to.add((at + i) * LANES), column) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_lanes() {
        for (stride, depth) in [(1, 1), (8, 8), (19, 19), (40, 33)] {
            let rows: Vec<f32> = (0..LANES * stride).map(|i| i as f32).collect();
            let mut out = vec![-1.0; depth * LANES + 5];
            interleave(&rows, stride, depth, &mut out);
            for (i, &got) in out.iter().enumerate() {
                let want = if i < depth * LANES { rows[i % LANES * stride + i / LANES] } else { -1.0 };
                assert_eq!(got, want, "element {i} of {depth} steps at distance {stride}");
            }
        }
    }
}
