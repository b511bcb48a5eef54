//! Building expressions. Rational arithmetic is done at once, so that a rational answer is a single number.

use dashu_base::BitTest;
use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

use super::{Arena, Constant, Function, Id, Node};
use crate::budget::{Budget, Outcome, Stop};
use crate::verdict::Why;

/// Results longer than this many bits stay unevaluated: 2^(2^17) has 39,000 digits.
const MAX_BITS: usize = 1 << 17;
/// Largest argument of a factorial or binomial that is multiplied out; greater ones are compared by their magnitude.
const MAX_FACTORIAL: u32 = 5_000;
/// Products of a word with a word of a factorial that are paid for as one step, which measures some hundred nanoseconds.
const FACTORS_A_STEP: usize = 400;
/// Bits of a machine word: the unit in which arithmetic is paid for.
const WORD: usize = 64;

pub(crate) fn bits(value: &RBig) -> usize {
    value.numerator().bit_len() + value.denominator().bit_len()
}

/// The value as a small integer.
pub(crate) fn small(value: &RBig) -> Option<i64> {
    if value.is_int() { i64::try_from(value.numerator().clone()).ok() } else { None }
}

fn cost(a: &RBig, b: &RBig) -> u64 {
    let (a, b) = ((bits(a) / WORD) as u64, (bits(b) / WORD) as u64);
    2 + a * b / 16 + a + b
}

/// `value` to an integer power, unless the result is out of bounds. Zero has no negative power.
pub(crate) fn power(value: &RBig, exponent: i64, budget: &mut Budget) -> Outcome<Option<RBig>> {
    if value.is_zero() && exponent < 0 {
        return Err(Stop::Unreadable(Why::Invalid("division by zero")));
    }
    let size = (bits(value) as u128).saturating_mul(u128::from(exponent.unsigned_abs()));
    if value.is_one() || value.is_zero() || *value == -RBig::ONE {
        let odd = exponent % 2 != 0;
        return Ok(Some(if value.is_zero() && exponent == 0 {
            RBig::ONE
        } else if odd {
            value.clone()
        } else {
            value.sqr()
        }));
    }
    if size > MAX_BITS as u128 {
        return Ok(None);
    }
    let words = size as u64 / WORD as u64;
    budget.charge(4 + words * words / 64 + words)?;
    Ok(Some(value.pow(exponent as isize)))
}

/// The exact n-th root of a rational, if it is rational. Negative values have one for odd n.
pub(crate) fn exact_root(value: &RBig, n: u32) -> Option<RBig> {
    let negative = *value < RBig::ZERO;
    if n == 0 || negative && n.is_multiple_of(2) || bits(value) > MAX_BITS {
        return None;
    }
    let root = |x: &UBig| {
        let root = x.nth_root(n as usize);
        (root.pow(n as usize) == *x).then_some(root)
    };
    let (_, top) = value.numerator().clone().into_parts();
    let value = RBig::from_parts(IBig::from(root(&top)?), root(value.denominator())?);
    Some(if negative { -value } else { value })
}

/// `Gcd` or `Lcm` of two natural numbers.
pub(crate) fn gcd_or_lcm(function: Function, a: UBig, b: UBig) -> RBig {
    use dashu_base::Gcd;
    if a.is_zero() && b.is_zero() {
        return RBig::ZERO;
    }
    let gcd = (&a).gcd(&b);
    RBig::from(IBig::from(if function == Function::Gcd { gcd } else { a / gcd * b }))
}

impl Arena {
    pub(crate) fn push(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        (self.nodes.len() - 1) as Id
    }

    /// A node that is no rational number: what it comes to at infinity, or the node itself.
    fn made(&mut self, node: Node) -> Outcome<Id> {
        Ok(match self.with_infinity(&node)? {
            Some(id) => id,
            None => self.push(node),
        })
    }

    pub(crate) fn number(&mut self, value: RBig) -> Id {
        self.push(Node::Number(value))
    }

    pub(crate) fn integer(&mut self, value: i64) -> Id {
        self.number(RBig::from(value))
    }

    pub(crate) fn constant(&mut self, constant: Constant) -> Id {
        self.push(Node::Constant(constant))
    }

    fn both(&self, a: Id, b: Id) -> Option<(&RBig, &RBig)> {
        Some((self.rational(a)?, self.rational(b)?))
    }

    pub(crate) fn add(&mut self, a: Id, b: Id, budget: &mut Budget) -> Outcome<Id> {
        budget.charge(1)?;
        let Some((x, y)) = self.both(a, b) else { return self.made(Node::Add(a, b)) };
        budget.charge(cost(x, y))?;
        let sum = x + y;
        Ok(self.number(sum))
    }

    pub(crate) fn sub(&mut self, a: Id, b: Id, budget: &mut Budget) -> Outcome<Id> {
        let b = self.neg(b);
        self.add(a, b, budget)
    }

    pub(crate) fn neg(&mut self, a: Id) -> Id {
        match self.node(a) {
            Node::Number(value) => {
                let value = -value.clone();
                self.number(value)
            }
            Node::Neg(inner) => *inner,
            _ => self.push(Node::Neg(a)),
        }
    }

    pub(crate) fn mul(&mut self, a: Id, b: Id, budget: &mut Budget) -> Outcome<Id> {
        budget.charge(1)?;
        let Some((x, y)) = self.both(a, b) else { return self.made(Node::Mul(a, b)) };
        budget.charge(cost(x, y))?;
        let product = x * y;
        Ok(self.number(product))
    }

    pub(crate) fn div(&mut self, a: Id, b: Id, budget: &mut Budget) -> Outcome<Id> {
        budget.charge(1)?;
        if self.rational(b).is_some_and(RBig::is_zero) {
            return Err(Stop::Unreadable(Why::Invalid("division by zero")));
        }
        let Some((x, y)) = self.both(a, b) else { return self.made(Node::Div(a, b)) };
        budget.charge(cost(x, y))?;
        let quotient = x / y;
        Ok(self.number(quotient))
    }

    pub(crate) fn pow(&mut self, a: Id, b: Id, budget: &mut Budget) -> Outcome<Id> {
        budget.charge(1)?;
        if let Some((x, y)) = self.both(a, b) {
            if let Some(exponent) = small(y)
                && let Some(value) = power(x, exponent, budget)?
            {
                return Ok(self.number(value));
            }
            // 8^(2/3) is 4; negative bases stay as they are.
            if !y.is_int()
                && *x >= RBig::ZERO
                && let (Ok(n), Some(m)) =
                    (u32::try_from(y.denominator().clone()), small(&RBig::from(y.numerator().clone())))
                && n <= 64
                && let Some(root) = exact_root(x, n)
                && let Some(value) = power(&root, m, budget)?
            {
                return Ok(self.number(value));
            }
        }
        self.made(Node::Pow(a, b))
    }

    pub(crate) fn sqrt(&mut self, a: Id, budget: &mut Budget) -> Outcome<Id> {
        if let Some(value) = self.rational(a)
            && *value < RBig::ZERO
        {
            // √-4 = 2i
            let value = self.number(-value.clone());
            let (root, i) = (self.sqrt(value, budget)?, self.constant(Constant::I));
            return self.mul(root, i, budget);
        }
        let half = self.number(RBig::from_parts(IBig::ONE, UBig::from(2u8)));
        self.pow(a, half, budget)
    }

    /// The n-th root; real for odd n.
    pub(crate) fn root(&mut self, a: Id, n: Id, budget: &mut Budget) -> Outcome<Id> {
        budget.charge(1)?;
        if let Some(degree) = self.rational(n).and_then(small) {
            if degree == 2 {
                return self.sqrt(a, budget);
            }
            if let (Some(value), Ok(degree)) = (self.rational(a), u32::try_from(degree))
                && let Some(root) = exact_root(value, degree)
            {
                return Ok(self.number(root));
            }
        }
        Ok(self.push(Node::Call2(Function::Root, a, n)))
    }

    pub(crate) fn call(&mut self, function: Function, a: Id, budget: &mut Budget) -> Outcome<Id> {
        budget.charge(1)?;
        if function == Function::Exp {
            let e = self.constant(Constant::E);
            return self.pow(e, a, budget);
        }
        if let Some(value) = self.rational(a) {
            let whole = |value: IBig| Some(RBig::from(value));
            let folded = match function {
                Function::Abs if *value < RBig::ZERO => Some(-value.clone()),
                Function::Abs | Function::Re => Some(value.clone()),
                Function::Floor => whole(value.floor()),
                Function::Ceil => whole(value.ceil()),
                Function::Factorial | Function::DoubleFactorial => {
                    let step = if function == Function::Factorial { 1 } else { 2 };
                    factorial(value, step, budget)?.map(|v| RBig::from(IBig::from(v)))
                }
                _ => None,
            };
            if let Some(value) = folded {
                return Ok(self.number(value));
            }
        }
        self.made(Node::Call(function, a))
    }

    pub(crate) fn call2(&mut self, function: Function, a: Id, b: Id, budget: &mut Budget) -> Outcome<Id> {
        budget.charge(1)?;
        if let Some((x, y)) = self.both(a, b) {
            let natural = |v: &RBig| if v.is_int() { UBig::try_from(v.numerator().clone()).ok() } else { None };
            let folded = match function {
                Function::Max => Some(x.max(y).clone()),
                Function::Min => Some(x.min(y).clone()),
                Function::Binomial => binomial(x, y, budget)?,
                Function::Gcd | Function::Lcm => natural(x).zip(natural(y)).map(|(x, y)| gcd_or_lcm(function, x, y)),
                Function::Mod if !y.is_zero() => Some(x - RBig::from((x / y).floor()) * y),
                _ => None,
            };
            if let Some(value) = folded {
                return Ok(self.number(value));
            }
        }
        Ok(self.push(Node::Call2(function, a, b)))
    }
}

fn factorial(value: &RBig, step: usize, budget: &mut Budget) -> Outcome<Option<UBig>> {
    let Some(n) = small(value) else { return Ok(None) };
    if n < 0 {
        return Err(Stop::Unreadable(Why::Invalid("factorial of a negative number")));
    }
    if n > i64::from(MAX_FACTORIAL) {
        return Ok(None);
    }
    let n = n as usize;
    budget.charge((n * n / FACTORS_A_STEP + n) as u64)?;
    Ok(Some((1..=n).rev().step_by(step).fold(UBig::ONE, |product, k| product * UBig::from(k))))
}

fn binomial(n: &RBig, k: &RBig, budget: &mut Budget) -> Outcome<Option<RBig>> {
    let (Some(top), Some(k)) = (small(n), small(k)) else { return Ok(None) };
    if top < 0 || k < 0 {
        return Ok(None);
    }
    if k > top {
        return Ok(Some(RBig::ZERO));
    }
    let k = k.min(top - k);
    if k > i64::from(MAX_FACTORIAL) {
        return Ok(None);
    }
    budget.charge((2 * k * k / FACTORS_A_STEP as i64 + k) as u64)?;
    let mut value = UBig::ONE;
    for j in 1..=k {
        value = value * UBig::from((top - k + j) as u64) / UBig::from(j as u64);
    }
    Ok(Some(RBig::from(IBig::from(value))))
}
