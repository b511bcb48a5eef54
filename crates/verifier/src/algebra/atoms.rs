//! What polynomials are built over, and what is known of it.

use dashu_int::UBig;
use dashu_ratio::RBig;

use super::poly::Poly;
use crate::expr::Function;

/// A quotient of polynomials; the denominator is never zero, and its first coefficient is 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fraction {
    pub(super) top: Poly,
    pub(super) bottom: Poly,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Atom {
    Symbol(u32),
    Pi,
    I,
    /// The positive n-th root of a natural number.
    Root(UBig, u32),
    /// The natural logarithm of a natural number that is not split further.
    LnOf(UBig),
    /// e to a polynomial's monomial, whose coefficient became the exponent here: e^(x/k).
    Exp(Fraction),
    /// A power whose exponent is no rational number, or whose base is no number.
    Power(Fraction, Fraction),
    Call(Function, Fraction),
    Call2(Function, Fraction, Fraction),
    Apply(u32, Fraction),
}

/// How powers of an atom reduce.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    None,
    /// atom^degree = value
    Power {
        degree: u32,
        value: RBig,
    },
    /// This is a sine, and the cosine of the same argument has that number.
    SinePair {
        cosine: u32,
    },
}

#[derive(Debug, Default)]
pub(super) struct Atoms {
    atoms: Vec<(Atom, Rule)>,
}

impl Atoms {
    pub(super) fn get(&mut self, atom: Atom) -> u32 {
        if let Some(at) = self.atoms.iter().position(|(known, _)| *known == atom) {
            return at as u32;
        }
        let rule = match &atom {
            Atom::I => Rule::Power { degree: 2, value: -RBig::ONE },
            Atom::Root(radicand, degree) => {
                Rule::Power { degree: *degree, value: RBig::from(dashu_int::IBig::from(radicand.clone())) }
            }
            Atom::Call(Function::Sin, argument) => {
                let cosine = self.get(Atom::Call(Function::Cos, argument.clone()));
                Rule::SinePair { cosine }
            }
            _ => Rule::None,
        };
        self.atoms.push((atom, rule));
        (self.atoms.len() - 1) as u32
    }

    pub(super) fn rule(&self, atom: u32) -> &Rule {
        &self.atoms[atom as usize].1
    }

    pub(super) fn len(&self) -> usize {
        self.atoms.len()
    }

    /// Whether nothing but variables occurs: then different polynomials are different functions.
    pub(super) fn only_symbols(&self) -> bool {
        self.atoms.iter().all(|(atom, _)| matches!(atom, Atom::Symbol(_)))
    }
}
