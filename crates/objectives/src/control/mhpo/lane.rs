//! MHPO in `f32`.

use super::{Hazard, MAX_HAZARD, Mhpo};
use crate::control::lane::{Lane, LaneTerm, LaneToken, Loop};
use crate::exponential::{LOG_UNDERFLOW, NEAR, exp, greater, lesser, ln, ln_1p, ln_2_cosh_half, parts_within};

impl Mhpo {
    /// Hands the lane of these options to a loop.
    #[inline(always)]
    pub(in crate::control) fn run(&self, tokens: &mut impl Loop) {
        let modulator = Modulator { bound: self.bound as f32, inverse: (1.0 / self.bound) as f32 };
        if self.hazard == Hazard::None {
            return tokens.over(&modulator);
        }
        let anchor = self.anchor_hazard() as f32;
        let sides = [(self.shape_positive, self.scale_positive), (self.shape_negative, self.scale_negative)];
        let shapes = sides.map(|(shape, _)| shape);
        if shapes == [Mhpo::DEFAULT.shape_positive, Mhpo::DEFAULT.shape_negative] && self.bound <= NEAR {
            let [positive, negative] = sides.map(|(_, scale)| (1.0 / scale) as f32);
            let (positive, negative) = (OneAndHalf(positive), Square(negative));
            tokens.over(&Hazardous { modulator, softplus: Near, positive, negative, anchor });
        } else if shapes.into_iter().all(Halves::fit) {
            let [positive, negative] = sides.map(|(shape, scale)| Halves::new(shape, scale));
            tokens.over(&Hazardous { modulator, softplus: Far, positive, negative, anchor });
        } else {
            let [positive, negative] = sides.map(|(shape, scale)| Exponential::new(shape, scale));
            tokens.over(&Hazardous { modulator, softplus: Far, positive, negative, anchor });
        }
    }
}

/// `ψ` and `sech²(ℓ/c)`, without a penalty.
#[derive(Clone, Copy)]
struct Modulator {
    bound: f32,
    inverse: f32,
}

impl Modulator {
    /// `ψ` and `dψ/dℓ`.
    #[inline(always)]
    fn at(self, log_ratio: f32) -> [f32; 2] {
        // with u = e^(−2|x|): tanh|x| = (1 − u)/(1 + u) and sech²(x) = 4u/(1 + u)², neither of which cancels
        let x = log_ratio * self.inverse;
        let exponent = -2.0 * x.abs();
        let at = parts_within(greater(exponent, LOG_UNDERFLOW));
        let less_one = at.exp_m1();
        let u = if exponent > LOG_UNDERFLOW { at.exp() } else { 0.0 };
        let share = 1.0 / (2.0 + less_one);
        [(self.bound * share * -less_one).copysign(x), 4.0 * u * share * share]
    }
}

impl Lane for Modulator {
    const HAZARD: bool = true;

    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        let [psi, slope] = self.at(token.log_ratio);
        let value = exp(psi);
        LaneTerm { multiplier: slope * value, value, psi, zeta: 0.0 }
    }
}

/// The modulator with Weibull's hazard on either side.
struct Hazardous<S, P, N> {
    modulator: Modulator,
    softplus: S,
    positive: P,
    negative: N,
    anchor: f32,
}

impl<S: Softplus, P: Power, N: Power> Lane for Hazardous<S, P, N> {
    const HAZARD: bool = true;
    const STAGED: bool = true;

    #[inline(always)]
    fn first(&self, log_ratio: f32, _advantage: f32) -> [f32; 2] {
        self.modulator.at(log_ratio)
    }

    /// ζ.
    #[inline(always)]
    fn second(&self, [psi, _]: [f32; 2]) -> f32 {
        let (raised, lowered) = self.softplus.of_both(psi);
        lesser(self.positive.of(raised) + self.negative.of(lowered), MAX_HAZARD) - self.anchor
    }

    #[inline(always)]
    fn term(&self, token: LaneToken) -> LaneTerm {
        let ([psi, slope], zeta) = (token.first, token.second);
        let value = exp(psi - zeta);
        LaneTerm { multiplier: slope * value, value, psi, zeta }
    }
}

/// `s(x) = ln(1 + e^x)`.
trait Softplus {
    /// `s(ψ)` and `s(−ψ)`.
    fn of_both(&self, psi: f32) -> (f32, f32);
}

/// For `|ψ|` up to [`NEAR`], where `s(±ψ) = ln(2·cosh(ψ/2)) ± ψ/2` is a polynomial.
struct Near;

impl Softplus for Near {
    #[inline(always)]
    fn of_both(&self, psi: f32) -> (f32, f32) {
        let (even, half) = (ln_2_cosh_half(psi), 0.5 * psi);
        (even + half, even - half)
    }
}

/// For any ψ.
struct Far;

impl Softplus for Far {
    #[inline(always)]
    fn of_both(&self, psi: f32) -> (f32, f32) {
        let small = ln_1p(parts_within(-psi.abs()).exp());
        let large = psi.abs() + small;
        if psi > 0.0 { (large, small) } else { (small, large) }
    }
}

/// `(x/scale)^shape` of a positive number; may be infinite.
trait Power {
    fn of(&self, x: f32) -> f32;
}

/// The paper's `k₊ = 1.5`, with `1/λ₊`.
struct OneAndHalf(f32);

impl Power for OneAndHalf {
    #[inline(always)]
    fn of(&self, x: f32) -> f32 {
        let x = x * self.0;
        x * x.sqrt()
    }
}

/// The paper's `k₋ = 2`, with `1/λ₋`.
struct Square(f32);

impl Power for Square {
    #[inline(always)]
    fn of(&self, x: f32) -> f32 {
        let x = x * self.0;
        x * x
    }
}

/// Whole and half exponents up to 4 as products and a root: faster than `exp(k·ln x)`, and they round less.
struct Halves {
    inverse: f32,
    /// Twice the exponent.
    halves: u32,
}

impl Halves {
    fn fit(shape: f64) -> bool {
        let halves = 2.0 * shape;
        halves.fract() == 0.0 && halves <= 8.0
    }

    fn new(shape: f64, scale: f64) -> Self {
        Self { inverse: (1.0 / scale) as f32, halves: (2.0 * shape) as u32 }
    }
}

impl Power for Halves {
    #[inline(always)]
    fn of(&self, x: f32) -> f32 {
        let x = x * self.inverse;
        // the exponent's binary digits, the same for all tokens
        let root = if self.halves & 1 > 0 { x.sqrt() } else { 1.0 };
        let once = if self.halves & 2 > 0 { x } else { 1.0 };
        let twice = if self.halves & 4 > 0 { x * x } else { 1.0 };
        if self.halves & 8 > 0 { (x * x) * (x * x) } else { twice * (once * root) }
    }
}

/// Any exponent.
struct Exponential {
    inverse: f32,
    shape: f32,
}

impl Exponential {
    fn new(shape: f64, scale: f64) -> Self {
        Self { inverse: (1.0 / scale) as f32, shape: shape as f32 }
    }
}

impl Power for Exponential {
    #[inline(always)]
    fn of(&self, x: f32) -> f32 {
        exp(self.shape * ln(greater(x * self.inverse, f32::MIN_POSITIVE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every power against `f64::powf`, at places on both sides of the scale.
    #[test]
    fn powers_are_powers() {
        let check = |power: &dyn Power, shape: f64, scale: f64| {
            for x in [0.03, 0.5, 1.0, 1.7, 6.0] {
                let (found, exact) = (f64::from(power.of(x)), (f64::from(x) / scale).powf(shape));
                assert!((found / exact - 1.0).abs() < 2e-6, "({x}/{scale})^{shape}: {found}, exactly {exact}");
            }
        };
        for scale in [0.7, 1.0, 1.3] {
            check(&OneAndHalf((1.0 / scale) as f32), 1.5, scale);
            check(&Square((1.0 / scale) as f32), 2.0, scale);
            for halves in 1..=8 {
                let shape = f64::from(halves) / 2.0;
                check(&Halves::new(shape, scale), shape, scale);
                check(&Exponential::new(shape, scale), shape, scale);
            }
        }
    }

    #[test]
    fn halves_are_whole_and_half_exponents_up_to_four() {
        assert!([0.5, 1.0, 1.5, 2.5, 4.0].into_iter().all(Halves::fit));
        assert!(![0.25, 0.7, 2.25, 3.9, 4.5, 5.0, 64.0].into_iter().any(Halves::fit));
    }
}
