//! The figures of metrics over the steps.

use super::axis::Scale;
use super::figure::{Entry, Figure, Lines, Mark, Table};
use super::plot::Frame;
use super::series::{Buckets, Summary};
use super::text::short;
use super::{Report, line_class};
use crate::config::choice::RewardName;
use crate::metrics::Metric;
use crate::metrics::definition as m;

/// One figure: metrics that share a unit, each with its line style.
struct Curves<'a> {
    id: &'static str,
    title: &'static str,
    /// What the y axis says; the unit is added.
    axis: &'static str,
    lines: &'a [(Metric, &'static str, &'static str)],
}

const SOLID: &str = "";
const DASHED: &str = "dashed";
const DOTTED: &str = "dotted";

const FIGURES: &[Curves<'static>] = &[
    Curves { id: "reward", title: "Reward", axis: "mean reward", lines: &[(m::REWARD_MEAN, SOLID, "mean")] },
    Curves {
        id: "correct",
        title: "Correct answers",
        axis: "correct samples",
        lines: &[(m::REWARD_CORRECT, SOLID, "correct")],
    },
    Curves {
        id: "evaluation",
        title: "Evaluation",
        axis: "benchmarks",
        lines: &[
            (m::EVAL_AVG, SOLID, "right completions"),
            (m::EVAL_PASS, DASHED, "problems with a right one"),
            (m::EVAL_MAJORITY, DOTTED, "right majorities"),
        ],
    },
    Curves {
        id: "evaluation-length",
        title: "Length of the evaluation's completions",
        axis: "completion length",
        lines: &[(m::EVAL_LENGTH_MEAN, SOLID, "mean")],
    },
    Curves {
        id: "sft-loss",
        title: "Loss of the fine-tuning",
        axis: "negative log-likelihood",
        lines: &[(m::SFT_LOSS, SOLID, "mean")],
    },
    Curves {
        id: "grad-norm",
        title: "Gradient norm",
        axis: "gradient norm",
        lines: &[
            (m::UPDATE_GRAD_NORM, SOLID, "mean of the step's updates"),
            (m::UPDATE_GRAD_NORM_MAX, DASHED, "greatest"),
        ],
    },
    Curves { id: "entropy", title: "Entropy", axis: "entropy", lines: &[(m::ROLLOUT_ENTROPY, SOLID, "mean")] },
    Curves {
        id: "length",
        title: "Response length",
        axis: "completion length",
        lines: &[(m::ROLLOUT_LENGTH_MEAN, SOLID, "mean"), (m::ROLLOUT_LENGTH_MAX, DASHED, "longest")],
    },
    Curves {
        id: "kl",
        title: "KL divergence",
        axis: "divergence",
        lines: &[(m::UPDATE_KL_K3, SOLID, "k3"), (m::UPDATE_KL_K1, DASHED, "k1")],
    },
    Curves {
        id: "kl-ref",
        title: "KL divergence from the reference policy",
        axis: "divergence",
        lines: &[(m::UPDATE_KL_REF_K3, SOLID, "k3"), (m::UPDATE_KL_REF_K1, DASHED, "k1")],
    },
    Curves {
        id: "ratio",
        title: "Importance ratio",
        axis: "importance ratio",
        lines: &[
            (m::UPDATE_RATIO_MEAN, SOLID, "mean"),
            (m::UPDATE_RATIO_MAX, DASHED, "greatest"),
            (m::UPDATE_RATIO_MIN, DOTTED, "least"),
        ],
    },
    Curves {
        id: "ratio-quantiles",
        title: "Quantiles of the importance ratio",
        axis: "importance ratio",
        lines: &[
            (m::UPDATE_RATIO_P50, SOLID, "median"),
            (m::UPDATE_RATIO_P99, DASHED, "99%"),
            (m::UPDATE_RATIO_P01, DOTTED, "1%"),
        ],
    },
    Curves {
        id: "ess",
        title: "Effective sample size of the ratios",
        axis: "of the trained tokens",
        lines: &[(m::UPDATE_RATIO_ESS, SOLID, "effective sample size")],
    },
    Curves {
        id: "clipped",
        title: "Clipped tokens",
        axis: "trained tokens",
        lines: &[
            (m::UPDATE_GRADIENT_ZEROED, SOLID, "without a gradient"),
            (m::UPDATE_CLIP_HIGH, DASHED, "beyond the upper bound"),
            (m::UPDATE_CLIP_LOW, DOTTED, "beyond the lower bound"),
        ],
    },
    Curves {
        id: "multiplier",
        title: "Gradient multiplier against its bound",
        axis: "gradient multiplier",
        lines: &[
            (m::UPDATE_MULTIPLIER_MEAN, SOLID, "mean"),
            (m::UPDATE_MULTIPLIER_MAX, DASHED, "greatest"),
            (m::UPDATE_MULTIPLIER_BOUND, DOTTED, "bound, where the objective has one"),
        ],
    },
    Curves {
        id: "hazard",
        title: "MHPO: hazard penalty",
        axis: "hazard penalty ζ",
        lines: &[(m::UPDATE_MHPO_ZETA_MEAN, SOLID, "mean"), (m::UPDATE_MHPO_ZETA_MAX, DASHED, "greatest")],
    },
    Curves {
        id: "survival",
        title: "MHPO: survival weight",
        axis: "survival weight exp(−ζ)",
        lines: &[(m::UPDATE_MHPO_SURVIVAL_MEAN, SOLID, "mean"), (m::UPDATE_MHPO_SURVIVAL_MIN, DASHED, "least")],
    },
    Curves {
        id: "signal",
        title: "Groups without signal, cut completions",
        axis: "groups, completions",
        lines: &[
            (m::REWARD_GROUPS_WITHOUT_SIGNAL, SOLID, "groups without signal"),
            (m::ROLLOUT_TRUNCATED, DASHED, "cut completions"),
        ],
    },
    Curves { id: "loss", title: "Loss", axis: "loss", lines: &[(m::UPDATE_LOSS, SOLID, "mean of the step's updates")] },
    Curves {
        id: "learning-rate",
        title: "Learning rate",
        axis: "learning rate",
        lines: &[(m::UPDATE_LEARNING_RATE, SOLID, "of the last update")],
    },
    Curves {
        id: "speed",
        title: "Speed",
        axis: "speed",
        lines: &[(m::ROLLOUT_TOKENS_PER_SECOND, SOLID, "sampled"), (m::UPDATE_TOKENS_PER_SECOND, DASHED, "trained")],
    },
];

/// Every figure of which a run has values.
pub(super) fn figures(report: &Report, buckets: Buckets) -> Vec<Figure> {
    let mut figures: Vec<Figure> = FIGURES.iter().filter_map(|curves| figure(report, buckets, curves)).collect();
    let each = each_reward(report);
    let curves = Curves { id: "rewards", title: "Each reward", axis: "mean before its weight", lines: &each };
    if let Some(each) = (!each.is_empty()).then(|| figure(report, buckets, &curves)).flatten() {
        figures.insert(figures.iter().take_while(|figure| figure.id == "reward").count(), each);
    }
    figures
}

/// The rewards of runs that have several; from the third on they share a style, and the table tells them apart.
fn each_reward(report: &Report) -> Vec<(Metric, &'static str, &'static str)> {
    let records = || report.groups.iter().flat_map(|group| &group.runs).flat_map(|run| &run.records);
    let named = RewardName::ALL.iter().map(|(name, text)| (name.metrics().0, *text));
    let known = named.filter(|(metric, _)| records().any(|record| record.get(*metric).is_some()));
    let styles = [SOLID, DASHED].into_iter().chain(std::iter::repeat(DOTTED));
    known.zip(styles).map(|((metric, name), style)| (metric, style, name)).collect()
}

fn figure(report: &Report, buckets: Buckets, curves: &Curves) -> Option<Figure> {
    let series: Vec<Vec<Vec<Option<Summary>>>> = report
        .groups
        .iter()
        .map(|group| curves.lines.iter().map(|(metric, ..)| buckets.metric(group, *metric)).collect())
        .collect();
    let first = curves.lines[0].0;
    let (x, y) = (Scale::steps(buckets.last), scale(&series, first, report.is_crowded())?);
    let unit = if first.unit == "1" { String::new() } else { format!(" ({})", first.unit) };
    let mut frame = Frame::new(curves.title, x, "step", y, &format!("{}{unit}", curves.axis));
    // Most steps have no evaluation: lines go from one to the next.
    let sparse = first.name.starts_with("eval/");
    let middle = |lines: &[Option<Summary>]| -> Vec<(f64, Option<Summary>)> {
        let places = lines.iter().enumerate().map(|(index, summary)| (buckets.middle(index), *summary));
        places.filter(|(_, summary)| summary.is_some() || !sparse).collect()
    };
    // Of greatest values the greatest, and of least the least: a mean would hide the spikes that one looks for.
    let drawn = |metric: Metric, line: &[Option<Summary>]| -> Vec<(f64, Option<Summary>)> {
        let at = |s: Summary| match metric.name {
            name if name.ends_with("_max") => Summary { mean: s.high, ..s },
            name if name.ends_with("_min") => Summary { mean: s.low, ..s },
            _ => s,
        };
        middle(line).into_iter().map(|(x, summary)| (x, summary.map(at))).collect()
    };
    // Bands and second lines of many runs would hide each other; the table has them.
    let shown = if report.is_crowded() { 1 } else { curves.lines.len() };
    for (index, lines) in series.iter().enumerate().filter(|_| !report.is_crowded()) {
        frame.band(&line_class(index), &middle(&lines[0]));
    }
    for (index, lines) in series.iter().enumerate() {
        for (line, (metric, style, _)) in lines.iter().zip(&curves.lines[..shown]).rev() {
            frame.line(&format!("{} {style}", line_class(index)), &drawn(*metric, line));
        }
    }
    for (index, group) in report.groups.iter().enumerate() {
        for run in &group.runs {
            for (step, what) in &run.turns {
                frame.upright(&line_class(index), *step as f64 + 0.5, &format!("{}: {what}", run.name));
            }
        }
    }
    let names = report.groups.iter().enumerate();
    let mut legend: Vec<Entry> =
        names.map(|(index, group)| Entry::new(Mark::Line, &line_class(index), &group.label)).collect();
    if curves.lines.len() > 1 {
        let shown = curves.lines[..shown]
            .iter()
            .enumerate()
            .filter(|(i, _)| series.iter().any(|lines| lines[*i].iter().any(Option::is_some)));
        legend.extend(shown.map(|(_, (_, style, name))| Entry::new(Mark::Style, style, name)));
    }
    Some(Figure {
        id: curves.id,
        title: curves.title.to_string(),
        about: about(report, curves),
        lines: Lines::Runs,
        legend,
        drawings: vec![(None, frame.finish())],
        table: table(report, buckets, curves, &series),
    })
}

/// The axis for all that is drawn: `crowded` figures have the first line of each run, without its range. `None` when there are
/// no values.
fn scale(series: &[Vec<Vec<Option<Summary>>>], metric: Metric, crowded: bool) -> Option<Scale> {
    let lines = series.iter().flat_map(|lines| if crowded { &lines[..1] } else { &lines[..] });
    let drawn = |summary: Summary| match crowded {
        true => Summary { low: summary.mean, high: summary.mean, ..summary },
        false => summary,
    };
    let values: Vec<Summary> = lines.flatten().copied().flatten().map(drawn).collect();
    if values.is_empty() {
        return None;
    }
    let typical = Scale::typical(values.iter().map(|summary| summary.mean));
    // Bands may be cut at the edge only when they are of lines that are not drawn with one.
    let low = values.iter().map(|summary| summary.low).fold(f64::INFINITY, f64::min);
    let high = values.iter().map(|summary| summary.high).fold(f64::NEG_INFINITY, f64::max);
    Some(match metric.unit {
        "share" if high > 0.5 => Scale::linear(0.0, 1.0),
        _ if metric.name.starts_with("update/ratio_") => Scale::ratios(low, typical, high),
        _ => Scale::fitting(low, typical, high),
    })
}

fn about(report: &Report, curves: &Curves) -> String {
    let mut texts: Vec<String> = Vec::new();
    for (metric, ..) in curves.lines {
        let equation = if metric.equation.is_empty() { String::new() } else { format!(": {}", metric.equation) };
        texts.push(format!("{}, {}{equation}.", metric.name, metric.meaning));
    }
    if report.groups.iter().flat_map(|group| &group.runs).any(|run| !run.turns.is_empty()) {
        texts.push("A vertical line is a resume that changed settings.".to_string());
    }
    texts.join(" ")
}

fn table(report: &Report, buckets: Buckets, curves: &Curves, series: &[Vec<Vec<Option<Summary>>>]) -> Table {
    let mut head = vec!["step".to_string()];
    for group in &report.groups {
        for (_, _, name) in curves.lines {
            head.push(if curves.lines.len() > 1 { format!("{}, {name}", group.label) } else { group.label.clone() });
        }
    }
    let cell = |summary: Option<Summary>| match summary {
        None => String::new(),
        Some(summary) if summary.is_wide() => {
            format!("{} ({}–{})", short(summary.mean), short(summary.low), short(summary.high))
        }
        Some(summary) => short(summary.mean),
    };
    let known = |index: &usize| series.iter().flatten().any(|line| line[*index].is_some());
    let rows = (0..buckets.count()).filter(known).map(|index| {
        let cells = series.iter().flatten().map(|line| cell(line[index]));
        (Some(buckets.middle(index)), std::iter::once(buckets.name(index)).chain(cells).collect())
    });
    let several = report.groups.iter().any(|group| group.runs.len() > 1);
    let of = match (buckets.width > 1, several) {
        (false, false) => None,
        (true, false) => Some(format!("{} steps each", buckets.width)),
        (false, true) => Some("the runs".to_string()),
        (true, true) => Some(format!("{} steps each of all runs", buckets.width)),
    };
    let band = if report.is_crowded() { "" } else { "; the band is that range" };
    let mut notes: Vec<String> = of.map(|of| format!("Mean (least–greatest) of {of}{band}.")).into_iter().collect();
    if report.is_crowded() && curves.lines.len() > 1 {
        notes.push(format!("Drawn: {}.", curves.lines[0].2));
    }
    Table { head, rows: rows.collect(), note: notes.join(" "), ..Table::default() }
}
