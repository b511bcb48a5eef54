//! `surefoot replay`

use std::path::Path;

use anyhow::Context;
use serde_json::{Map, Value as Json, json};
use surefoot_trainer::journey::Changes;
use surefoot_trainer::objectives::recipes;
use surefoot_trainer::plot::{Axis, Line, Panel, Sheet, Stroke};
use surefoot_trainer::replay::{Contender, Outcome, QUANTITIES, Quantity, Replay};

use crate::args::{Format, Objectives, Replay as Args};
use crate::exit::Exit;
use crate::objective::{parse, row, table};
use crate::output;

/// Evaluates the objectives on the run's tokens.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let (replay, outcomes) = replayed(&args.run, &args.objectives)?;
    // The file first: who reads the rows may stop before their end.
    if let Some(path) = &args.svg {
        let svg = sheet(&replay, &outcomes, &args.run).to_svg();
        std::fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))?;
    }
    match args.format {
        Format::Table => output::lines(&table(&rows(&replay, &outcomes)))?,
        Format::Json => {
            let lines: Vec<String> = outcomes.iter().map(|outcome| line(&replay, outcome).to_string()).collect();
            output::lines(&lines)?;
        }
    }
    Ok(Exit::Done)
}

/// The objectives on the tokens of the run in `folder`.
pub fn replayed(folder: &Path, asked: &Objectives) -> anyhow::Result<(Replay, Vec<Outcome>)> {
    let mut texts = asked.objective.clone();
    if asked.all {
        texts.extend(recipes().iter().map(|recipe| recipe.key.to_string()));
    }
    let objectives = texts.iter().map(|text| parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let (mut replay, config) = Replay::open(folder)?;
    for (text, objective) in texts.iter().zip(objectives) {
        let contender = Contender::of(text.clone(), objective, &config)?;
        // The run's own is there already.
        if !replay.is_own(&contender.objective) {
            replay.contenders.push(contender);
        }
    }
    let outcomes = replay.run()?;
    if replay.refused > 0 {
        output::note(&format!(
            "{}: {} samples left out: their updates were refused, as their numbers were not finite",
            folder.display(),
            replay.refused
        ));
    }
    for changes in Changes::read(folder).iter().filter(|changes| changes.are_of_the_objective()) {
        output::note(&format!(
            "{}: settings changed {changes}; \"the run's\" are in each step those that it was trained with",
            folder.display()
        ));
    }
    Ok((replay, outcomes))
}

/// Columns of the table after step, objective and tokens: title and statistic.
const COLUMNS: [(&str, &str); 6] = [
    ("zeroed", "gradient/zeroed"),
    ("F mean", "multiplier/mean"),
    ("p05", "multiplier/p05"),
    ("p50", "multiplier/p50"),
    ("p95", "multiplier/p95"),
    ("max", "multiplier/max"),
];

fn rows(replay: &Replay, outcomes: &[Outcome]) -> Vec<Vec<String>> {
    let mut head = row(["step", "objective", "tokens", "cosine", "norm"]);
    head.extend(COLUMNS.iter().map(|(title, _)| title.to_string()));
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_string(), |value| format!("{value:.4}"));
    let cells = |outcome: &Outcome| {
        let mut cells = vec![
            outcome.step.map_or_else(|| "all".to_string(), |step| step.to_string()),
            replay.name(outcome.contender),
            outcome.stats.tokens.to_string(),
            number(outcome.gradient.cosine()),
            number(outcome.gradient.relative_norm()),
        ];
        cells.extend(COLUMNS.iter().map(|(_, key)| number(outcome.statistic(key))));
        cells
    };
    std::iter::once(head).chain(outcomes.iter().map(cells)).collect()
}

fn line(replay: &Replay, outcome: &Outcome) -> Json {
    let stats: Map<String, Json> =
        outcome.stats.metrics().into_iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    let weights: Vec<Json> =
        outcome.stats.multiplier.bins().map(|(low, high, count)| json!([low, high, count])).collect();
    json!({
        "step": outcome.step,
        "objective": replay.contenders[outcome.contender].label,
        "own": outcome.contender == 0,
        "tokens": outcome.stats.tokens,
        "loss": outcome.loss,
        "cosine": outcome.gradient.cosine(),
        "norm": outcome.gradient.relative_norm(),
        "stats": stats,
        "multiplier_bins": weights,
    })
}

fn sheet(replay: &Replay, outcomes: &[Outcome], run: &Path) -> Sheet {
    let steps: Vec<f64> = outcomes.iter().filter_map(|outcome| outcome.step).map(|step| step as f64).collect();
    let (first, last) = (steps.first().copied().unwrap_or(0.0), steps.last().copied().unwrap_or(1.0));
    let panel = |quantity: &Quantity| {
        let lines: Vec<Line> = (0..replay.contenders.len())
            .map(|contender| Line {
                name: replay.name(contender),
                points: outcomes
                    .iter()
                    .filter(|outcome| outcome.contender == contender)
                    .filter_map(|outcome| Some((outcome.step? as f64, (quantity.of)(outcome).unwrap_or(f64::NAN))))
                    .collect(),
                stroke: Stroke::of(contender),
            })
            .collect();
        let values = lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
        // Cosines are near 1, and what matters is how near.
        let fitting = quantity.id == "cosine";
        let y = if fitting { Axis::fitting(quantity.axis, values) } else { Axis::around(quantity.axis, values) };
        let x = Axis::linear("step", first, if last > first { last } else { first + 1.0 });
        Panel { title: quantity.title.into(), x, y, lines, marks: vec![] }
    };
    Sheet {
        title: format!("{}: what other objectives would have done", run.display()),
        note: "Gradients by the log-probabilities of the recorded tokens, with the recorded advantages".into(),
        columns: 2,
        panels: QUANTITIES.iter().map(panel).collect(),
    }
}
