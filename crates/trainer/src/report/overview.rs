//! The first table: what each run is, and what it came to.

use super::figure::Table;
use super::{Group, Report};
use crate::markup::escape;
use crate::metrics::{Metric, definition as m};
use crate::progress::{seconds, short};

/// Further columns where a run has evaluations.
const EVALUATED: [&str; 2] = ["evaluation, best", "evaluation, last"];
const HEAD: [&str; 9] = [
    "run",
    "objective",
    "seed",
    "steps",
    "reward, first tenth",
    "reward, last tenth",
    "greatest gradient norm",
    "updates skipped",
    "time",
];

/// The table as HTML, with the warnings of each run.
pub(super) fn overview(report: &Report) -> String {
    let evaluated = report.groups.iter().any(|group| evaluations(group).is_some());
    let mut head = HEAD.to_vec();
    if evaluated {
        head.extend(EVALUATED);
    }
    let rows = report.groups.iter().map(|group| (None, cells(group, evaluated))).collect();
    let mut html = Table { head: head.into_iter().map(str::to_string).collect(), rows, note: String::new() }.html();
    let warnings: Vec<(&str, &str)> = report
        .groups
        .iter()
        .flat_map(|group| {
            group.runs.iter().flat_map(|run| run.warnings.iter().map(|warning| (run.name.as_str(), warning.as_str())))
        })
        .collect();
    if !warnings.is_empty() {
        html.push_str(&format!(
            "<details class=\"warnings\"><summary>{} warnings of the runs</summary><ul>",
            warnings.len()
        ));
        for (run, warning) in warnings {
            html.push_str(&format!("<li><b>{}</b>: {}</li>", escape(run), escape(warning)));
        }
        html.push_str("</ul></details>");
    }
    html
}

fn cells(group: &Group, evaluated: bool) -> Vec<String> {
    let text = |key: &str| {
        let mut values: Vec<&str> =
            group.runs.iter().filter_map(|run| run.keys.get(key)).map(|value| value.trim_matches('"')).collect();
        values.dedup();
        values.join(", ")
    };
    let values = |metric: Metric| {
        group
            .runs
            .iter()
            .flat_map(|run| &run.records)
            .filter_map(move |record| record.get(metric))
            .filter(|v| v.is_finite())
    };
    let (last, planned) = (group.last_step(), text("train.steps"));
    let steps = if planned.is_empty() || planned == last.to_string() {
        last.to_string()
    } else {
        format!("{last} of {planned}")
    };
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_string(), short);
    let mut cells = vec![
        group.label.clone(),
        text("objective.name"),
        text("train.seed"),
        steps,
        shown(tenth(group, false)),
        shown(tenth(group, true)),
        shown(values(m::UPDATE_GRAD_NORM_MAX).reduce(f64::max)),
        format!("{:.0}", values(m::UPDATE_SKIPPED_STEPS).sum::<f64>()),
        seconds(values(m::TIME_STEP).sum()),
    ];
    if evaluated {
        let found = evaluations(group);
        cells.extend([shown(found.map(|(best, _)| best)), shown(found.map(|(_, last)| last))]);
    }
    cells
}

/// Greatest and last Avg@k of the evaluations, each a mean over the runs.
fn evaluations(group: &Group) -> Option<(f64, f64)> {
    let of = |run: &super::RunData| {
        let values: Vec<f64> = run.records.iter().filter_map(|record| record.get(m::EVAL_AVG)).collect();
        Some((values.iter().copied().reduce(f64::max)?, *values.last()?))
    };
    let found: Vec<(f64, f64)> = group.runs.iter().filter_map(of).collect();
    let mean = |value: fn(&(f64, f64)) -> f64| found.iter().map(value).sum::<f64>() / found.len() as f64;
    (!found.is_empty()).then(|| (mean(|found| found.0), mean(|found| found.1)))
}

/// Mean reward of the first or last tenth of the steps, of all runs.
fn tenth(group: &Group, last: bool) -> Option<f64> {
    let means = group.runs.iter().filter_map(|run| {
        let values: Vec<f64> = run.records.iter().filter_map(|record| record.get(m::REWARD_MEAN)).collect();
        let count = (values.len() / 10).max(1).min(values.len());
        let part = if last { &values[values.len() - count..] } else { &values[..count] };
        (!part.is_empty()).then(|| part.iter().sum::<f64>() / part.len() as f64)
    });
    let means: Vec<f64> = means.collect();
    (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64)
}
