//! The first table: what each run is, and what it came to.

use super::figure::Table;
use super::text::short;
use super::{Group, Report};
use crate::markup::escape;
use crate::metrics::{Metric, definition as m};
use crate::progress::seconds;

/// Further columns where a run has evaluations.
const EVALUATED: [&str; 3] = ["evaluation, start", "evaluation, best", "evaluation, last"];
/// Further columns where a run is one of supervised fine-tuning.
const FINE_TUNED: [&str; 2] = ["loss, first tenth", "loss, last tenth"];
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
    let tuned = report.groups.iter().any(|group| tenth(group, m::SFT_LOSS, false).is_some());
    let several = report.groups.iter().any(|group| group.runs.len() > 1);
    let mut head = HEAD.to_vec();
    if several {
        head[HEAD.len() - 1] = "time of all runs";
    }
    if tuned {
        head.extend(FINE_TUNED);
    }
    if evaluated {
        head.extend(EVALUATED);
    }
    let rows = report.groups.iter().map(|group| (None, cells(group, evaluated, tuned))).collect();
    let head = head.into_iter().map(str::to_string).collect();
    let mut html = Table { head, rows, ..Table::default() }.html();
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

fn cells(group: &Group, evaluated: bool, tuned: bool) -> Vec<String> {
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
    let mut ended: Vec<&str> = group.runs.iter().filter_map(|run| run.ended).map(|ended| ended.key).collect();
    ended.dedup();
    let ended: String = ended.into_iter().map(|key| format!(", ended by stop.{key}")).collect();
    // All that a run was trained with, where a resume changed it.
    let changed = group.runs.first().map(|run| &run.objectives).filter(|objectives| !objectives.is_empty());
    let objective = changed.map_or_else(
        || text("objective.name"),
        |objectives| objectives.iter().map(|name| name.trim_matches('"')).collect::<Vec<_>>().join(" → "),
    );
    // A record of an earlier version has the mean of the step's only update alone.
    let greatest = values(m::UPDATE_GRAD_NORM_MAX).chain(values(m::UPDATE_GRAD_NORM)).reduce(f64::max);
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_string(), short);
    let mut cells = vec![
        group.label.clone(),
        objective,
        text("train.seed"),
        steps + &ended,
        shown(tenth(group, m::REWARD_MEAN, false)),
        shown(tenth(group, m::REWARD_MEAN, true)),
        shown(greatest),
        // The sum of nothing is -0.
        format!("{:.0}", values(m::UPDATE_SKIPPED_STEPS).sum::<f64>() + 0.0),
        seconds(values(m::TIME_STEP).sum()),
    ];
    if tuned {
        cells.extend([shown(tenth(group, m::SFT_LOSS, false)), shown(tenth(group, m::SFT_LOSS, true))]);
    }
    if evaluated {
        let found = evaluations(group);
        let start = found.and_then(|found| found.start);
        cells.extend([shown(start), shown(found.map(|found| found.best)), shown(found.map(|found| found.last))]);
    }
    cells
}

/// Avg@k of the evaluations, each a mean over the runs.
#[derive(Clone, Copy)]
struct Evaluations {
    /// Of the models that the runs start from, where all evaluated them.
    start: Option<f64>,
    best: f64,
    last: f64,
}

fn evaluations(group: &Group) -> Option<Evaluations> {
    let of = |run: &super::RunData| {
        let values: Vec<f64> = run.records.iter().filter_map(|record| record.get(m::EVAL_AVG)).collect();
        let start = run.records.first().filter(|record| record.step == 0).and_then(|record| record.get(m::EVAL_AVG));
        Some(Evaluations { start, best: values.iter().copied().reduce(f64::max)?, last: *values.last()? })
    };
    let found: Vec<Evaluations> = group.runs.iter().filter_map(of).collect();
    let count = found.len() as f64;
    let mean = |value: fn(&Evaluations) -> f64| found.iter().map(value).sum::<f64>() / count;
    let starts: Option<Vec<f64>> = found.iter().map(|found| found.start).collect();
    let start = starts.map(|starts| starts.iter().sum::<f64>() / count);
    (!found.is_empty()).then(|| Evaluations { start, best: mean(|found| found.best), last: mean(|found| found.last) })
}

/// Mean of a metric over the first or last tenth of the steps, of all runs.
fn tenth(group: &Group, metric: Metric, last: bool) -> Option<f64> {
    let means = group.runs.iter().filter_map(|run| {
        let values: Vec<f64> = run.records.iter().filter_map(|record| record.get(metric)).collect();
        let count = (values.len() / 10).max(1).min(values.len());
        let part = if last { &values[values.len() - count..] } else { &values[..count] };
        (!part.is_empty()).then(|| part.iter().sum::<f64>() / part.len() as f64)
    });
    let means: Vec<f64> = means.collect();
    (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64)
}
