//! A metric over the steps, thinned so that a long run stays a small picture: mean, least and greatest of some steps each.

use super::Group;
use crate::metrics::{Metric, Record};

/// Most points of a line. More are not told apart on a screen.
const MOST_POINTS: u64 = 200;

/// Mean and range of the values of a few steps, of all runs of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Summary {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

impl Summary {
    /// `None` without a finite value.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (mut sum, mut count) = (0.0, 0.0);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            (sum, count) = (sum + value, count + 1.0);
            (low, high) = (low.min(value), high.max(value));
        }
        (count > 0.0).then(|| Summary { mean: sum / count, low, high })
    }

    /// Whether there is a range at all.
    pub fn is_wide(&self) -> bool {
        self.low < self.high
    }
}

/// How the steps of all runs are cut: the same for each, so that one row of a table holds them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buckets {
    /// Steps in one.
    pub width: u64,
    /// The greatest step of any run.
    pub last: u64,
    /// Whether a run has a step 0, the evaluation before training; it is never put together with others.
    zero: bool,
}

impl Buckets {
    /// For runs of up to `last` steps.
    pub fn new(last: u64) -> Self {
        let least = last.div_ceil(MOST_POINTS).max(1);
        let mut decade = 1;
        let width = loop {
            match [1, 2, 5].into_iter().map(|digit| digit * decade).find(|width| *width >= least) {
                Some(width) => break width,
                None => decade *= 10,
            }
        };
        Self { width, last, zero: false }
    }

    /// The same, with a place for step 0 before the others.
    pub fn with_zero(self) -> Self {
        Self { zero: true, ..self }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.last.div_ceil(self.width) as usize + usize::from(self.zero)
    }

    /// The bucket of a step; that of step 0 is none where it has no place.
    pub fn index(&self, step: u64) -> usize {
        match step {
            0 if self.zero => 0,
            0 => self.count(),
            step => ((step - 1) / self.width) as usize + usize::from(self.zero),
        }
    }

    /// First and last step of a bucket.
    pub fn steps(&self, index: usize) -> (u64, u64) {
        let Some(index) = index.checked_sub(usize::from(self.zero)) else { return (0, 0) };
        let first = index as u64 * self.width + 1;
        (first, (first + self.width - 1).min(self.last))
    }

    /// Where a bucket stands on the axis.
    pub fn middle(&self, index: usize) -> f64 {
        let (first, last) = self.steps(index);
        (first + last) as f64 / 2.0
    }

    /// What a table says of it.
    pub fn name(&self, index: usize) -> String {
        match self.steps(index) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}–{last}"),
        }
    }

    /// One value a bucket, `None` where no step has one.
    pub fn summarise(&self, group: &Group, value: impl Fn(&Record) -> Option<f64>) -> Vec<Option<Summary>> {
        let mut values = vec![Vec::new(); self.count()];
        for record in group.runs.iter().flat_map(|run| &run.records) {
            if let (Some(value), Some(bucket)) = (value(record), values.get_mut(self.index(record.step))) {
                bucket.push(value);
            }
        }
        values.into_iter().map(|bucket| Summary::of(bucket.into_iter())).collect()
    }

    /// [`Buckets::summarise`] of a metric.
    pub fn metric(&self, group: &Group, metric: Metric) -> Vec<Option<Summary>> {
        self.summarise(group, |record| record.get(metric))
    }
}

#[cfg(test)]
mod tests {
    use super::{Buckets, Summary};

    #[test]
    fn widths_are_round_and_cover_every_step() {
        for (last, width, count) in [(1, 1, 1), (200, 1, 200), (201, 2, 101), (1000, 5, 200), (100_003, 1000, 101)] {
            let buckets = Buckets::new(last);
            assert_eq!((buckets.width, buckets.count()), (width, count), "{last}");
            assert_eq!(buckets.steps(0).0, 1);
            assert_eq!(buckets.steps(buckets.count() - 1).1, last);
            assert_eq!(buckets.index(last), buckets.count() - 1);
        }
        assert_eq!((Buckets::new(0).count(), Buckets::new(1000).name(1).as_str()), (0, "6–10"));
    }

    #[test]
    fn step_0_stands_alone() {
        let buckets = Buckets::new(1000).with_zero();
        assert_eq!((buckets.count(), buckets.index(0), buckets.index(1), buckets.index(6)), (201, 0, 1, 2));
        assert_eq!((buckets.steps(0), buckets.steps(1), buckets.name(0).as_str()), ((0, 0), (1, 5), "0"));
        assert_eq!(Buckets::new(5).index(0), 5);
    }

    #[test]
    fn what_is_not_finite_is_left_out() {
        let found = Summary::of([f64::NAN, 1.0, 4.0, f64::INFINITY].into_iter());
        assert_eq!(found, Some(Summary { mean: 2.5, low: 1.0, high: 4.0 }));
        assert_eq!(Summary::of([f64::NAN].into_iter()), None);
    }
}
