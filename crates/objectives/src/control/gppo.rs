//! GPPO and CE-GPPO: tokens outside of the bounds keep a constant gradient.

use super::lane::{Lane, LaneTerm, LaneToken};
use super::{Formula, Surrogate, Term, Token, sign::negative, sign::positive};
use crate::option::{Entry, Range};
use crate::region::{Bounds, Region};

/// CE-GPPO's scales of the gradients kept at the bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Betas {
    /// `β₁`, in LN.
    pub low: f64,
    /// `β₂`, in HP.
    pub high: f64,
}

/// Gradient-preserving clipping: `g = β₁(1−ε_l)·A` in LN, `β₂(1+ε_h)·A` in HP, and `r·A` elsewhere; `J` has the same
/// value (as the released code computes it, through `r/sg[r]`).
///
/// Key `gppo` has β₁ = β₂ = 1 (DGPO eq. 4), key `ce_gppo` β₁ = 0.75 and β₂ = 1 (eq. 5; the released code defaults to
/// β₁ = 0.25). No dual clip, which the released code adds. ε_l = ε_h = 0.2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gppo {
    /// ε_l and ε_h.
    pub bounds: Bounds,
    /// The scales, for `ce_gppo` only.
    pub betas: Option<Betas>,
}

impl Gppo {
    /// GPPO.
    pub const GPPO: Self = Self { bounds: Bounds { low: 0.2, high: 0.2 }, betas: None };
    /// CE-GPPO with the paper's β₁ = 0.75, β₂ = 1.
    pub const CE: Self = Self { betas: Some(Betas { low: 0.75, high: 1.0 }), ..Self::GPPO };

    /// The multipliers in LN and HP.
    fn kept(&self) -> (f64, f64) {
        let betas = self.betas.unwrap_or(Betas { low: 1.0, high: 1.0 });
        (betas.low * (1.0 - self.bounds.low), betas.high * (1.0 + self.bounds.high))
    }

    pub(super) fn lane(&self) -> GppoLane {
        let (bounds, (kept_low, kept_high)) = (self.bounds.log_f32(), self.kept());
        GppoLane { low: bounds.low, high: bounds.high, kept_low: kept_low as f32, kept_high: kept_high as f32 }
    }
}

impl Surrogate for Gppo {
    fn term(&self, token: Token) -> Term {
        let (low, high) = self.kept();
        let multiplier = match self.bounds.region(token.log_ratio, token.advantage) {
            Region::LowNegative => low,
            Region::HighPositive => high,
            Region::LowPositive | Region::HighNegative | Region::Middle => token.ratio(),
        };
        Term { surrogate: multiplier * token.advantage, coefficient: multiplier * token.advantage }
    }

    /// `J = sg[F/π]·π·A`.
    fn surrogate(&self, token: Token, frozen: Token) -> f64 {
        self.term(frozen).surrogate * (token.logp - frozen.logp).exp()
    }

    fn options(&mut self) -> Vec<Entry<'_>> {
        let mut entries = super::clip::bound_entries(&mut self.bounds);
        if let Some(betas) = &mut self.betas {
            entries.extend([
                Entry::number(
                    "beta_low",
                    &mut betas.low,
                    Range::NonNegative,
                    "β₁: scale of the gradient in LN (DGPO eq. 5)",
                ),
                Entry::number(
                    "beta_high",
                    &mut betas.high,
                    Range::NonNegative,
                    "β₂: scale of the gradient in HP (DGPO eq. 5)",
                ),
            ]);
        }
        entries
    }

    fn bounds(&self) -> Option<Bounds> {
        Some(self.bounds)
    }
}

impl Formula for Gppo {}

/// GPPO in `f32`.
pub(super) struct GppoLane {
    low: f32,
    high: f32,
    kept_low: f32,
    kept_high: f32,
}

impl Lane for GppoLane {
    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        let (x, a) = (token.log_ratio, token.advantage);
        let kept = if (x < self.low) & negative(a) { self.kept_low } else { token.ratio };
        let multiplier = if (x > self.high) & positive(a) { self.kept_high } else { kept };
        LaneTerm::new(multiplier, multiplier)
    }
}
