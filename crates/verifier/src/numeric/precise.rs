//! Complex numbers with as many bits as asked for, with a rigorous bound on their error.

use dashu_float::round::mode::HalfEven;
use dashu_float::{Context, FBig};
use dashu_int::IBig;
use dashu_ratio::RBig;

use super::disc::{Disc, Real};

type Big = FBig<HalfEven, 2>;

/// Bits by which one operation may be off beyond its rounding; the bound counts some operations at once.
const SLACK: i32 = 6;
/// Arguments of exponentials and circular functions beyond this size are given up.
const MAX_ARGUMENT: f64 = 600.0;

#[derive(Debug, Clone)]
pub(crate) struct Precise {
    re: Big,
    im: Big,
    rad: f64,
    real: bool,
    bits: usize,
}

fn float(value: &Big) -> f64 {
    value.to_f64().value()
}

impl Precise {
    fn eps(&self) -> f64 {
        2f64.powi(SLACK - self.bits as i32)
    }

    fn context(&self) -> Context<HalfEven> {
        Context::new(self.bits)
    }

    /// A value with its radius; out of the range of doubles it is given up.
    fn new(re: Big, im: Big, rad: f64, real: bool, bits: usize) -> Option<Self> {
        let size = float(&re).abs().max(float(&im).abs());
        let im = if real { Big::ZERO } else { im };
        (rad.is_finite() && size < 1e250).then_some(Precise { re, im, rad: rad * (1.0 + 1e-9), real, bits })
    }

    fn from_real(re: Big, rad: f64, bits: usize) -> Option<Self> {
        Precise::new(re, Big::ZERO, rad, true, bits)
    }

    fn size(&self) -> f64 {
        float(&self.re).hypot(float(&self.im)) * (1.0 + 1e-12)
    }

    /// Lower bound of the absolute value.
    fn at_least(&self) -> f64 {
        self.size() * (1.0 - 1e-9) - self.rad
    }

    fn sum(&self, a: &Big, b: &Big) -> Option<Big> {
        Some(self.context().add(a.repr(), b.repr()).ok()?.value())
    }

    fn product(&self, a: &Big, b: &Big) -> Option<Big> {
        Some(self.context().mul(a.repr(), b.repr()).ok()?.value())
    }

    fn quotient(&self, a: &Big, b: &Big) -> Option<Big> {
        Some(self.context().div(a.repr(), b.repr()).ok()?.value())
    }

    fn half(&self) -> Option<Self> {
        Precise::rational(&RBig::from_parts(IBig::ONE, 2u8.into()), self.bits)
    }
}

impl Disc for Precise {
    fn rational(value: &RBig, bits: usize) -> Option<Self> {
        let big: Big = value.to_float(bits).value();
        let size = float(&big).abs();
        let exact = value.is_int() && crate::expr::bits(value) < bits;
        Precise::from_real(big, if exact { 0.0 } else { size * 2f64.powi(1 - bits as i32) }, bits)
    }

    fn pi(bits: usize) -> Option<Self> {
        let pi: Big = Context::<HalfEven>::new(bits).pi(None).value();
        Precise::from_real(pi, 2f64.powi(4 - bits as i32), bits)
    }

    fn e(bits: usize) -> Option<Self> {
        Precise::rational(&RBig::ONE, bits)?.exp()
    }

    fn i(bits: usize) -> Option<Self> {
        Some(Precise { re: Big::ZERO, im: Big::ONE, rad: 0.0, real: false, bits })
    }

    fn add(&self, b: &Self) -> Option<Self> {
        let (re, im) = (self.sum(&self.re, &b.re)?, self.sum(&self.im, &b.im)?);
        let exact = self.whole().is_some() && b.whole().is_some();
        let rounding = if exact { 0.0 } else { self.eps() * float(&re).hypot(float(&im)) };
        Precise::new(re, im, self.rad + b.rad + rounding, self.real && b.real, self.bits)
    }

    fn mul(&self, b: &Self) -> Option<Self> {
        let real = self.real && b.real;
        let (re, im) = if real {
            (self.product(&self.re, &b.re)?, Big::ZERO)
        } else {
            let re = self.sum(&self.product(&self.re, &b.re)?, &-self.product(&self.im, &b.im)?)?;
            (re, self.sum(&self.product(&self.re, &b.im)?, &self.product(&self.im, &b.re)?)?)
        };
        let (x, y) = (self.size(), b.size());
        let exact = self.whole().is_some() && b.whole().is_some();
        let rounding = if exact { 0.0 } else { self.eps() * x * y };
        Precise::new(re, im, x * b.rad + y * self.rad + self.rad * b.rad + rounding, real, self.bits)
    }

    fn neg(&self) -> Self {
        Precise { re: -self.re.clone(), im: -self.im.clone(), ..self.clone() }
    }

    fn inverse(&self) -> Option<Self> {
        let least = self.at_least();
        let size = self.size();
        if least <= 0.0 || size < 1e-150 {
            return None;
        }
        let rad = self.rad / (size * least) * (1.0 + 1e-9) + self.eps() / least;
        if self.real {
            return Precise::from_real(self.quotient(&Big::ONE, &self.re)?, rad, self.bits);
        }
        let square = self.sum(&self.product(&self.re, &self.re)?, &self.product(&self.im, &self.im)?)?;
        let (re, im) = (self.quotient(&self.re, &square)?, self.quotient(&-self.im.clone(), &square)?);
        Precise::new(re, im, rad, false, self.bits)
    }

    fn exp(&self) -> Option<Self> {
        let (re, im) = self.center();
        if re.abs() > MAX_ARGUMENT || im.abs() > MAX_ARGUMENT || self.rad > 1.0 {
            return None;
        }
        let size: Big = self.context().exp(self.re.repr(), None).ok()?.value();
        let scale = float(&size);
        let rad = scale * self.rad.exp_m1() * (1.0 + 1e-9) + self.eps() * scale * 4.0;
        if self.real {
            return Precise::from_real(size, rad, self.bits);
        }
        let (sine, cosine) = self.context().sin_cos(self.im.repr(), None);
        let (sine, cosine) = (sine.ok()?.value(), cosine.ok()?.value());
        Precise::new(self.product(&size, &cosine)?, self.product(&size, &sine)?, rad, false, self.bits)
    }

    fn ln(&self) -> Option<Self> {
        let least = self.at_least();
        if least <= 0.0 {
            return None;
        }
        let (re, im) = self.center();
        let rad = self.rad / least + self.eps() * 8.0;
        let positive = |x: &Big| -> Option<Big> { Some(self.context().ln(x.repr(), None).ok()?.value()) };
        if self.real {
            let size = if re < 0.0 { -self.re.clone() } else { self.re.clone() };
            let log = positive(&size)?;
            let rad = rad + self.eps() * float(&log).abs();
            return if re > 0.0 {
                Precise::from_real(log, rad, self.bits)
            } else {
                Precise::new(log, Precise::pi(self.bits)?.re, rad, false, self.bits)
            };
        }
        if re - self.rad <= 0.0 && im.abs() * (1.0 - 1e-9) <= self.rad {
            return None;
        }
        let square = self.sum(&self.product(&self.re, &self.re)?, &self.product(&self.im, &self.im)?)?;
        let log = self.product(&positive(&square)?, &self.half()?.re)?;
        let angle: Big = self.context().atan2(self.im.repr(), self.re.repr(), None).ok()?.value();
        let rad = rad + self.eps() * (float(&log).abs() + 8.0);
        Precise::new(log, angle, rad, false, self.bits)
    }

    fn sqrt(&self) -> Option<Self> {
        if !self.real {
            return self.ln()?.mul(&self.half()?)?.exp();
        }
        if self.whole() == Some(0.0) {
            return Some(self.clone());
        }
        if self.at_least() <= 0.0 {
            return None;
        }
        let negative = self.center().0 < 0.0;
        let size = if negative { -self.re.clone() } else { self.re.clone() };
        let root: Big = self.context().sqrt(size.repr()).ok()?.value();
        let scale = float(&root);
        let rad = self.rad / scale + self.eps() * scale;
        if negative {
            Precise::new(Big::ZERO, root, rad, false, self.bits)
        } else {
            Precise::from_real(root, rad, self.bits)
        }
    }

    fn sin_cos(&self) -> Option<(Self, Self)> {
        if self.real {
            if self.size() > 1e6 {
                return None;
            }
            let (sine, cosine) = self.context().sin_cos(self.re.repr(), None);
            let rad = self.rad + self.eps();
            return Some((
                Precise::from_real(sine.ok()?.value(), rad, self.bits)?,
                Precise::from_real(cosine.ok()?.value(), rad, self.bits)?,
            ));
        }
        let i = Precise::i(self.bits)?;
        let iz = self.mul(&i)?;
        let (a, b, half) = (iz.exp()?, iz.neg().exp()?, self.half()?);
        let sine = a.sub(&b)?.mul(&half)?.mul(&i.neg())?;
        Some((sine, a.add(&b)?.mul(&half)?))
    }

    fn real_function(&self, function: Real) -> Option<Self> {
        if !self.real {
            return None;
        }
        let (x, context) = (self.re.repr(), self.context());
        let size = self.size() + self.rad;
        let low = self.center().0 * (1.0 - 1e-12) - self.rad;
        // At the ends of the domain the derivative has no bound.
        let inside = 1.0 - size * size;
        let (value, slope) = match function {
            Real::Asin if inside > 1e-9 => (context.asin(x, None), 1.0 / inside.sqrt()),
            Real::Acos if inside > 1e-9 => (context.acos(x, None), 1.0 / inside.sqrt()),
            Real::Atan => (context.atan(x, None), 1.0),
            Real::Asinh => (context.asinh(x, None), 1.0),
            Real::Acosh if low > 1.000_001 => (context.acosh(x, None), 1.0 / (low * low - 1.0).sqrt()),
            Real::Atanh if inside > 1e-9 => (context.atanh(x, None), 1.0 / inside),
            Real::Asin | Real::Acos if self.whole().is_some_and(|n| n.abs() <= 1.0) => {
                let value = if matches!(function, Real::Asin) { context.asin(x, None) } else { context.acos(x, None) };
                (value, 0.0)
            }
            _ => return None,
        };
        let value: Big = value.ok()?.value();
        let rad = self.rad * slope * (1.0 + 1e-9) + self.eps() * (1.0 + float(&value).abs());
        Precise::from_real(value, rad, self.bits)
    }

    fn floor(&self) -> Option<Self> {
        if !self.real || self.size() > 1e15 {
            return None;
        }
        let floor = self.re.floor();
        // The whole disc must lie between two whole numbers.
        let above = float(&self.sum(&self.re, &-floor.clone())?);
        let clear =
            self.whole().is_some() || above * (1.0 - 1e-9) > self.rad && (1.0 - above) * (1.0 - 1e-9) > self.rad;
        if clear { Precise::from_real(floor, 0.0, self.bits) } else { None }
    }

    fn abs(&self) -> Option<Self> {
        if self.real {
            let re = if self.center().0 < 0.0 { -self.re.clone() } else { self.re.clone() };
            return Precise::from_real(re, self.rad, self.bits);
        }
        let square = self.sum(&self.product(&self.re, &self.re)?, &self.product(&self.im, &self.im)?)?;
        let root: Big = self.context().sqrt(square.repr()).ok()?.value();
        let rad = self.rad + self.eps() * float(&root);
        Precise::from_real(root, rad, self.bits)
    }

    fn re(&self) -> Option<Self> {
        Precise::from_real(self.re.clone(), self.rad, self.bits)
    }

    fn im(&self) -> Option<Self> {
        Precise::from_real(self.im.clone(), if self.real { 0.0 } else { self.rad }, self.bits)
    }

    fn whole(&self) -> Option<f64> {
        let value = float(&self.re);
        (self.real && self.rad == 0.0 && value.abs() < 9e15 && value.fract() == 0.0).then_some(value)
    }

    fn is_real(&self) -> bool {
        self.real
    }

    fn center(&self) -> (f64, f64) {
        (float(&self.re), float(&self.im))
    }

    fn radius(&self) -> f64 {
        self.rad
    }
}
