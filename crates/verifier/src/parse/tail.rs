//! Words behind a value: units, halves of the day, nouns that only name what was counted.

use super::{Parser, is_power};
use crate::budget::Outcome;
use crate::expr::build_small;
use crate::form::{Date, DayHalf, Form, Value};
use crate::lex::token::{Bracket, Rel, Tok};
use crate::parse::{counting, words};
use crate::units::{Unit, currency};
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
            if let Some(scale) = counting::scale(&word) {
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

    /// Words, and numbers in words' company that only describe: "cm^2", "days".
    fn skip_words(&mut self) {
        let value_before =
            |p: &Self| p.at > 0 && !matches!(p.lexed.tokens[p.at - 1].tok, Tok::Word | Tok::Symbol(_) | Tok::Slash);
        loop {
            if self.skip_range() {
                continue;
            }
            match self.tok() {
                Tok::Word if is_power(self.word()) && value_before(self) => return,
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
}
