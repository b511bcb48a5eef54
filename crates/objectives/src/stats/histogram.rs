//! Counts over logarithmic bins: quantiles that merge over micro-batches.

/// Bins an octave is cut into: neighbouring edges differ by 2^(−4) of the octave's start, at most 6.25%.
const SPLITS_LOG2: u32 = 4;
/// Exponent of the lowest edge; smaller magnitudes share the first bin, with zero.
const LOWEST_EXPONENT: i32 = -16;
/// Bits of the first bin's upper edge, shifted as indices are.
const FIRST: i32 = (127 + LOWEST_EXPONENT) << SPLITS_LOG2;

/// Entries of a table of counts: a power of two, so that masking an index replaces the check of it.
pub(crate) const TABLE: usize = 1024;
/// Bins of numbers that are not negative: one for those below 2⁻¹⁶, 16 an octave up to 2⁴⁷, and one for those from there on.
const POSITIVE_BINS: usize = bins(47);
/// Bins of either sign of signed numbers: as many octaves as a table has room for.
const SIGNED_BINS: usize = bins(15);
const _: () = assert!(POSITIVE_BINS <= TABLE && 2 * SIGNED_BINS <= TABLE);

/// Bins up to 2 to the power of `highest`.
const fn bins(highest: i32) -> usize {
    2 + (((highest - LOWEST_EXPONENT) as usize) << SPLITS_LOG2)
}

/// The bin of a magnitude, of so many: its exponent and leading mantissa bits.
#[inline(always)]
fn bin_of(magnitude: f32, bins: usize) -> i32 {
    let last = bins as i32 - 1;
    let index = ((magnitude.to_bits() & 0x7fff_ffff) >> (23 - SPLITS_LOG2)) as i32 - (FIRST - 1);
    let index = if index < 0 { 0 } else { index };
    if index > last { last } else { index }
}

/// The bin of a number that is not negative.
#[inline(always)]
pub(crate) fn bin(x: f32) -> i32 {
    bin_of(x, POSITIVE_BINS)
}

/// The bin of a signed number, counted from the most negative; both signs share no bin.
#[inline(always)]
pub(crate) fn signed_bin(x: f32) -> i32 {
    let index = bin_of(x, SIGNED_BINS);
    if x < 0.0 { SIGNED_BINS as i32 - 1 - index } else { index + SIGNED_BINS as i32 }
}

/// The magnitudes between which a bin of so many lies.
fn edges(index: usize, bins: usize) -> (f64, f64) {
    let edge = |i: usize| f64::from(f32::from_bits(((i as i32 + FIRST - 1) as u32) << (23 - SPLITS_LOG2)));
    let low = if index == 0 { 0.0 } else { edge(index) };
    (low, if index + 1 == bins { f64::INFINITY } else { edge(index + 1) })
}

/// Counts of numbers by bin. A quantile is exact to its bin: a sixteenth of an octave, within which it is
/// interpolated, and never outside of the smallest and greatest number seen. The bins end at 2⁴⁷, those of signed numbers at
/// ±2¹⁵; what lies further out shares one.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    counts: Vec<u64>,
    signed: bool,
    min: f64,
    max: f64,
}

impl Histogram {
    /// Of numbers of either sign.
    pub(crate) fn signed() -> Self {
        Self::new(true)
    }

    /// Of numbers that are not negative.
    pub(crate) fn positive() -> Self {
        Self::new(false)
    }

    fn new(signed: bool) -> Self {
        let bins = if signed { 2 * SIGNED_BINS } else { POSITIVE_BINS };
        Self { counts: vec![0; bins], signed, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }

    /// Appends counts and extremes.
    pub(super) fn to_words(&self, words: &mut Vec<u64>) {
        words.extend(&self.counts);
        words.extend([self.min.to_bits(), self.max.to_bits()]);
    }

    /// With the counts and extremes that [`Histogram::to_words`] wrote.
    pub(super) fn filled(mut self, mut next: impl FnMut() -> Option<u64>) -> Option<Self> {
        for count in &mut self.counts {
            *count = next()?;
        }
        (self.min, self.max) = (f64::from_bits(next()?), f64::from_bits(next()?));
        Some(self)
    }

    pub(crate) fn add_counts(&mut self, counts: impl Iterator<Item = u64>, min: f64, max: f64) {
        for (sum, count) in self.counts.iter_mut().zip(counts) {
            *sum += count;
        }
        self.min = self.min.min(min);
        self.max = self.max.max(max);
    }

    /// Adds another histogram of the same kind.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.add_counts(other.counts.iter().copied(), other.min, other.max);
    }

    /// How many numbers were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The smallest number seen, infinity if there is none.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// The greatest number seen, minus infinity if there is none.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// The bins that are not empty, ascending: `(low, high, count)` counts numbers in `[low, high)`. The outermost are unbounded.
    pub fn bins(&self) -> impl Iterator<Item = (f64, f64, u64)> + '_ {
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, &count)| {
            let (low, high) = self.span(at);
            (low, high, count)
        })
    }

    fn span(&self, at: usize) -> (f64, f64) {
        if !self.signed {
            edges(at, POSITIVE_BINS)
        } else if at < SIGNED_BINS {
            let (low, high) = edges(SIGNED_BINS - 1 - at, SIGNED_BINS);
            (-high, -low)
        } else {
            edges(at - SIGNED_BINS, SIGNED_BINS)
        }
    }

    /// The number below which a `share` of 0 to 1 of all counted lies; `None` if none were counted.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = share.clamp(0.0, 1.0) * total as f64;
        let mut before = 0.0;
        let mut value = self.max;
        for (low, high, count) in self.bins() {
            let count = count as f64;
            let low = if low.is_finite() { low } else { self.min };
            let high = if high.is_finite() { high } else { self.max };
            if before + count >= rank {
                value = low + (high - low) * ((rank - before) / count);
                break;
            }
            before += count;
        }
        Some(value.clamp(self.min, self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[f32], signed: bool) -> Histogram {
        let mut histogram = Histogram::new(signed);
        for &x in numbers {
            let at = if signed { signed_bin(x) } else { bin(x) } as usize;
            histogram.counts[at] += 1;
            histogram.min = histogram.min.min(f64::from(x));
            histogram.max = histogram.max.max(f64::from(x));
        }
        histogram
    }

    #[test]
    fn every_number_lies_between_the_edges_of_its_bin() {
        let mut x = 1e-7_f32;
        while x < 1e14 {
            let (low, high) = edges(bin(x) as usize, POSITIVE_BINS);
            assert!(low <= f64::from(x) && f64::from(x) < high, "{x} in {low}..{high}");
            assert!(high <= low * 1.0625 || low == 0.0);
            if x > 32_000.0 {
                x *= 1.0137;
                continue;
            }
            let both = of(&[x, -x], true);
            let spans: Vec<_> = both.bins().collect();
            assert!(spans[0].0 < f64::from(-x) && f64::from(-x) <= spans[0].1, "{x} in {spans:?}");
            assert!(spans[1].0 <= f64::from(x) && f64::from(x) < spans[1].1, "{x} in {spans:?}");
            x *= 1.0137;
        }
        assert_eq!(bin(0.0), 0);
        for numbers in [[f32::MAX, 1e15], [-f32::MAX, -40_000.0]] {
            let (low, high, count) = of(&numbers, numbers[0] < 0.0).bins().next().unwrap_or_default();
            assert_eq!((low.is_infinite() || high.is_infinite(), count), (true, 2), "{numbers:?} in {low}..{high}");
        }
    }

    #[test]
    fn quantiles_are_within_a_bin_of_the_sorted_numbers() {
        let numbers: Vec<f32> = (0..2001).map(|i| ((i * 7919) % 2001) as f32 * 1e-3 - 0.7).collect();
        let histogram = of(&numbers, true);
        let mut sorted = numbers.clone();
        sorted.sort_by(f32::total_cmp);
        for share in [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] {
            let exact = f64::from(sorted[(share * 2000.0) as usize]);
            let got = histogram.quantile(share).unwrap_or(f64::NAN);
            assert!((got - exact).abs() <= 0.0625 * exact.abs() + 1e-3, "{share}: {got} against {exact}");
        }
        assert_eq!(histogram.quantile(0.0), Some(f64::from(sorted[0])));
        assert_eq!(histogram.quantile(1.0), Some(f64::from(sorted[2000])));
        assert_eq!(Histogram::positive().quantile(0.5), None);
    }
}
