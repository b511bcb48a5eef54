//! The papers' figures, and the sheet of all objectives.

use surefoot_trainer::objectives::curve::{Quantity, value};
use surefoot_trainer::objectives::{Objective, recipes};
use surefoot_trainer::plot::{Axis, Line, Panel, Sheet, Stroke};

use super::curve::{RATIO, label, points};
use super::parse;
use crate::args::Figure;

/// Objectives of DGPO Figure 2.
pub const DGPO_FIELD: [&str; 6] = ["dgpo", "grpo", "cispo", "gppo", "ce_gppo", "aspo"];
/// The stroke for a wide line below others.
const LIGHTEST: usize = 5;
/// Those that differ from `grpo` in advantages or aggregation alone.
const SAME_AS_GRPO: [&str; 3] = ["dr_grpo", "rloo", "reinforce_plus_plus"];
/// MHPO's bounds in its Table 3a, which its Figure 2 varies.
const BOUNDS: [&str; 4] = ["0.5", "1.0", "1.5", "2.0"];
/// Shapes and scales (k₊, λ₊, k₋, λ₋) around the default of MHPO Figure 3.
const HAZARDS: [(&str, &str, &str, &str); 4] = [
    ("1.5", "1.0", "2.0", "0.8"),
    ("1.5", "1.0", "1.5", "1.0"),
    ("2.0", "0.8", "2.0", "0.8"),
    ("3.0", "0.8", "3.0", "0.8"),
];

/// Ratios of the sheet of all objectives.
const RATIOS: (f64, f64) = (0.1, 10.0);

/// The figure of this name.
pub fn sheet(figure: Figure) -> anyhow::Result<Sheet> {
    match figure {
        Figure::All => all(RATIOS),
        Figure::Mhpo2 => modulator(),
        Figure::Mhpo3 => hazard(),
        Figure::Dgpo2 => probability_weights(),
    }
}

/// Every objective, from one ratio to another.
pub fn all((from, to): (f64, f64)) -> anyhow::Result<Sheet> {
    let mut panels = Vec::new();
    let guide = Objective::named("is")?;
    for recipe in recipes().iter().filter(|recipe| !SAME_AS_GRPO.contains(&recipe.key)) {
        let objective = Objective::named(recipe.key)?;
        // What goes by the probability of a token has no curve over the ratio alone.
        if objective.control.reads_probability() {
            continue;
        }
        let line = |name: &str, objective: &Objective, positive, stroke| Line {
            name: name.into(),
            points: points(objective, Quantity::Multiplier, positive, from, to),
            stroke,
        };
        panels.push(Panel {
            title: recipe.key.into(),
            x: Axis::log(RATIO, from, to),
            y: Axis::linear(label(Quantity::Multiplier), 0.0, 3.2),
            lines: vec![
                line("r, no control", &guide, true, Stroke::GUIDE),
                line("A > 0", &objective, true, Stroke::of(0)),
                line("A < 0", &objective, false, Stroke { dashes: "7 3", ..Stroke::of(1) }),
            ],
            marks: vec![],
        });
    }
    Ok(Sheet {
        title: "What each objective multiplies the score function by".into(),
        note: "Gradient of a token: F·A·∇log π. Defaults of the papers; gspo and gmpo against the ratio of the sequence; cpgd and pgd \
               without their drift, which does not scale with A."
            .into(),
        columns: 4,
        panels,
    })
}

fn modulator() -> anyhow::Result<Sheet> {
    let panel = |title: &str, quantity, low, high| {
        let lines = BOUNDS.iter().enumerate().map(|(index, bound)| {
            let objective = parse(&format!("mhpo,bound={bound}"))?;
            let points = points(&objective, quantity, true, 0.02, 6.0);
            Ok(Line { name: format!("c = {bound}"), points, stroke: Stroke::of(index) })
        });
        let lines = lines.collect::<anyhow::Result<_>>()?;
        let (x, y) = (Axis::linear(RATIO, 0.0, 6.0), Axis::linear(label(quantity), low, high));
        anyhow::Ok(Panel { title: title.into(), x, y, lines, marks: vec![] })
    };
    let one = parse("mhpo,bound=1.0")?;
    let marks = [(0.5, "ψ(½)"), (2.0, "ψ(2) = −ψ(½)")];
    let marks = marks
        .into_iter()
        .filter_map(|(ratio, text)| Some((ratio, value(&one, Quantity::Psi, ratio, true)?, text.to_string())));
    let mut psi = panel("(a) modulator ψ = c·tanh(ln r/c)", Quantity::Psi, -2.2, 2.2)?;
    psi.marks = marks.collect();
    let slope = panel("(b) its slope, 1 at r = 1", Quantity::PsiSlope, 0.0, 2.0)?;
    Ok(Sheet { title: "MHPO, Figure 2".into(), note: String::new(), columns: 2, panels: vec![psi, slope] })
}

fn hazard() -> anyhow::Result<Sheet> {
    let bound = 1.5;
    let panel = |title: &str, quantity, high| {
        let lines = HAZARDS.iter().enumerate().map(|(index, (k_high, scale_high, k_low, scale_low))| {
            let objective = parse(&format!(
                "mhpo,bound={bound},shape_positive={k_high},scale_positive={scale_high},shape_negative={k_low},scale_negative={scale_low}"
            ))?;
            // Against ψ, as the paper has it: ψ = x is reached at ln r = c·artanh(x/c).
            let points = (-149..=149).filter_map(|n| {
                let psi = f64::from(n) / 100.0;
                Some((psi, value(&objective, quantity, (bound * (psi / bound).atanh()).exp(), true)?))
            });
            let mark = if index == 0 { " (default)" } else { "" };
            let name = format!("λ₊={scale_high} k₊={k_high} λ₋={scale_low} k₋={k_low}{mark}");
            Ok(Line { name, points: points.collect(), stroke: Stroke::of(index) })
        });
        let lines = lines.collect::<anyhow::Result<_>>()?;
        let x = Axis::linear("ψ", -bound, bound);
        anyhow::Ok(Panel { title: title.into(), x, y: Axis::linear(label(quantity), 0.0, high), lines, marks: vec![] })
    };
    let panels =
        vec![panel("(a) penalty ζ(ψ)", Quantity::Zeta, 8.0)?, panel("(b) survival weight", Quantity::Survival, 0.5)?];
    let note = "With the softplus as printed, ζ(0) is not 0: w is 0.265 at ψ = 0 with the defaults.".into();
    Ok(Sheet { title: "MHPO, Figure 3".into(), note, columns: 2, panels })
}

fn probability_weights() -> anyhow::Result<Sheet> {
    let panel = |title: &str, positive| {
        let lines = DGPO_FIELD.iter().enumerate().map(|(index, key)| {
            let points = points(&Objective::named(key)?, Quantity::ProbabilityWeight, positive, 0.05, 3.0);
            // The one that the figure is about lies below, wider; where others coincide, gaps let both be seen.
            let dashes = ["", "", "7 5", "2 4", "", "9 9"][index];
            let stroke =
                Stroke { width: if *key == "dgpo" { 5.0 } else { 1.8 }, dashes, ..Stroke::of(LIGHTEST - index) };
            Ok(Line { name: key.to_string(), points, stroke })
        });
        let lines = lines.collect::<anyhow::Result<_>>()?;
        let (x, y) = (Axis::linear(RATIO, 0.0, 3.0), Axis::linear(label(Quantity::ProbabilityWeight), 0.0, 3.0));
        anyhow::Ok(Panel { title: title.into(), x, y, lines, marks: vec![] })
    };
    let panels = vec![panel("A < 0 (LN left of 0.8)", false)?, panel("A > 0 (HP right of 1.2)", true)?];
    let note =
        "W·π_old = F/r: the weight of the probability's own gradient. The policy gradient has 1 everywhere.".into();
    Ok(Sheet { title: "DGPO, Figure 2".into(), note, columns: 2, panels })
}
