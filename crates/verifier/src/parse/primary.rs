//! Numbers, variables, fractions and roots.

use super::{Parser, Part};
use crate::budget::Outcome;
use crate::expr::{Binder, Function, Id, Node};
use crate::form::Form;
use crate::lex::token::{Bracket, Environment, Tok};

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Outcome<Part> {
        let id = match self.tok() {
            Tok::Number(index) => self.number(index)?,
            Tok::Symbol(name) => return self.symbol(name),
            Tok::Constant(constant) => {
                self.next();
                self.arena.constant(constant)
            }
            Tok::Function(function) => self.function(function)?,
            Tok::Underscore | Tok::Caret => self.nested(Self::prescript)?,
            Tok::Open(Bracket::Brace) if self.prescript_ahead() => self.nested(Self::prescript)?,
            Tok::Open(Bracket::Round) if self.bracketed_digits_ahead() => {
                self.next();
                let digits = self.word().to_owned();
                self.at += 2;
                self.in_base_behind(&digits)?
            }
            Tok::Open(bracket) => return self.nested(|p| p.group(bracket)),
            Tok::Close(Bracket::Square) => return self.nested(|p| p.outward_interval()),
            Tok::Bar | Tok::DoubleBar => self.nested(Self::bars)?,
            Tok::Frac => self.nested(Self::fraction)?,
            Tok::Binom => self.nested(Self::binomial)?,
            Tok::Sqrt => self.nested(Self::root)?,
            Tok::CubeRoot => {
                self.next();
                let inside = self.nested(|p| p.argument(false))?;
                let three = self.arena.integer(3);
                self.arena.root(inside, three, self.budget)?
            }
            Tok::Accent => self.accented()?,
            Tok::Figure => self.figure()?,
            Tok::Sum => self.nested(|p| p.series(Binder::Sum))?,
            Tok::Product => self.nested(|p| p.series(Binder::Product))?,
            Tok::Integral => self.nested(Self::integral)?,
            Tok::Limit => self.nested(Self::limit)?,
            Tok::Differential(_) => {
                self.next();
                self.arena.integer(1)
            }
            Tok::Begin(Environment::Determinant) => match self.nested(Self::environment)? {
                Form::Matrix(rows) => self.determinant(&rows)?,
                _ => return self.error("a matrix of numbers"),
            },
            Tok::Begin(_) => return Ok(Part::Form(self.nested(Self::environment)?)),
            Tok::Set(set) => {
                self.next();
                return Ok(Part::Form(Form::Named(set)));
            }
            Tok::Currency(_) => {
                self.next();
                return self.primary_behind_currency();
            }
            Tok::Word => return self.word_value(),
            _ => return self.error("a number, a variable or an opening bracket"),
        };
        Ok(Part::Value(id))
    }

    fn primary_behind_currency(&mut self) -> Outcome<Part> {
        match self.tok() {
            Tok::Currency(_) => self.error("a number behind the currency"),
            _ => self.nested(Self::primary),
        }
    }

    /// A number, in its base, and the fraction that follows it in a mixed number.
    fn number(&mut self, index: u32) -> Outcome<Id> {
        let digits = self.word().to_owned();
        let number = self.lexed.numbers[index as usize].clone();
        self.next();
        let base_in_words =
            self.tok() == Tok::Word && self.word() == "base" && matches!(self.token(1).tok, Tok::Number(_));
        if number.plain && (self.tok() == Tok::Underscore || base_in_words) {
            return self.in_base_behind(&digits);
        }
        if number.plain
            && let Some(letters) = self.letter_digits()
        {
            let from = self.token(0).start as usize - digits.len();
            let digits = self.text[from..self.token(letters).start as usize].to_owned();
            self.at += letters;
            return self.in_base_behind(&digits);
        }
        let whole = self.arena.number(number.value.clone());
        if !number.value.is_int() || number.places.is_some() {
            return Ok(whole);
        }
        match self.mixed_fraction()? {
            Some(fraction) => self.arena.add(whole, fraction, self.budget),
            None => Ok(whole),
        }
    }

    /// `\frac{2}{3}`, ` 2/3` or `⅔` right behind a whole number.
    fn mixed_fraction(&mut self) -> Outcome<Option<Id>> {
        let start = self.at;
        match self.tok() {
            Tok::Number(index) if self.lexed.numbers[index as usize].vulgar => {
                let value = self.lexed.numbers[index as usize].value.clone();
                self.next();
                Ok(Some(self.arena.number(value)))
            }
            Tok::Number(top) if self.token(0).spaced && self.token(1).tok == Tok::Slash => {
                let Tok::Number(bottom) = self.token(2).tok else { return Ok(None) };
                let (top, bottom) = (&self.lexed.numbers[top as usize], &self.lexed.numbers[bottom as usize]);
                if !top.plain || !bottom.plain || bottom.value.is_zero() {
                    return Ok(None);
                }
                let value = &top.value / &bottom.value;
                self.at += 3;
                Ok(Some(self.arena.number(value)))
            }
            Tok::Frac if !self.unit_fraction_ahead() => {
                let fraction = self.nested(Self::fraction)?;
                let whole_parts = self.lexed.tokens[start + 1..self.at]
                    .iter()
                    .all(|t| matches!(t.tok, Tok::Number(_) | Tok::Open(Bracket::Brace) | Tok::Close(Bracket::Brace)));
                if whole_parts && self.arena.rational(fraction).is_some() {
                    return Ok(Some(fraction));
                }
                // `2\frac{x}{3}` is a product: read it again as one.
                self.at = start;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// An argument of `\frac`, `\sqrt` and the like: a group, or one token. `split` takes one digit of a longer number.
    pub(super) fn argument(&mut self, split: bool) -> Outcome<Id> {
        let token = self.token(0);
        if let Tok::Number(index) = token.tok {
            let digits = self.text.get(token.start as usize..token.end as usize).unwrap_or_default();
            if split && self.lexed.numbers[index as usize].plain && digits.len() > 1 && digits.is_ascii() {
                return self.first_digit(index);
            }
            let value = self.lexed.numbers[index as usize].value.clone();
            self.next();
            return Ok(self.arena.number(value));
        }
        let negative = self.eat(Tok::Minus);
        let part = self.primary()?;
        let id = self.value(part)?;
        Ok(if negative { self.arena.neg(id) } else { id })
    }

    /// Takes the first digit of the number token and leaves the others.
    fn first_digit(&mut self, index: u32) -> Outcome<Id> {
        let token = &mut self.lexed.tokens[self.at];
        let first = self.text.as_bytes()[token.start as usize] - b'0';
        token.start += 1;
        token.spaced = false;
        let rest = &self.text[token.start as usize..token.end as usize];
        let value = crate::lex::number::in_base(rest, 10)?;
        self.lexed.numbers[index as usize].value = value;
        Ok(self.arena.integer(i64::from(first)))
    }

    fn fraction(&mut self) -> Outcome<Id> {
        self.next();
        if let Some(derivative) = self.derivative()? {
            return Ok(derivative);
        }
        let round = self.tok() == Tok::Open(Bracket::Round);
        let top = self.argument(true)?;
        if round && self.tok() == Tok::Comma {
            return self.error("a numerator and a denominator");
        }
        let bottom = self.argument(true)?;
        self.arena.div(top, bottom, self.budget)
    }

    fn binomial(&mut self) -> Outcome<Id> {
        self.next();
        if self.eat(Tok::Open(Bracket::Round)) {
            let top = self.expression()?;
            if !self.eat(Tok::Comma) {
                return self.error("\",\"");
            }
            let bottom = self.expression()?;
            if !self.eat(Tok::Close(Bracket::Round)) {
                return self.error("\")\"");
            }
            return self.arena.call2(Function::Binomial, top, bottom, self.budget);
        }
        let (top, bottom) = (self.argument(true)?, self.argument(true)?);
        self.arena.call2(Function::Binomial, top, bottom, self.budget)
    }

    fn root(&mut self) -> Outcome<Id> {
        self.next();
        if self.tok() == Tok::Open(Bracket::Square) {
            self.next();
            let degree = self.expression()?;
            if !self.eat(Tok::Close(Bracket::Square)) {
                return self.error("\"]\"");
            }
            let inside = self.argument(false)?;
            return self.arena.root(inside, degree, self.budget);
        }
        let inside = self.argument(false)?;
        self.arena.sqrt(inside, self.budget)
    }

    /// `|x|`
    fn bars(&mut self) -> Outcome<Id> {
        let bar = self.tok();
        self.next();
        self.bars += 1;
        let inside = self.expression();
        self.bars -= 1;
        let inside = inside?;
        if !self.eat(bar) {
            return self.error("\"|\"");
        }
        self.arena.call(Function::Abs, inside, self.budget)
    }

    /// A sum that must be a number or expression.
    pub(super) fn expression(&mut self) -> Outcome<Id> {
        let part = self.sum()?;
        self.value(part)
    }

    /// A variable with its subscript and primes; a function where it is applied to something.
    fn symbol(&mut self, name: u32) -> Outcome<Part> {
        let spaced_letters = self.capitals();
        if let Some(name) = spaced_letters {
            return Ok(Part::Value(self.arena.push(Node::Symbol(name))));
        }
        if let Some(derivative) = self.slashed_derivative() {
            return Ok(Part::Value(derivative));
        }
        self.next();
        let mut name = name;
        if self.tok() == Tok::Underscore {
            if let Some(choice) = self.scripted_choice(name)? {
                return Ok(Part::Value(choice));
            }
            self.next();
            let subscript = self.subscript()?;
            let full = format!("{}_{}", self.arena.names[name as usize], subscript);
            name = self.arena.name(&full);
        }
        if self.tok() == Tok::Prime {
            let mut full = self.arena.names[name as usize].clone();
            while self.eat(Tok::Prime) {
                full.push('\'');
            }
            name = self.arena.name(&full);
        }
        if self.inverse_ahead(name) {
            let full = format!("{}^-1", self.arena.names[name as usize]);
            name = self.arena.name(&full);
            self.at += 5;
        }
        if let Some(applied) = self.application(name)? {
            return Ok(Part::Value(applied));
        }
        Ok(Part::Value(self.arena.push(Node::Symbol(name))))
    }

    /// `AB`, `ABC`: capitals that are a whole side of an equation name one thing.
    fn capitals(&mut self) -> Option<u32> {
        let is_capital = |p: &Self, ahead: usize| match p.token(ahead).tok {
            Tok::Symbol(name) => {
                p.arena.names[name as usize].as_bytes() == [p.text.as_bytes()[p.token(ahead).start as usize]]
                    && p.text.as_bytes()[p.token(ahead).start as usize].is_ascii_uppercase()
                    && (ahead == 0 || !p.token(ahead).spaced)
            }
            _ => false,
        };
        let before = self.at.checked_sub(1).map(|at| self.lexed.tokens[at].tok);
        if !matches!(before, None | Some(Tok::Rel(_) | Tok::Comma | Tok::Semicolon | Tok::Word)) {
            return None;
        }
        let length = (0..8).take_while(|&ahead| is_capital(self, ahead)).count();
        let behind = self.token(length).tok;
        if length < 2 || !matches!(behind, Tok::Rel(_) | Tok::End0 | Tok::Comma | Tok::Close(_) | Tok::Semicolon) {
            return None;
        }
        let word = self.letters_ahead(length);
        self.at += length;
        Some(self.arena.name(&word))
    }

    /// The next `length` tokens, each one ASCII letter, as a word.
    pub(super) fn letters_ahead(&self, length: usize) -> String {
        (0..length).map(|ahead| char::from(self.text.as_bytes()[self.token(ahead).start as usize])).collect()
    }

    /// The characters of a subscript.
    pub(super) fn subscript(&mut self) -> Outcome<String> {
        let mut name = String::new();
        if !self.eat(Tok::Open(Bracket::Brace)) {
            let token = self.token(0);
            if matches!(token.tok, Tok::End0 | Tok::Close(_)) {
                return self.error("a subscript");
            }
            name.push_str(self.word());
            self.next();
            return Ok(name);
        }
        let mut open = 1;
        loop {
            match self.tok() {
                Tok::End0 => return self.error("\"}\""),
                Tok::Open(Bracket::Brace) => open += 1,
                Tok::Close(Bracket::Brace) => {
                    open -= 1;
                    if open == 0 {
                        self.next();
                        return Ok(name);
                    }
                }
                _ => name.push_str(self.word()),
            }
            self.next();
        }
    }
}
