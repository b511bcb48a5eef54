//! `surefoot objective curve`

use anyhow::Context;
use surefoot_trainer::objectives::Objective;
use surefoot_trainer::objectives::curve::{Quantity, value};
use surefoot_trainer::plot::{Axis, Line, Panel, Sheet, Stroke};

use super::{figures, parse, positive};
use crate::args::{Curve, Draw, Sign};
use crate::exit::Exit;
use crate::output;

/// Ratios of a curve, beside those where it may jump.
const POINTS: usize = 300;
/// How far beside a bound the points of a jump lie.
const BESIDE: f64 = 1e-9;

/// Draws the figure, or the objectives that were named.
pub fn run(args: &Curve) -> anyhow::Result<Exit> {
    let sheet = match args.figure {
        Some(figure) => figures::sheet(figure)?,
        None if args.objective.is_empty() => figures::all(range(args)?)?,
        None => chosen(args)?,
    };
    let text = match args.format {
        Draw::Svg => sheet.to_svg(),
        Draw::Csv => csv(&sheet),
    };
    match &args.out {
        Some(path) => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?,
        None => output::data(text.trim_end())?,
    }
    Ok(Exit::Done)
}

/// The ratios that a picture goes from and to.
fn range(args: &Curve) -> anyhow::Result<(f64, f64)> {
    let (from, to) = (positive("--from", args.from)?, positive("--to", args.to)?);
    anyhow::ensure!(from < to, "--from is {from} and --to is {to}; the first must be less");
    Ok((from, to))
}

fn chosen(args: &Curve) -> anyhow::Result<Sheet> {
    let (from, to) = range(args)?;
    let objectives: Vec<Objective> = args.objective.iter().map(|text| parse(text)).collect::<anyhow::Result<_>>()?;
    let signs: &[bool] = match args.sign {
        Sign::Positive => &[true],
        Sign::Negative => &[false],
        Sign::Both => &[true, false],
    };
    let mut panels = Vec::new();
    for name in &args.quantity {
        let quantity = Quantity::parse(name)
            .with_context(|| format!("there is no quantity `{name}`; there are {}", Quantity::KEYS.join(", ")))?;
        // MHPO's parts do not depend on the sign.
        let signed = matches!(quantity, Quantity::Multiplier | Quantity::ProbabilityWeight | Quantity::Surrogate);
        for &positive in if signed { signs } else { &[true] } {
            let mut lines = Vec::new();
            for (index, (objective, text)) in objectives.iter().zip(&args.objective).enumerate() {
                anyhow::ensure!(
                    !objective.control.reads_probability(),
                    "{text} goes by the probability of a token, and has no curve over the ratio alone"
                );
                let points = points(objective, quantity, positive, from, to);
                anyhow::ensure!(!points.is_empty(), "objective {text} has no {quantity}; mhpo has it");
                lines.push(Line { name: text.clone(), points, stroke: Stroke::of(index) });
            }
            let sign = if positive { "A > 0" } else { "A < 0" };
            let title = if signed { format!("{quantity}, {sign}") } else { quantity.to_string() };
            let y =
                Axis::around(label(quantity), lines.iter().flat_map(|line| line.points.iter().map(|point| point.1)));
            panels.push(Panel { title, x: Axis::log(RATIO, from, to), y, lines, marks: vec![] });
        }
    }
    let columns = panels.len().min(2);
    Ok(Sheet { title: "Objectives against the ratio".into(), note: String::new(), columns, panels })
}

/// Label of the axis of ratios.
pub const RATIO: &str = "ratio r = π_θ/π_old";

/// Label of the axis of a quantity.
pub fn label(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Multiplier => "multiplier F = g/A",
        Quantity::ProbabilityWeight => "W in 1/π_old",
        Quantity::Surrogate => "surrogate J/A",
        Quantity::Psi => "ψ",
        Quantity::PsiSlope => "dψ/dr",
        Quantity::Zeta => "ζ",
        Quantity::Survival => "w = exp(−ζ)",
    }
}

/// The curve of an objective, with points right beside its bounds, where it may jump.
pub fn points(objective: &Objective, quantity: Quantity, positive: bool, from: f64, to: f64) -> Vec<(f64, f64)> {
    let step = (to / from).ln() / (POINTS - 1) as f64;
    let mut ratios: Vec<f64> = (0..POINTS).map(|i| from * (i as f64 * step).exp()).collect();
    let bounds = objective.control.bounds().map(|bounds| [1.0 - bounds.low, 1.0 + bounds.high]);
    let dual = objective.settings().into_iter().find(|setting| setting.key == "dual_clip");
    let dual = dual.and_then(|setting| setting.value.to_string().parse::<f64>().ok());
    for jump in bounds.into_iter().flatten().chain(dual) {
        ratios.extend([jump * (1.0 - BESIDE), jump * (1.0 + BESIDE)].into_iter().filter(|r| (from..=to).contains(r)));
    }
    ratios.sort_by(f64::total_cmp);
    ratios.into_iter().filter_map(|ratio| Some((ratio, value(objective, quantity, ratio, positive)?))).collect()
}

fn csv(sheet: &Sheet) -> String {
    let mut text = String::from("panel,line,x,y\n");
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    for panel in &sheet.panels {
        for line in &panel.lines {
            let (panel, line_name) = (quoted(&panel.title), quoted(&line.name));
            for (x, y) in &line.points {
                text += &format!("{panel},{line_name},{x},{y}\n");
            }
        }
    }
    text
}
