//! The bias at the left boundary (LN) under DGPO's decoupling assumption, relative to GRPO's.

use crate::control::{Control, Token};

/// Objectives whose bias in LN has a closed form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LeftBias {
    /// GRPO and ASPO (eq. 29): the gradient is dropped.
    Dropped,
    /// CISPO and GPPO (eq. 30): the multiplier stays at `r₀ = 1−ε_l`.
    Constant,
    /// CE-GPPO (eq. 31, corrected): the multiplier stays at `β₁·r₀`.
    Scaled {
        /// `β₁`, from 0 to 1.
        beta_low: f64,
    },
    /// DGPO (eq. 32): the multiplier is `r^(n+1)/r₀ⁿ`.
    Decayed {
        /// `n`.
        decay_low: f64,
    },
}

/// `∫₀^{r₀} |F(r) − r|·r^γ dr` over GRPO's, in closed form; the factor `k·δ·r₀^(γ+2)` of the paper cancels.
///
/// Eq. 31 of the paper, for CE-GPPO, drops a sign change inside its absolute value. The exact form used here is
/// `1/(γ+2) − β₁/(γ+1) + 2β₁^(γ+2)/((γ+1)(γ+2))`; [`ce_gppo_printed`] is the paper's.
pub fn closed_form(bias: LeftBias, gamma: f64) -> f64 {
    match bias {
        LeftBias::Dropped => 1.0,
        LeftBias::Constant => 1.0 / (gamma + 1.0),
        LeftBias::Scaled { beta_low } => {
            1.0 - beta_low * (gamma + 2.0) / (gamma + 1.0) + 2.0 * beta_low.powf(gamma + 2.0) / (gamma + 1.0)
        }
        LeftBias::Decayed { decay_low } => decay_low / (decay_low + gamma + 2.0),
    }
}

/// Eq. 31 as the paper prints it, over GRPO's bias: `|β₁(γ+2)/(γ+1) − 1|`.
pub fn ce_gppo_printed(beta_low: f64, gamma: f64) -> f64 {
    (beta_low * (gamma + 2.0) / (gamma + 1.0) - 1.0).abs()
}

/// The same integral over GRPO's, of any objective, by Simpson's rule on its own formula: the check of the closed forms.
///
/// In units of `r/r₀`, for `A = −1`. The integrand may have a kink; the error is below 1e-8 all the same.
pub fn integrate(control: &Control, r0: f64, gamma: f64) -> f64 {
    const PANELS: u32 = 40_000;
    let integrand = |x: f64| {
        // limits at both ends: ln 0 is not a number to compute with, and a token on the boundary counts as inside
        let log_ratio = (r0 * x.clamp(1e-300, 1.0 - 1e-12)).ln();
        let term = control.formula().term(Token::at(log_ratio, -1.0));
        (-term.coefficient - log_ratio.exp()).abs() / r0 * x.powf(gamma)
    };
    let h = 1.0 / f64::from(PANELS);
    let sum: f64 = (0..=PANELS)
        .map(|i| {
            let weight = if i == 0 || i == PANELS { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
            weight * integrand(f64::from(i) * h)
        })
        .sum();
    sum * h / 3.0 * (gamma + 2.0)
}

/// Every `γ` in `0 < γ < limit` at which the order of two biases turns, ascending.
pub fn turns(first: LeftBias, second: LeftBias, limit: f64) -> Vec<f64> {
    const STEPS: u32 = 10_000;
    let first_is_greater = |gamma: f64| closed_form(first, gamma) > closed_form(second, gamma);
    let at = |step: u32| limit * f64::from(step) / f64::from(STEPS);
    (1..STEPS)
        .map(|step| (at(step), at(step + 1)))
        .filter(|&(low, high)| first_is_greater(low) != first_is_greater(high))
        .map(|(mut low, mut high)| {
            let before = first_is_greater(low);
            for _ in 0..100 {
                let middle = 0.5 * (low + high);
                if first_is_greater(middle) == before {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            0.5 * (low + high)
        })
        .collect()
}
