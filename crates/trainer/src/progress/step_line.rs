//! One aligned line a step.

use super::number::{seconds, short};
use crate::metrics::definition::{
    EVAL_AVG, EVAL_MAJORITY, EVAL_PASS, REWARD_MEAN, ROLLOUT_ENTROPY, ROLLOUT_LENGTH_MEAN, ROLLOUT_TOKENS_PER_SECOND,
    SFT_LOSS, TIME_EVAL, TIME_STEP, UPDATE_GRAD_NORM, UPDATE_LEARNING_RATE, UPDATE_RATIO_MAX, UPDATE_TOKENS_PER_SECOND,
};
use crate::metrics::{Metric, Record};

/// Width of the steps, and of the narrowest columns: a line of every column fits 80 characters. Wider values push the rest.
const STEP: usize = 5;
const WIDTH: usize = 7;
/// Width of the time.
const TIME: usize = 8;

/// The columns. A metric that a run does not have (reward in supervised fine-tuning, say) has none.
const COLUMNS: &[(&str, Metric)] = &[
    ("loss", SFT_LOSS),
    ("reward", REWARD_MEAN),
    ("entropy", ROLLOUT_ENTROPY),
    ("length", ROLLOUT_LENGTH_MEAN),
    ("grad norm", UPDATE_GRAD_NORM),
    ("max ratio", UPDATE_RATIO_MAX),
    ("rate", UPDATE_LEARNING_RATE),
    ("sampled/s", ROLLOUT_TOKENS_PER_SECOND),
    ("trained/s", UPDATE_TOKENS_PER_SECOND),
];

/// Columns that every run has, whatever its records hold.
fn columns(record: &Record) -> impl Iterator<Item = (&'static str, Option<f64>)> + '_ {
    let sft = record.get(SFT_LOSS).is_some();
    let shown = move |metric: Metric| match metric {
        SFT_LOSS | UPDATE_LEARNING_RATE => sft,
        UPDATE_GRAD_NORM | UPDATE_TOKENS_PER_SECOND => true,
        _ => !sft,
    };
    COLUMNS.iter().filter(move |(_, metric)| shown(*metric)).map(|(title, metric)| (*title, record.get(*metric)))
}

/// The titles of the columns, for a record of the same kind.
pub fn header_of(record: &Record) -> String {
    let mut line = format!("{:>STEP$}", "step");
    columns(record).for_each(|(title, _)| line.push_str(&format!(" {title:>WIDTH$}")));
    line + &format!(" {:>TIME$}", "time")
}

/// The values of a step below [`header_of`].
pub fn row(record: &Record) -> String {
    let mut line = format!("{:>STEP$}", record.step);
    for (title, value) in columns(record) {
        let width = title.len().max(WIDTH);
        line.push_str(&format!(" {:>width$}", value.map_or_else(|| "-".to_string(), short)));
    }
    line + &format!(" {:>TIME$}", record.get(TIME_STEP).map_or_else(|| "-".to_string(), seconds))
}

/// The evaluation after a step, on a line of its own, as most steps have none.
pub fn evaluation(record: &Record) -> Option<String> {
    record.get(EVAL_AVG)?;
    let known = |metric: Metric| Some(format!("{} {}", metric.name, short(record.get(metric)?)));
    let scores: Vec<String> = [EVAL_AVG, EVAL_PASS, EVAL_MAJORITY].into_iter().filter_map(known).collect();
    let time = record.get(TIME_EVAL).map_or_else(String::new, |time| format!(" ({})", seconds(time)));
    Some(format!("{:>STEP$} evaluation: {}{time}", record.step, scores.join(", ")))
}
