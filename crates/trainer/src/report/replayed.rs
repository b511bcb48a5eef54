//! What other objectives would have done with the tokens of the runs.

use super::axis::Scale;
use super::figure::{Entry, Figure, Lines, Mark, Table};
use super::plot::Frame;
use super::series::{Buckets, Summary};
use super::text::short;
use super::{Report, line_class};
use crate::replay::{Outcome, QUANTITIES, Quantity, Replay};

/// A value by stretches of steps, at the middle of each.
type Curve = Vec<(f64, Option<Summary>)>;

/// A run whose tokens were given to other objectives.
#[derive(Debug)]
pub struct Replayed {
    /// The run's name on the page.
    pub run: String,
    /// The objectives.
    pub replay: Replay,
    /// What they came to.
    pub outcomes: Vec<Outcome>,
}

impl Replayed {
    /// The values of an objective by stretches of steps.
    fn line(&self, contender: usize, quantity: &Quantity, buckets: Buckets) -> Curve {
        let within = |index: usize, outcome: &Outcome| outcome.step.is_some_and(|step| buckets.index(step) == index);
        let of = |index: usize| {
            let outcomes = self.outcomes.iter().filter(|o| o.contender == contender && within(index, o));
            Summary::of(outcomes.filter_map(quantity.of))
        };
        (0..buckets.count()).map(|index| (buckets.middle(index), of(index))).collect()
    }

    /// Whether steps of a bucket were recorded.
    fn covers(&self, index: usize, buckets: Buckets) -> bool {
        self.outcomes.iter().any(|outcome| outcome.step.is_some_and(|step| buckets.index(step) == index))
    }

    /// What an objective is called in every drawing; the run's own has a mark only where another has its name.
    fn name(&self, contender: usize) -> String {
        let labels = || self.replay.contenders.iter().map(|known| &known.label);
        let label = &self.replay.contenders[contender].label;
        if labels().filter(|known| *known == label).count() > 1 { self.replay.name(contender) } else { label.clone() }
    }
}

/// One figure a quantity, with a drawing a run; none without replays.
pub(super) fn figures(report: &Report, buckets: Buckets) -> Vec<Figure> {
    if report.replays.is_empty() {
        return Vec::new();
    }
    QUANTITIES.iter().filter_map(|quantity| figure(&report.replays, quantity, buckets)).collect()
}

fn figure(replays: &[Replayed], quantity: &Quantity, buckets: Buckets) -> Option<Figure> {
    let mut names: Vec<String> = Vec::new();
    for replayed in replays {
        for contender in 0..replayed.replay.contenders.len() {
            let name = replayed.name(contender);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let class = |name: &String| line_class(names.iter().position(|known| known == name).unwrap_or(0));
    let lines: Vec<Vec<_>> = replays
        .iter()
        .map(|r| (0..r.replay.contenders.len()).map(|c| r.line(c, quantity, buckets)).collect())
        .collect();
    let values = || lines.iter().flatten().flatten().filter_map(|(_, s)| Some((*s)?.mean));
    let (low, high) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    let typical = Scale::typical(values());
    let drawings = replays.iter().zip(&lines).map(|(replayed, lines)| {
        let scale = Scale::fitting(low, typical, high);
        let mut frame = Frame::new(quantity.title, Scale::steps(buckets.last), "step", scale, quantity.axis);
        for (contender, line) in lines.iter().enumerate().rev() {
            // Lines go from one recorded step to the next, and break where a recorded one has no value.
            let places = line.iter().enumerate().filter(|(index, _)| replayed.covers(*index, buckets));
            let known: Curve = places.map(|(_, place)| *place).collect();
            frame.line(&class(&replayed.name(contender)), &known);
        }
        let title = format!("{}, trained with {}", replayed.run, replayed.replay.contenders[0].label);
        (Some(title), frame.finish())
    });
    Some(Figure {
        id: quantity.id,
        title: quantity.title.to_string(),
        about: quantity.about.to_string(),
        lines: Lines::Objectives,
        legend: names.iter().map(|name| Entry::new(Mark::Line, &class(name), name)).collect(),
        drawings: drawings.collect(),
        table: table(replays, &lines, buckets),
    })
}

fn table(replays: &[Replayed], lines: &[Vec<Curve>], buckets: Buckets) -> Table {
    let of_run = |r: &Replayed| -> Vec<String> {
        (0..r.replay.contenders.len()).map(|c| format!("{}: {}", r.run, r.replay.name(c))).collect()
    };
    let head = std::iter::once("step".to_string()).chain(replays.iter().flat_map(of_run)).collect();
    let recorded = |index: &usize| lines.iter().flatten().any(|line| line[*index].1.is_some());
    let rows = (0..buckets.count()).filter(recorded).map(|index| {
        let cells = lines.iter().flatten().map(|line| line[index].1.map_or_else(String::new, |s| short(s.mean)));
        (Some(buckets.middle(index)), std::iter::once(buckets.name(index)).chain(cells).collect())
    });
    let drawings = replays.iter().enumerate().flat_map(|(drawing, r)| r.replay.contenders.iter().map(move |_| drawing));
    Table {
        head,
        rows: rows.collect(),
        drawing_of: drawings.collect(),
        note: "Means over the updates of the recorded steps.".to_string(),
    }
}
