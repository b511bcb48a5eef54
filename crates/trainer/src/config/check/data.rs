//! Weights and curriculum of the data.

use super::Found;
use crate::config::{Config, Purpose};
use crate::data::TASK_PREFIX;

pub(super) fn check(config: &Config, found: &mut Found) {
    let data = &config.data;
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
