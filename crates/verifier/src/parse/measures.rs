//! Units behind a value: words, fractions of them, feet and inches, and letters that can also be variables.

use super::Parser;
use crate::budget::Outcome;
use crate::expr::{Node, build_small};
use crate::form::Value;
use crate::lex::token::{Bracket, Tok};
use crate::units::{Unit, named};
use dashu_ratio::RBig;

impl Parser<'_> {
    /// `2 hours 30 minutes`, `4 feet 6 inches`: parts of the unit that stands before them.
    pub(super) fn smaller_units(&mut self, value: &mut Value) -> Outcome<()> {
        loop {
            let start = self.at;
            if matches!(self.word(), "and") || self.tok() == Tok::Comma {
                self.next();
            }
            let (Some(unit), Tok::Number(index)) = (value.unit.clone(), self.tok()) else {
                self.at = start;
                return Ok(());
            };
            let part = self.lexed.numbers[index as usize].value.clone();
            let mut part = Value::of(self.arena.number(part));
            self.next();
            self.unit(&mut part);
            let factor = part.unit.as_ref().and_then(|part| part.to(&unit)).filter(|factor| *factor < RBig::ONE);
            let Some(factor) = factor else {
                self.at = start;
                return Ok(());
            };
            let factor = self.arena.number(factor);
            let part = self.arena.mul(part.id, factor, self.budget)?;
            value.id = self.arena.add(value.id, part, self.budget)?;
            value.decimal = None;
        }
    }

    /// `cm`, `square inches`, `m/s^2`, `miles per hour`: known units, as far as they go.
    pub(super) fn unit(&mut self, value: &mut Value) {
        if self.unit_fraction_ahead() {
            value.unit = self.unit_fraction();
            return;
        }
        if let Some(primes) = self.feet_or_inches() {
            value.unit = primes;
            return;
        }
        let mut unit: Option<Unit> = None;
        let mut power = 1i8;
        let mut divide = false;
        loop {
            if self.tok() == Tok::Slash || self.tok() == Tok::Word && self.word() == "per" {
                divide = true;
                self.next();
                continue;
            }
            if self.tok() == Tok::Star && unit.is_some() {
                self.next();
                continue;
            }
            let word = match self.tok() {
                Tok::Word => self.word().to_owned(),
                Tok::Function(crate::expr::Function::Min) => "min".to_owned(),
                Tok::Function(crate::expr::Function::Sec) => "sec".to_owned(),
                Tok::Symbol(_) if unit.is_some() => self.word().to_owned(),
                _ => break,
            };
            match word.as_str() {
                "square" | "sq" => {
                    power = 2;
                    self.next();
                    continue;
                }
                "cubic" | "cu" => {
                    power = 3;
                    self.next();
                    continue;
                }
                // "10 squared" is no unit, "10 squared metres" is one.
                "squared" if self.token(1).tok == Tok::Word => {
                    self.next();
                    continue;
                }
                _ => {}
            }
            let Some(named) = named(&word) else { break };
            self.next();
            let mut own = power;
            if let Some(exponent) = self.unit_exponent() {
                own = exponent;
            } else if self.tok() == Tok::Word && matches!(self.word(), "squared" | "cubed") {
                own = if self.word() == "squared" { 2 } else { 3 };
                self.next();
            }
            let signed = if divide { -own } else { own };
            unit = unit.unwrap_or_else(Unit::none).times(&named, signed);
            if unit.is_none() {
                return;
            }
            power = 1;
            divide = false;
        }
        if unit.is_some() {
            value.unit = unit;
        }
    }

    /// `6'`, `2"`
    fn feet_or_inches(&mut self) -> Option<Option<Unit>> {
        if self.tok() != Tok::Prime {
            return None;
        }
        self.next();
        Some(named(if self.eat(Tok::Prime) { "inch" } else { "foot" }))
    }

    /// `\frac{\text{m}}{\text{s}}`
    pub(super) fn unit_fraction_ahead(&self) -> bool {
        let token = self.token(2);
        self.tok() == Tok::Frac
            && self.token(1).tok == Tok::Open(Bracket::Brace)
            && token.tok == Tok::Word
            && named(&self.text[token.start as usize..token.end as usize]).is_some()
    }

    fn unit_fraction(&mut self) -> Option<Unit> {
        self.next();
        let mut unit = Unit::none();
        for sign in [1, -1] {
            let braced = self.eat(Tok::Open(Bracket::Brace));
            while matches!(self.tok(), Tok::Word | Tok::Symbol(_)) {
                let word = named(self.word())?;
                self.next();
                let power = self.unit_exponent().unwrap_or(1);
                unit = unit.times(&word, sign * power)?;
                if !braced {
                    break;
                }
                self.eat(Tok::Star);
            }
            if braced && !self.eat(Tok::Close(Bracket::Brace)) {
                return None;
            }
        }
        Some(unit)
    }

    /// `^2`, `^{-1}`
    pub(super) fn unit_exponent(&mut self) -> Option<i8> {
        if self.tok() != Tok::Caret {
            return None;
        }
        let start = self.at;
        self.next();
        let braced = self.eat(Tok::Open(Bracket::Brace));
        let negative = self.eat(Tok::Minus);
        let Tok::Number(index) = self.tok() else {
            self.at = start;
            return None;
        };
        let exponent = build_small(&self.lexed.numbers[index as usize].value).and_then(|e| i8::try_from(e).ok());
        self.next();
        if braced {
            self.eat(Tok::Close(Bracket::Brace));
        }
        exponent.filter(|e| e.unsigned_abs() <= 12).map(|e| if negative { -e } else { e })
    }

    /// Whether the slash here begins a unit: "5/s" is none, "60 km/h" has its word before.
    pub(super) fn slash_before_unit(&self) -> bool {
        self.token(1).tok == Tok::Word
            && named(&self.text[self.token(1).start as usize..self.token(1).end as usize]).is_some()
    }

    /// `5 m`, `9.8 m/s^2`: letters behind a number that can also be units.
    pub(super) fn letter_unit(&mut self, value: &mut Value) -> Outcome<()> {
        let mut number = None;
        let mut unit = Unit::none();
        let mut parts = vec![(value.id, 1i8)];
        while let Some((id, power)) = parts.pop() {
            self.budget.charge(1)?;
            match *self.arena.node(id) {
                Node::Mul(a, b) => parts.extend([(a, power), (b, power)]),
                Node::Div(a, b) => parts.extend([(a, power), (b, -power)]),
                Node::Number(_) if number.is_none() && power == 1 => number = Some(id),
                Node::Pow(base, exponent) => {
                    let exponent =
                        self.arena.rational(exponent).and_then(build_small).and_then(|e| i8::try_from(e).ok());
                    match exponent.filter(|e| e.unsigned_abs() <= 6) {
                        Some(exponent) => parts.push((base, power.saturating_mul(exponent))),
                        None => return Ok(()),
                    }
                }
                Node::Symbol(name) => {
                    let Some(next) =
                        named(&self.arena.names[name as usize]).and_then(|named| unit.clone().times(&named, power))
                    else {
                        return Ok(());
                    };
                    unit = next;
                }
                _ => return Ok(()),
            }
        }
        let Some(number) = number.filter(|number| *number != value.id) else { return Ok(()) };
        self.met.letter_units = true;
        if self.reading.letter_units {
            value.id = number;
            value.unit = match &value.unit {
                Some(own) if !own.is_degree() => unit.times(own, 1),
                _ => Some(unit),
            };
        }
        Ok(())
    }
}
