//! Arithmetic with ∞: what has a value is worked out, what has none (`∞ − ∞`, `0·∞`) says so.

use dashu_ratio::RBig;

use super::{Arena, Constant, Function, Id, Node};
use crate::budget::{Outcome, Stop};
use crate::verdict::Why;

fn undefined(what: &'static str) -> Outcome<Option<Id>> {
    Err(Stop::Unreadable(Why::Invalid(what)))
}

impl Arena {
    /// Whether a node is `∞` (true) or `−∞` (false).
    pub(crate) fn infinite(&self, id: Id) -> Option<bool> {
        let bare = |id: Id| *self.node(id) == Node::Constant(Constant::Infinity);
        match self.node(id) {
            Node::Constant(Constant::Infinity) => Some(true),
            Node::Neg(inner) if bare(*inner) => Some(false),
            _ => None,
        }
    }

    fn infinity(&mut self, positive: bool) -> Id {
        let infinity = self.constant(Constant::Infinity);
        if positive { infinity } else { self.push(Node::Neg(infinity)) }
    }

    /// The value of a node of which a child is infinite, if it is known.
    pub(super) fn with_infinity(&mut self, node: &Node) -> Outcome<Option<Id>> {
        let (kids, n) = node.children();
        let infinite = kids.map(|kid| self.infinite(kid));
        if infinite[..n].iter().all(Option::is_none) {
            return Ok(None);
        }
        match *node {
            Node::Add(a, b) => self.sum(a, b),
            Node::Mul(a, b) => self.product(a, b),
            Node::Div(a, b) => self.quotient(a, b),
            Node::Pow(a, b) => self.infinite_power(a, b),
            Node::Call(function, _) => self.function_of_infinity(function, infinite[0] == Some(true)),
            _ => Ok(None),
        }
    }

    fn sum(&mut self, a: Id, b: Id) -> Outcome<Option<Id>> {
        match (self.infinite(a), self.infinite(b)) {
            (Some(x), Some(y)) if x != y => undefined("∞ − ∞ has no value"),
            (Some(_), Some(_)) => Ok(Some(a)),
            (Some(_), None) if self.is_finite(b) => Ok(Some(a)),
            (None, Some(_)) if self.is_finite(a) => Ok(Some(b)),
            _ => Ok(None),
        }
    }

    fn product(&mut self, a: Id, b: Id) -> Outcome<Option<Id>> {
        let zero = |id: Id| self.rational(id).is_some_and(RBig::is_zero);
        if zero(a) || zero(b) {
            return undefined("0·∞ has no value");
        }
        let signs = self.is_positive(a).zip(self.is_positive(b));
        Ok(signs.map(|(x, y)| self.infinity(x == y)))
    }

    fn quotient(&mut self, a: Id, b: Id) -> Outcome<Option<Id>> {
        match (self.infinite(a), self.infinite(b)) {
            (Some(_), Some(_)) => undefined("∞/∞ has no value"),
            (Some(x), None) => Ok(self.is_positive(b).map(|y| self.infinity(x == y))),
            _ if self.is_finite(a) => Ok(Some(self.integer(0))),
            _ => Ok(None),
        }
    }

    fn infinite_power(&mut self, base: Id, exponent: Id) -> Outcome<Option<Id>> {
        let Some(rising) = self.infinite(exponent) else {
            let zero = self.rational(exponent).is_some_and(RBig::is_zero);
            if zero {
                return undefined("∞^0 has no value");
            }
            return Ok(match (self.is_positive(exponent), self.infinite(base)) {
                (Some(false), _) => Some(self.integer(0)),
                (Some(true), Some(true)) => Some(self.infinity(true)),
                (Some(true), Some(false)) => {
                    let whole = self.rational(exponent).and_then(super::build_small);
                    whole.map(|n| self.infinity(n % 2 == 0))
                }
                _ => None,
            });
        };
        // Whether powers of the base grow.
        let grows = match (self.node(base), self.rational(base)) {
            (Node::Constant(Constant::E | Constant::Pi | Constant::Infinity), _) => true,
            (_, Some(value)) if value.is_one() => return undefined("1^∞ has no value"),
            (_, Some(value)) if *value > RBig::ZERO => *value > RBig::ONE,
            (_, Some(value)) if value.is_zero() && rising => false,
            (_, Some(_)) => return undefined("a power of ∞ that has no value"),
            _ => return Ok(None),
        };
        Ok(Some(if grows == rising { self.infinity(true) } else { self.integer(0) }))
    }

    fn function_of_infinity(&mut self, function: Function, positive: bool) -> Outcome<Option<Id>> {
        use Function as F;
        match function {
            F::Abs => Ok(Some(self.infinity(true))),
            F::Ln | F::Log | F::Log10 | F::Factorial | F::DoubleFactorial if positive => Ok(Some(self.infinity(true))),
            F::Floor | F::Ceil | F::Asinh | F::Sinh => Ok(Some(self.infinity(positive))),
            F::Tanh | F::Sign => Ok(Some(self.integer(if positive { 1 } else { -1 }))),
            F::Sin | F::Cos | F::Tan | F::Cot | F::Sec | F::Csc | F::Asin | F::Acos => {
                undefined("a function that has no value at ∞")
            }
            _ => Ok(None),
        }
    }

    /// Whether no ∞ stands in an expression.
    fn is_finite(&self, id: Id) -> bool {
        !self.any(id, |node| *node == Node::Constant(Constant::Infinity))
    }

    /// Whether a constant is surely positive (true) or negative (false), as it is written.
    fn is_positive(&self, root: Id) -> Option<bool> {
        let below = self.below(root);
        let mut signs: Vec<Option<bool>> = vec![None; root as usize + 1];
        for id in below {
            let at = |id: Id| signs[id as usize];
            signs[id as usize] = match *self.node(id) {
                Node::Number(ref value) => (!value.is_zero()).then(|| *value > RBig::ZERO),
                Node::Constant(Constant::Pi | Constant::E | Constant::Infinity) => Some(true),
                Node::Neg(a) => at(a).map(|sign| !sign),
                Node::Add(a, b) => at(a).filter(|sign| at(b) == Some(*sign)),
                Node::Mul(a, b) | Node::Div(a, b) => at(a).zip(at(b)).map(|(x, y)| x == y),
                Node::Pow(base, _) => at(base).filter(|sign| *sign),
                _ => None,
            };
        }
        signs[root as usize]
    }
}
