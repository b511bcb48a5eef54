//! Weights and curriculum of the data.

use super::Found;
use crate::config::{Config, Purpose};
use crate::data::TASK_PREFIX;

pub(super) fn check(config: &Config, found: &mut Found) {
    let data = &config.data;
    passed_on(config, found);
    if config.purpose == Purpose::Eval {
        return;
    }
    let (weights, files) = (data.weights.len(), data.train.len());
    if weights > 0 && weights != files {
        found.push((
            "data.weights",
            format!("holds {weights} where data.train names {files}; give each its weight, or none"),
        ));
    }
    if let Some(weight) = data.weights.iter().find(|weight| **weight <= 0.0) {
        found.push(("data.weights", format!("holds {weight}; each must be greater than 0: leave a file out instead")));
    }
    let task = data.train.iter().find(|name| name.starts_with(TASK_PREFIX));
    if let (Some(key), Some(task)) = (&data.difficulty_key, task) {
        found
            .push(("data.difficulty_key", format!("names the column `{key}`, which the built-in task `{task}` lacks")));
    }
}

/// Columns for a reward program come from files.
fn passed_on(config: &Config, found: &mut Found) {
    let benchmark = |entry: &'_ String| entry.split_once('=').map_or(entry.clone(), |(_, file)| file.to_string());
    let train = if config.purpose == Purpose::Train { &config.data.train[..] } else { &[] };
    let mut entries =
        train.iter().cloned().chain(config.eval.data.iter().flat_map(|entry| [entry.clone(), benchmark(entry)]));
    let (Some(column), Some(task)) =
        (config.reward.columns.first(), entries.find(|entry| entry.starts_with(TASK_PREFIX)))
    else {
        return;
    };
    found.push(("reward.columns", format!("names `{column}`, which the built-in task `{task}` lacks")));
}
