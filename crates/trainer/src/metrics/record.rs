//! The metrics of one step.

use serde_json::{Map, Number, Value};

use super::definition::{Metric, by_name};

/// The metrics of one step, in the order in which they were set.
///
/// ```
/// use surefoot_trainer::metrics::{Record, definition::REWARD_MEAN};
///
/// let mut record = Record::new(3);
/// record.set(REWARD_MEAN, 0.25);
/// assert_eq!(record.to_line(), "{\"step\":3,\"reward/mean\":0.25}");
/// assert_eq!(Record::from_line(&record.to_line()), Some(record));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The step, from 1; 0 for the evaluation of the model that a run starts from.
    pub step: u64,
    values: Vec<(Metric, f64)>,
}

impl Record {
    /// A record of `step` without values.
    pub fn new(step: u64) -> Self {
        Record { step, values: Vec::new() }
    }

    /// Sets a metric; a second value replaces the first.
    pub fn set(&mut self, metric: Metric, value: f64) {
        match self.values.iter_mut().find(|(known, _)| *known == metric) {
            Some((_, old)) => *old = value,
            None => self.values.push((metric, value)),
        }
    }

    /// A metric's value, if the step has one.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.values.iter().find(|(known, _)| *known == metric).map(|(_, value)| *value)
    }

    /// Every value.
    pub fn values(&self) -> impl Iterator<Item = (Metric, f64)> + '_ {
        self.values.iter().copied()
    }

    /// One line of `metrics.jsonl`. A value that is not finite is `null`, as JSON has no other way to write it.
    pub fn to_line(&self) -> String {
        let mut line = Map::new();
        line.insert("step".into(), self.step.into());
        for (metric, value) in &self.values {
            line.insert(metric.name.into(), Number::from_f64(*value).map_or(Value::Null, Value::Number));
        }
        Value::Object(line).to_string()
    }

    /// Reads a line; `None` when it is no record. Names that this version does not know are passed over, and `null` is NaN.
    pub fn from_line(line: &str) -> Option<Self> {
        let Ok(Value::Object(line)) = serde_json::from_str(line) else { return None };
        let mut record = Record::new(line.get("step")?.as_u64()?);
        for (name, value) in &line {
            if let Some(metric) = by_name(name) {
                record.set(metric, value.as_f64().unwrap_or(f64::NAN));
            }
        }
        Some(record)
    }
}
