//! What an objective does at each ratio: the data behind the papers' figures.

use crate::control::{Control, Token};
use crate::keyed::keyed_enum;
use crate::objective::Objective;

keyed_enum! {
    /// What is drawn against the ratio `r`.
    pub enum Quantity {
        /// `F = g/A`, the weight of the score function.
        Multiplier => "multiplier",
        /// `W·π_old = F/r`, the weight of the probability's gradient in units of `1/π_old` (DGPO Figure 2).
        ProbabilityWeight => "probability-weight",
        /// `J/A` for surrogates that are 0 on-policy or proportional to `A`.
        Surrogate => "surrogate",
        /// MHPO's `ψ` (Figure 2a).
        Psi => "psi",
        /// MHPO's `dψ/dr` (Figure 2b).
        PsiSlope => "psi-slope",
        /// MHPO's `ζ` (Figure 3a).
        Zeta => "zeta",
        /// MHPO's `exp(−ζ)` (Figure 3b).
        Survival => "survival",
    }
}

/// The quantity at ratio `r > 0`; `positive` is the sign of the advantage. `None` where the objective has no such
/// quantity, or where the ratio does not say it (`dppo_tv`, `dppo_kl`: the token's probability decides). Policy drift is not part of it: it does not scale with the advantage.
///
/// ```
/// use surefoot_objectives::curve::{Quantity, value};
/// let grpo = surefoot_objectives::Objective::named("grpo")?;
/// assert_eq!(value(&grpo, Quantity::Multiplier, 1.5, true), Some(0.0)); // clipped
/// assert!((value(&grpo, Quantity::Multiplier, 1.5, false).unwrap_or(0.0) - 1.5).abs() < 1e-12);
/// # Ok::<(), surefoot_objectives::OptionError>(())
/// ```
pub fn value(objective: &Objective, quantity: Quantity, ratio: f64, positive: bool) -> Option<f64> {
    if objective.control.reads_probability() {
        return None;
    }
    let log_ratio = ratio.ln();
    let advantage = if positive { 1.0 } else { -1.0 };
    let term = objective.control.formula().term(Token::at(log_ratio, advantage));
    // adding 0 turns −0 into 0
    let multiplier = term.coefficient * advantage + 0.0;
    let modulation = match &objective.control {
        Control::Mhpo(mhpo) => Some(mhpo.modulation(log_ratio)),
        _ => None,
    };
    match quantity {
        Quantity::Multiplier => Some(multiplier),
        Quantity::ProbabilityWeight => Some(multiplier / ratio),
        Quantity::Surrogate => Some(term.surrogate * advantage),
        Quantity::Psi => modulation.map(|at| at.psi),
        Quantity::PsiSlope => modulation.map(|at| at.slope / ratio),
        Quantity::Zeta => modulation.map(|at| at.zeta),
        Quantity::Survival => modulation.map(|at| at.survival),
    }
}

/// The quantity over `points` ratios from `low` to `high`, evenly spaced in `ln r` (`low > 0`): `(r, value)`.
/// Empty where the objective has no such quantity.
pub fn curve(
    objective: &Objective,
    quantity: Quantity,
    positive: bool,
    low: f64,
    high: f64,
    points: usize,
) -> Vec<(f64, f64)> {
    let step = (high / low).ln() / (points.max(2) - 1) as f64;
    (0..points)
        .map(|i| low * (i as f64 * step).exp())
        .filter_map(|ratio| value(objective, quantity, ratio, positive).map(|value| (ratio, value)))
        .collect()
}
