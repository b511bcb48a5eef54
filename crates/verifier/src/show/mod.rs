//! Forms and expressions as text, for people, that the parser reads back as the same: what a report says that it understood can be
//! given as a gold answer or an answer again.

mod expression;
mod name;
mod number;

use std::fmt::Write;

use dashu_ratio::RBig;

use crate::expr::{Arena, Id, Node};
use crate::form::{DayHalf, Decimal, Form, Value};
use crate::lex::token::{NamedSet, Rel};
use crate::parse::MONTHS;
use crate::units::Unit;

/// Longer forms are cut in reports.
const MAX_SHOWN: usize = 400;

/// All readings of one answer, the preferred first.
pub(crate) fn readings(forms: &[Form], arena: &Arena) -> String {
    let mut page = Page::new(arena, MAX_SHOWN);
    for (at, form) in forms.iter().enumerate() {
        page.put(if at > 0 { "; or " } else { "" });
        page.form(form, Place::Whole);
    }
    let mut out = page.out;
    if out.len() > MAX_SHOWN {
        let cut = (0..=MAX_SHOWN).rev().find(|&at| out.is_char_boundary(at)).unwrap_or(0);
        out.truncate(cut);
        // What was cut does not read as what is left.
        out.push_str("…[cut]");
    }
    out
}

/// One reading, unless it takes more than `limit` bytes or has no spelling.
pub(crate) fn reading(form: &Form, arena: &Arena, limit: usize) -> Option<String> {
    let mut page = Page::new(arena, limit);
    page.form(form, Place::Whole);
    (page.whole && page.out.len() <= limit).then_some(page.out)
}

/// Where a form stands, which decides whether it needs brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// By itself.
    Whole,
    /// In a list, set, point or matrix.
    Entry,
    /// Beside a relation or set operation.
    Side,
}

/// A text being written.
struct Page<'a> {
    arena: &'a Arena,
    out: String,
    limit: usize,
    /// Nothing was left out that would change the value.
    whole: bool,
}

impl<'a> Page<'a> {
    fn new(arena: &'a Arena, limit: usize) -> Self {
        Page { arena, out: String::new(), limit, whole: true }
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Whether there is no room for more.
    fn is_full(&mut self) -> bool {
        let full = self.out.len() > self.limit;
        self.whole &= !full;
        full
    }

    fn form(&mut self, form: &Form, place: Place) {
        if self.is_full() {
            return;
        }
        match form {
            Form::Value(value) => self.value(value),
            Form::Chain(sides, relations) => self.within(place == Place::Side, "\\{", "\\}", |page| {
                for (at, side) in sides.iter().enumerate() {
                    page.put(if at > 0 { relation(relations[at - 1]) } else { "" });
                    page.form(side, Place::Side);
                }
            }),
            Form::List(items) if items.is_empty() => self.whole = false,
            Form::List(items) => self.within(place != Place::Whole, "{", "}", |page| page.joined(items, ", ")),
            Form::Set(items) => self.within(true, "\\{", "\\}", |page| page.joined(items, ", ")),
            Form::Vector(items) => self.within(true, "⟨", "⟩", |page| page.joined(items, ", ")),
            Form::Group { closed, items } => {
                let (open, close) = (if closed.0 { "[" } else { "(" }, if closed.1 { "]" } else { ")" });
                self.within(true, open, close, |page| page.joined(items, ", "));
            }
            Form::Union(parts) => self.operation(place, parts, " ∪ "),
            Form::Intersection(parts) => self.operation(place, parts, " ∩ "),
            Form::Difference(from, taken) => self.within(place == Place::Side, "(", ")", |page| {
                page.form(from, Place::Side);
                page.put(" ∖ ");
                page.form(taken, Place::Side);
            }),
            Form::Named(set) => self.put(match set {
                NamedSet::Reals => "ℝ",
                NamedSet::Integers => "ℤ",
                NamedSet::Naturals => "ℕ",
                NamedSet::Rationals => "ℚ",
                NamedSet::Complexes => "ℂ",
                NamedSet::Empty => "∅",
            }),
            Form::Matrix(rows) => self.within(true, "\\begin{pmatrix}", "\\end{pmatrix}", |page| {
                for (at, row) in rows.iter().enumerate() {
                    page.put(if at > 0 { " \\\\ " } else { "" });
                    page.joined(row, " & ");
                }
            }),
            Form::Ratio(parts, half) => {
                for (at, part) in parts.iter().enumerate() {
                    self.put(if at > 0 { " : " } else { "" });
                    self.value(part);
                }
                self.put(match half {
                    Some(DayHalf::Am) => " am",
                    Some(DayHalf::Pm) => " pm",
                    None => "",
                });
            }
            Form::Residue { value, modulus } => {
                self.put("x ≡ ");
                self.expression(*value);
                self.put(" (mod ");
                self.expression(*modulus);
                self.put(")");
            }
            Form::Date(date) => {
                let month = MONTHS[usize::from(date.month.clamp(1, 12)) - 1];
                self.put(&month[..1].to_ascii_uppercase());
                self.put(&month[1..]);
                self.whole &= date.day.is_some() || date.year.is_none();
                if let Some(day) = date.day {
                    let _ = write!(self.out, " {day}");
                }
                if let Some(year) = date.year {
                    let _ = write!(self.out, ", {year}");
                }
            }
            Form::Choice(letter) => self.within(place == Place::Side, "(", ")", |page| page.out.push(*letter)),
            Form::Text(text) => self.within(true, "\\text{", "}", |page| page.put(text)),
        }
    }

    fn within(&mut self, bracketed: bool, open: &str, close: &str, inside: impl FnOnce(&mut Self)) {
        self.put(if bracketed { open } else { "" });
        inside(self);
        self.put(if bracketed { close } else { "" });
    }

    fn joined(&mut self, items: &[Form], between: &str) {
        for (at, item) in items.iter().enumerate() {
            self.put(if at > 0 { between } else { "" });
            self.form(item, Place::Entry);
        }
    }

    fn operation(&mut self, place: Place, parts: &[Form], sign: &str) {
        self.within(place == Place::Side, "(", ")", |page| {
            for (at, part) in parts.iter().enumerate() {
                page.put(if at > 0 { sign } else { "" });
                page.form(part, Place::Side);
            }
        });
    }

    /// A value with the sign of its percent, unit or currency.
    fn value(&mut self, value: &Value) {
        let unit = value.unit.as_ref();
        let sign = unit.and_then(Unit::sign);
        match sign {
            Some('$') => self.put("\\$"),
            Some(sign) => self.out.push(sign),
            None => {}
        }
        let degrees = unit.is_some_and(|unit| unit.spelling() == "°");
        if value.percent {
            self.whole &= unit.is_none();
            self.percent(value);
        } else if let Some(decimal) = &value.decimal
            && let Some(number) = self.arena.rational(value.id)
        {
            number::decimal(number, decimal, self);
        } else if degrees {
            self.operand(value.id);
        } else {
            self.expression(value.id);
        }
        match unit {
            Some(_) if degrees => self.put("°"),
            Some(unit) if sign.is_none() => {
                let _ = write!(self.out, " \\text{{{}}}", unit.spelling());
            }
            _ => {}
        }
    }

    fn percent(&mut self, value: &Value) {
        let hundred = RBig::from(100);
        match (self.arena.node(value.id), &value.decimal) {
            (Node::Number(number), Some(Decimal { ulp, digits })) => {
                let written = Decimal { ulp: ulp * &hundred, digits: *digits };
                number::decimal(&(number * &hundred), &written, self);
            }
            (Node::Number(number), None) => number::operand(&(number * &hundred), self),
            (Node::Div(counted, by), _) if self.arena.rational(*by) == Some(&hundred) => self.operand(*counted),
            // `x + 5%`: the sign stands within.
            _ => {
                self.whole = false;
                self.expression(value.id);
            }
        }
        self.put("%");
    }

    /// An expression by itself.
    fn expression(&mut self, id: Id) {
        self.pieces(expression::Piece::Alone(id));
    }

    /// An expression beside an operator.
    fn operand(&mut self, id: Id) {
        self.pieces(expression::Piece::Operand(id));
    }
}

fn relation(relation: Rel) -> &'static str {
    match relation {
        Rel::Equal => " = ",
        Rel::NotEqual => " ≠ ",
        Rel::Less => " < ",
        Rel::LessEqual => " ≤ ",
        Rel::Greater => " > ",
        Rel::GreaterEqual => " ≥ ",
        Rel::Approx => " ≈ ",
        Rel::Equiv => " ≡ ",
        Rel::In => " ∈ ",
    }
}
