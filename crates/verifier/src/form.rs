//! What an answer can be, once read.

use dashu_ratio::RBig;

use crate::expr::Id;
use crate::lex::token::{NamedSet, Rel};
use crate::units::Unit;

/// One number or expression with what was written around it.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) id: Id,
    pub(crate) unit: Option<Unit>,
    pub(crate) percent: bool,
    /// Size of the last digit, where the whole value is one decimal.
    pub(crate) decimal: Option<Decimal>,
    /// Written in a base of its own.
    pub(crate) based: bool,
}

/// How precisely a decimal was written.
#[derive(Debug, Clone)]
pub(crate) struct Decimal {
    pub(crate) ulp: RBig,
    pub(crate) digits: u32,
}

impl Value {
    pub(crate) fn of(id: Id) -> Self {
        Value { id, unit: None, percent: false, decimal: None, based: false }
    }
}

/// A month and a day, with a year or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) month: u8,
    pub(crate) day: Option<u8>,
    pub(crate) year: Option<i32>,
}

#[derive(Debug, Clone)]
pub(crate) enum Form {
    Value(Value),
    /// `a = b`, `a < b ≤ c`: sides and the relations between them.
    Chain(Vec<Form>, Vec<Rel>),
    /// Parts side by side, in no order: `1, 2`, `x = 1 or x = 2`.
    List(Vec<Form>),
    /// `(a, b)`, `[a, b)`: a point, a vector or an interval; true where an end is closed.
    Group {
        closed: (bool, bool),
        items: Vec<Form>,
    },
    /// `⟨a, b⟩`: a vector, never an interval.
    Vector(Vec<Form>),
    Set(Vec<Form>),
    Union(Vec<Form>),
    Intersection(Vec<Form>),
    Difference(Box<Form>, Box<Form>),
    Named(NamedSet),
    Matrix(Vec<Vec<Form>>),
    /// `a : b : c`; with half of the day where it is a time.
    Ratio(Vec<Value>, Option<DayHalf>),
    Residue {
        value: Id,
        modulus: Id,
    },
    Date(Date),
    /// One capital letter.
    Choice(char),
    /// Words in lower case with single spaces.
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DayHalf {
    Am,
    Pm,
}
