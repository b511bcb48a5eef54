//! Evaluating an expression in double precision with error bounds.

use dashu_ratio::RBig;

use super::ball::Ball;
use crate::budget::{Budget, Outcome};
use crate::expr::{Arena, Constant, Function, Id, Node};

/// Largest argument of a factorial that fits a double.
const MAX_FACTORIAL: f64 = 170.0;

/// The value of `order`'s last node, where `point` gives each name's value; nothing where it is undefined or out of range.
/// `order` lists the nodes, children first.
pub(crate) fn evaluate(
    arena: &Arena,
    order: &[Id],
    point: &[f64],
    values: &mut Vec<Option<Ball>>,
    budget: &mut Budget,
) -> Outcome<Option<Ball>> {
    budget.charge(2 * order.len() as u64)?;
    let Some(&root) = order.last() else { return Ok(None) };
    values.clear();
    values.resize(root as usize + 1, None);
    for &id in order {
        values[id as usize] = node(arena, id, point, values);
    }
    Ok(values[root as usize])
}

pub(super) fn rational(value: &RBig) -> Option<Ball> {
    let float = value.to_f64_fast();
    let exact = value.is_int() && float.abs() < 9e15;
    if exact { Ball::exact(float) } else { Ball::rounded(float) }
}

fn node(arena: &Arena, id: Id, point: &[f64], values: &[Option<Ball>]) -> Option<Ball> {
    let at = |id: Id| values[id as usize];
    match arena.node(id) {
        Node::Number(value) => rational(value),
        Node::Symbol(name) => Ball::exact(*point.get(*name as usize)?),
        Node::Constant(Constant::Pi) => Ball::rounded(std::f64::consts::PI),
        Node::Constant(Constant::E) => Ball::rounded(std::f64::consts::E),
        Node::Constant(Constant::I) => Some(Ball::I),
        Node::Constant(Constant::Infinity) => None,
        Node::Add(a, b) => at(*a)?.add(at(*b)?),
        Node::Mul(a, b) => at(*a)?.mul(at(*b)?),
        Node::Div(a, b) => at(*a)?.mul(at(*b)?.inverse()?),
        Node::Pow(a, b) => {
            if let Some(exponent) = arena.rational(*b)
                && exponent.denominator() == &dashu_int::UBig::from(2u8)
                && let Some(twice) = crate::expr::build_small(&(exponent * RBig::from(2)))
            {
                return at(*a)?.sqrt()?.powi(twice);
            }
            at(*a)?.pow(at(*b)?)
        }
        Node::Neg(a) => Some(at(*a)?.neg()),
        Node::Call(function, a) => call(*function, at(*a)?),
        Node::Call2(function, a, b) => call2(*function, at(*a)?, at(*b)?),
        Node::Apply(name, a) => unknown(*name, at(*a)?),
        Node::PlusMinus(..) | Node::Series { .. } => None,
    }
}

fn call(function: Function, x: Ball) -> Option<Ball> {
    use Function as F;
    let within_one = |x: Ball| x.real && x.re.abs() + x.rad <= 1.0;
    match function {
        F::Sin => Some(x.sin_cos()?.0),
        F::Cos => Some(x.sin_cos()?.1),
        F::Tan => x.sin_cos().and_then(|(s, c)| s.mul(c.inverse()?)),
        F::Cot => x.sin_cos().and_then(|(s, c)| c.mul(s.inverse()?)),
        F::Sec => x.sin_cos()?.1.inverse(),
        F::Csc => x.sin_cos()?.0.inverse(),
        F::Asin if within_one(x) => x.monotone(f64::asin),
        F::Acos if within_one(x) => x.monotone(f64::acos),
        F::Atan => x.monotone(f64::atan),
        F::Acot => x.monotone(|x| std::f64::consts::FRAC_PI_2 - x.atan()),
        F::Asec => call(F::Acos, x.inverse()?),
        F::Acsc => call(F::Asin, x.inverse()?),
        F::Sinh => x.exp()?.add(x.neg().exp()?.neg())?.mul(Ball::exact(0.5)?),
        F::Cosh => x.exp()?.add(x.neg().exp()?)?.mul(Ball::exact(0.5)?),
        F::Tanh => call(F::Sinh, x)?.mul(call(F::Cosh, x)?.inverse()?),
        F::Asinh => x.monotone(f64::asinh),
        F::Acosh if x.real && x.re - x.rad >= 1.0 => x.monotone(f64::acosh),
        F::Atanh if x.real && x.re.abs() + x.rad < 1.0 => x.monotone(f64::atanh),
        F::Ln | F::Log => x.ln(),
        F::Log10 => x.ln()?.mul(Ball::rounded(std::f64::consts::LN_10)?.inverse()?),
        F::Exp => x.exp(),
        F::Abs => x.abs(),
        F::Floor => x.step(f64::floor),
        F::Ceil => x.step(f64::ceil),
        F::Sign if x.real && x.nonzero() => Ball::exact(x.re.signum()),
        F::Re => Ball::real(x.re, x.rad),
        F::Im => Ball::real(x.im, if x.real { 0.0 } else { x.rad }),
        F::Factorial | F::DoubleFactorial => factorial(x, if function == F::Factorial { 1.0 } else { 2.0 }),
        _ => None,
    }
}

fn whole(x: Ball) -> Option<f64> {
    (x.real && x.rad == 0.0 && x.re.fract() == 0.0).then_some(x.re)
}

fn factorial(x: Ball, step: f64) -> Option<Ball> {
    let mut k = whole(x).filter(|n| (0.0..=MAX_FACTORIAL).contains(n))?;
    let mut product = Ball::exact(1.0)?;
    while k > 1.0 {
        product = product.mul(Ball::exact(k)?)?;
        k -= step;
    }
    Some(product)
}

fn call2(function: Function, x: Ball, y: Ball) -> Option<Ball> {
    match function {
        Function::Binomial => {
            let k = whole(y).filter(|k| (0.0..=MAX_FACTORIAL).contains(k))?;
            let mut value = Ball::exact(1.0)?;
            for j in 0..k as u32 {
                let factor = x.add(Ball::exact(-f64::from(j))?)?;
                value = value.mul(factor)?.mul(Ball::exact(f64::from(j) + 1.0)?.inverse()?)?;
            }
            Some(value)
        }
        Function::Root => {
            let n = whole(y).filter(|n| *n != 0.0 && n.abs() < 1e6)?;
            if x.real && x.re == 0.0 && x.rad == 0.0 {
                return Some(x);
            }
            let odd_negative = n % 2.0 != 0.0 && x.real && x.re < 0.0 && x.nonzero();
            let base = if odd_negative { x.neg() } else { x };
            let root = base.ln()?.mul(y.inverse()?)?.exp()?;
            Some(if odd_negative { root.neg() } else { root })
        }
        Function::Max | Function::Min if x.real && y.real => {
            let greater = x.re - x.rad > y.re + y.rad;
            if greater == (function == Function::Max) && (greater || x.differs(y)) {
                Some(x)
            } else {
                Some(y).filter(|_| x.differs(y))
            }
        }
        Function::Mod => {
            let quotient = call(Function::Floor, x.mul(y.inverse()?)?)?;
            x.add(y.mul(quotient)?.neg())
        }
        Function::Gcd | Function::Lcm => {
            let (mut a, mut b) = (whole(x)?.abs(), whole(y)?.abs());
            let product = a * b;
            while b > 0.0 {
                (a, b) = (b, a % b);
            }
            Ball::exact(if function == Function::Gcd { a } else { product / a.max(1.0) }).filter(|_| product < 1e15)
        }
        _ => None,
    }
}

/// An unknown function as some smooth function that belongs to its name: equal arguments give equal values, and nothing else is
/// assumed of it.
fn unknown(name: u32, x: Ball) -> Option<Ball> {
    let seed = f64::from(name);
    let (a, b, c) = (0.618_034 + seed.sin(), 1.324_718 + (seed * 1.7).cos(), 0.754_878 + (2.3 * seed).sin());
    let square = x.mul(x)?;
    let cubic = square.mul(x)?.mul(Ball::exact(0.173_205)?)?;
    let terms = [x.mul(Ball::exact(b)?)?, square.mul(Ball::exact(c)?)?, cubic];
    terms.into_iter().try_fold(Ball::exact(a + 2.0)?, Ball::add)
}
