//! Probability against ratio of the tokens of one step (DGPO Figure 4a).

use super::axis::Scale;
use super::figure::{Entry, Figure, Lines, Mark, Table};
use super::plot::Frame;
use super::text::short;
use super::tokens::Token;
use super::{Group, Report};
use crate::objectives::Region;

/// Most dots of a drawing; tokens between are left out evenly, those outside of the bounds last.
const MOST_DOTS: usize = 2000;

/// The greatest ratio that has a place of its own, and the inverse of the least.
const FARTHEST: f64 = 1e3;

const REGIONS: [(Region, &str, &str); 5] = [
    (Region::Middle, "m", "M: all other trained tokens"),
    (Region::LowNegative, "r0", "LN: low ratio, negative advantage"),
    (Region::LowPositive, "r1", "LP: low ratio, positive advantage"),
    (Region::HighNegative, "r2", "HN: high ratio, negative advantage"),
    (Region::HighPositive, "r3", "HP: high ratio, positive advantage"),
];

/// Every token of the group's runs, and the step that they are of.
pub(super) fn tokens(group: &Group) -> (Vec<Token>, u64) {
    let step = group.runs.iter().map(|run| run.tokens_step).max().unwrap_or(0);
    (group.runs.iter().flat_map(|run| run.tokens.iter().copied()).collect(), step)
}

/// The scatter, one drawing a run on the same scales.
pub(super) fn scatter(report: &Report) -> Option<Figure> {
    let known: Vec<(String, Vec<Token>)> = report
        .groups
        .iter()
        .map(|group| (group, tokens(group)))
        .filter(|(_, (tokens, _))| !tokens.is_empty())
        .map(|(group, (tokens, step))| (format!("{}, step {step}", group.label), tokens))
        .collect();
    let ratios = || known.iter().flat_map(|(_, tokens)| tokens).map(|token| token.ratio);
    let low = ratios().fold(f64::INFINITY, f64::min).max(1.0 / FARTHEST);
    let high = ratios().fold(0.0, f64::max).min(FARTHEST);
    let beyond = ratios().filter(|ratio| *ratio > FARTHEST || *ratio < 1.0 / FARTHEST).count();
    let beyond = match beyond {
        0 => String::new(),
        count => format!(" {count} ratios below {} or above {FARTHEST} are drawn at the edge.", 1.0 / FARTHEST),
    };
    if known.is_empty() {
        return None;
    }
    // Bounds that are as far from 1 on either side keep 1 in the middle.
    let reach = high.max(1.0 / low).max(1.5);
    let (x, y) = (Scale::linear(0.0, 1.0), Scale::log(1.0 / reach, reach));
    let mut drawings = Vec::new();
    let mut rows = Vec::new();
    for (name, tokens) in &known {
        let what = format!("Probability against importance ratio, {name}");
        let mut frame = Frame::new(&what, x, "probability when sampled", y, "importance ratio at the update");
        frame.level("one", 1.0);
        for (region, class, _) in REGIONS {
            let of = || tokens.iter().filter(move |token| token.region == region);
            let count = of().count();
            let room = (MOST_DOTS * count).div_ceil(tokens.len().max(1)).max(MOST_DOTS / 8);
            let every = count.div_ceil(room).max(1);
            frame.dots(class, of().step_by(every).map(|token| (token.probability, token.ratio)));
        }
        drawings.push((Some(name.clone()), frame.finish()));
        for (region, _, about) in REGIONS {
            rows.push((None, row(name, about, region, tokens)));
        }
    }
    let legend = REGIONS.iter().map(|(_, class, name)| Entry::new(Mark::Area, class, name));
    Some(Figure {
        id: "scatter",
        title: "Probability against ratio".to_string(),
        about: "Tokens of the recorded step with the most tokens outside of the bounds, each as its update met it: exp(logp_old) and exp(logp − logp_old), coloured by \
                region (DGPO Figure 4a). Mini-batches after the first are off-policy."
            .to_string(),
        lines: Lines::Runs,
        legend: legend.collect(),
        drawings,
        table: Table {
            head: ["run", "region", "tokens", "share", "median probability", "median ratio", "least ratio", "greatest ratio"]
                .map(str::to_string)
                .to_vec(),
            rows,
            note: format!("All tokens; at most about {MOST_DOTS} of a run are drawn.{beyond}"),
            ..Table::default()
        },
    })
}

fn row(name: &str, about: &str, region: Region, tokens: &[Token]) -> Vec<String> {
    let of: Vec<&Token> = tokens.iter().filter(|token| token.region == region).collect();
    let median = |value: fn(&Token) -> f64| {
        let mut values: Vec<f64> = of.iter().map(|token| value(token)).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).map(|value| short(*value)).unwrap_or_default()
    };
    let ratios = || of.iter().map(|token| token.ratio);
    let ends = |value: Option<f64>| value.map(short).unwrap_or_default();
    vec![
        name.to_string(),
        about.split(':').next().unwrap_or_default().to_string(),
        of.len().to_string(),
        short(of.len() as f64 / tokens.len().max(1) as f64),
        median(|token| token.probability),
        median(|token| token.ratio),
        ends(ratios().reduce(f64::min)),
        ends(ratios().reduce(f64::max)),
    ]
}
