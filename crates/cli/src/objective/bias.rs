//! `surefoot objective bias`

use serde_json::{Value as Json, json};
use surefoot_trainer::objectives::bias::{
    LeftBias, RegionBias, ce_gppo_printed, closed_form, empirical, integrate, turns,
};
use surefoot_trainer::objectives::{Bounds, Objective, Region};
use surefoot_trainer::random::Random;

use super::figures::DGPO_FIELD;
use super::{parse, positive, row, table};
use crate::args::{Bias, Format};
use crate::exit::Exit;
use crate::output;

/// More would take minutes: the sum is over V² pairs in each state.
const MOST_WORK: usize = 1 << 28;
/// Standard deviation of the sampling policy's logits.
const SPREAD: f64 = 1.5;
/// Until where γ is searched for turns of an order.
const FURTHEST_TURN: f64 = 100.0;
/// `γ` that stands for infinity in the limits of eq. 33 to 36.
const ALMOST_INFINITE: f64 = 1e9;
/// `β₁` of CE-GPPO, as the paper has it.
const BETA_LOW: f64 = 0.75;

/// An objective of the closed forms: its name, its formula, the objective itself.
struct Left {
    name: &'static str,
    form: LeftBias,
    objective: Objective,
}

/// Prints the tables.
pub fn run(args: &Bias) -> anyhow::Result<Exit> {
    positive("--drift", args.drift)?;
    let work = args.vocabulary.saturating_mul(args.vocabulary).saturating_mul(args.states);
    anyhow::ensure!(
        args.vocabulary >= 2 && args.states >= 1,
        "--vocabulary must be at least 2 and --states at least 1"
    );
    anyhow::ensure!(work <= MOST_WORK, "--vocabulary² times --states is {work}; the most is {MOST_WORK}");
    if let Some(gamma) = args.gamma.iter().find(|gamma| !(gamma.is_finite() && **gamma >= 0.0)) {
        anyhow::bail!("--gamma is {gamma}; it must be 0 or more");
    }
    let mut texts: Vec<String> = args.objective.clone();
    if texts.is_empty() {
        texts = DGPO_FIELD.iter().map(ToString::to_string).collect();
        texts.extend(["dgpo,decay_low=2", "mhpo", "mhpo,anchor=unit"].map(str::to_string));
    }
    let measured = measure(args, &texts)?;
    let left = left()?;
    match args.format {
        Format::Table => output::lines(&tables(args, &measured, &left))?,
        Format::Json => output::data(&serde_json::to_string_pretty(&json(args, &measured, &left))?)?,
    }
    Ok(Exit::Done)
}

/// The bias of each objective on the same random softmax policies.
fn measure(args: &Bias, texts: &[String]) -> anyhow::Result<Vec<(String, RegionBias)>> {
    let mut random = Random::new(args.seed, 0);
    let mut uniform = || ((random.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    let mut normal = || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
    let (mut old, mut new, mut advantages) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.states {
        let logits: Vec<f64> = (0..args.vocabulary).map(|_| SPREAD * normal()).collect();
        new.push(logits.iter().map(|logit| logit + args.drift * normal()).collect::<Vec<f64>>());
        old.push(logits);
        advantages.push((0..args.vocabulary).map(|_| normal()).collect::<Vec<f64>>());
    }
    let measured = texts.iter().map(|text| {
        let objective = parse(text)?;
        anyhow::ensure!(
            !objective.control.controls_sequences(),
            "{text} controls whole sequences; its bias is not by token"
        );
        Ok((text.clone(), empirical(&objective.control, Bounds::REPORT, &old, &new, &advantages)))
    });
    measured.collect()
}

fn left() -> anyhow::Result<Vec<Left>> {
    let forms = [
        ("grpo, aspo", "grpo", LeftBias::Dropped),
        ("cispo, gppo", "cispo", LeftBias::Constant),
        ("ce_gppo", "ce_gppo", LeftBias::Scaled { beta_low: BETA_LOW }),
        ("dgpo n=1", "dgpo", LeftBias::Decayed { decay_low: 1.0 }),
        ("dgpo n=2", "dgpo,decay_low=2", LeftBias::Decayed { decay_low: 2.0 }),
    ];
    forms.into_iter().map(|(name, text, form)| Ok(Left { name, form, objective: parse(text)? })).collect()
}

/// `(numerator, denominator, limit of their ratio as γ grows)`: eq. 33 to 36, for n = 1 and n = 2.
fn limits() -> [(&'static str, LeftBias, LeftBias, f64); 5] {
    let (dropped, constant) = (LeftBias::Dropped, LeftBias::Constant);
    let ce = LeftBias::Scaled { beta_low: BETA_LOW };
    let dgpo = |decay_low| LeftBias::Decayed { decay_low };
    [
        ("eq. 33: dgpo n=1 / cispo", dgpo(1.0), constant, 1.0),
        ("eq. 33: dgpo n=2 / cispo", dgpo(2.0), constant, 2.0),
        ("eq. 34: dgpo n=1 / ce_gppo", dgpo(1.0), ce, 0.0),
        ("eq. 35: cispo / ce_gppo", constant, ce, 0.0),
        ("eq. 36: grpo / ce_gppo", dropped, ce, 1.0 / (1.0 - BETA_LOW)),
    ]
}

/// Pairs whose order is not the same for every γ.
fn orders() -> [(&'static str, LeftBias, LeftBias); 4] {
    let ce = LeftBias::Scaled { beta_low: BETA_LOW };
    let dgpo = |decay_low| LeftBias::Decayed { decay_low };
    [
        ("ce_gppo, cispo", ce, LeftBias::Constant),
        ("dgpo n=2, cispo", dgpo(2.0), LeftBias::Constant),
        ("dgpo n=2, ce_gppo", dgpo(2.0), ce),
        ("dgpo n=1, cispo", dgpo(1.0), LeftBias::Constant),
    ]
}

fn tables(args: &Bias, measured: &[(String, RegionBias)], left: &[Left]) -> Vec<String> {
    let mut lines = vec![
        format!(
            "Bias by region (DGPO Tables 5 to 10): the norm of E[1_region·(F − r)·A·∇log π] on a softmax policy over {} tokens in \
             {} states, {} off-policy",
            args.vocabulary, args.states, args.drift
        ),
        String::new(),
    ];
    let mut rows = vec![row(["objective", "LN", "HP", "LP", "HN", "M"])];
    for (name, bias) in measured {
        let cells = Region::ALL.iter().map(|region| format!("{:.6}", bias.of(*region)));
        rows.push(std::iter::once(name.clone()).chain(cells).collect());
    }
    if let Some((_, bias)) = measured.first() {
        let cells = bias.gradient.iter().map(|norm| format!("{norm:.6}"));
        rows.push(std::iter::once("policy gradient itself".to_string()).chain(cells).collect());
    }
    lines.extend(table(&rows));
    lines.extend([String::new(), "Order (DGPO Table 2), least bias first:".to_string()]);
    lines.extend(table(
        &Region::ALL
            .iter()
            .map(|region| row([region.key().to_uppercase(), order(measured, *region)]))
            .collect::<Vec<_>>(),
    ));
    lines.extend([
        String::new(),
        "Left boundary under the paper's decoupling: the integral of |F(r) − r|·r^γ over LN, over grpo's. Closed form (eq. 29 to 32, \
         eq. 31 corrected)"
            .to_string(),
        "and, behind it, the integral by Simpson's rule on the objective's own formula:".to_string(),
        String::new(),
    ]);
    let mut rows = vec![row(["gamma".to_string()].into_iter().chain(left.iter().map(|left| left.name.to_string())))];
    rows[0].push("ce_gppo as eq. 31 is printed".into());
    for &gamma in &args.gamma {
        let mut cells = vec![gamma.to_string()];
        cells.extend(
            left.iter().map(|left| format!("{:.5} {:.5}", closed_form(left.form, gamma), integral(left, gamma))),
        );
        cells.push(format!("{:.5}", ce_gppo_printed(BETA_LOW, gamma)));
        rows.push(cells);
    }
    lines.extend(table(&rows));
    lines.extend([String::new(), "Limits for γ → ∞ (eq. 33 to 36), and the ratio at γ = 1e9:".to_string()]);
    let cells = |(name, a, b, limit): &(&str, LeftBias, LeftBias, f64)| {
        row([name.to_string(), limit.to_string(), format!("{:.6}", at_infinity(*a, *b))])
    };
    lines.extend(table(&limits().iter().map(cells).collect::<Vec<_>>()));
    lines.extend([String::new(), "Where the order of two turns, up to γ = 100:".to_string()]);
    let cells = |(name, a, b): &(&str, LeftBias, LeftBias)| row([name.to_string(), turned(*a, *b)]);
    lines.extend(table(&orders().iter().map(cells).collect::<Vec<_>>()));
    lines
}

fn at_infinity(a: LeftBias, b: LeftBias) -> f64 {
    closed_form(a, ALMOST_INFINITE) / closed_form(b, ALMOST_INFINITE)
}

fn integral(left: &Left, gamma: f64) -> f64 {
    let low = left.objective.control.bounds().map_or(Bounds::REPORT.low, |bounds| bounds.low);
    integrate(&left.objective.control, 1.0 - low, gamma)
}

fn turned(a: LeftBias, b: LeftBias) -> String {
    let greater = |gamma: f64| if closed_form(a, gamma) > closed_form(b, gamma) { "more" } else { "less" };
    let points = turns(a, b, FURTHEST_TURN);
    let first = format!("{} bias from γ = 0", greater(points.first().map_or(1.0, |turn| turn / 2.0)));
    let rest = points.iter().map(|turn| format!(", {} from {turn:.2}", greater(turn * 1.0001)));
    std::iter::once(first).chain(rest).collect()
}

/// As `a = b < c`; what differs by rounding alone is equal.
fn order(measured: &[(String, RegionBias)], region: Region) -> String {
    let mut sorted: Vec<(&str, f64)> = measured.iter().map(|(name, bias)| (name.as_str(), bias.of(region))).collect();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut text =
        if sorted.first().is_some_and(|(_, bias)| *bias < 1e-12) { "0 = ".to_string() } else { String::new() };
    for (index, (name, bias)) in sorted.iter().enumerate() {
        if index > 0 {
            let before = sorted[index - 1].1;
            text += if bias - before <= 1e-9 * bias.max(1e-3) { " = " } else { " < " };
        }
        text += name;
    }
    text
}

fn json(args: &Bias, measured: &[(String, RegionBias)], left: &[Left]) -> Json {
    let by_region = |values: [f64; 5]| -> Json {
        Region::ALL
            .iter()
            .map(|region| (region.key().to_string(), json!(values[*region as usize])))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let regions: Vec<Json> = measured
        .iter()
        .map(|(name, bias)| json!({ "objective": name, "bias": by_region(bias.bias), "policy_gradient": by_region(bias.gradient) }))
        .collect();
    let boundary: Vec<Json> = args
        .gamma
        .iter()
        .flat_map(|&gamma| {
            left.iter().map(move |left| {
                json!({ "gamma": gamma, "objectives": left.name, "closed_form": closed_form(left.form, gamma), "integral": integral(left, gamma) })
            })
        })
        .collect();
    let limits: Vec<Json> = limits()
        .into_iter()
        .map(|(name, a, b, limit)| json!({ "ratio": name, "limit": limit, "at_gamma_1e9": at_infinity(a, b) }))
        .collect();
    let turns: Vec<Json> = orders()
        .into_iter()
        .map(|(name, a, b)| json!({ "objectives": name, "gamma": turns(a, b, FURTHEST_TURN) }))
        .collect();
    json!({ "regions": regions, "left_boundary": boundary, "limits": limits, "turns": turns })
}
