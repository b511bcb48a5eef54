//! What a run came to, from its metrics.

use crate::collapse::Collapse;
use crate::metrics::{Metric, Record, definition as m};

/// A gradient norm of so many times the run's median is a spike.
pub(super) const SPIKE: f64 = 5.0;
/// A run has collapsed when its last score is below this share of its best one.
pub(super) const COLLAPSED: f64 = 0.5;

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Greatest mean of the score over a window of consecutive steps, or the best evaluation.
    pub best: f64,
    /// Mean of the score over the last window, or the last evaluation; `None` for a run that was ended before its last step:
    /// what it would have come to is not known.
    pub latest: Option<f64>,
    /// Steps whose greatest gradient norm is beyond 5 medians.
    pub spikes: usize,
    /// Whether a detector of `[stop]` ended the run, or its last score is below half of the best.
    pub collapsed: bool,
    /// The detector that ended it.
    pub ended: Option<Collapse>,
    /// Updates that were skipped because something was not finite.
    pub skipped: f64,
}

/// Values of a window: a tenth of those of the run, 1 to 10; of evaluations one, as each is a mean of many samples.
pub(super) fn window(score: Metric, values: usize) -> usize {
    if is_evaluation(score) { 1 } else { (values / 10).clamp(1, 10) }
}

/// Whether a metric comes from the evaluations of a run, and not from its training.
pub(super) fn is_evaluation(metric: Metric) -> bool {
    metric.name.starts_with("eval/")
}

impl Outcome {
    /// What a run of `steps` with these metrics came to, which a detector `ended` or which made them all; `None` without a
    /// finite score.
    pub fn of(records: &[Record], score: Metric, steps: u64, ended: Option<Collapse>) -> Option<Self> {
        let finite =
            |metric: Metric| records.iter().filter_map(move |r| r.get(metric)).filter(|value| value.is_finite());
        let scores: Vec<f64> = finite(score).collect();
        let means =
            scores.windows(window(score, scores.len())).map(|part| part.iter().sum::<f64>() / part.len() as f64);
        let means: Vec<f64> = means.collect();
        let (latest, best) = (*means.last()?, means.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        let mut norms: Vec<f64> = finite(m::UPDATE_GRAD_NORM_MAX).collect();
        norms.sort_by(f64::total_cmp);
        let median = norms.get(norms.len() / 2).copied().unwrap_or(0.0);
        Some(Outcome {
            best,
            latest: ended.is_none_or(|ended| ended.step >= steps).then_some(latest),
            spikes: norms.iter().filter(|norm| **norm > SPIKE * median).count(),
            collapsed: ended.is_some() || (best > 0.0 && latest < COLLAPSED * best),
            ended,
            skipped: finite(m::UPDATE_SKIPPED_STEPS).sum(),
        })
    }

    /// `Latest − Best`, as in MHPO Table 4: 0 for a run that ends at its best. A run that was ended early has none: after a few
    /// steps it would be near 0 because there are few windows, and not because the run kept what it had.
    pub fn delta(&self) -> Option<f64> {
        Some(self.latest? - self.best)
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;
    use crate::collapse::Collapse;
    use crate::metrics::{Record, definition as m};

    fn records(scores: &[f64], norms: &[f64]) -> Vec<Record> {
        let record = |(step, (score, norm)): (usize, (&f64, &f64))| {
            let mut record = Record::new(step as u64 + 1);
            record.set(m::REWARD_CORRECT, *score);
            record.set(m::UPDATE_GRAD_NORM_MAX, *norm);
            record
        };
        scores.iter().zip(norms).enumerate().map(record).collect()
    }

    #[test]
    fn best_latest_and_delta_are_means_of_windows() {
        // Twenty steps make windows of two.
        let mut scores = [0.2; 20];
        (scores[9], scores[10], scores[19]) = (0.8, 0.6, 0.4);
        let outcome = Outcome::of(&records(&scores, &[1.0; 20]), m::REWARD_CORRECT, 20, None).unwrap();
        assert!((outcome.best - 0.7).abs() < 1e-12 && (outcome.latest.unwrap() - 0.3).abs() < 1e-12, "{outcome:?}");
        assert!((outcome.delta().unwrap() + 0.4).abs() < 1e-12 && outcome.collapsed, "{outcome:?}");
        assert_eq!(outcome.spikes, 0);
        assert_eq!(Outcome::of(&records(&[f64::NAN], &[1.0]), m::REWARD_CORRECT, 1, None), None);
    }

    #[test]
    fn every_evaluation_counts_by_itself() {
        let mut records = records(&[0.1; 60], &[1.0; 60]);
        for (record, score) in records.iter_mut().skip(1).step_by(2).zip([0.25, 0.75, 0.5].into_iter().cycle()) {
            record.set(m::EVAL_AVG, score);
        }
        let outcome = Outcome::of(&records, m::EVAL_AVG, 60, None).unwrap();
        assert_eq!((outcome.best, outcome.latest, outcome.delta()), (0.75, Some(0.5), Some(-0.25)));
        assert_eq!(Outcome::of(&records[..1], m::EVAL_AVG, 60, None), None);
    }

    #[test]
    fn spikes_are_counted_against_the_median() {
        let outcome =
            Outcome::of(&records(&[0.5; 5], &[2.0, 10.1, 1.0, 9.9, 2.0]), m::REWARD_CORRECT, 5, None).unwrap();
        assert_eq!((outcome.spikes, outcome.collapsed), (1, false));
    }

    #[test]
    fn a_run_that_was_ended_has_no_last_score() {
        let metric = m::REWARD_MEAN;
        let ended = Collapse { key: "reward_min", metric, step: 1, value: 0.1, limit: 0.2, patience: 1 };
        let of = |steps| Outcome::of(&records(&[0.5], &[1.0]), m::REWARD_CORRECT, steps, Some(ended)).unwrap();
        assert_eq!((of(9).best, of(9).latest, of(9).delta(), of(9).collapsed), (0.5, None, None, true));
        // In its last step it has made all.
        assert_eq!((of(1).latest, of(1).delta(), of(1).collapsed), (Some(0.5), Some(0.0), true));
    }
}
