//! What evaluation needs of a number with error bounds, at whatever precision.

use dashu_ratio::RBig;

use super::ball::Ball;

/// Real functions with one argument that both precisions have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Real {
    Asin,
    Acos,
    Atan,
    Asinh,
    Acosh,
    Atanh,
}

/// A disc in the complex plane that holds the true value.
pub(crate) trait Disc: Clone {
    fn rational(value: &RBig, bits: usize) -> Option<Self>;
    fn pi(bits: usize) -> Option<Self>;
    fn e(bits: usize) -> Option<Self>;
    fn i(bits: usize) -> Option<Self>;
    fn add(&self, other: &Self) -> Option<Self>;
    fn mul(&self, other: &Self) -> Option<Self>;
    fn neg(&self) -> Self;
    fn inverse(&self) -> Option<Self>;
    fn exp(&self) -> Option<Self>;
    fn ln(&self) -> Option<Self>;
    fn sqrt(&self) -> Option<Self>;
    fn sin_cos(&self) -> Option<(Self, Self)>;
    fn real_function(&self, function: Real) -> Option<Self>;
    fn floor(&self) -> Option<Self>;
    fn abs(&self) -> Option<Self>;
    fn re(&self) -> Option<Self>;
    fn im(&self) -> Option<Self>;
    /// The value where it is known to be that whole number.
    fn whole(&self) -> Option<f64>;
    /// Whether it is on the real line for certain.
    fn is_real(&self) -> bool;
    /// Midpoint, roughly.
    fn center(&self) -> (f64, f64);
    fn radius(&self) -> f64;

    fn sub(&self, other: &Self) -> Option<Self> {
        self.add(&other.neg())
    }

    fn over(&self, other: &Self) -> Option<Self> {
        self.mul(&other.inverse()?)
    }

    /// Whether it is surely not zero.
    fn nonzero(&self) -> bool {
        let (re, im) = self.center();
        re.hypot(im) * (1.0 - 1e-10) > self.radius()
    }

    /// Whether it is surely off the real line.
    fn nonreal(&self) -> bool {
        !self.is_real() && self.center().1.abs() * (1.0 - 1e-10) > self.radius()
    }

    /// Bits to which the value is known, relative to its size.
    fn known_bits(&self) -> u32 {
        let (re, im) = self.center();
        let size = re.hypot(im).max(1e-300);
        if self.radius() == 0.0 { 1_000 } else { (size / self.radius()).log2().clamp(0.0, 1_000.0) as u32 }
    }

    /// `self^n` by squaring.
    fn powi(&self, n: i64, bits: usize) -> Option<Self> {
        let mut power = Self::rational(&RBig::ONE, bits)?;
        for bit in (0..64 - n.unsigned_abs().leading_zeros()).rev() {
            power = power.mul(&power)?;
            if n.unsigned_abs() >> bit & 1 == 1 {
                power = power.mul(self)?;
            }
        }
        if n < 0 { power.inverse() } else { Some(power) }
    }

    fn pow(&self, exponent: &Self, bits: usize) -> Option<Self> {
        if let Some(n) = exponent.whole().filter(|n| n.abs() < 1e6) {
            return self.powi(n as i64, bits);
        }
        if self.whole() == Some(0.0) && exponent.is_real() && exponent.nonzero() && exponent.center().0 > 0.0 {
            return Some(self.clone());
        }
        self.ln()?.mul(exponent)?.exp()
    }
}

impl Disc for Ball {
    fn rational(value: &RBig, _bits: usize) -> Option<Self> {
        let float = value.to_f64_fast();
        let exact = value.is_int() && float.abs() < 9e15;
        if exact { Ball::exact(float) } else { Ball::rounded(float) }
    }

    fn pi(_bits: usize) -> Option<Self> {
        Ball::rounded(std::f64::consts::PI)
    }

    fn e(_bits: usize) -> Option<Self> {
        Ball::rounded(std::f64::consts::E)
    }

    fn i(_bits: usize) -> Option<Self> {
        Some(Ball::I)
    }

    fn add(&self, other: &Self) -> Option<Self> {
        Ball::add(*self, *other)
    }

    fn mul(&self, other: &Self) -> Option<Self> {
        Ball::mul(*self, *other)
    }

    fn neg(&self) -> Self {
        Ball::neg(*self)
    }

    fn inverse(&self) -> Option<Self> {
        Ball::inverse(*self)
    }

    fn exp(&self) -> Option<Self> {
        Ball::exp(*self)
    }

    fn ln(&self) -> Option<Self> {
        Ball::ln(*self)
    }

    fn sqrt(&self) -> Option<Self> {
        Ball::sqrt(*self)
    }

    fn sin_cos(&self) -> Option<(Self, Self)> {
        Ball::sin_cos(*self)
    }

    fn real_function(&self, function: Real) -> Option<Self> {
        let (size, low) = (self.re.abs() + self.rad, self.re - self.rad);
        match function {
            Real::Asin if size <= 1.0 => self.monotone(f64::asin),
            Real::Acos if size <= 1.0 => self.monotone(f64::acos),
            Real::Atan => self.monotone(f64::atan),
            Real::Asinh => self.monotone(f64::asinh),
            Real::Acosh if low >= 1.0 => self.monotone(f64::acosh),
            Real::Atanh if size < 1.0 => self.monotone(f64::atanh),
            _ => None,
        }
    }

    fn floor(&self) -> Option<Self> {
        self.step(f64::floor)
    }

    fn abs(&self) -> Option<Self> {
        Ball::abs(*self)
    }

    fn re(&self) -> Option<Self> {
        Ball::real(self.re, self.rad)
    }

    fn im(&self) -> Option<Self> {
        Ball::real(self.im, if self.real { 0.0 } else { self.rad })
    }

    fn whole(&self) -> Option<f64> {
        (self.real && self.rad == 0.0 && self.re.fract() == 0.0).then_some(self.re)
    }

    fn is_real(&self) -> bool {
        self.real
    }

    fn center(&self) -> (f64, f64) {
        (self.re, self.im)
    }

    fn radius(&self) -> f64 {
        self.rad
    }
}
