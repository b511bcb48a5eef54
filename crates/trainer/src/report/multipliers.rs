//! Histogram of the objective's gradient multipliers of one step.

use super::axis::Scale;
use super::figure::{Entry, Figure, Lines, Mark, Table};
use super::plot::Frame;
use super::scatter::tokens;
use super::series::Summary;
use super::text::short;
use super::{Report, line_class};

const BINS: usize = 30;

/// Shares of the tokens by their multiplier, all runs in one drawing.
pub(super) fn histogram(report: &Report) -> Option<Figure> {
    let known: Vec<(String, (String, String), Vec<f64>)> = report
        .groups
        .iter()
        .enumerate()
        .map(|(index, group)| {
            let (tokens, step) = tokens(group);
            let values = tokens.iter().filter_map(|token| token.multiplier).collect();
            (line_class(index), (group.label.clone(), format!("{}, step {step}", group.label)), values)
        })
        .filter(|(_, _, values): &(_, _, Vec<f64>)| !values.is_empty())
        .collect();
    let mut all: Vec<f64> = known.iter().flat_map(|(_, _, values)| values.iter().copied()).collect();
    all.sort_by(f64::total_cmp);
    // A few tokens far out would squeeze all others into one bin; the last bin takes them.
    let high = *all.get((all.len().saturating_sub(1)) * 995 / 1000)?;
    let x = Scale::linear(0.0, high.max(1e-6));
    let (low, high) = x.ends();
    let width = (high - low) / BINS as f64;
    let shares: Vec<Vec<f64>> = known
        .iter()
        .map(|(_, _, values)| {
            let mut counts = vec![0.0; BINS];
            for value in values {
                counts[(((value - low) / width) as usize).min(BINS - 1)] += 1.0 / values.len() as f64;
            }
            counts
        })
        .collect();
    let highest = shares.iter().flatten().copied().fold(0.0, f64::max);
    let y = Scale::linear(0.0, highest);
    let mut frame = Frame::new(
        "Histogram of the gradient multiplier",
        x,
        "gradient multiplier |g / A|",
        y,
        "share of the trained tokens",
    );
    let edge = |bin: usize| low + bin as f64 * width;
    for ((class, _, _), shares) in known.iter().zip(&shares) {
        let steps: Vec<(f64, Option<Summary>)> = shares
            .iter()
            .enumerate()
            .flat_map(|(bin, share)| [(edge(bin), *share), (edge(bin + 1), *share)])
            .map(|(x, share)| (x, Summary::of(std::iter::once(share))))
            .collect();
        frame.line(class, &steps);
    }
    let legend = known
        .iter()
        .map(|(class, (label, name), _)| Entry { key: Some(label.clone()), ..Entry::new(Mark::Line, class, name) });
    let rows = (0..BINS).map(|bin| {
        let name = if bin + 1 < BINS {
            format!("{}–{}", short(edge(bin)), short(edge(bin + 1)))
        } else {
            format!("{} and more", short(edge(bin)))
        };
        let cells = shares.iter().map(|shares| short(shares[bin]));
        (Some((edge(bin) + edge(bin + 1)) / 2.0), std::iter::once(name).chain(cells).collect())
    });
    let names = known.iter().map(|(_, (_, name), _)| name.clone());
    Some(Figure {
        id: "multipliers",
        title: "Gradient multipliers of a step".to_string(),
        about: "How the objective weighs the tokens of the recorded step with the most tokens outside of the bounds: |g / A| with g = ∂J/∂logp, for tokens with an advantage; \
                policy drift is left out. 0 is a clipped token; the last bin takes all above."
            .to_string(),
        lines: Lines::Runs,
        legend: legend.collect(),
        drawings: vec![(None, frame.finish())],
        table: Table { head: std::iter::once("multiplier".to_string()).chain(names).collect(), rows: rows.collect(), ..Table::default() },
    })
}
