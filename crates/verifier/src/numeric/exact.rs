//! Exact values of what is rational at a point: without them a floor at a whole number, which is where it jumps, has no value.

use dashu_ratio::RBig;

use crate::expr::{Arena, Function, Id, Node, bits, build_small, exact_root, gcd_or_lcm};

/// Values longer than this are left to the discs.
const MAX_BITS: usize = 1 << 11;
/// Largest argument of a factorial, and lower argument of a binomial, that is multiplied out.
const MAX_FACTORS: i64 = 170;

/// Whether a function jumps, or is known at whole numbers only.
pub(super) fn jumps(node: &Node) -> bool {
    use Function as F;
    match node {
        Node::Call(function, _) => {
            matches!(function, F::Floor | F::Ceil | F::Sign | F::Factorial | F::DoubleFactorial)
        }
        Node::Call2(function, ..) => {
            matches!(function, F::Binomial | F::Max | F::Min | F::Gcd | F::Lcm | F::Mod | F::Root)
        }
        _ => false,
    }
}

/// The exact value of each node of `order` (children first) that has one here.
pub(super) fn values(arena: &Arena, order: &[Id], point: &[RBig]) -> Vec<Option<RBig>> {
    let mut values: Vec<Option<RBig>> = vec![None; order.last().map_or(0, |root| *root as usize + 1)];
    for &id in order {
        values[id as usize] = value(arena, id, point, &values).filter(|value| bits(value) <= MAX_BITS);
    }
    values
}

fn value(arena: &Arena, id: Id, point: &[RBig], values: &[Option<RBig>]) -> Option<RBig> {
    let at = |id: Id| values[id as usize].as_ref();
    Some(match *arena.node(id) {
        Node::Number(ref value) => value.clone(),
        Node::Symbol(name) => point.get(name as usize)?.clone(),
        Node::Add(a, b) => at(a)? + at(b)?,
        Node::Mul(a, b) => at(a)? * at(b)?,
        Node::Div(a, b) => match (at(a), at(b)) {
            (Some(a), Some(b)) if !b.is_zero() => a / b,
            _ => {
                let (Node::Call(Function::Ln | Function::Log, x), Node::Call(Function::Ln | Function::Log, base)) =
                    (arena.node(a), arena.node(b))
                else {
                    return None;
                };
                logarithm(at(*x)?, at(*base)?)?
            }
        },
        Node::Neg(a) => -at(a)?.clone(),
        Node::Pow(a, b) => power(at(a)?, at(b)?)?,
        Node::Call(function, a) => call(function, at(a)?)?,
        Node::Call2(function, a, b) => call2(function, at(a)?, at(b)?)?,
        Node::Constant(_) | Node::Apply(..) | Node::PlusMinus(..) | Node::Bound { .. } => return None,
    })
}

fn power(base: &RBig, exponent: &RBig) -> Option<RBig> {
    let degree = u32::try_from(exponent.denominator().clone()).ok().filter(|degree| *degree <= 64)?;
    let times = build_small(&RBig::from(exponent.numerator().clone()))?;
    let base = if degree == 1 { base.clone() } else { exact_root(base, degree).filter(|root| *root >= RBig::ZERO)? };
    let size = (bits(&base) as u64).checked_mul(times.unsigned_abs())?;
    (size <= MAX_BITS as u64 && !(base.is_zero() && times <= 0)).then(|| base.pow(times as isize))
}

/// `k` where `x = base^k`.
fn logarithm(x: &RBig, base: &RBig) -> Option<RBig> {
    if *x <= RBig::ZERO || *base <= RBig::ZERO || base.is_one() {
        return None;
    }
    let k = (x.to_f64_fast().ln() / base.to_f64_fast().ln()).round();
    let k = (k.abs() <= MAX_BITS as f64).then_some(RBig::from(k as i64))?;
    (power(base, &k)? == *x).then_some(k)
}

fn call(function: Function, x: &RBig) -> Option<RBig> {
    use Function as F;
    let factorial = |step: usize| {
        let n = build_small(x).filter(|n| (0..=MAX_FACTORS).contains(n))?;
        Some((1..=n).rev().step_by(step).fold(RBig::ONE, |product, k| product * RBig::from(k)))
    };
    Some(match function {
        F::Abs if *x < RBig::ZERO => -x.clone(),
        F::Abs | F::Re => x.clone(),
        F::Floor => RBig::from(x.floor()),
        F::Ceil => RBig::from(x.ceil()),
        F::Sign => RBig::from(if x.is_zero() {
            0
        } else if *x > RBig::ZERO {
            1
        } else {
            -1
        }),
        F::Factorial => factorial(1)?,
        F::DoubleFactorial => factorial(2)?,
        F::Log10 => logarithm(x, &RBig::from(10))?,
        _ => return None,
    })
}

fn call2(function: Function, x: &RBig, y: &RBig) -> Option<RBig> {
    use Function as F;
    let natural = |value: &RBig| build_small(value).map(i64::unsigned_abs);
    Some(match function {
        F::Max => x.max(y).clone(),
        F::Min => x.min(y).clone(),
        F::Mod if !y.is_zero() => x - RBig::from((x / y).floor()) * y,
        F::Gcd | F::Lcm => gcd_or_lcm(function, natural(x)?.into(), natural(y)?.into()),
        F::Binomial => {
            let k = build_small(y).filter(|k| (0..=MAX_FACTORS).contains(k))?;
            (0..k).fold(RBig::ONE, |product, j| product * (x - RBig::from(j)) / RBig::from(j + 1))
        }
        F::Root => exact_root(x, build_small(y).and_then(|n| u32::try_from(n).ok())?)?,
        _ => return None,
    })
}
