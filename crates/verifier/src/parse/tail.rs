//! Words behind a value: units, halves of the day, nouns that only name what was counted.

use super::Parser;
use crate::budget::Outcome;
use crate::expr::{Node, build_small};
use crate::form::{Date, DayHalf, Form, Value};
use crate::lex::token::{Bracket, Rel, Tok};
use crate::parse::words;
use crate::units::{Unit, currency, named};
use dashu_ratio::RBig;

impl Parser<'_> {
    /// Reads what may stand behind the value of an item.
    pub(super) fn tail(&mut self, form: Form) -> Outcome<Form> {
        match form {
            Form::Value(value) => self.behind_value(value),
            Form::Ratio(parts, None) => {
                let half = self.day_half();
                self.skip_words();
                Ok(Form::Ratio(parts, half))
            }
            // The unit of an equation is that of its last side.
            Form::Chain(mut sides, relations) => {
                if let Some(Form::Value(last)) = sides.last().cloned() {
                    let last = self.behind_value(last)?;
                    sides.pop();
                    sides.push(last);
                } else {
                    self.skip_words();
                }
                Ok(Form::Chain(sides, relations))
            }
            form => {
                self.skip_words();
                Ok(form)
            }
        }
    }

    fn behind_value(&mut self, mut value: Value) -> Outcome<Form> {
        if value.unit.is_none()
            && let Some(sign) = self.money_before()
        {
            value.unit = currency(sign);
        }
        if let Tok::Currency(sign) = self.tok() {
            self.next();
            value.unit = currency(sign);
        }
        if self.tok() == Tok::Percent {
            self.next();
            self.percent(&mut value)?;
        }
        if self.tok() == Tok::Word {
            let word = self.word().to_ascii_lowercase();
            if let Some(half) = self.day_half() {
                return Ok(Form::Ratio(vec![value], Some(half)));
            }
            if let Some(month) = words::month(&word)
                && let Some(day) = self.arena.rational(value.id).and_then(build_small)
            {
                self.next();
                let year = self.year()?;
                return Ok(Form::Date(Date { month, day: u8::try_from(day).ok(), year }));
            }
            if matches!(word.as_str(), "percent" | "pct" | "per" | "percentage")
                && (word != "per" || self.cent_behind())
            {
                self.at += if word == "per" { 2 } else { 1 };
                self.percent(&mut value)?;
                self.skip_words();
                return Ok(Form::Value(value));
            }
            if let Some(scale) = words::scale(&word) {
                self.next();
                let scale = self.arena.number(scale);
                value.id = self.arena.mul(value.id, scale, self.budget)?;
                value.decimal = None;
            }
        }
        if value.unit.is_none() || value.unit.as_ref().is_some_and(Unit::is_degree) {
            self.unit(&mut value);
            self.smaller_units(&mut value)?;
        }
        self.skip_words();
        self.letter_unit(&mut value)?;
        Ok(Form::Value(value))
    }

    /// `2 hours 30 minutes`, `4 feet 6 inches`: parts of the unit that stands before them.
    fn smaller_units(&mut self, value: &mut Value) -> Outcome<()> {
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

    fn percent(&mut self, value: &mut Value) -> Outcome<()> {
        let hundred = self.arena.integer(100);
        value.id = self.arena.div(value.id, hundred, self.budget)?;
        value.percent = true;
        if let Some(decimal) = &mut value.decimal {
            decimal.ulp /= RBig::from(100);
        }
        Ok(())
    }

    fn cent_behind(&self) -> bool {
        let token = self.token(1);
        token.tok == Tok::Word && matches!(&self.text[token.start as usize..token.end as usize], "cent" | "hundred")
    }

    /// The currency sign in front of the item's number.
    fn money_before(&self) -> Option<char> {
        let behind = self.lexed.tokens[..self.at].iter().rev();
        let item = behind.take_while(|t| !matches!(t.tok, Tok::Comma | Tok::Semicolon)).take(64);
        item.filter_map(|t| if let Tok::Currency(sign) = t.tok { Some(sign) } else { None }).last()
    }

    fn year(&mut self) -> Outcome<Option<i32>> {
        let comma = self.tok() == Tok::Comma;
        if let Tok::Number(index) = self.token(usize::from(comma)).tok {
            let number = &self.lexed.numbers[index as usize];
            if number.plain && number.digits == 4 {
                let year = build_small(&number.value).and_then(|y| i32::try_from(y).ok());
                self.at += 1 + usize::from(comma);
                return Ok(year);
            }
        }
        Ok(None)
    }

    /// `a.m.`, `PM`
    fn day_half(&mut self) -> Option<DayHalf> {
        if self.tok() != Tok::Word && !matches!(self.tok(), Tok::Symbol(_)) {
            return None;
        }
        let start = self.token(0).start as usize;
        let rest: String = self.text[start..]
            .chars()
            // "A·m" is a unit.
            .take_while(|c| c.is_ascii_alphabetic() || matches!(c, '.' | ' '))
            .take(5)
            .filter(|c| c.is_ascii_alphabetic())
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let half = match rest.as_bytes() {
            b"am" => DayHalf::Am,
            b"pm" => DayHalf::Pm,
            _ => return None,
        };
        while matches!(self.tok(), Tok::Word | Tok::Symbol(_)) && (self.token(0).start as usize) < start + 4 {
            self.next();
        }
        Some(half)
    }

    /// `cm`, `square inches`, `m/s^2`, `miles per hour`: known units, as far as they go.
    fn unit(&mut self, value: &mut Value) {
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
                "squared" => {
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
    fn unit_exponent(&mut self) -> Option<i8> {
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

    /// Words, and numbers in words' company that only describe: "cm^2", "days".
    fn skip_words(&mut self) {
        loop {
            if self.skip_range() {
                continue;
            }
            match self.tok() {
                Tok::Word if !matches!(self.word(), "or" | "and" | "Or" | "And" | "OR" | "AND") => self.next(),
                Tok::Caret if self.at > 0 && self.lexed.tokens[self.at - 1].tok == Tok::Word => {
                    if self.unit_exponent().is_none() {
                        return;
                    }
                }
                Tok::Bang | Tok::Ellipsis => self.next(),
                Tok::Slash if matches!(self.token(1).tok, Tok::Word) => self.next(),
                Tok::Minus if self.token(1).tok == Tok::Word => self.next(),
                // "10 inches (25 cm)" gives two answers; "5 (five)" one.
                Tok::Open(Bracket::Round) if self.token(1).tok == Tok::Word => {
                    let close = (1..12).find(|&k| !matches!(self.token(k).tok, Tok::Word | Tok::Minus));
                    match close {
                        Some(k) if self.token(k).tok == Tok::Close(Bracket::Round) => self.at += k + 1,
                        _ => return,
                    }
                }
                _ => return,
            }
        }
    }

    /// `(k \in \mathbb{Z})`, and the name behind "for all" or "for integers": what a name runs over.
    fn skip_range(&mut self) -> bool {
        let set = |ahead: usize| {
            self.token(ahead).tok == Tok::Rel(Rel::In) && matches!(self.token(ahead + 1).tok, Tok::Set(_))
        };
        let name = |ahead: usize| matches!(self.token(ahead).tok, Tok::Symbol(_));
        let bracketed = self.tok() == Tok::Open(Bracket::Round)
            && name(1)
            && set(2)
            && self.token(4).tok == Tok::Close(Bracket::Round);
        if bracketed {
            self.at += 5;
            return true;
        }
        let before = self.at.checked_sub(1).map(|at| self.lexed.tokens[at]);
        let announced = before.is_some_and(|before| {
            before.tok == Tok::Word
                && matches!(
                    &self.text[before.start as usize..before.end as usize],
                    "all"
                        | "any"
                        | "every"
                        | "each"
                        | "integer"
                        | "integers"
                        | "real"
                        | "numbers"
                        | "number"
                        | "constant"
                )
        });
        let length = if set(1) { 3 } else { 1 };
        let ends = matches!(self.token(length).tok, Tok::End0 | Tok::Comma | Tok::Close(_) | Tok::Word);
        let found = announced && name(0) && ends;
        self.at += if found { length } else { 0 };
        found
    }

    /// Whether the slash here begins a unit: "5/s" is none, "60 km/h" has its word before.
    pub(super) fn slash_before_unit(&self) -> bool {
        self.token(1).tok == Tok::Word
            && named(&self.text[self.token(1).start as usize..self.token(1).end as usize]).is_some()
    }

    /// `5 m`, `9.8 m/s^2`: letters behind a number that can also be units.
    fn letter_unit(&mut self, value: &mut Value) -> Outcome<()> {
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
