//! Statistics as numbers, to be sent to another process and read there to the same bits.

use super::{Clipped, HazardStats, Histogram, OffPolicyStats, ReferenceStats, Stats, WeightStats};

/// Takes words from the front.
struct Words<'a>(&'a [u64]);

impl Words<'_> {
    fn count(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn sum(&mut self) -> Option<f64> {
        self.count().map(f64::from_bits)
    }

    /// What may be absent: a word that says whether it is there, and then its own.
    fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.count()? {
            0 => Some(None),
            _ => read(self).map(Some),
        }
    }
}

impl Stats {
    /// Everything that these statistics hold, as words: counts as they are, sums by their bits.
    ///
    /// ```
    /// use surefoot_objectives::Stats;
    ///
    /// let stats = Stats::empty();
    /// assert_eq!(Stats::from_words(&stats.to_words()), Some(stats));
    /// assert_eq!(Stats::from_words(&[1, 2, 3]), None);
    /// ```
    pub fn to_words(&self) -> Vec<u64> {
        let Self { tokens, sequences, zeroed, regions, log_ratio, multiplier, .. } = self;
        let mut words = vec![*tokens, *sequences, *zeroed];
        words.extend(regions);
        let sums = [
            self.ratio_sum,
            self.ratio_square_sum,
            self.log_ratio_sum,
            self.log_ratio_square_sum,
            self.k3_sum,
            self.multiplier_sum,
        ];
        words.extend(sums.map(f64::to_bits));
        log_ratio.to_words(&mut words);
        multiplier.to_words(&mut words);
        maybe(&mut words, self.multiplier_bound, |bound| [bound.to_bits()]);
        maybe(&mut words, self.clipped, |Clipped { low, high, dual }| [low, high, dual]);
        maybe(&mut words, self.hazard, |h| {
            [h.psi_sum, h.psi_max, h.zeta_sum, h.zeta_max, h.survival_sum, h.survival_min].map(f64::to_bits)
        });
        maybe(&mut words, self.reference, |r| [r.k1_sum, r.k2_sum, r.k3_sum].map(f64::to_bits));
        maybe(&mut words, self.weights, |w| [w.sum.to_bits(), w.square_sum.to_bits(), w.max.to_bits(), w.zeros]);
        maybe(&mut words, self.off_policy, |o| [o.sequences, o.masked]);
        words
    }

    /// What [`Stats::to_words`] gave; `None` for anything else.
    pub fn from_words(words: &[u64]) -> Option<Self> {
        let mut words = Words(words);
        let w = &mut words;
        let (tokens, sequences, zeroed) = (w.count()?, w.count()?, w.count()?);
        let mut regions = [0; 5];
        for region in &mut regions {
            *region = w.count()?;
        }
        let (ratio_sum, ratio_square_sum) = (w.sum()?, w.sum()?);
        let (log_ratio_sum, log_ratio_square_sum) = (w.sum()?, w.sum()?);
        let (k3_sum, multiplier_sum) = (w.sum()?, w.sum()?);
        let log_ratio = Histogram::signed().filled(|| w.count())?;
        let multiplier = Histogram::positive().filled(|| w.count())?;
        let multiplier_bound = w.maybe(Words::sum)?;
        let clipped = w.maybe(|w| Some(Clipped { low: w.count()?, high: w.count()?, dual: w.count()? }))?;
        let hazard = w.maybe(|w| {
            Some(HazardStats {
                psi_sum: w.sum()?,
                psi_max: w.sum()?,
                zeta_sum: w.sum()?,
                zeta_max: w.sum()?,
                survival_sum: w.sum()?,
                survival_min: w.sum()?,
            })
        })?;
        let reference = w.maybe(|w| Some(ReferenceStats { k1_sum: w.sum()?, k2_sum: w.sum()?, k3_sum: w.sum()? }))?;
        let weights =
            w.maybe(|w| Some(WeightStats { sum: w.sum()?, square_sum: w.sum()?, max: w.sum()?, zeros: w.count()? }))?;
        let off_policy = w.maybe(|w| Some(OffPolicyStats { sequences: w.count()?, masked: w.count()? }))?;
        words.0.is_empty().then_some(Self {
            tokens,
            sequences,
            ratio_sum,
            ratio_square_sum,
            log_ratio_sum,
            log_ratio_square_sum,
            k3_sum,
            log_ratio,
            multiplier_sum,
            multiplier,
            multiplier_bound,
            zeroed,
            regions,
            clipped,
            hazard,
            reference,
            weights,
            off_policy,
        })
    }
}

fn maybe<T, const N: usize>(words: &mut Vec<u64>, value: Option<T>, of: impl FnOnce(T) -> [u64; N]) {
    words.push(u64::from(value.is_some()));
    words.extend(value.map(of).into_iter().flatten());
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read_back() {
        let mut stats = Stats::empty();
        let numbers = [0.5, -1.25, 3e-9, f64::INFINITY, -0.0, 7.0];
        (stats.tokens, stats.sequences, stats.zeroed, stats.regions) = (9, 2, 1, [5, 4, 3, 2, 1]);
        (stats.ratio_sum, stats.ratio_square_sum, stats.log_ratio_sum) = (numbers[0], numbers[1], numbers[2]);
        (stats.log_ratio_square_sum, stats.k3_sum, stats.multiplier_sum) = (numbers[3], numbers[4], numbers[5]);
        stats.log_ratio.add_counts([0, 3, 7].into_iter(), -0.5, 2.5);
        stats.multiplier.add_counts([1].into_iter(), 0.25, 0.25);
        let bare = stats.clone();
        assert_eq!(Stats::from_words(&bare.to_words()), Some(bare));
        stats.multiplier_bound = Some(2.0);
        stats.clipped = Some(Clipped { low: 1, high: 2, dual: 3 });
        let [psi_sum, psi_max, zeta_sum, zeta_max, survival_sum, survival_min] = numbers;
        stats.hazard = Some(HazardStats { psi_sum, psi_max, zeta_sum, zeta_max, survival_sum, survival_min });
        stats.reference = Some(ReferenceStats { k1_sum: 1.0, k2_sum: 2.0, k3_sum: 3.0 });
        stats.weights = Some(WeightStats { sum: 4.0, square_sum: 5.0, max: 6.0, zeros: 7 });
        stats.off_policy = Some(OffPolicyStats { sequences: 8, masked: 9 });
        let words = stats.to_words();
        let read = Stats::from_words(&words).unwrap();
        assert_eq!(read, stats);
        assert_eq!(read.to_words(), words);
        for cut in 0..words.len() {
            assert_eq!(Stats::from_words(&words[..cut]), None, "{cut}");
        }
        assert_eq!(Stats::from_words(&[words.as_slice(), &[0]].concat()), None);
    }
}
