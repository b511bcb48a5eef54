//! Complex numbers in double precision with a rigorous bound on their error.

use std::f64::consts::PI;

/// Relative error of one operation of the standard library's functions, with room to spare.
const EPS: f64 = 4.0 * f64::EPSILON;

/// A disc that holds the true value: midpoint and radius. `real` says that the value is on the real line for certain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ball {
    pub(crate) re: f64,
    pub(crate) im: f64,
    pub(crate) rad: f64,
    pub(crate) real: bool,
}

impl Ball {
    pub(crate) fn real(re: f64, rad: f64) -> Option<Ball> {
        (re.is_finite() && rad.is_finite()).then_some(Ball { re, im: 0.0, rad, real: true })
    }

    pub(crate) fn exact(re: f64) -> Option<Ball> {
        Ball::real(re, 0.0)
    }

    pub(crate) fn rounded(re: f64) -> Option<Ball> {
        Ball::real(re, re.abs() * EPS)
    }

    pub(crate) const I: Ball = Ball { re: 0.0, im: 1.0, rad: 0.0, real: false };

    fn new(re: f64, im: f64, rad: f64, real: bool) -> Option<Ball> {
        let im = if real { 0.0 } else { im };
        (re.is_finite() && im.is_finite() && rad.is_finite()).then_some(Ball { re, im, rad, real })
    }

    pub(crate) fn abs_mid(self) -> f64 {
        self.re.hypot(self.im)
    }

    /// Bounds of a real value.
    fn ends(self) -> (f64, f64) {
        (self.re - self.rad, self.re + self.rad)
    }

    /// Whether the value is surely not zero.
    pub(crate) fn nonzero(self) -> bool {
        self.abs_mid() * (1.0 - EPS) > self.rad
    }

    pub(crate) fn neg(self) -> Ball {
        Ball { re: -self.re, im: -self.im, ..self }
    }

    pub(crate) fn add(self, b: Ball) -> Option<Ball> {
        let (re, im) = (self.re + b.re, self.im + b.im);
        // Exact whole numbers stay exact.
        let exact = self.rad == 0.0 && b.rad == 0.0 && small_whole(self) && small_whole(b);
        let rounding = if exact { 0.0 } else { EPS * (re.abs() + im.abs()) };
        Ball::new(re, im, self.rad + b.rad + rounding, self.real && b.real)
    }

    pub(crate) fn mul(self, b: Ball) -> Option<Ball> {
        let (re, im) = if self.real && b.real {
            (self.re * b.re, 0.0)
        } else {
            (self.re * b.re - self.im * b.im, self.re * b.im + self.im * b.re)
        };
        let (x, y) = (self.abs_mid(), b.abs_mid());
        let exact = self.rad == 0.0 && b.rad == 0.0 && small_whole(self) && small_whole(b) && x * y < 1e15;
        let rounding = if exact { 0.0 } else { EPS * x * y + f64::MIN_POSITIVE };
        Ball::new(re, im, (x * b.rad + y * self.rad + self.rad * b.rad) * (1.0 + EPS) + rounding, self.real && b.real)
    }

    pub(crate) fn inverse(self) -> Option<Ball> {
        if !self.nonzero() {
            return None;
        }
        let abs = self.abs_mid();
        let square = abs * abs;
        let rad = self.rad / (abs * (abs - self.rad)) * (1.0 + EPS) + EPS / abs;
        let (re, im) = if self.real { (1.0 / self.re, 0.0) } else { (self.re / square, -self.im / square) };
        Ball::new(re, im, rad, self.real)
    }

    pub(crate) fn exp(self) -> Option<Ball> {
        if self.real && self.rad > 1.0 && self.re + self.rad < -40.0 {
            // Between zero and the value at the upper end, however wide the disc.
            let half = 0.5 * (self.re + self.rad).exp();
            return Ball::real(half, half * (1.0 + EPS) + f64::MIN_POSITIVE);
        }
        if self.re > 700.0 || self.rad > 1.0 {
            return None;
        }
        let size = self.re.exp();
        let rad = size * self.rad.exp_m1() * (1.0 + EPS)
            + 2.0 * EPS * size * (1.0 + self.re.abs() + self.im.abs())
            + f64::MIN_POSITIVE;
        Ball::new(size * self.im.cos(), size * self.im.sin(), rad, self.real)
    }

    pub(crate) fn ln(self) -> Option<Ball> {
        let abs = self.abs_mid();
        if !self.nonzero() {
            return None;
        }
        let rad = -(-self.rad / abs).ln_1p() * (1.0 + EPS) + EPS * (1.0 + abs.ln().abs());
        if self.real {
            return if self.re > 0.0 {
                Ball::real(abs.ln(), rad)
            } else {
                Ball::new(abs.ln(), PI, rad + EPS * 4.0, false)
            };
        }
        // Across the cut on the negative axis the logarithm jumps.
        if self.re - self.rad < 0.0 && self.im.abs() <= self.rad {
            return None;
        }
        Ball::new(abs.ln(), self.im.atan2(self.re), rad + EPS * 4.0, false)
    }

    pub(crate) fn sqrt(self) -> Option<Ball> {
        if self.real {
            if self.re == 0.0 && self.rad == 0.0 {
                return Some(self);
            }
            if !self.nonzero() {
                return None;
            }
            let root = self.re.abs().sqrt();
            let rad = self.rad / root * (1.0 + EPS) + EPS * root;
            return if self.re > 0.0 { Ball::real(root, rad) } else { Ball::new(0.0, root, rad, false) };
        }
        self.ln()?.mul(Ball::exact(0.5)?)?.exp()
    }

    /// `sin` and `cos`.
    pub(crate) fn sin_cos(self) -> Option<(Ball, Ball)> {
        if self.real {
            let rad = self.rad + EPS;
            return Some((Ball::real(self.re.sin(), rad)?, Ball::real(self.re.cos(), rad)?));
        }
        // sin z = (e^{iz} − e^{−iz}) / 2i
        let iz = self.mul(Ball::I)?;
        let (a, b) = (iz.exp()?, iz.neg().exp()?);
        let half = Ball::exact(0.5)?;
        let sine = a.add(b.neg())?.mul(half)?.mul(Ball::I.neg())?;
        Some((sine, a.add(b)?.mul(half)?))
    }

    /// A monotone real function, by its values at both ends.
    pub(crate) fn monotone(self, f: fn(f64) -> f64) -> Option<Ball> {
        if !self.real {
            return None;
        }
        let (low, high) = self.ends();
        let (a, b) = (f(low), f(high));
        let mid = 0.5 * (a + b);
        Ball::real(mid, 0.5 * (a - b).abs() + EPS * (a.abs() + b.abs() + f64::MIN_POSITIVE))
    }

    /// A step function: known only where both ends give the same.
    pub(crate) fn step(self, f: fn(f64) -> f64) -> Option<Ball> {
        let (low, high) = self.ends();
        (self.real && f(low) == f(high)).then(|| Ball::exact(f(low)))?
    }

    pub(crate) fn abs(self) -> Option<Ball> {
        let abs = self.abs_mid();
        Ball::real(abs, self.rad + if self.real { 0.0 } else { EPS * abs })
    }

    /// Whether the two values surely differ.
    pub(crate) fn differs(self, b: Ball) -> bool {
        let distance = (self.re - b.re).hypot(self.im - b.im);
        distance * (1.0 - EPS) > (self.rad + b.rad) * (1.0 + EPS) + f64::MIN_POSITIVE
    }
}

fn small_whole(ball: Ball) -> bool {
    ball.re.abs() < 1e15 && ball.im.abs() < 1e15 && ball.re.fract() == 0.0 && ball.im.fract() == 0.0
}
