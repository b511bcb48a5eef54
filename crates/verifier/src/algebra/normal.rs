//! Bringing expressions to normal form, and what equal or different forms prove.

use dashu_base::BitTest;
use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

use super::atoms::{Atom, Atoms, Fraction};
use super::poly::Poly;
use crate::budget::{Budget, Outcome, Stop};
use crate::expr::{Arena, Constant, Function, Id, Node, build_small};

/// Atoms beyond this number are given up.
const MAX_ATOMS: usize = 60;
/// Exponents up to this are multiplied out.
const MAX_POWER: u64 = 400;
/// Factors up to this are taken out of roots and logarithms.
const MAX_FACTOR: u32 = 2_000;
/// Steps that one attempt at a normal form may take.
const MAX_STEPS: u64 = 60_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    Equal,
    Different,
    None,
}

/// Compares two expressions by their normal forms. Giving up is no failure: the budget pays for what was tried.
pub(crate) fn decide(arena: &Arena, a: Id, b: Id, budget: &mut Budget) -> Outcome<Proof> {
    let mut own = Budget::new(MAX_STEPS, None);
    let proof = attempt(arena, a, b, &mut own);
    budget.charge(own.spent())?;
    Ok(proof.unwrap_or(Proof::None))
}

fn attempt(arena: &Arena, a: Id, b: Id, budget: &mut Budget) -> Outcome<Proof> {
    let mut forms = Forms { arena, atoms: Atoms::default(), done: Vec::new() };
    let (x, y) = (forms.of(a, budget)?, forms.of(b, budget)?);
    let left = x.top.mul(&y.bottom, &forms.atoms, budget)?;
    let right = y.top.mul(&x.bottom, &forms.atoms, budget)?;
    let difference = left.add(&right.scale(&-RBig::ONE), budget)?;
    Ok(match difference.is_zero() {
        true => Proof::Equal,
        false if forms.atoms.only_symbols() => Proof::Different,
        false => Proof::None,
    })
}

struct Forms<'a> {
    arena: &'a Arena,
    atoms: Atoms,
    /// Normal forms by node.
    done: Vec<Option<Fraction>>,
}

fn one() -> Poly {
    Poly::constant(RBig::ONE)
}

fn whole(top: Poly) -> Fraction {
    Fraction { top, bottom: one() }
}

impl Forms<'_> {
    fn of(&mut self, root: Id, budget: &mut Budget) -> Outcome<Fraction> {
        let order = self.arena.below(root);
        if self.done.len() <= root as usize {
            self.done.resize(root as usize + 1, None);
        }
        for &id in &order {
            budget.charge(4)?;
            if self.done[id as usize].is_none() {
                let form = self.node(id, budget)?;
                if self.atoms.len() > MAX_ATOMS {
                    return Err(Stop::Budget);
                }
                self.done[id as usize] = Some(form);
            }
        }
        self.done[root as usize].clone().ok_or(Stop::Budget)
    }

    fn kid(&self, id: Id) -> Outcome<Fraction> {
        self.done.get(id as usize).cloned().flatten().ok_or(Stop::Budget)
    }

    fn atom(&mut self, atom: Atom) -> Fraction {
        whole(Poly::atom(self.atoms.get(atom)))
    }

    fn node(&mut self, id: Id, budget: &mut Budget) -> Outcome<Fraction> {
        Ok(match self.arena.node(id) {
            Node::Number(value) => whole(Poly::constant(value.clone())),
            Node::Symbol(name) => self.atom(Atom::Symbol(*name)),
            Node::Constant(Constant::Pi) => self.atom(Atom::Pi),
            Node::Constant(Constant::I) => self.atom(Atom::I),
            Node::Constant(Constant::E) => self.exp(whole(one()), budget)?,
            Node::Constant(Constant::Infinity) | Node::PlusMinus(..) | Node::Bound { .. } => return Err(Stop::Budget),
            Node::Add(a, b) => self.add(self.kid(*a)?, self.kid(*b)?, budget)?,
            Node::Neg(a) => {
                let a = self.kid(*a)?;
                Fraction { top: a.top.scale(&-RBig::ONE), bottom: a.bottom }
            }
            Node::Mul(a, b) => self.mul(self.kid(*a)?, self.kid(*b)?, budget)?,
            Node::Div(a, b) => {
                let inverse = self.inverse(self.kid(*b)?)?;
                self.mul(self.kid(*a)?, inverse, budget)?
            }
            Node::Pow(a, b) => self.pow(*a, self.kid(*a)?, self.kid(*b)?, budget)?,
            Node::Call(function, a) => self.call(*function, self.kid(*a)?, budget)?,
            Node::Call2(Function::Root, a, b) => self.root(self.kid(*a)?, self.kid(*b)?, budget)?,
            Node::Call2(function, a, b) => {
                let (a, b) = (self.kid(*a)?, self.kid(*b)?);
                self.atom(Atom::Call2(*function, a, b))
            }
            Node::Apply(name, a) => {
                let a = self.kid(*a)?;
                self.atom(Atom::Apply(*name, a))
            }
        })
    }

    fn add(&self, a: Fraction, b: Fraction, budget: &mut Budget) -> Outcome<Fraction> {
        if a.bottom == b.bottom {
            return Ok(Fraction { top: a.top.add(&b.top, budget)?, bottom: a.bottom });
        }
        let left = a.top.mul(&b.bottom, &self.atoms, budget)?;
        let right = b.top.mul(&a.bottom, &self.atoms, budget)?;
        self.monic(left.add(&right, budget)?, a.bottom.mul(&b.bottom, &self.atoms, budget)?)
    }

    fn mul(&self, a: Fraction, b: Fraction, budget: &mut Budget) -> Outcome<Fraction> {
        self.monic(a.top.mul(&b.top, &self.atoms, budget)?, a.bottom.mul(&b.bottom, &self.atoms, budget)?)
    }

    fn inverse(&self, a: Fraction) -> Outcome<Fraction> {
        self.monic(a.bottom, a.top)
    }

    /// Makes the denominator's first coefficient 1; a zero denominator has no form.
    fn monic(&self, top: Poly, bottom: Poly) -> Outcome<Fraction> {
        let Some(lead) = bottom.terms.values().next().cloned() else { return Err(Stop::Budget) };
        if lead.is_one() {
            return Ok(Fraction { top, bottom });
        }
        let inverse = RBig::ONE / lead;
        Ok(Fraction { top: top.scale(&inverse), bottom: bottom.scale(&inverse) })
    }

    fn powi(&self, a: &Fraction, n: i64, budget: &mut Budget) -> Outcome<Fraction> {
        if n.unsigned_abs() > MAX_POWER && (a.top.terms.len() > 1 || a.bottom.terms.len() > 1) {
            return Err(Stop::Budget);
        }
        let size = u32::try_from(n.unsigned_abs()).map_err(|_| Stop::Budget)?;
        let power = Fraction {
            top: a.top.power(size, &self.atoms, budget)?,
            bottom: a.bottom.power(size, &self.atoms, budget)?,
        };
        if n < 0 { self.inverse(power) } else { Ok(power) }
    }

    fn constant(a: &Fraction) -> Option<RBig> {
        let (top, bottom) = (a.top.as_constant()?, a.bottom.as_constant()?);
        Some(top / bottom)
    }

    fn pow(&mut self, base_id: Id, base: Fraction, exponent: Fraction, budget: &mut Budget) -> Outcome<Fraction> {
        if *self.arena.node(base_id) == Node::Constant(Constant::E) {
            return self.exp(exponent, budget);
        }
        if let Some(value) = Self::constant(&exponent) {
            if let Some(n) = build_small(&value) {
                return self.powi(&base, n, budget);
            }
            let degree = u32::try_from(value.denominator().clone()).map_err(|_| Stop::Budget)?;
            let n = build_small(&RBig::from(value.numerator().clone())).ok_or(Stop::Budget)?;
            if degree <= 24 {
                let root = self.root_of(&base, degree, budget)?;
                return match root {
                    Some(root) => self.powi(&root, n, budget),
                    None => {
                        let degree = whole(Poly::constant(RBig::from_parts(IBig::ONE, UBig::from(degree))));
                        let root = self.atom(Atom::Power(base, degree));
                        self.powi(&root, n, budget)
                    }
                };
            }
        }
        Ok(self.atom(Atom::Power(base, exponent)))
    }

    fn root(&mut self, base: Fraction, degree: Fraction, budget: &mut Budget) -> Outcome<Fraction> {
        if let Some(n) = Self::constant(&degree).as_ref().and_then(build_small).and_then(|n| u32::try_from(n).ok())
            && (1..=24).contains(&n)
            && let Some(root) = self.root_of(&base, n, budget)?
        {
            return Ok(root);
        }
        Ok(self.atom(Atom::Call2(Function::Root, base, degree)))
    }

    /// The n-th root of a positive rational (or, for n = 2, of a negative one), split into roots of primes.
    fn root_of(&mut self, base: &Fraction, degree: u32, budget: &mut Budget) -> Outcome<Option<Fraction>> {
        let Some(value) = Self::constant(base) else { return Ok(None) };
        if value.is_zero() {
            return Ok(Some(whole(Poly::default())));
        }
        let negative = value < RBig::ZERO;
        if negative && degree != 2 {
            return Ok(None);
        }
        // (a/b)^(1/n) = (a·b^(n−1))^(1/n) / b
        let (_, top) = value.numerator().clone().into_parts();
        let bottom = value.denominator().clone();
        budget.charge(u64::from(degree) * 8)?;
        let radicand = top * bottom.pow(degree as usize - 1);
        let mut result = whole(Poly::constant(RBig::from_parts(IBig::ONE, bottom)));
        for (prime, exponent) in factors(radicand, budget)? {
            let outside = RBig::from(IBig::from(prime.pow((exponent / degree) as usize)));
            let mut factor = whole(Poly::constant(outside));
            let inside = exponent % degree;
            if inside > 0 {
                // 4^(1/4) is 2^(1/2).
                let common = common_divisor(inside, degree);
                let root = self.atom(Atom::Root(prime, degree / common));
                let root = self.powi(&root, i64::from(inside / common), budget)?;
                factor = self.mul(factor, root, budget)?;
            }
            result = self.mul(result, factor, budget)?;
        }
        if negative {
            let i = self.atom(Atom::I);
            result = self.mul(result, i, budget)?;
        }
        Ok(Some(result))
    }

    /// e^(a + b + …) as the product of e^a, e^b, …; rational multiples of one term share an atom with integer powers.
    fn exp(&mut self, argument: Fraction, budget: &mut Budget) -> Outcome<Fraction> {
        if argument.bottom != one() {
            return Ok(self.atom(Atom::Exp(argument)));
        }
        let mut result = whole(one());
        for (monomial, coefficient) in &argument.top.terms {
            let unit = RBig::from_parts(IBig::ONE, coefficient.denominator().clone());
            let power = build_small(&RBig::from(coefficient.numerator().clone())).ok_or(Stop::Budget)?;
            let atom = self.atom(Atom::Exp(whole(Poly::term(monomial.clone(), unit))));
            let factor = self.powi(&atom, power, budget)?;
            result = self.mul(result, factor, budget)?;
        }
        Ok(result)
    }

    fn call(&mut self, function: Function, argument: Fraction, budget: &mut Budget) -> Outcome<Fraction> {
        use Function as F;
        match function {
            F::Ln | F::Log => {
                let Some(value) = Self::constant(&argument).filter(|v| *v > RBig::ZERO) else {
                    return Ok(self.atom(Atom::Call(F::Ln, argument)));
                };
                let (_, top) = value.numerator().clone().into_parts();
                let mut sum = whole(Poly::default());
                for (part, sign) in [(top, 1i64), (value.denominator().clone(), -1)] {
                    for (prime, exponent) in factors(part, budget)? {
                        let log = self.atom(Atom::LnOf(prime));
                        let term = Fraction {
                            top: log.top.scale(&RBig::from(sign * i64::from(exponent))),
                            bottom: log.bottom,
                        };
                        sum = self.add(sum, term, budget)?;
                    }
                }
                Ok(sum)
            }
            F::Tan => self.quotient(F::Sin, F::Cos, argument, budget),
            F::Cot => self.quotient(F::Cos, F::Sin, argument, budget),
            F::Sec | F::Csc => {
                let below = self.call(if function == F::Sec { F::Cos } else { F::Sin }, argument, budget)?;
                self.inverse(below)
            }
            F::Sin | F::Cos => {
                // sin(−x) = −sin x, cos(−x) = cos x
                let negative = argument.top.terms.values().next().is_some_and(|c| *c < RBig::ZERO);
                let argument =
                    if negative { Fraction { top: argument.top.scale(&-RBig::ONE), ..argument } } else { argument };
                if argument.top.is_zero() {
                    return Ok(whole(if function == F::Cos { one() } else { Poly::default() }));
                }
                let form = self.atom(Atom::Call(function, argument));
                Ok(if negative && function == F::Sin {
                    Fraction { top: form.top.scale(&-RBig::ONE), ..form }
                } else {
                    form
                })
            }
            _ => Ok(self.atom(Atom::Call(function, argument))),
        }
    }

    fn quotient(
        &mut self,
        top: Function,
        bottom: Function,
        argument: Fraction,
        budget: &mut Budget,
    ) -> Outcome<Fraction> {
        let (top, bottom) = (self.call(top, argument.clone(), budget)?, self.call(bottom, argument, budget)?);
        let inverse = self.inverse(bottom)?;
        self.mul(top, inverse, budget)
    }
}

fn common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Small prime factors with their exponents, and what is left as one more factor.
fn factors(mut n: UBig, budget: &mut Budget) -> Outcome<Vec<(UBig, u32)>> {
    let mut found = Vec::new();
    let mut candidate = 2u32;
    // A division goes through the whole number.
    let words = |n: &UBig| (n.bit_len() / 64) as u64;
    while candidate <= MAX_FACTOR && n > UBig::ONE {
        budget.charge(1 + words(&n) / 4)?;
        if UBig::from(candidate) * UBig::from(candidate) > n {
            break;
        }
        let divisor = UBig::from(candidate);
        let mut exponent = 0;
        while (&n % &divisor).is_zero() {
            budget.charge(1 + words(&n) / 4)?;
            n /= &divisor;
            exponent += 1;
        }
        if exponent > 0 {
            found.push((divisor, exponent));
        }
        candidate += if candidate == 2 { 1 } else { 2 };
    }
    if n > UBig::ONE {
        // What is left may be a power of one large number.
        budget.charge(words(&n) * words(&n) / 64)?;
        let power = (2..=6u32).rev().find(|&k| n.nth_root(k as usize).pow(k as usize) == n);
        match power {
            Some(k) => found.push((n.nth_root(k as usize), k)),
            None => found.push((n, 1)),
        }
    }
    Ok(found)
}
