//! Evaluating an expression with error bounds, at any precision.

use dashu_ratio::RBig;

use super::disc::{Disc, Real};
use super::exact;
use crate::budget::{Budget, Outcome};
use crate::expr::{Arena, Constant, Function, Id, Node};

/// Largest argument of a factorial that fits a double.
const MAX_FACTORIAL: f64 = 170.0;

/// The value of `order`'s last node at `bits` of precision, where `point` gives each name's value; nothing where it is undefined or out of range.
/// `order` lists the nodes, children first.
pub(crate) fn evaluate<D: Disc>(
    arena: &Arena,
    order: &[Id],
    point: &[RBig],
    bits: usize,
    values: &mut Vec<Option<D>>,
    budget: &mut Budget,
) -> Outcome<Option<D>> {
    let step = if bits <= 53 { 2 } else { bits as u64 };
    budget.charge(order.len() as u64 * step)?;
    let Some(&root) = order.last() else { return Ok(None) };
    values.clear();
    values.resize(root as usize + 1, None);
    let exact = if order.iter().any(|&id| exact::jumps(arena.node(id))) {
        budget.charge(8 * order.len() as u64)?;
        exact::values(arena, order, point)
    } else {
        Vec::new()
    };
    for &id in order {
        values[id as usize] = match exact.get(id as usize) {
            Some(Some(value)) => D::rational(value, bits),
            _ => node(arena, id, point, bits, values),
        };
    }
    Ok(values[root as usize].clone())
}

pub(super) fn node<D: Disc>(arena: &Arena, id: Id, point: &[RBig], bits: usize, values: &[Option<D>]) -> Option<D> {
    let at = |id: Id| values[id as usize].as_ref();
    match arena.node(id) {
        Node::Number(value) => D::rational(value, bits),
        Node::Symbol(name) => D::rational(point.get(*name as usize)?, bits),
        Node::Constant(Constant::Pi) => D::pi(bits),
        Node::Constant(Constant::E) => D::e(bits),
        Node::Constant(Constant::I) => D::i(bits),
        Node::Constant(Constant::Infinity) => None,
        Node::Add(a, b) => at(*a)?.add(at(*b)?),
        Node::Mul(a, b) => at(*a)?.mul(at(*b)?),
        Node::Div(a, b) => at(*a)?.over(at(*b)?),
        Node::Pow(a, b) => {
            if let Some(exponent) = arena.rational(*b)
                && exponent.denominator() == &dashu_int::UBig::from(2u8)
                && let Some(twice) = crate::expr::build_small(&(exponent * RBig::from(2)))
            {
                return at(*a)?.sqrt()?.powi(twice, bits);
            }
            at(*a)?.pow(at(*b)?, bits)
        }
        Node::Neg(a) => Some(at(*a)?.neg()),
        Node::Call(function, a) => call(*function, at(*a)?, bits),
        Node::Call2(function, a, b) => call2(*function, at(*a)?, at(*b)?, bits),
        Node::Apply(name, a) => unknown(*name, at(*a)?, bits),
        Node::PlusMinus(..) | Node::Bound { .. } => None,
    }
}

fn number<D: Disc>(value: i64, bits: usize) -> Option<D> {
    D::rational(&RBig::from(value), bits)
}

fn half<D: Disc>(bits: usize) -> Option<D> {
    D::rational(&RBig::from_parts(dashu_int::IBig::ONE, 2u8.into()), bits)
}

fn call<D: Disc>(function: Function, x: &D, bits: usize) -> Option<D> {
    use Function as F;
    match function {
        F::Sin => Some(x.sin_cos()?.0),
        F::Cos => Some(x.sin_cos()?.1),
        F::Tan => x.sin_cos().and_then(|(s, c)| s.over(&c)),
        F::Cot => x.sin_cos().and_then(|(s, c)| c.over(&s)),
        F::Sec => x.sin_cos()?.1.inverse(),
        F::Csc => x.sin_cos()?.0.inverse(),
        F::Asin => x.real_function(Real::Asin),
        F::Acos => x.real_function(Real::Acos),
        F::Atan => x.real_function(Real::Atan),
        F::Acot => D::pi(bits)?.mul(&half(bits)?)?.sub(&x.real_function(Real::Atan)?),
        F::Asec => x.inverse()?.real_function(Real::Acos),
        F::Acsc => x.inverse()?.real_function(Real::Asin),
        F::Sinh => x.exp()?.sub(&x.neg().exp()?)?.mul(&half(bits)?),
        F::Cosh => x.exp()?.add(&x.neg().exp()?)?.mul(&half(bits)?),
        F::Tanh => call(F::Sinh, x, bits)?.over(&call(F::Cosh, x, bits)?),
        F::Asinh => x.real_function(Real::Asinh),
        F::Acosh => x.real_function(Real::Acosh),
        F::Atanh => x.real_function(Real::Atanh),
        F::Ln | F::Log => x.ln(),
        F::Log10 => x.ln()?.over(&number::<D>(10, bits)?.ln()?),
        F::Exp => x.exp(),
        F::Abs => x.abs(),
        F::Floor => x.floor(),
        F::Ceil => Some(x.neg().floor()?.neg()),
        F::Sign if x.is_real() && x.nonzero() => number(if x.center().0 > 0.0 { 1 } else { -1 }, bits),
        F::Re => x.re(),
        F::Im => x.im(),
        F::Factorial => factorial(x, 1, bits),
        F::DoubleFactorial => factorial(x, 2, bits),
        _ => None,
    }
}

fn factorial<D: Disc>(x: &D, step: i64, bits: usize) -> Option<D> {
    let mut k = x.whole().filter(|n| (0.0..=MAX_FACTORIAL).contains(n))? as i64;
    let mut product = number(1, bits)?;
    while k > 1 {
        product = D::mul(&product, &number(k, bits)?)?;
        k -= step;
    }
    Some(product)
}

fn call2<D: Disc>(function: Function, x: &D, y: &D, bits: usize) -> Option<D> {
    match function {
        Function::Binomial => {
            let k = y.whole().filter(|k| (0.0..=MAX_FACTORIAL).contains(k))? as i64;
            let mut value = number(1, bits)?;
            for j in 0..k {
                value = D::mul(&value, &x.sub(&number(j, bits)?)?)?.over(&number(j + 1, bits)?)?;
            }
            Some(value)
        }
        Function::Root => {
            let n = y.whole().filter(|n| *n != 0.0 && n.abs() < 1e6)?;
            if x.whole() == Some(0.0) {
                return Some(x.clone());
            }
            let odd_negative = n % 2.0 != 0.0 && x.is_real() && x.center().0 < 0.0 && x.nonzero();
            let base = if odd_negative { x.neg() } else { x.clone() };
            let root = base.ln()?.over(y)?.exp()?;
            Some(if odd_negative { root.neg() } else { root })
        }
        Function::Max | Function::Min => {
            let difference = x.sub(y)?;
            if !x.is_real() || !y.is_real() || !difference.nonzero() {
                return None;
            }
            let greater = difference.center().0 > 0.0;
            Some(if greater == (function == Function::Max) { x.clone() } else { y.clone() })
        }
        Function::Mod => {
            let quotient = x.over(y)?.floor()?;
            x.sub(&y.mul(&quotient)?)
        }
        Function::Gcd | Function::Lcm => {
            let (mut a, mut b) = (x.whole()?.abs(), y.whole()?.abs());
            let product = a * b;
            if product >= 9e15 {
                return None;
            }
            while b > 0.0 {
                (a, b) = (b, a % b);
            }
            number(if function == Function::Gcd { a } else { product / a.max(1.0) } as i64, bits)
        }
        _ => None,
    }
}

/// An unknown function as some polynomial that belongs to its name: equal arguments give equal values, and nothing else is
/// assumed of it.
fn unknown<D: Disc>(name: u32, x: &D, bits: usize) -> Option<D> {
    let seed = i64::from(name);
    let coefficient = |k: i64| {
        let top = (seed * 7_919 + k * 104_729).rem_euclid(1_009) - 504;
        D::rational(&RBig::from_parts((2 * top + 1).into(), 512u32.into()), bits)
    };
    // Horner's rule, from the highest power.
    (0..4).try_fold(number::<D>(1, bits)?, |value, k| value.mul(x)?.add(&coefficient(k)?))
}
