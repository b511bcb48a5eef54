//! Sums over blocks of columns. Every loop keeps independent lanes, which the compiler turns into vector code.

use super::histogram::{TABLE, bin, signed_bin};
use super::{Clipped, HazardStats, ReferenceStats, Stats, WeightStats};
use crate::block::BLOCK;
use crate::control::ClipRule;
use crate::exponential::{greater, lesser};
use crate::region::LogBounds;

const LANES: usize = 16;
/// Neighbouring tokens mostly fall into one bin; tables of their own keep one increment from waiting for the other.
const TABLES: usize = 2;

/// Folds a column into lanes that do not wait for one another. One fold a loop: of two, the compiler makes scalar code.
#[inline(always)]
fn fold<T: Copy>(column: &[f32], start: T, step: impl Fn(T, f32) -> T) -> [T; LANES] {
    let mut lanes = [start; LANES];
    let chunks = column.chunks_exact(LANES);
    for (lane, &x) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = step(*lane, x);
    }
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = step(lanes[lane], chunk[lane]);
        }
    }
    lanes
}

/// The sum in `f64`.
#[inline(always)]
pub(crate) fn sum(column: &[f32]) -> f64 {
    fold(column, 0.0, |sum, x| sum + f64::from(x)).iter().sum()
}

/// The sum and the sum of squares in `f64`.
#[inline(always)]
fn moments(column: &[f32]) -> (f64, f64) {
    (sum(column), fold(column, 0.0, |sum, x| sum + f64::from(x) * f64::from(x)).iter().sum())
}

/// The least and the greatest.
#[inline(always)]
fn extremes(column: &[f32]) -> (f32, f32) {
    let least = fold(column, f32::INFINITY, |least, x| lesser(x, least));
    let greatest = fold(column, f32::NEG_INFINITY, |greatest, x| greater(x, greatest));
    (least.into_iter().fold(f32::INFINITY, f32::min), greatest.into_iter().fold(f32::NEG_INFINITY, f32::max))
}

/// Counts of one kind of number, block by block.
struct Table {
    counts: Box<[[u32; TABLE]; TABLES]>,
}

impl Table {
    fn new() -> Self {
        Self { counts: Box::new([[0; TABLE]; TABLES]) }
    }

    #[inline(always)]
    fn add(&mut self, column: &[f32], bin: impl Fn(f32) -> i32) {
        let mut indices = [0_u32; BLOCK];
        for (index, &x) in indices.iter_mut().zip(column) {
            *index = bin(x) as u32;
        }
        let indices = &indices[..column.len().min(BLOCK)];
        let groups = indices.chunks_exact(TABLES);
        for &index in groups.remainder() {
            self.counts[0][index as usize % TABLE] += 1;
        }
        for group in groups {
            for (table, &index) in self.counts.iter_mut().zip(group) {
                table[index as usize % TABLE] += 1;
            }
        }
    }

    fn totals(&self) -> impl Iterator<Item = u64> + '_ {
        (0..TABLE).map(|index| self.counts.iter().map(|table| u64::from(table[index])).sum())
    }
}

/// The columns of one block that statistics read.
pub(crate) struct Observed<'c> {
    pub log_ratio: &'c [f32],
    pub ratio: &'c [f32],
    pub k3: &'c [f32],
    /// What the bounds act on: the token's log-ratio, or its sequence's mean.
    pub control: &'c [f32],
    pub advantage: &'c [f32],
    pub multiplier: &'c [f32],
}

/// Gathers [`Stats`] block by block.
pub(crate) struct Collector {
    stats: Stats,
    bounds: LogBounds,
    log_ratio: Table,
    multiplier: Table,
    log_ratio_extremes: (f32, f32),
    multiplier_extremes: (f32, f32),
    zeroed_negative: u64,
    zeroed_positive: u64,
    dual: u64,
}

impl Collector {
    pub fn new(bounds: LogBounds) -> Self {
        Self {
            stats: Stats::empty(),
            bounds,
            log_ratio: Table::new(),
            multiplier: Table::new(),
            log_ratio_extremes: (f32::INFINITY, f32::NEG_INFINITY),
            multiplier_extremes: (f32::INFINITY, f32::NEG_INFINITY),
            zeroed_negative: 0,
            zeroed_positive: 0,
            dual: 0,
        }
    }

    pub fn count_sequence(&mut self) {
        self.stats.sequences += 1;
    }

    #[inline(always)]
    pub fn add(&mut self, seen: &Observed<'_>) {
        let stats = &mut self.stats;
        stats.tokens += seen.ratio.len() as u64;
        let (ratio, ratio_square) = moments(seen.ratio);
        stats.ratio_sum += ratio;
        stats.ratio_square_sum += ratio_square;
        let (log_ratio, log_ratio_square) = moments(seen.log_ratio);
        stats.log_ratio_sum += log_ratio;
        stats.log_ratio_square_sum += log_ratio_square;
        stats.k3_sum += sum(seen.k3);
        stats.multiplier_sum += sum(seen.multiplier);
        widen(&mut self.log_ratio_extremes, extremes(seen.log_ratio));
        widen(&mut self.multiplier_extremes, extremes(seen.multiplier));
        self.log_ratio.add(seen.log_ratio, signed_bin);
        self.multiplier.add(seen.multiplier, bin);
        self.count_regions(seen);
    }

    #[inline(always)]
    fn count_regions(&mut self, seen: &Observed<'_>) {
        let n = seen.control.len();
        let (control, advantage, multiplier) = (&seen.control[..n], &seen.advantage[..n], &seen.multiplier[..n]);
        let bounds = self.bounds;
        let (mut ln, mut hp, mut lp, mut hn, mut zero_negative, mut zero_positive) = (0_u32, 0, 0, 0, 0, 0);
        for i in 0..n {
            let (low, high) = (control[i] < bounds.low, control[i] > bounds.high);
            let (negative, positive) = (advantage[i] < 0.0, advantage[i] > 0.0);
            let zero = multiplier[i] == 0.0;
            ln += u32::from(low & negative);
            hp += u32::from(high & positive);
            lp += u32::from(low & positive);
            hn += u32::from(high & negative);
            zero_negative += u32::from(zero & negative);
            zero_positive += u32::from(zero & positive);
        }
        let outside = [ln, hp, lp, hn];
        for (sum, count) in self.stats.regions.iter_mut().zip(outside) {
            *sum += u64::from(count);
        }
        self.stats.regions[4] += n as u64 - u64::from(outside.iter().sum::<u32>());
        self.zeroed_negative += u64::from(zero_negative);
        self.zeroed_positive += u64::from(zero_positive);
    }

    pub fn add_dual(&mut self, tokens: u64) {
        self.dual += tokens;
    }

    #[inline(always)]
    pub fn add_hazard(&mut self, psi: &[f32], zeta: &[f32], survival: &[f32]) {
        let hazard = self.stats.hazard.get_or_insert(HazardStats {
            psi_sum: 0.0,
            psi_max: 0.0,
            zeta_sum: 0.0,
            zeta_max: f64::NEG_INFINITY,
            survival_sum: 0.0,
            survival_min: f64::INFINITY,
        });
        let (psi_least, psi_greatest) = extremes(psi);
        hazard.psi_sum += sum(psi);
        hazard.psi_max = hazard.psi_max.max(f64::from(psi_greatest.max(-psi_least)));
        hazard.zeta_sum += sum(zeta);
        hazard.zeta_max = hazard.zeta_max.max(f64::from(extremes(zeta).1));
        hazard.survival_sum += sum(survival);
        hazard.survival_min = hazard.survival_min.min(f64::from(extremes(survival).0));
    }

    pub fn add_reference(&mut self, k1: f64, k2: f64, k3: f64) {
        let reference = self.stats.reference.get_or_insert_with(ReferenceStats::default);
        reference.k1_sum += k1;
        reference.k2_sum += k2;
        reference.k3_sum += k3;
    }

    #[inline(always)]
    pub fn add_weights(&mut self, weights: &[f32]) {
        let seen = self.stats.weights.get_or_insert_with(WeightStats::default);
        let (sum, square_sum) = moments(weights);
        seen.sum += sum;
        seen.square_sum += square_sum;
        seen.max = seen.max.max(f64::from(extremes(weights).1));
        seen.zeros += weights.iter().map(|&w| u64::from(w == 0.0)).sum::<u64>();
    }

    pub fn finish(mut self, rule: ClipRule, multiplier_bound: Option<f64>) -> Stats {
        let range = |(least, greatest): (f32, f32)| (f64::from(least), f64::from(greatest));
        let (least, greatest) = range(self.log_ratio_extremes);
        self.stats.log_ratio.add_counts(self.log_ratio.totals(), least, greatest);
        let (least, greatest) = range(self.multiplier_extremes);
        self.stats.multiplier.add_counts(self.multiplier.totals(), least, greatest);
        self.stats.multiplier_bound = multiplier_bound;
        self.stats.zeroed = self.zeroed_negative + self.zeroed_positive;
        let [ln, hp, lp, hn, _] = self.stats.regions;
        let dual = self.dual;
        self.stats.clipped = match rule {
            ClipRule::Unbounded => None,
            ClipRule::Outward => Some(Clipped { low: ln, high: hp, dual }),
            ClipRule::BothSigns => Some(Clipped { low: ln + lp, high: hp + hn, dual }),
            ClipRule::Zeroed => Some(Clipped { low: self.zeroed_negative, high: self.zeroed_positive, dual }),
        };
        self.stats
    }
}

fn widen(range: &mut (f32, f32), seen: (f32, f32)) {
    range.0 = range.0.min(seen.0);
    range.1 = range.1.max(seen.1);
}
