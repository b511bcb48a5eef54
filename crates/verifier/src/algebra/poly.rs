//! Polynomials in atoms, reduced by what is known of the atoms: i² = −1, (√2)² = 2, sin² = 1 − cos².

use std::collections::BTreeMap;

use dashu_ratio::RBig;

use super::atoms::{Atoms, Rule};
use crate::budget::{Budget, Outcome, Stop};
use crate::expr::bits;

/// Atoms with their exponents, by atom.
pub(super) type Monomial = Vec<(u32, u32)>;

/// Polynomials with more terms are given up.
const MAX_TERMS: usize = 600;
const MAX_EXPONENT: u32 = 4_000;
const MAX_COEFFICIENT_BITS: usize = 20_000;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Poly {
    pub(super) terms: BTreeMap<Monomial, RBig>,
}

impl Poly {
    pub(super) fn constant(value: RBig) -> Poly {
        Poly::term(Vec::new(), value)
    }

    pub(super) fn atom(atom: u32) -> Poly {
        Poly::term(vec![(atom, 1)], RBig::ONE)
    }

    pub(super) fn term(monomial: Monomial, value: RBig) -> Poly {
        let mut poly = Poly::default();
        if !value.is_zero() {
            poly.terms.insert(monomial, value);
        }
        poly
    }

    pub(super) fn is_zero(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value of a polynomial without atoms.
    pub(super) fn as_constant(&self) -> Option<RBig> {
        match self.terms.len() {
            0 => Some(RBig::ZERO),
            1 => self.terms.get(&Vec::new()).cloned(),
            _ => None,
        }
    }

    pub(super) fn scale(&self, factor: &RBig) -> Poly {
        if factor.is_zero() {
            return Poly::default();
        }
        Poly { terms: self.terms.iter().map(|(m, c)| (m.clone(), c * factor)).collect() }
    }

    pub(super) fn add(mut self, other: &Poly, budget: &mut Budget) -> Outcome<Poly> {
        budget.charge(2 * other.terms.len() as u64)?;
        for (monomial, value) in &other.terms {
            self.add_term(monomial.clone(), value.clone());
        }
        self.checked()
    }

    fn add_term(&mut self, monomial: Monomial, value: RBig) {
        use std::collections::btree_map::Entry;
        match self.terms.entry(monomial) {
            Entry::Vacant(slot) if !value.is_zero() => {
                slot.insert(value);
            }
            Entry::Vacant(_) => {}
            Entry::Occupied(mut slot) => {
                *slot.get_mut() += value;
                if slot.get().is_zero() {
                    slot.remove();
                }
            }
        }
    }

    fn checked(self) -> Outcome<Poly> {
        if self.terms.len() > MAX_TERMS { Err(Stop::Budget) } else { Ok(self) }
    }

    pub(super) fn mul(&self, other: &Poly, atoms: &Atoms, budget: &mut Budget) -> Outcome<Poly> {
        let size = (self.terms.len() * other.terms.len()) as u64;
        budget.charge(6 * size + 2)?;
        let mut product = Poly::default();
        for (m, a) in &self.terms {
            for (n, b) in &other.terms {
                let value = a * b;
                if bits(&value) > MAX_COEFFICIENT_BITS {
                    return Err(Stop::Budget);
                }
                product.add_reduced(&joined(m, n)?, value, atoms, budget)?;
            }
            if product.terms.len() > MAX_TERMS {
                return Err(Stop::Budget);
            }
        }
        Ok(product)
    }

    /// Adds a term after reducing the powers that have a rule.
    fn add_reduced(&mut self, monomial: &Monomial, value: RBig, atoms: &Atoms, budget: &mut Budget) -> Outcome<()> {
        let mut plain = Vec::with_capacity(monomial.len());
        let mut factor = value;
        for (at, &(atom, exponent)) in monomial.iter().enumerate() {
            match atoms.rule(atom) {
                Rule::Power { degree, value } if exponent >= *degree => {
                    budget.charge(u64::from(exponent / degree))?;
                    let power =
                        crate::expr::integer_power(value, i64::from(exponent / degree), budget)?.ok_or(Stop::Budget)?;
                    factor *= power;
                    if exponent % degree > 0 {
                        plain.push((atom, exponent % degree));
                    }
                }
                // sin² = 1 − cos²: split the term in two and go on with each.
                Rule::SinePair { cosine } if exponent >= 2 => {
                    budget.charge(4)?;
                    let mut rest = plain.clone();
                    rest.extend_from_slice(&monomial[at + 1..]);
                    if exponent > 2 {
                        insert(&mut rest, atom, exponent - 2);
                    }
                    let mut with_cosine = rest.clone();
                    insert(&mut with_cosine, *cosine, 2);
                    self.add_reduced(&rest, factor.clone(), atoms, budget)?;
                    return self.add_reduced(&with_cosine, -factor, atoms, budget);
                }
                _ => plain.push((atom, exponent)),
            }
        }
        self.add_term(plain, factor);
        Ok(())
    }

    pub(super) fn power(&self, n: u32, atoms: &Atoms, budget: &mut Budget) -> Outcome<Poly> {
        if let (1, Some((monomial, value))) = (self.terms.len(), self.terms.first_key_value()) {
            let raised: Monomial = monomial
                .iter()
                .map(|&(a, e)| e.checked_mul(n).filter(|e| *e <= MAX_EXPONENT).map(|e| (a, e)).ok_or(Stop::Budget))
                .collect::<Outcome<_>>()?;
            let value = crate::expr::integer_power(value, i64::from(n), budget)?.ok_or(Stop::Budget)?;
            let mut power = Poly::default();
            power.add_reduced(&raised, value, atoms, budget)?;
            return Ok(power);
        }
        let mut power = Poly::constant(RBig::ONE);
        for bit in (0..32 - n.leading_zeros()).rev() {
            power = power.mul(&power, atoms, budget)?;
            if n >> bit & 1 == 1 {
                power = power.mul(self, atoms, budget)?;
            }
        }
        Ok(power)
    }
}

fn joined(a: &Monomial, b: &Monomial) -> Outcome<Monomial> {
    let mut all = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if j == b.len() || i < a.len() && a[i].0 < b[j].0 {
            all.push(a[i]);
            i += 1;
        } else if i == a.len() || b[j].0 < a[i].0 {
            all.push(b[j]);
            j += 1;
        } else {
            let exponent = a[i].1 + b[j].1;
            if exponent > MAX_EXPONENT {
                return Err(Stop::Budget);
            }
            all.push((a[i].0, exponent));
            i += 1;
            j += 1;
        }
    }
    Ok(all)
}

fn insert(monomial: &mut Monomial, atom: u32, exponent: u32) {
    match monomial.binary_search_by_key(&atom, |&(a, _)| a) {
        Ok(at) => monomial[at].1 += exponent,
        Err(at) => monomial.insert(at, (atom, exponent)),
    }
}
