//! Detectors of a run that has collapsed (`[stop]`).
//!
//! What they say after a step is a function of the configuration and of the metrics up to that step, so that a run that was
//! killed and goes on ends where it would have ended.

use std::fmt;

use crate::config::Stop;
use crate::metrics::{Metric, Record, definition as m};

/// What a detector compares.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    Least(f64),
    Greatest(f64),
    /// Greatest distance of the mean of the last steps from the greatest mean of so many steps in a row, or of fewer at the
    /// beginning.
    Drop(f64),
    /// Most steps in a row in which the value is 0.
    Zero(usize),
}

/// Why a run ended early.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Collapse {
    /// The detector: its key in `[stop]`.
    pub key: &'static str,
    /// The metric that it watches.
    pub metric: Metric,
    /// The step.
    pub step: u64,
    /// The metric's value in that step; for `reward_drop`, its mean over the last steps.
    pub value: f64,
    /// The limit; for `reward_drop`, the mean below which the value fell.
    pub limit: f64,
    /// Steps in a row.
    pub patience: usize,
}

impl fmt::Display for Collapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Collapse { key, metric: Metric { name, .. }, step, value, limit, patience } = self;
        match *key {
            "reward_drop" => write!(
                f,
                "stop.{key}: {name} of the last {patience} steps is {value:.4} in step {step}, and may not fall below {limit:.4}"
            ),
            "idle_max" => {
                write!(f, "stop.{key}: {name} was 0 in {patience} steps in a row up to step {step}, more than {limit}")
            }
            _ => {
                let side = if key.ends_with("_min") { "below" } else { "above" };
                let row = if *patience == 1 { String::new() } else { format!(", {patience} steps in a row") };
                write!(f, "stop.{key}: {name} is {value:.4} in step {step}, {side} {limit}{row}")
            }
        }
    }
}

/// One detector and the values that it has seen.
struct Detector {
    key: &'static str,
    metric: Metric,
    limit: Limit,
    values: Vec<f64>,
}

/// The detectors of a run.
pub(crate) struct Detectors {
    patience: usize,
    after: u64,
    step: u64,
    detectors: Vec<Detector>,
}

impl Detectors {
    /// Those of `[stop]` that have a limit, after the steps of `records`.
    pub fn new(stop: &Stop, records: &[Record]) -> Self {
        use Limit::{Drop, Greatest, Least, Zero};
        let all = [
            ("entropy_min", m::ROLLOUT_ENTROPY, stop.entropy_min.map(Least)),
            ("entropy_max", m::ROLLOUT_ENTROPY, stop.entropy_max.map(Greatest)),
            ("ratio_max", m::UPDATE_RATIO_MAX, stop.ratio_max.map(Greatest)),
            ("length_min", m::ROLLOUT_LENGTH_MEAN, stop.length_min.map(Least)),
            ("length_max", m::ROLLOUT_LENGTH_MEAN, stop.length_max.map(Greatest)),
            ("reward_min", m::REWARD_MEAN, stop.reward_min.map(Least)),
            ("reward_drop", m::REWARD_MEAN, stop.reward_drop.map(Drop)),
            ("grad_norm_max", m::UPDATE_GRAD_NORM_MAX, stop.grad_norm_max.map(Greatest)),
            ("skipped_max", m::UPDATE_SKIPPED_STEPS, stop.skipped_max.map(Greatest)),
            ("idle_max", m::UPDATE_GRAD_NORM_MAX, stop.idle_max.map(Zero)),
        ];
        let detectors = all
            .into_iter()
            .filter_map(|(key, metric, limit)| Some(Detector { key, metric, limit: limit?, values: Vec::new() }));
        let mut detectors =
            Self { patience: stop.patience, after: stop.after, step: 0, detectors: detectors.collect() };
        records.iter().for_each(|record| detectors.see(record));
        detectors
    }

    /// Whether there is a detector.
    pub fn are_any(&self) -> bool {
        !self.detectors.is_empty()
    }

    /// Whether one of them waits for `stop.patience` steps.
    pub fn are_patient(&self) -> bool {
        self.detectors.iter().any(|detector| !matches!(detector.limit, Limit::Zero(_)))
    }

    /// Takes in a step.
    pub fn see(&mut self, record: &Record) {
        self.step = record.step;
        if record.step > self.after {
            for detector in &mut self.detectors {
                detector.values.extend(record.get(detector.metric));
            }
        }
    }

    /// The first detector whose limit the last steps are beyond.
    pub fn verdict(&self) -> Option<Collapse> {
        self.detectors.iter().find_map(|detector| {
            let patience = detector.patience(self.patience);
            let (value, limit) = detector.beyond(patience)?;
            let Detector { key, metric, .. } = *detector;
            Some(Collapse { key, metric, step: self.step, value, limit, patience })
        })
    }
}

impl Detector {
    /// Steps in a row that count: `stop.patience`, where the limit is not itself a number of steps.
    fn patience(&self, usual: usize) -> usize {
        if let Limit::Zero(most) = self.limit { most.saturating_add(1) } else { usual }
    }

    /// Value and limit, when the last `patience` values are beyond it.
    fn beyond(&self, patience: usize) -> Option<(f64, f64)> {
        let last = &self.values[self.values.len().checked_sub(patience)?..];
        let value = *last.last()?;
        // What is not finite is beyond every limit.
        let all = |within: &dyn Fn(f64) -> bool| last.iter().all(|&value| !value.is_finite() || !within(value));
        match self.limit {
            Limit::Least(limit) => all(&|value| value >= limit).then_some((value, limit)),
            Limit::Greatest(limit) => all(&|value| value <= limit).then_some((value, limit)),
            Limit::Drop(drop) => {
                let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
                // A run that collapses within fewer steps has lost in each window what it began with.
                let begin = (1..patience).filter_map(|count| self.values.get(..count)).map(mean);
                let means = self.values.windows(patience).map(mean).chain(begin).filter(|mean| mean.is_finite());
                let limit = means.fold(f64::NEG_INFINITY, f64::max) - drop;
                let value = mean(last);
                (!value.is_finite() || value < limit).then_some((value, limit))
            }
            Limit::Zero(most) => last.iter().all(|&value| value == 0.0).then_some((value, most as f64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(values: &[f64]) -> Vec<Record> {
        let record = |(step, value): (usize, &f64)| {
            let mut record = Record::new(step as u64 + 1);
            record.set(m::REWARD_MEAN, *value);
            record.set(m::ROLLOUT_ENTROPY, *value);
            record
        };
        values.iter().enumerate().map(record).collect()
    }

    /// The step in which a run with these values ends.
    fn ends(stop: &Stop, values: &[f64]) -> Option<u64> {
        let mut detectors = Detectors::new(stop, &[]);
        records(values).iter().find_map(|record| {
            detectors.see(record);
            let verdict = detectors.verdict();
            // The same from the metrics alone, as after a resume.
            let resumed = Detectors::new(stop, &records(values)[..record.step as usize]).verdict();
            assert_eq!(verdict.map(|v| v.to_string()), resumed.map(|v| v.to_string()));
            verdict.map(|verdict| verdict.step)
        })
    }

    #[test]
    fn a_limit_must_be_passed_so_many_steps_in_a_row() {
        let stop = |patience, after| Stop { patience, after, entropy_min: Some(0.5), ..Stop::default() };
        let values = [0.4, 0.4, 0.6, 0.4, 0.5, 0.4, f64::NAN, 0.1, 0.9];
        assert_eq!(ends(&stop(1, 0), &values), Some(1));
        assert_eq!(ends(&stop(2, 0), &values), Some(2));
        assert_eq!(ends(&stop(2, 1), &values), Some(7));
        assert_eq!(ends(&stop(3, 0), &values), Some(8));
        assert_eq!(ends(&stop(4, 0), &values), None);
        assert_eq!(ends(&Stop::default(), &values), None);
        assert_eq!(ends(&Stop { patience: 1, entropy_max: Some(0.8), ..Stop::default() }, &values[..6]), None);
        assert_eq!(ends(&Stop { patience: 1, entropy_max: Some(0.8), after: 7, ..Stop::default() }, &values), Some(9));
    }

    #[test]
    fn a_fall_is_measured_from_the_greatest_mean() {
        let stop = Stop { patience: 2, reward_drop: Some(0.3), ..Stop::default() };
        // Means of two: 0.5, 0.75, 0.7, 0.5, 0.4: the last is 0.35 below the greatest.
        assert_eq!(ends(&stop, &[0.2, 0.8, 0.7, 0.7, 0.3, 0.5]), Some(6));
        assert_eq!(ends(&stop, &[0.2, 0.8, 0.7, 0.7, 0.3, 0.7]), None);
    }

    #[test]
    fn a_fall_that_is_faster_than_the_window_is_seen() {
        let stop = Stop { patience: 3, reward_drop: Some(0.2), ..Stop::default() };
        // No mean of three steps is above 0.17.
        assert_eq!(ends(&stop, &[0.4805, 0.0137, 0.0039, 0.0, 0.0]), Some(3));
        assert_eq!(
            ends(&Stop { patience: 3, reward_drop: Some(0.5), ..Stop::default() }, &[0.48, 0.0, 0.0, 0.0]),
            None
        );
    }

    #[test]
    fn steps_without_a_gradient_are_counted() {
        let stop = Stop { idle_max: Some(2), ..Stop::default() };
        let with = |norms: &[f64]| -> Vec<Record> {
            let record = |(step, norm): (usize, &f64)| {
                let mut record = Record::new(step as u64 + 1);
                record.set(m::UPDATE_GRAD_NORM_MAX, *norm);
                record
            };
            norms.iter().enumerate().map(record).collect()
        };
        assert_eq!(Detectors::new(&stop, &with(&[0.0, 0.0, 0.5, 0.0, 0.0])).verdict(), None);
        let verdict = Detectors::new(&stop, &with(&[0.5, 0.0, 0.0, 0.0])).verdict().unwrap();
        assert_eq!(
            verdict.to_string(),
            "stop.idle_max: update/grad_norm_max was 0 in 3 steps in a row up to step 4, more than 2"
        );
    }

    #[test]
    fn the_message_names_detector_step_and_value() {
        let stop = Stop { entropy_min: Some(0.05), ..Stop::default() };
        let verdict = Detectors::new(&stop, &records(&[0.3, 0.04, 0.03, 0.01])).verdict().unwrap();
        assert_eq!(
            verdict.to_string(),
            "stop.entropy_min: rollout/entropy is 0.0100 in step 4, below 0.05, 3 steps in a row"
        );
    }
}
