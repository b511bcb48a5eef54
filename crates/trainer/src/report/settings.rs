//! Configurations: where the runs differ, and each as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::figure::Table;
use super::{Group, Report, RunData};
use crate::markup::escape;
use crate::metrics::definition::EVAL_AVG;

/// Keys that say what a run is asked to learn, and how its reward is counted.
const TASK: [&str; 13] = [
    "data.train",
    "data.limit",
    "data.weights",
    "prompt.system",
    "prompt.template",
    "prompt.chat",
    "rollout.max_new_tokens",
    "reward.name",
    "reward.weights",
    "reward.format",
    "reward.strict",
    "reward.command",
    MODEL,
];
/// Keys that say what an evaluation asks, and how.
const EVALUATION: [&str; 8] = [
    "eval.data",
    "eval.samples",
    "eval.temperature",
    "eval.top_p",
    "eval.top_k",
    "eval.min_p",
    "eval.max_new_tokens",
    "eval.limit",
];
/// Its path says little: that of the demo's model lies beside each run.
const MODEL: &str = "model.path";
/// Keys that always differ and say nothing.
const PLACES: [&str; 2] = ["log.run_dir", "train.threads"];

/// A notice for each key of the task in which runs differ, and for each of the evaluation in which runs with evaluations do.
pub(super) fn different_tasks(groups: &[Group]) -> Vec<String> {
    let evaluates = |run: &RunData| run.records.iter().any(|record| record.get(EVAL_AVG).is_some());
    let all = || groups.iter().flat_map(|group| &group.runs).filter(|run| !run.keys.is_empty());
    let known = all().all(|run| run.origin.is_some());
    let weights = all().next().and_then(|run| run.origin.as_ref());
    let same_model = known && all().all(|run| run.origin.as_ref() == weights);
    let mut notices = Vec::new();
    for key in TASK.into_iter().chain(EVALUATION).filter(|key| *key != MODEL || !same_model) {
        let of_evaluations = EVALUATION.contains(&key);
        let mut values: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for group in groups {
            // Fine-tuning has no rewards that could be others.
            let section = key.split_inclusive('.').next().unwrap_or(key);
            let runs = group.runs.iter().filter(|run| run.keys.keys().any(|known| known.starts_with(section)));
            for run in runs.filter(|run| !of_evaluations || evaluates(run)) {
                let mut value = run.keys.get(key).map_or("not set", String::as_str).to_string();
                if let (MODEL, true, Some(weights)) = (key, known, &run.origin) {
                    value.push_str(&format!(", weights {weights}"));
                }
                let runs = values.entry(value).or_default();
                if !runs.contains(&group.label.as_str()) {
                    runs.push(&group.label);
                }
            }
        }
        if values.len() > 1 {
            let each = values.iter().map(|(value, runs)| format!("{} ({})", value, runs.join(", ")));
            let what = match key {
                MODEL => "start from different models, so their curves do not compare",
                _ if of_evaluations => "are evaluated differently, so their evaluations do not compare",
                _ => "are of different tasks, so their curves do not compare",
            };
            notices.push(format!("these runs {what}: {key} is {}", each.collect::<Vec<_>>().join("; ")));
        }
    }
    notices
}

/// The keys in which runs differ, then every configuration.
pub(super) fn settings(report: &Report) -> String {
    let runs: Vec<(&str, &RunData)> =
        report.groups.iter().filter_map(|group| Some((group.label.as_str(), group.runs.first()?))).collect();
    let keys: BTreeSet<&str> = runs.iter().flat_map(|(_, run)| run.keys.keys()).map(String::as_str).collect();
    let value = |run: &RunData, key: &str| run.keys.get(key).cloned().unwrap_or_default();
    let differs =
        |key: &&str| !PLACES.contains(key) && runs.iter().any(|(_, run)| value(run, key) != value(runs[0].1, key));
    let rows: Vec<(Option<f64>, Vec<String>)> = keys
        .into_iter()
        .filter(differs)
        .map(|key| {
            (None, std::iter::once(key.to_string()).chain(runs.iter().map(|(_, run)| value(run, key))).collect())
        })
        .collect();
    let mut html = String::new();
    if runs.len() > 1 {
        let note = if rows.is_empty() { "The configurations are equal." } else { "Keys in which the runs differ." };
        let head = std::iter::once("key".to_string()).chain(runs.iter().map(|(label, _)| (*label).to_string()));
        html.push_str(&match rows.is_empty() {
            true => format!("<p>{note}</p>"),
            false => Table { head: head.collect(), rows, note: note.to_string(), ..Table::default() }.html(),
        });
    }
    for (label, run) in runs.iter().filter(|(_, run)| !run.config_text.is_empty()) {
        html.push_str(&format!(
            "<details><summary>{}</summary><pre class=\"config\">{}</pre></details>",
            escape(&format!("{label}: config.toml")),
            escape(&run.config_text)
        ));
    }
    html
}
