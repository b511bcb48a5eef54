//! The one matrix-product kernel of the CPU engine: a tile of at most [`ROWS`] x [`LANES`] elements.
//!
//! Every element of every product is a single chain of fused multiply-adds in the order of the inner index:
//! `c = fma(a[k], b[k], c)`, starting from what `c` holds. Cutting the inner index into slices, the rows into blocks or
//! the columns into panels therefore never changes a bit, which is what makes sampler and trainer agree, and the result
//! independent of batch size, cache, micro-batch and thread count.
use super::simd::{Level, level};
use std::ops::Range;

/// Rows of a tile: six rows of two vectors fill twelve of AVX2's sixteen registers.
pub const ROWS: usize = 6;
/// Columns of a tile and width of a panel.
pub const LANES: usize = 16;

/// Steps before its end at which a tile asks for what it writes, or the next one reads, of the result.
const LATE: usize = 192;

/// Which index of a tile's left operand is contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The inner index: element (r, k) lies at `a[r * lda + k]`.
    Rows,
    /// The row index: element (r, k) lies at `a[k * lda + r]`.
    Columns,
}

/// A row of tiles: `c[r, 16 p + l] = sum_k a(r, k) * b[p, k, l]` for `r < rows` and `p < panels`, continued from what
/// `c` holds if `accumulate`.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// Rows, 1 to [`ROWS`].
    pub rows: usize,
    /// Length of the inner index.
    pub depth: usize,
    /// Layout of the left operand.
    pub left: Left,
    /// Left operand.
    pub a: *const f32,
    /// Its stride (see [`Left`]).
    pub lda: usize,
    /// Right operand: [`LANES`] consecutive elements per panel and step of the inner index.
    pub b: *const f32,
    /// Distance between steps of the inner index in `b`.
    pub ldb: usize,
    /// Number of panels.
    pub panels: usize,
    /// Distance between panels in `b`.
    pub panel: usize,
    /// Result.
    pub c: *mut f32,
    /// Distance between rows of the result.
    pub ldc: usize,
    /// Start from what `c` holds instead of zero.
    pub accumulate: bool,
    /// What is fetched into the caches meanwhile.
    pub ahead: Ahead,
}

/// What the coming tiles will touch.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// Elements from `c` to the next tile's, which a tile that accumulates asks for.
    pub next_c: isize,
    /// What will be read; null for nothing.
    pub fetch: *const f32,
    /// Bytes of it a step of the inner index.
    pub fetch_bytes: usize,
}

impl Ahead {
    /// Fetches nothing.
    pub const NONE: Ahead = Ahead { next_c: 0, fetch: std::ptr::null(), fetch_bytes: 0 };
}

/// Sixteen lanes of f32, in whatever registers the instruction set has.
trait Lanes: Copy {
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn splat(value: *const f32) -> Self;
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Asks for the cache line of `at`, which need not be valid.
    #[inline(always)]
    fn fetch(_at: *const f32) {}
}

impl Lanes for [f32; LANES] {
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { from.cast::<Self>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn splat(value: *const f32) -> Self {
        unsafe { [*value; LANES] }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, mut c: Self) -> Self {
        for l in 0..LANES {
            c[l] = self[l].mul_add(b[l], c[l]);
        }
        c
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    impl Lanes for [__m256; 2] {
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
        }
        #[inline(always)]
        unsafe fn splat(value: *const f32) -> Self {
            unsafe { [_mm256_broadcast_ss(&*value); 2] }
        }
        #[inline(always)]
        unsafe fn mul_add(self, b: Self, c: Self) -> Self {
            unsafe { [_mm256_fmadd_ps(self[0], b[0], c[0]), _mm256_fmadd_ps(self[1], b[1], c[1])] }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe {
                _mm256_storeu_ps(to, self[0]);
                _mm256_storeu_ps(to.add(8), self[1]);
            }
        }
        #[inline(always)]
        fn fetch(at: *const f32) {
            // SAFETY: a prefetch never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
        }
    }

    impl Lanes for __m512 {
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn splat(value: *const f32) -> Self {
            unsafe { _mm512_set1_ps(*value) }
        }
        #[inline(always)]
        unsafe fn mul_add(self, b: Self, c: Self) -> Self {
            unsafe { _mm512_fmadd_ps(self, b, c) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self) }
        }
        #[inline(always)]
        fn fetch(at: *const f32) {
            // SAFETY: a prefetch never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
        }
    }
}

/// The kernel: `R` rows, inner index contiguous in the left operand (`ROW_MAJOR`) or rows contiguous (otherwise);
/// what coming tiles read is asked for meanwhile (`FETCH`).
#[inline(always)]
unsafe fn accumulate<V: Lanes, const R: usize, const ROW_MAJOR: bool, const FETCH: bool>(t: &Tile) {
    // Tiles of few rows take several panels at once: a chain of multiply-adds waits for its own last result.
    let mut p = 0;
    unsafe {
        if R <= 2 {
            while p + 2 <= t.panels {
                columns::<V, R, 2, ROW_MAJOR, FETCH>(t, p);
                p += 2;
            }
        }
        while p < t.panels {
            columns::<V, R, 1, ROW_MAJOR, FETCH>(t, p);
            p += 1;
        }
    }
}

/// `P` panels of a row of tiles, from panel `first` on.
#[inline(always)]
unsafe fn columns<V: Lanes, const R: usize, const P: usize, const ROW_MAJOR: bool, const FETCH: bool>(
    t: &Tile,
    first: usize,
) {
    unsafe {
        let zero = V::load([0f32; LANES].as_ptr());
        let (b, c) = (t.b.add(first * t.panel), t.c.add(first * LANES));
        let mut acc = [[zero; P]; R];
        if t.accumulate {
            for (r, sums) in acc.iter_mut().enumerate() {
                for (p, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(c.add(r * t.ldc + p * LANES));
                }
            }
        }
        // Rows of the result lie on pages of their own; asked for shortly before they are needed, they cost nothing.
        let late = t.depth.saturating_sub(LATE);
        steps::<V, R, P, ROW_MAJOR, FETCH>(t, b, 0..late, &mut acc);
        if late > 0 {
            let to_come = if t.accumulate { t.ahead.next_c } else { 0 };
            for r in 0..R {
                V::fetch(c.wrapping_add(r * t.ldc).wrapping_offset(to_come));
            }
        }
        steps::<V, R, P, ROW_MAJOR, FETCH>(t, b, late..t.depth, &mut acc);
        for (r, sums) in acc.iter().enumerate() {
            for (p, sum) in sums.iter().enumerate() {
                sum.store(c.add(r * t.ldc + p * LANES));
            }
        }
    }
}

/// The steps `range` of the inner index.
#[inline(always)]
unsafe fn steps<V: Lanes, const R: usize, const P: usize, const ROW_MAJOR: bool, const FETCH: bool>(
    t: &Tile,
    b: *const f32,
    range: Range<usize>,
    acc: &mut [[V; P]; R],
) {
    unsafe {
        for k in range {
            let right: [V; P] = std::array::from_fn(|p| V::load(b.add(p * t.panel + k * t.ldb)));
            if FETCH {
                V::fetch(t.ahead.fetch.wrapping_byte_add(k * t.ahead.fetch_bytes));
            }
            for (r, sums) in acc.iter_mut().enumerate() {
                let at = if ROW_MAJOR { r * t.lda + k } else { k * t.lda + r };
                let left = V::splat(t.a.add(at));
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = left.mul_add(right, *sum);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn height<V: Lanes, const R: usize>(t: &Tile) {
    unsafe {
        match (t.left, t.ahead.fetch.is_null()) {
            (Left::Rows, true) => accumulate::<V, R, true, false>(t),
            (Left::Rows, false) => accumulate::<V, R, true, true>(t),
            (Left::Columns, _) => accumulate::<V, R, false, false>(t),
        }
    }
}

#[inline(always)]
unsafe fn by_rows<V: Lanes>(t: &Tile) {
    unsafe {
        match t.rows {
            1 => height::<V, 1>(t),
            2 => height::<V, 2>(t),
            3 => height::<V, 3>(t),
            4 => height::<V, 4>(t),
            5 => height::<V, 5>(t),
            _ => height::<V, 6>(t),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(t: &Tile) {
    unsafe { by_rows::<[std::arch::x86_64::__m256; 2]>(t) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(t: &Tile) {
    unsafe { by_rows::<std::arch::x86_64::__m512>(t) }
}

impl Tile {
    /// Computes the tiles.
    ///
    /// # Safety
    /// `a`, `b` and `c` must cover `rows` rows, `depth` steps and `panels` times [`LANES`] columns at the strides given,
    /// and nothing else may access these elements of `c` meanwhile.
    #[inline]
    pub unsafe fn run(&self) {
        debug_assert!(self.rows >= 1 && self.rows <= ROWS);
        match level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512(self) },
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2(self) },
            _ => unsafe { by_rows::<[f32; LANES]>(self) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every height, width and layout against one plain chain of fused multiply-adds per element.
    #[test]
    fn tiles_of_every_size_have_the_bits_of_the_plain_chain() {
        tiles_of_depth(37);
        tiles_of_depth(LATE + 11);
    }

    fn tiles_of_depth(depth: usize) {
        let (lda, ldb, panel, ldc) = (depth + 4, LANES + 3, depth * (LANES + 3) + 5, 5 * LANES + 7);
        let value = |i: usize| ((i * 2_654_435_761) % 1009) as f32 / 504.0 - 1.0;
        let a: Vec<f32> = (0..lda * lda).map(value).collect();
        let b: Vec<f32> = (0..5 * panel).map(|i| value(i + 17)).collect();
        let start: Vec<f32> = (0..ROWS * ldc).map(|i| value(i + 29)).collect();
        for rows in 1..=ROWS {
            for panels in 1..=5 {
                for (left, accumulate) in [(Left::Rows, false), (Left::Rows, true), (Left::Columns, true)] {
                    let mut c = start.clone();
                    let (a_at, b_at, c_at) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
                    let tile = Tile {
                        rows,
                        depth,
                        left,
                        a: a_at,
                        lda,
                        b: b_at,
                        ldb,
                        panels,
                        panel,
                        c: c_at,
                        ldc,
                        accumulate,

                        ahead: Ahead::NONE,
                    };
                    // SAFETY: the buffers above cover six rows, all steps and five panels at these strides.
                    unsafe { tile.run() };
                    for (i, got) in c.iter().enumerate() {
                        let (r, column) = (i / ldc, i % ldc);
                        let (p, l) = (column / LANES, column % LANES);
                        let first = if accumulate { start[i] } else { 0.0 };
                        let want = if r < rows && p < panels {
                            (0..depth).fold(first, |sum, k| {
                                let at = if left == Left::Rows { r * lda + k } else { k * lda + r };
                                a[at].mul_add(b[p * panel + k * ldb + l], sum)
                            })
                        } else {
                            start[i]
                        };
                        assert_eq!(got.to_bits(), want.to_bits(), "{tile:?}: row {r}, panel {p}, lane {l}");
                    }
                }
            }
        }
    }
}
