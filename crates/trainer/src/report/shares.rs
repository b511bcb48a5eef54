//! Figures of parts that make a whole: regions over the steps, seconds of a step.

use super::axis::Scale;
use super::figure::{Entry, Figure, Lines, Mark, Table};
use super::plot::Frame;
use super::series::Buckets;
use super::text::{cut, short};
use super::{Group, Report};
use crate::metrics::{Metric, Record, definition as m};

/// The regions outside of the bounds; the rest is M.
const REGIONS: [(Metric, &str); 4] = [
    (m::UPDATE_REGION_LN, "LN: low ratio, negative advantage"),
    (m::UPDATE_REGION_LP, "LP: low ratio, positive advantage"),
    (m::UPDATE_REGION_HN, "HN: high ratio, negative advantage"),
    (m::UPDATE_REGION_HP, "HP: high ratio, positive advantage"),
];

/// The share of each region by stretches of steps.
type Shares = [Vec<Option<f64>>; 4];

/// Width of the bar of a step that stands alone, in steps.
const LONE: f64 = 0.8;

/// Region shares over the steps, one drawing a run on the same scale.
pub(super) fn regions(report: &Report, buckets: Buckets) -> Option<Figure> {
    let shares: Vec<Shares> = report
        .groups
        .iter()
        .map(|group| {
            REGIONS.map(|(metric, _)| {
                buckets.metric(group, metric).into_iter().map(|summary| summary.map(|summary| summary.mean)).collect()
            })
        })
        .collect();
    let sum = |parts: &Shares, index: usize| -> Option<f64> { parts.iter().map(|part| part[index]).sum() };
    let sums = shares.iter().flat_map(|parts| (0..buckets.count()).filter_map(move |index| sum(parts, index)));
    let highest = sums.fold(None, |highest: Option<f64>, sum| Some(highest.map_or(sum, |highest| highest.max(sum))))?;
    let y = Scale::fitting(0.0, 1.0, highest);
    let x = Scale::steps(buckets.last);
    let mut drawings = Vec::new();
    let drawn: Vec<(usize, &Group, &Shares)> = report
        .groups
        .iter()
        .zip(&shares)
        .filter(|(_, parts)| (0..buckets.count()).any(|index| sum(parts, index).is_some()))
        .enumerate()
        .map(|(drawing, (group, parts))| (drawing, group, parts))
        .collect();
    for (_, group, parts) in &drawn {
        let what = format!("Region shares of {}", group.label);
        let mut frame = Frame::new(&what, x, "step", y, "share of the trained tokens");
        let places: Vec<usize> = (0..buckets.count()).collect();
        // What lies between steps without values is not known, and a stretch of one step is a bar.
        for stretch in places.split(|index| sum(parts, *index).is_none()).filter(|stretch| !stretch.is_empty()) {
            let half = if stretch.len() == 1 { LONE * buckets.width as f64 / 2.0 } else { 0.0 };
            let ends = |index: &usize| {
                let middle = buckets.middle(*index);
                if half > 0.0 { vec![(*index, middle - half), (*index, middle + half)] } else { vec![(*index, middle)] }
            };
            let places: Vec<(usize, f64)> = stretch.iter().flat_map(ends).collect();
            let mut below: Vec<(f64, f64)> = places.iter().map(|(_, x)| (*x, 0.0)).collect();
            for (region, part) in parts.iter().enumerate() {
                let above = below.iter().zip(&places).map(|((x, y), (index, _))| (*x, y + part[*index].unwrap_or(0.0)));
                let above: Vec<(f64, f64)> = above.collect();
                frame.area(&format!("area r{region}"), &below, &above);
                below = above;
            }
        }
        drawings.push((Some(group.label.clone()), frame.finish()));
    }
    let known = |index: &usize| drawn.iter().any(|(_, _, parts)| sum(parts, *index).is_some());
    let rows = (0..buckets.count()).filter(known).map(|index| {
        let cells =
            drawn.iter().flat_map(|(_, _, parts)| parts.iter()).map(|part| part[index].map(short).unwrap_or_default());
        (Some(buckets.middle(index)), std::iter::once(buckets.name(index)).chain(cells).collect())
    });
    let head = drawn.iter().flat_map(|(_, group, _)| {
        REGIONS.iter().map(|(_, name)| format!("{}, {}", group.label, name.split(':').next().unwrap_or_default()))
    });
    Some(Figure {
        id: "regions",
        title: "Regions of ratio and advantage".to_string(),
        about: "Shares of the trained tokens outside of 1 − clip_low ≤ ratio ≤ 1 + clip_high (0.2 for objectives without bounds), \
                stacked; the rest is region M."
            .to_string(),
        lines: Lines::Runs,
        legend: legend(REGIONS.iter().map(|(_, name)| *name), 'r'),
        drawings,
        table: Table {
            head: std::iter::once("step".to_string()).chain(head).collect(),
            rows: rows.collect(),
            drawing_of: drawn.iter().flat_map(|(drawing, ..)| REGIONS.map(|_| *drawing)).collect(),
            note: if buckets.width > 1 { format!("Means of {} steps each.", buckets.width) } else { String::new() },
        },
    })
}

fn legend<'a>(names: impl Iterator<Item = &'a str>, class: char) -> Vec<Entry> {
    names.enumerate().map(|(index, name)| Entry::new(Mark::Area, &format!("{class}{index}"), name)).collect()
}

const PHASES: [&str; 7] = ["wait for samples", "rollout", "reward", "update", "evaluation", "checkpoint", "rest"];
/// Characters of a label that a drawing has room for.
const LABEL: usize = 56;

/// Mean seconds of a step in each phase.
fn seconds(group: &Group) -> Option<[f64; 7]> {
    // Step 0 is an evaluation and none of training.
    let records = group.runs.iter().flat_map(|run| &run.records).filter(|record| record.get(m::TIME_STEP).is_some());
    let records: Vec<&Record> = records.collect();
    let steps = records.len() as f64;
    if records.is_empty() {
        return None;
    }
    let mean = |value: &dyn Fn(&Record) -> Option<f64>| {
        // The sum of nothing is -0.
        records.iter().filter_map(|r| value(r)).filter(|value| value.is_finite()).sum::<f64>() / steps + 0.0
    };
    // Where samples are made beside the updates, a step takes what it waited for them and not what they took.
    let beside = |record: &Record| record.get(m::TIME_WAIT).is_some();
    let own = |metric: Metric| mean(&|record| if beside(record) { None } else { record.get(metric) });
    // A step of supervised fine-tuning is its update.
    let update =
        |record: &Record| record.get(m::SFT_LOSS).and_then(|_| record.get(m::TIME_STEP)).or(record.get(m::TIME_UPDATE));
    let parts = [
        mean(&|record| record.get(m::TIME_WAIT)),
        own(m::TIME_ROLLOUT),
        own(m::TIME_REWARD),
        mean(&update),
        mean(&|record| record.get(m::TIME_EVAL)),
    ];
    let rest = (mean(&|record| record.get(m::TIME_STEP)) - parts.iter().sum::<f64>()).max(0.0);
    let [wait, rollout, reward, update, evaluation] = parts;
    Some([wait, rollout, reward, update, evaluation, mean(&|record| record.get(m::TIME_CHECKPOINT)), rest])
}

/// Where the seconds went: one bar a run.
pub(super) fn timing(report: &Report) -> Option<Figure> {
    let known: Vec<(&Group, [f64; 7])> =
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
            frame.note(0.0, at + 0.32, &cut(&group.label, LABEL));
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
        about: "time/rollout, time/reward, time/update, time/eval and time/checkpoint, and what is left of time/step; seconds a step, mean of all \
                steps. Of runs that sample beside their updates, time/wait stands for rollout and reward."
            .to_string(),
        lines: Lines::Runs,
        legend: legend(PHASES.into_iter(), 'p'),
        drawings,
        table: Table { head: head.collect(), rows: rows.collect(), ..Table::default() },
    })
}
