//! Importance ratios within one step, mini-batch by mini-batch: how far the updates of a step take the policy from the one that
//! sampled.

use super::axis::Scale;
use super::figure::{Entry, Figure, Lines, Mark, Table};
use super::plot::Frame;
use super::series::Summary;
use super::text::short;
use super::{Report, line_class};

/// The quantiles that are shown: share, style of the line and name; the median first, as figures with many runs have that alone.
const QUANTILES: [(f64, &str, &str); 3] = [(0.5, "", "median"), (0.99, "dashed", "99%"), (0.01, "dotted", "1%")];

/// Ratios of the tokens of each mini-batch.
type Ratios = Vec<Vec<f64>>;

/// Quantiles of the ratio over the mini-batches of a step, all runs in one drawing.
pub(super) fn within(report: &Report) -> Option<Figure> {
    let known: Vec<(usize, &str, u64, &Ratios)> = report
        .groups
        .iter()
        .enumerate()
        .filter_map(|(index, group)| {
            // The first of a study's seeds stands for the others: each breaks in a step of its own.
            let run = group.runs.iter().find(|run| run.within.iter().any(|batch| !batch.is_empty()))?;
            Some((index, group.label.as_str(), run.within_step, &run.within))
        })
        .collect();
    let last = known.iter().map(|(.., batches)| batches.len()).max().filter(|batches| *batches > 1)?;
    let lines: Vec<[Vec<Option<f64>>; 3]> = known
        .iter()
        .map(|(.., batches)| QUANTILES.map(|(share, ..)| batches.iter().map(|batch| quantile(batch, share)).collect()))
        .collect();
    let values = || lines.iter().flatten().flatten().flatten().copied();
    let (low, high) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    let (x, y) = (Scale::steps(last as u64), Scale::ratios(low, Scale::typical(values()), high));
    let mut frame = Frame::new("Importance ratio within a step", x, "mini-batch", y, "importance ratio");
    let shown = if report.is_crowded() { 1 } else { QUANTILES.len() };
    for ((index, ..), quantiles) in known.iter().zip(&lines) {
        for (line, (_, style, _)) in quantiles.iter().zip(&QUANTILES[..shown]).rev() {
            let points =
                line.iter().zip(1..).map(|(value, at): (_, u32)| (f64::from(at), Summary::of((*value).into_iter())));
            frame.line(&format!("{} {style}", line_class(*index)), &points.collect::<Vec<_>>());
        }
    }
    let mut legend: Vec<Entry> = known
        .iter()
        .map(|(index, label, step, _)| Entry {
            key: Some(label.to_string()),
            ..Entry::new(Mark::Line, &line_class(*index), &format!("{label}, step {step}"))
        })
        .collect();
    legend.extend(QUANTILES[..shown].iter().map(|(_, style, name)| Entry::new(Mark::Style, style, name)));
    let head = known.iter().flat_map(|(_, label, step, _)| {
        QUANTILES.iter().map(move |(.., name)| format!("{label}, step {step}, {name}"))
    });
    let rows = (0..last).map(|batch| {
        let cells =
            lines.iter().flatten().map(|line| line.get(batch).copied().flatten().map(short).unwrap_or_default());
        let number = batch + 1;
        (Some(number as f64), std::iter::once(number.to_string()).chain(cells).collect())
    });
    Some(Figure {
        id: "within",
        title: "Importance ratio within a step".to_string(),
        about: "Quantiles of exp(logp − logp_old) over the tokens of each mini-batch, as its last update met them, in the recorded step \
                that the reward fell after, or else the one with the most tokens outside of the bounds. The first mini-batch is on-policy."
            .to_string(),
        lines: Lines::Runs,
        legend,
        drawings: vec![(None, frame.finish())],
        table: Table {
            head: std::iter::once("mini-batch".to_string()).chain(head).collect(),
            rows: rows.collect(),
            ..Table::default()
        },
    })
}

/// Of values in their order; the nearest one below.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    sorted.get((sorted.len().checked_sub(1)? as f64 * share) as usize).copied()
}
