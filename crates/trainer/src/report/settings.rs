//! Configurations: where the runs differ, and each as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::figure::Table;
use super::{Group, Report};
use crate::markup::escape;

/// Keys that say what a run is asked to learn, and how its reward is counted.
const TASK: [&str; 5] = ["data.train", "data.limit", "reward.name", "reward.format", "model.path"];
/// Keys that always differ and say nothing.
const PLACES: [&str; 2] = ["log.run_dir", "train.threads"];

/// A notice for each key of the task in which runs differ.
pub(super) fn different_tasks(groups: &[Group]) -> Vec<String> {
    let mut notices = Vec::new();
    for key in TASK {
        let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for group in groups {
            for run in group.runs.iter().filter(|run| !run.keys.is_empty()) {
                let value = run.keys.get(key).map_or("not set", String::as_str);
                // The demo's model lies beside each run; its name is what counts.
                let value = if key == "model.path" { demo(value) } else { value };
                let runs = values.entry(value).or_default();
                if !runs.contains(&group.label.as_str()) {
                    runs.push(&group.label);
                }
            }
        }
        if values.len() > 1 {
            let each = values.iter().map(|(value, runs)| format!("{} ({})", value, runs.join(", ")));
            let what = if key == "model.path" { "start from different models" } else { "are of different tasks" };
            notices.push(format!(
                "these runs {what}, so their curves do not compare: {key} is {}",
                each.collect::<Vec<_>>().join("; ")
            ));
        }
    }
    notices
}

/// What tells two paths of a model apart.
fn demo(path: &str) -> &str {
    let trimmed = path.trim_matches('"');
    let name = trimmed.rsplit(['/', '\\']).next().unwrap_or(trimmed);
    if name.starts_with("demo") && name.ends_with("-model") { "the demo's model" } else { path }
}

/// The keys in which runs differ, then every configuration.
pub(super) fn settings(report: &Report) -> String {
    let runs: Vec<(&str, &super::RunData)> =
        report.groups.iter().filter_map(|group| Some((group.label.as_str(), group.runs.first()?))).collect();
    let keys: BTreeSet<&str> = runs.iter().flat_map(|(_, run)| run.keys.keys()).map(String::as_str).collect();
    let value = |run: &super::RunData, key: &str| run.keys.get(key).cloned().unwrap_or_default();
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
        let table = Table { head: head.collect(), rows, note: note.to_string() };
        html.push_str(&table.html());
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
