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
    /// The score before the first update: the evaluation of step 0, or that of the first step's samples, which come from the
    /// model that the run starts from. `None` for runs that did not evaluate that model.
    pub start: Option<f64>,
    /// Greatest mean of the score over a window of consecutive steps, or the best evaluation; the start counts too, so that a
    /// run that lost what it began with has not its best at its end.
    pub best: f64,
    /// Mean of the score over the last window, or the last evaluation; `None` for a run that was ended before its last step:
    /// what it would have come to is not known.
    pub latest: Option<f64>,
    /// Steps whose greatest gradient norm is beyond 5 medians of the steps with a gradient; `None` where no step has one.
    pub spikes: Option<usize>,
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
        let begin = u64::from(!is_evaluation(score));
        let start = records.iter().find(|record| record.step == begin);
        let start = start.and_then(|record| record.get(score)).filter(|value| value.is_finite());
        let means =
            scores.windows(window(score, scores.len())).map(|part| part.iter().sum::<f64>() / part.len() as f64);
        let means: Vec<f64> = means.collect();
        let (latest, best) = (*means.last()?, means.iter().copied().chain(start).fold(f64::NEG_INFINITY, f64::max));
        // A step whose groups taught nothing has the norm 0, and most steps after a collapse are such.
        let mut norms: Vec<f64> = finite(m::UPDATE_GRAD_NORM_MAX).filter(|norm| *norm > 0.0).collect();
        norms.sort_by(f64::total_cmp);
        let beyond = |median: f64| norms.iter().filter(|norm| **norm > SPIKE * median).count();
        Some(Outcome {
            start,
            best,
            latest: ended.is_none_or(|ended| ended.step >= steps).then_some(latest),
            spikes: median(&norms).map(beyond),
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

/// Of values in their order.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { (sorted[middle - 1] + upper) / 2.0 })
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
        assert_eq!((outcome.spikes, outcome.start), (Some(0), Some(0.2)));
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
        assert_eq!((outcome.spikes, outcome.collapsed), (Some(1), false));
        let spikes = |norms: &[f64]| {
            Outcome::of(&records(&vec![0.5; norms.len()], norms), m::REWARD_CORRECT, 1, None).unwrap().spikes
        };
        // Steps without a gradient are not what a spike is compared with; 5 · (1 + 2)/2 is 7.5.
        assert_eq!(spikes(&[1.0, 2.0, 0.0, 0.0, 0.0, 0.0]), Some(0));
        assert_eq!(spikes(&[1.0, 1.0, 2.0, 7.6]), Some(1));
        assert_eq!(spikes(&[0.0, 0.0]), None);
    }

    /// The first update took all: no evaluation and no window of steps has seen what the run began with.
    #[test]
    fn what_a_run_began_with_counts() {
        let mut evaluated = vec![Record::new(0)];
        evaluated[0].set(m::EVAL_AVG, 0.45);
        evaluated.extend(records(&[0.0; 4], &[1.0; 4]));
        evaluated.iter_mut().skip(1).for_each(|record| record.set(m::EVAL_AVG, 0.0));
        let outcome = Outcome::of(&evaluated, m::EVAL_AVG, 4, None).unwrap();
        assert_eq!((outcome.start, outcome.best, outcome.delta()), (Some(0.45), 0.45, Some(-0.45)));
        assert!(outcome.collapsed);
        // Without step 0 that is not known.
        let outcome = Outcome::of(&evaluated[1..], m::EVAL_AVG, 4, None).unwrap();
        assert_eq!((outcome.start, outcome.best, outcome.collapsed), (None, 0.0, false));
        // Windows of three steps: the greatest mean is 0.17.
        let mut scores = [0.0; 30];
        (scores[0], scores[1]) = (0.48, 0.02);
        scores[29] = 0.3;
        let outcome = Outcome::of(&records(&scores, &[1.0; 30]), m::REWARD_CORRECT, 30, None).unwrap();
        assert_eq!((outcome.start, outcome.best, outcome.collapsed), (Some(0.48), 0.48, true));
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
