//! `exp` and its relatives on `f32` as branch-free arithmetic that the compiler turns into vector code.
//!
//! The system's `expf` and `logf` are calls, and a call in a loop keeps it scalar. These are polynomials with a
//! relative error below 2⁻²² against the exact value on their whole domain (measured below).

/// `exp` of it is the greatest power that `f32` holds with room for a factor of two: the one place where a ratio
/// saturates, because the formula itself would overflow.
pub const LOG_LIMIT: f32 = 88.0;

/// Below it `exp` is 0: results under 2⁻¹²⁶ would be subnormal, slow and without precision.
pub const LOG_UNDERFLOW: f32 = -87.336_54;

/// Where [`ln_2_cosh_half`] ends.
pub(crate) const NEAR: f64 = 2.0;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts; a product of the first with a whole number up to 127 is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Adding 1.5·2²³ rounds to a whole number and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;

/// The parts of `exp(x) = scale·(1 + f + f²·p)`: `f` is the reduced argument, `square` is `f²·p`.
#[derive(Clone, Copy)]
pub(crate) struct Parts {
    pub scale: f32,
    pub f: f32,
    pub square: f32,
}

#[inline(always)]
pub(crate) fn lesser(x: f32, limit: f32) -> f32 {
    if x < limit { x } else { limit }
}

#[inline(always)]
pub(crate) fn greater(x: f32, limit: f32) -> f32 {
    if x > limit { x } else { limit }
}

/// Saturates at [`LOG_LIMIT`] above and at [`LOG_UNDERFLOW`] below.
#[inline(always)]
pub(crate) fn parts(x: f32) -> Parts {
    parts_within(greater(lesser(x, LOG_LIMIT), LOG_UNDERFLOW))
}

/// [`parts`] of a number that is known to lie between the limits.
#[inline(always)]
pub(crate) fn parts_within(x: f32) -> Parts {
    let shifted = x.mul_add(LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let f = whole.mul_add(-LN_2_LOW, whole.mul_add(-LN_2_HIGH, x));
    // e^f = 1 + f + f²·p(f) on |f| ≤ ln2/2, p in Chebyshev approximation: relative error 8e-9 before rounding
    let f2 = f * f;
    let p = 1.392_621_3e-3_f32.mul_add(f2, 8.363_203e-3_f32.mul_add(f, 4.166_655_4e-2));
    let p = p.mul_add(f2, 1.666_657_7e-1_f32.mul_add(f, 0.5));
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    Parts { scale, f, square: f2 * p }
}

impl Parts {
    #[inline(always)]
    pub fn exp(self) -> f32 {
        self.scale.mul_add(self.f + self.square, self.scale)
    }

    /// `exp(x) − 1` without cancellation near 0.
    #[inline(always)]
    pub fn exp_m1(self) -> f32 {
        self.scale.mul_add(self.f + self.square, self.scale - 1.0)
    }

    /// `exp(x) − 1 − x` without cancellation near 0.
    #[inline(always)]
    pub fn exp_m1_minus(self, x: f32) -> f32 {
        if self.scale == 1.0 { self.square } else { self.exp_m1() - x }
    }
}

/// `exp(x)`; 0 below [`LOG_UNDERFLOW`], `exp(88)` above [`LOG_LIMIT`].
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // below its limit the result is thrown away, whatever it is
    let value = parts_within(lesser(x, LOG_LIMIT)).exp();
    if x > LOG_UNDERFLOW { value } else { 0.0 }
}

/// [`exp`] of a number that is not positive.
#[inline(always)]
pub(crate) fn exp_negative(x: f32) -> f32 {
    let value = parts_within(x).exp();
    if x > LOG_UNDERFLOW { value } else { 0.0 }
}

/// `ln(1 + y)` for `0 ≤ y ≤ 1`, as `2·atanh(y/(2 + y))`.
#[inline(always)]
pub(crate) fn ln_1p(y: f32) -> f32 {
    let s = y / (2.0 + y);
    let q = s * s;
    // atanh(s)/s = 1 + q·p(q) on q ≤ 1/9, p in Chebyshev approximation: relative error 4e-10 before rounding
    let p = 0.116_121_65_f32;
    let p = p.mul_add(q, 0.108_532_88);
    let p = p.mul_add(q, 0.142_961_8);
    let p = p.mul_add(q, 0.199_998_53);
    let p = p.mul_add(q, 0.333_333_34);
    let s2 = s + s;
    s2.mul_add(q * p, s2)
}

/// `ln(2·cosh(x/2))`, the even part of `ln(1 + eˣ)`, for `|x| ≤ NEAR`.
#[inline(always)]
pub(crate) fn ln_2_cosh_half(x: f32) -> f32 {
    let q = x * x;
    // ln 2 + q·p(q) on q ≤ NEAR², p in Chebyshev approximation: error 4e-9 before rounding
    let q2 = q * q;
    let p = 5.282_04e-9_f32.mul_add(q2, (-1.357_752_2e-7_f32).mul_add(q, 2.028_559_5e-6));
    let p = p.mul_add(q2, (-2.621_244_1e-5_f32).mul_add(q, 3.471_337_8e-4));
    let p = p.mul_add(q2, (-5.208_312e-3_f32).mul_add(q, 0.125));
    q.mul_add(p, std::f32::consts::LN_2)
}

/// `ln(x)` for normal `x > 0`.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    // mantissa into [√½, √2): subtracting the bits of √½ carries into the exponent exactly there
    const ROOT_HALF: u32 = 0x3f35_04f3;
    let shifted = x.to_bits().wrapping_sub(ROOT_HALF);
    let exponent = ((shifted as i32) >> 23) as f32;
    let mantissa = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(ROOT_HALF));
    let m = mantissa - 1.0;
    let s = m / (2.0 + m);
    let q = s * s;
    // as in ln_1p, on q ≤ (3 − √8)²: relative error 3e-9 before rounding
    let p = 0.147_899_75;
    let p = p * q + 0.199_943_9;
    let p = p * q + 0.333_333_43;
    let s2 = s + s;
    (s2 + s2 * (q * p) + exponent * LN_2_LOW) + exponent * LN_2_HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2⁻²², four roundings of `f32`.
    const TOLERANCE: f64 = 2.4e-7;

    fn check(name: &str, x: f32, got: f32, exact: f64) {
        let error = (f64::from(got) - exact).abs() / exact.abs().max(f64::MIN_POSITIVE);
        assert!(error <= TOLERANCE, "{name}({x:e}) is {got:e}, exactly {exact:e}: relative error {error:.1e}");
    }

    /// Steps of irregular size through an interval.
    fn grid(low: f32, high: f32) -> impl Iterator<Item = f32> {
        const STEPS: u32 = 200_003;
        (0..=STEPS).map(move |i| low + (high - low) * (f64::from(i) / f64::from(STEPS)) as f32)
    }

    #[test]
    fn exp_is_accurate_where_f32_is() {
        for x in grid(LOG_UNDERFLOW + 1e-4, LOG_LIMIT).chain(grid(-1.0, 1.0)).chain(grid(-1e-3, 1e-3)) {
            check("exp", x, exp(x), f64::from(x).exp());
            if (-64.0..=64.0).contains(&x) {
                check("exp within", x, parts_within(x).exp(), f64::from(x).exp());
            }
        }
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn exp_saturates_and_vanishes() {
        for x in [-87.4, -100.0, -1e4, f32::MIN, f32::NEG_INFINITY] {
            assert_eq!(exp(x), 0.0, "{x}");
        }
        for x in [88.0, 88.1, 1e4, f32::MAX, f32::INFINITY] {
            check("exp", x, exp(x), 88.0_f64.exp());
        }
        assert!(exp(LOG_LIMIT) * 2.0 < f32::MAX);
    }

    #[test]
    fn differences_do_not_cancel() {
        for x in grid(-1.0, 1.0).chain(grid(-1e-3, 1e-3)).chain(grid(-80.0, 80.0)).filter(|x| x.abs() > 1e-12) {
            check("exp_m1", x, parts(x).exp_m1(), f64::from(x).exp_m1());
        }
        // exp(x) − 1 − x is of order x²: relative to itself where one octave's reduction is 0, to x beyond
        for x in grid(-0.34, 0.34).filter(|x| x.abs() > 1e-6) {
            let exact = f64::from(x);
            let series = exact
                * exact
                * (0.5
                    + exact / 6.0
                    + exact * exact / 24.0
                    + exact.powi(3) / 120.0
                    + exact.powi(4) / 720.0
                    + exact.powi(5) / 5040.0
                    + exact.powi(6) / 40320.0);
            let got = f64::from(parts(x).exp_m1_minus(x));
            // the polynomial alone, whose error is not diluted by 1 + f
            assert!((got - series).abs() <= 2.0 * TOLERANCE * series, "{x}: {got:e} against {series:e}");
        }
        for x in grid(-80.0, 80.0).filter(|x| x.abs() > 0.36) {
            let exact = f64::from(x).exp_m1() - f64::from(x);
            let got = f64::from(parts(x).exp_m1_minus(x));
            assert!(
                (got - exact).abs() <= TOLERANCE * (exact.abs() + f64::from(x).abs()),
                "{x}: {got} against {exact}"
            );
        }
        assert_eq!(parts(0.0).exp_m1_minus(0.0), 0.0);
    }

    #[test]
    fn the_even_part_of_softplus_is_accurate() {
        let near = NEAR as f32;
        for x in grid(-near, near) {
            check("ln_2_cosh_half", x, ln_2_cosh_half(x), (2.0 * (f64::from(x) / 2.0).cosh()).ln());
        }
        for x in grid(LOG_UNDERFLOW + 1e-4, 0.0) {
            check("exp_negative", x, exp_negative(x), f64::from(x).exp());
        }
        assert_eq!(exp_negative(-1e4), 0.0);
    }

    #[test]
    fn logarithms_are_accurate() {
        for y in grid(0.0, 1.0).chain(grid(1e-9, 1e-3)).filter(|y| *y > 0.0) {
            check("ln_1p", y, ln_1p(y), f64::from(y).ln_1p());
        }
        assert_eq!(ln_1p(0.0), 0.0);
        for x in grid(0.5, 2.0).chain(grid(1e-3, 30.0)).chain(grid(1.0, 1e30)).chain([f32::MIN_POSITIVE, f32::MAX]) {
            let exact = f64::from(x).ln();
            // next to 1 the difference of two rounded parts is exact, elsewhere relative to the exponent's part
            let error = (f64::from(ln(x)) - exact).abs();
            assert!(error <= TOLERANCE * exact.abs(), "ln({x:e}) is {}, exactly {exact}", ln(x));
        }
        assert_eq!(ln(1.0), 0.0);
    }
}
