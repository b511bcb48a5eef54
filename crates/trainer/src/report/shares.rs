//! Figures of parts that make a whole: regions over the steps, seconds of a step.

use super::axis::Scale;
use super::figure::{Figure, Mark, Table};
use super::plot::Frame;
use super::series::Buckets;
use super::{Group, Report};
use crate::metrics::{Metric, Record, definition as m};
use crate::progress::short;

/// The regions outside of the bounds; the rest is M.
const REGIONS: [(Metric, &str); 4] = [
    (m::UPDATE_REGION_LN, "LN: low ratio, negative advantage"),
    (m::UPDATE_REGION_LP, "LP: low ratio, positive advantage"),
    (m::UPDATE_REGION_HN, "HN: high ratio, negative advantage"),
    (m::UPDATE_REGION_HP, "HP: high ratio, positive advantage"),
];

/// Region shares over the steps, one drawing a run on the same scale.
pub(super) fn regions(report: &Report, buckets: Buckets) -> Option<Figure> {
    let shares: Vec<[Vec<Option<f64>>; 4]> = report
        .groups
        .iter()
        .map(|group| {
            REGIONS.map(|(metric, _)| {
                buckets.metric(group, metric).into_iter().map(|summary| summary.map(|summary| summary.mean)).collect()
            })
        })
        .collect();
    let sum =
        |parts: &[Vec<Option<f64>>; 4], index: usize| -> Option<f64> { parts.iter().map(|part| part[index]).sum() };
    let sums = shares.iter().flat_map(|parts| (0..buckets.count()).filter_map(move |index| sum(parts, index)));
    let highest = sums.fold(None, |highest: Option<f64>, sum| Some(highest.map_or(sum, |highest| highest.max(sum))))?;
    let y = Scale::fitting(0.0, 1.0, highest);
    let x = Scale::steps(buckets.last);
    let mut drawings = Vec::new();
    for (group, parts) in report.groups.iter().zip(&shares) {
        let what = format!("Region shares of {}", group.label);
        let mut frame = Frame::new(&what, x, "step", y, "share of the trained tokens");
        let known: Vec<usize> = (0..buckets.count()).filter(|index| sum(parts, *index).is_some()).collect();
        let mut below: Vec<(f64, f64)> = known.iter().map(|index| (buckets.middle(*index), 0.0)).collect();
        for (region, part) in parts.iter().enumerate() {
            let above: Vec<(f64, f64)> =
                below.iter().zip(&known).map(|((x, y), index)| (*x, y + part[*index].unwrap_or(0.0))).collect();
            frame.area(&format!("area r{region}"), &below, &above);
            below = above;
        }
        drawings.push((Some(group.label.clone()), frame.finish()));
    }
    let rows = (0..buckets.count()).map(|index| {
        let cells = shares.iter().flatten().map(|part| part[index].map(short).unwrap_or_default());
        (Some(buckets.middle(index)), std::iter::once(buckets.name(index)).chain(cells).collect())
    });
    let head = report.groups.iter().flat_map(|group| {
        REGIONS.iter().map(|(_, name)| format!("{}, {}", group.label, name.split(':').next().unwrap_or_default()))
    });
    Some(Figure {
        id: "regions",
        title: "Regions of ratio and advantage".to_string(),
        about: "Shares of the trained tokens outside of 1 − clip_low ≤ ratio ≤ 1 + clip_high (0.2 for objectives without bounds), \
                stacked; the rest is region M."
            .to_string(),
        legend: legend(REGIONS.iter().map(|(_, name)| *name), 'r'),
        drawings,
        table: Table {
            head: std::iter::once("step".to_string()).chain(head).collect(),
            rows: rows.collect(),
            note: if buckets.width > 1 { format!("Means of {} steps each.", buckets.width) } else { String::new() },
        },
    })
}

fn legend<'a>(names: impl Iterator<Item = &'a str>, class: char) -> Vec<(Mark, String, String)> {
    names.enumerate().map(|(index, name)| (Mark::Area, format!("{class}{index}"), name.to_string())).collect()
}

const PHASES: [&str; 5] = ["rollout", "reward", "update", "checkpoint", "rest"];

/// Mean seconds of a step in each phase.
fn seconds(group: &Group) -> Option<[f64; 5]> {
    let records: Vec<&Record> = group.runs.iter().flat_map(|run| &run.records).collect();
    let steps = records.iter().filter(|record| record.get(m::TIME_STEP).is_some()).count() as f64;
    let mean = |metric: Metric| {
        let values = records.iter().filter_map(|record| record.get(metric)).filter(|value| value.is_finite());
        // The sum of nothing is -0.
        values.sum::<f64>() / steps + 0.0
    };
    if steps == 0.0 {
        return None;
    }
    let parts = [m::TIME_ROLLOUT, m::TIME_REWARD, m::TIME_UPDATE].map(mean);
    let rest = (mean(m::TIME_STEP) - parts.iter().sum::<f64>()).max(0.0);
    Some([parts[0], parts[1], parts[2], mean(m::TIME_CHECKPOINT), rest])
}

/// Where the seconds went: one bar a run.
pub(super) fn timing(report: &Report) -> Option<Figure> {
    let known: Vec<(&Group, [f64; 5])> =
        report.groups.iter().filter_map(|group| Some((group, seconds(group)?))).collect();
    let longest = known.iter().map(|(_, parts)| parts.iter().sum::<f64>()).fold(0.0, f64::max);
    if known.is_empty() || longest <= 0.0 {
        return None;
    }
    let mut drawings = Vec::new();
    for page in known.chunks(4) {
        let rows = page.len() as f64;
        let y = Scale::Linear { low: 0.0, high: rows, step: 1.0 };
        let mut frame = Frame::bars("Seconds of a step", Scale::linear(0.0, longest), "seconds a step (mean)", y);
        for (row, (group, parts)) in page.iter().enumerate() {
            let at = rows - row as f64 - 0.62;
            let mut begin = 0.0;
            for (phase, part) in parts.iter().enumerate() {
                frame.bar(&format!("area p{phase}"), begin, begin + part, at, 0.5);
                begin += part;
            }
            frame.note(0.0, at + 0.32, &group.label);
        }
        drawings.push((None, frame.finish()));
    }
    let rows = known.iter().map(|(group, parts)| {
        let total = parts.iter().sum::<f64>();
        let cells = parts.iter().map(|part| format!("{} ({:.0}%)", short(*part), 100.0 * part / total));
        let cells = std::iter::once(group.label.clone()).chain(cells).chain([short(total)]);
        (None, cells.collect())
    });
    let head = std::iter::once("run")
        .chain(PHASES)
        .chain(["all"])
        .map(|name| if name == "run" { name.into() } else { format!("{name} (s)") });
    Some(Figure {
        id: "timing",
        title: "Where the seconds went".to_string(),
        about: "time/rollout, time/reward, time/update and time/checkpoint, and what is left of time/step; seconds a step, mean of all steps."
            .to_string(),
        legend: legend(PHASES.into_iter(), 'p'),
        drawings,
        table: Table { head: head.collect(), rows: rows.collect(), note: String::new() },
    })
}
