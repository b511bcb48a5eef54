//! MHPO: a log-fidelity modulator and a decoupled hazard penalty in place of clipping.

mod lane;

use super::{Formula, Surrogate, Term, Token, maximum::maximum};
use crate::exponential::LOG_LIMIT;
use crate::keyed::keyed_enum;
use crate::option::{Entry, Range};

keyed_enum! {
    /// The hazard penalty ζ of MHPO.
    pub enum Hazard {
        /// Weibull's cumulative hazard on either side (eq. 8).
        Weibull => "weibull",
        /// `ζ = 0`: the modulator alone (Table 3a).
        None => "none",
    }
}

keyed_enum! {
    /// What MHPO's penalty is measured from.
    pub enum Anchor {
        /// `ζ(ψ)` as printed: the multiplier at `r = 1` is `exp(−ζ(0))`, 0.26506 with the defaults.
        Printed => "printed",
        /// `ζ(ψ) − ζ(0)`: the multiplier at `r = 1` is exactly 1.
        Unit => "unit",
    }
}

/// Modulated Hazard-aware Policy Optimization (MHPO eq. 4, 8, 10, 11).
///
/// With `ψ = c·tanh(ℓ/c)` and `ζ = (s(ψ)/λ₊)^k₊ + (s(−ψ)/λ₋)^k₋`, `s(x) = ln(1+eˣ)`:
/// `J = exp(ψ − sg[ζ])·A` and `g = exp(ψ−ζ)·sech²(ℓ/c)·A`, for either sign of `A`.
///
/// The paper says that "minor deviations remain negligible", yet `s(0) = ln 2` makes `ζ(0) = 1.328` with the defaults:
/// the multiplier is 0.26506 at `r = 1` and at most 0.39581, at `ℓ ≈ 0.578`. `anchor = "unit"` removes that factor.
/// Defaults (§4.1): c = 1.5, k₊ = 1.5, λ₊ = 1.0, k₋ = 2.0, λ₋ = 0.8.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mhpo {
    /// `c`: `ψ` lies in `[−c, c]`.
    pub bound: f64,
    /// `k₊`.
    pub shape_positive: f64,
    /// `λ₊`.
    pub scale_positive: f64,
    /// `k₋`.
    pub shape_negative: f64,
    /// `λ₋`.
    pub scale_negative: f64,
    /// The penalty, or none.
    pub hazard: Hazard,
    /// Where the penalty is zero.
    pub anchor: Anchor,
}

/// The parts of MHPO's multiplier at one log-ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Modulation {
    /// `ψ`, the modulated log-ratio.
    pub psi: f64,
    /// `ζ`, the hazard penalty (less `ζ(0)` with `anchor = "unit"`).
    pub zeta: f64,
    /// `exp(−ζ)`, the survival weight.
    pub survival: f64,
    /// `sech²(ℓ/c) = dψ/dℓ`.
    pub slope: f64,
}

/// Past it a penalty is as good as infinite; keeps sums of penalties finite.
const MAX_HAZARD: f32 = 1e30;

impl Mhpo {
    /// The paper's options (§4.1).
    pub const DEFAULT: Self = Self {
        bound: 1.5,
        shape_positive: 1.5,
        scale_positive: 1.0,
        shape_negative: 2.0,
        scale_negative: 0.8,
        hazard: Hazard::Weibull,
        anchor: Anchor::Printed,
    };

    fn hazard(&self, psi: f64) -> f64 {
        match self.hazard {
            Hazard::None => 0.0,
            Hazard::Weibull => {
                let positive = (softplus(psi) / self.scale_positive).powf(self.shape_positive);
                let negative = (softplus(-psi) / self.scale_negative).powf(self.shape_negative);
                (positive + negative).min(f64::from(MAX_HAZARD))
            }
        }
    }

    fn anchor_hazard(&self) -> f64 {
        match self.anchor {
            Anchor::Printed => 0.0,
            Anchor::Unit => self.hazard(0.0),
        }
    }

    /// ψ, ζ, the survival weight and dψ/dℓ at a log-ratio.
    pub fn modulation(&self, log_ratio: f64) -> Modulation {
        let psi = self.bound * (log_ratio / self.bound).tanh();
        let zeta = self.hazard(psi) - self.anchor_hazard();
        // 4u/(1+u)² with u = e^(−2|x|) is sech²(x) without the cancellation of 1 − tanh²
        let u = (-2.0 * (log_ratio / self.bound).abs()).exp();
        Modulation { psi, zeta, survival: (-zeta).exp(), slope: 4.0 * u / ((1.0 + u) * (1.0 + u)) }
    }

    /// `sup_r exp(ψ)·sech²(ℓ/c) = 2e^(√(1+c²)−1)/(√(1+c²)+1)`, the bound of eq. 12 in closed form: an upper bound of
    /// the printed multiplier, attained without the penalty.
    pub fn modulator_bound(&self) -> f64 {
        let root = self.bound.hypot(1.0);
        2.0 * (root - 1.0).exp() / (root + 1.0)
    }
}

impl Surrogate for Mhpo {
    fn options(&mut self) -> Vec<Entry<'_>> {
        let bound = Range::Between(1e-3, 64.0);
        vec![
            Entry::number("bound", &mut self.bound, bound, "c: the modulated log-ratio stays within ±c (MHPO eq. 5)"),
            Entry::number(
                "shape_positive",
                &mut self.shape_positive,
                Range::Positive,
                "k₊ of the penalty on r > 1 (eq. 8)",
            ),
            Entry::number(
                "scale_positive",
                &mut self.scale_positive,
                Range::Positive,
                "λ₊ of the penalty on r > 1 (eq. 8)",
            ),
            Entry::number(
                "shape_negative",
                &mut self.shape_negative,
                Range::Positive,
                "k₋ of the penalty on r < 1 (eq. 8)",
            ),
            Entry::number(
                "scale_negative",
                &mut self.scale_negative,
                Range::Positive,
                "λ₋ of the penalty on r < 1 (eq. 8)",
            ),
            Entry::choice("hazard", &mut self.hazard, "the penalty ζ, or none (Table 3a)"),
            Entry::choice(
                "anchor",
                &mut self.anchor,
                "ζ as printed, or less ζ(0) so that the multiplier at r = 1 is 1",
            ),
        ]
    }

    fn term(&self, token: Token) -> Term {
        let at = self.modulation(token.log_ratio);
        let value = (at.psi - at.zeta).min(f64::from(LOG_LIMIT)).exp();
        Term { surrogate: value * token.advantage, coefficient: value * at.slope * token.advantage }
    }

    /// `J = exp(ψ − sg[ζ])·A`.
    fn surrogate(&self, token: Token, frozen: Token) -> f64 {
        let (psi, zeta) = (self.modulation(token.log_ratio).psi, self.modulation(frozen.log_ratio).zeta);
        (psi - zeta).min(f64::from(LOG_LIMIT)).exp() * token.advantage
    }

    /// The greatest value that the multiplier takes; found by search, as the penalty leaves no closed form.
    fn multiplier_bound(&self) -> Option<f64> {
        if self.hazard == Hazard::None {
            return Some(self.modulator_bound());
        }
        let multiplier = |log_ratio: f64| self.term(Token::at(log_ratio, 1.0)).coefficient;
        // sech² has fallen below 4e^(−16) at |ℓ| = 8c
        Some(maximum(multiplier, -8.0 * self.bound, 8.0 * self.bound))
    }
}

impl Formula for Mhpo {}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
