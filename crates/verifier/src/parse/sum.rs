//! Sums, products, powers and what stands behind a factor.

use super::{Parser, Part};
use crate::budget::Outcome;
use crate::expr::{Constant, Function, Id, Node};
use crate::form::{Form, Value};
use crate::lex::token::{Bracket, Rel, Tok};
use dashu_ratio::RBig;

impl Parser<'_> {
    pub(super) fn sum(&mut self) -> Outcome<Part> {
        let mut total = match self.signed_product()? {
            Part::Value(id) => id,
            Part::Form(Form::Matrix(rows)) => return self.sum_of_matrices(rows).map(Part::Form),
            form => return Ok(form),
        };
        loop {
            match self.tok() {
                Tok::Plus => {
                    self.next();
                    let term = self.signed_product()?;
                    let term = self.value(term)?;
                    total = self.arena.add(total, term, self.budget)?;
                }
                Tok::Minus if !self.hyphen() => {
                    self.next();
                    let term = self.signed_product()?;
                    let term = self.value(term)?;
                    total = self.arena.sub(total, term, self.budget)?;
                }
                sign @ (Tok::PlusMinus | Tok::MinusPlus) => {
                    self.next();
                    let term = self.signed_product()?;
                    let term = self.value(term)?;
                    total = self.arena.push(Node::PlusMinus(total, term, sign == Tok::MinusPlus));
                }
                _ => return Ok(Part::Value(total)),
            }
        }
    }

    /// Matrices of one shape between signs, entry by entry.
    fn sum_of_matrices(&mut self, mut total: Vec<Vec<Form>>) -> Outcome<Form> {
        while matches!(self.tok(), Tok::Plus | Tok::Minus) {
            let negative = self.tok() == Tok::Minus;
            self.next();
            let mut rows = match self.signed_product()? {
                Part::Form(Form::Matrix(rows)) => rows,
                _ => return self.error("a matrix"),
            };
            if negative {
                let minus = self.arena.integer(-1);
                let Form::Matrix(turned) = self.scaled(rows, minus)? else { return self.error("a matrix") };
                rows = turned;
            }
            if rows.iter().map(Vec::len).ne(total.iter().map(Vec::len)) {
                return self.error("a matrix of the same shape");
            }
            for (cell, other) in total.iter_mut().flatten().zip(rows.iter().flatten()) {
                let (Form::Value(a), Form::Value(b)) = (&*cell, other) else {
                    return self.error("matrices of numbers");
                };
                *cell = Form::Value(Value::of(self.arena.add(a.id, b.id, self.budget)?));
            }
        }
        Ok(Form::Matrix(total))
    }

    /// A minus that only joins a number to a word: "7-day".
    fn hyphen(&self) -> bool {
        self.token(1).tok == Tok::Word && !self.token(1).spaced
    }

    /// A product behind any number of signs.
    pub(super) fn signed_product(&mut self) -> Outcome<Part> {
        let mut negative = false;
        let mut either = None;
        loop {
            match self.tok() {
                Tok::Plus => {}
                Tok::Minus => negative = !negative,
                sign @ (Tok::PlusMinus | Tok::MinusPlus) if either.is_none() => either = Some(sign == Tok::MinusPlus),
                _ => break,
            }
            self.next();
        }
        let part = self.product()?;
        if !negative && either.is_none() {
            return Ok(part);
        }
        // −∞ and the like stay values; a sign before a set or tuple has no meaning here.
        let mut id = match part {
            Part::Form(Form::Matrix(rows)) if either.is_none() => {
                let minus = self.arena.integer(-1);
                return Ok(Part::Form(self.scaled(rows, minus)?));
            }
            part => self.value(part)?,
        };
        if negative {
            id = self.arena.neg(id);
        }
        if let Some(flip) = either {
            let zero = self.arena.integer(0);
            id = self.arena.push(Node::PlusMinus(zero, id, flip));
        }
        Ok(Part::Value(id))
    }

    fn product(&mut self) -> Outcome<Part> {
        let mut total = match self.factor()? {
            Part::Value(id) => id,
            form => return Ok(form),
        };
        loop {
            match self.tok() {
                Tok::Star | Tok::Slash => {
                    let divide = self.tok() == Tok::Slash;
                    if divide && self.slash_before_unit() {
                        return Ok(Part::Value(total));
                    }
                    self.next();
                    let factor = self.signed_factor()?;
                    total = match factor {
                        Part::Form(Form::Matrix(rows)) if !divide => return Ok(Part::Form(self.scaled(rows, total)?)),
                        part => {
                            let factor = self.value(part)?;
                            if divide {
                                self.arena.div(total, factor, self.budget)?
                            } else {
                                self.arena.mul(total, factor, self.budget)?
                            }
                        }
                    };
                }
                Tok::Begin(_) => match self.factor()? {
                    Part::Form(Form::Matrix(rows)) => return Ok(Part::Form(self.scaled(rows, total)?)),
                    part => {
                        let factor = self.value(part)?;
                        total = self.arena.mul(total, factor, self.budget)?;
                    }
                },
                Tok::Mod if !matches!(self.token(1).tok, Tok::Open(Bracket::Round)) && !self.in_residue() => {
                    self.next();
                    let factor = self.signed_factor()?;
                    let factor = self.value(factor)?;
                    total = self.arena.call2(Function::Mod, total, factor, self.budget)?;
                }
                // The `dx` of an integral, which is no factor of its body.
                Tok::Differential(_) => self.next(),
                _ if self.factor_ahead() => {
                    let part = self.factor()?;
                    let factor = self.value(part)?;
                    total = self.arena.mul(total, factor, self.budget)?;
                }
                _ => return Ok(Part::Value(total)),
            }
        }
    }

    fn signed_factor(&mut self) -> Outcome<Part> {
        let mut negative = false;
        while matches!(self.tok(), Tok::Plus | Tok::Minus) {
            negative ^= self.tok() == Tok::Minus;
            self.next();
        }
        let part = self.factor()?;
        if !negative {
            return Ok(part);
        }
        let id = self.value(part)?;
        Ok(Part::Value(self.arena.neg(id)))
    }

    /// Whether a factor begins here without a sign of multiplication.
    pub(super) fn factor_ahead(&self) -> bool {
        match self.tok() {
            // `10 \frac{\text{m}}{\text{s}}`
            Tok::Frac if self.unit_fraction_ahead() => false,
            Tok::Symbol(_)
            | Tok::Constant(_)
            | Tok::Frac
            | Tok::Binom
            | Tok::Sqrt
            | Tok::CubeRoot
            | Tok::Accent
            | Tok::Figure => true,
            Tok::Sum | Tok::Product | Tok::Integral | Tok::Limit | Tok::Differential(_) => true,
            // "5 min" and "5 sec" are units.
            Tok::Function(Function::Min | Function::Sec) => {
                !matches!(self.token(1).tok, Tok::End0 | Tok::Comma | Tok::Close(_) | Tok::Word)
            }
            Tok::Function(_) => true,
            Tok::Open(Bracket::Curly | Bracket::Angle) => false,
            Tok::Open(Bracket::Square) if self.outward => false,
            // "42 (forty-two)"
            Tok::Open(Bracket::Round) if self.token(0).spaced && self.token(1).tok == Tok::Word => false,
            // `k\pi (k \in \mathbb{Z})`
            Tok::Open(Bracket::Round) if self.token(2).tok == Tok::Rel(Rel::In) => false,
            // `3 (mod 7)`
            Tok::Open(Bracket::Round) if self.token(1).tok == Tok::Mod => false,
            Tok::Open(_) => true,
            Tok::Bar => self.bars == 0 && self.curly == 0,
            // `(2)3`, `\frac{1}{2}3` and `n 2^n` are products; `2 3` is nothing.
            Tok::Number(_) => match self.at.checked_sub(1).map(|at| self.lexed.tokens[at].tok) {
                Some(Tok::Close(Bracket::Round | Bracket::Brace)) => true,
                Some(Tok::Symbol(_) | Tok::Constant(_)) => !self.token(0).spaced || self.token(1).tok == Tok::Caret,
                // `3! 7!`, `2^4 3^2`
                Some(Tok::Bang) => !self.token(0).spaced || matches!(self.token(1).tok, Tok::Bang | Tok::Caret),
                Some(Tok::Number(_)) => self.token(1).tok == Tok::Caret && self.behind_exponent(),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether the number before is an exponent.
    fn behind_exponent(&self) -> bool {
        let before = |back: usize| self.at.checked_sub(back).map(|at| self.lexed.tokens[at].tok);
        before(2) == Some(Tok::Caret) || before(2) == Some(Tok::Minus) && before(3) == Some(Tok::Caret)
    }

    /// A primary with its exponents, factorials, percent and degree signs.
    pub(super) fn factor(&mut self) -> Outcome<Part> {
        let mut base = match self.primary()? {
            Part::Value(id) => id,
            Part::Form(form) => return self.behind_form(form),
        };
        loop {
            match self.tok() {
                Tok::Bang => {
                    self.next();
                    let double = self.tok() == Tok::Bang;
                    self.at += usize::from(double);
                    let function = if double { Function::DoubleFactorial } else { Function::Factorial };
                    base = self.arena.call(function, base, self.budget)?;
                }
                Tok::Percent => {
                    self.next();
                    let hundred = self.arena.integer(100);
                    base = self.arena.div(base, hundred, self.budget)?;
                }
                Tok::Degree => {
                    self.next();
                    base = self.degree(base)?;
                }
                Tok::Caret => {
                    self.next();
                    base = self.raised(base)?;
                }
                Tok::Prime if self.degrees => {
                    self.next();
                    let double = self.eat(Tok::Prime);
                    let parts = self.arena.integer(if double { 3600 } else { 60 });
                    base = self.arena.div(base, parts, self.budget)?;
                }
                _ => return Ok(Part::Value(base)),
            }
        }
    }

    /// `x°`: radians within a trigonometric argument, else the number with degrees as its unit.
    fn degree(&mut self, base: Id) -> Outcome<Id> {
        // 45°30′ is a sum.
        if !self.angle {
            self.degrees = true;
            let raised = usize::from(self.token(1).tok == Tok::Caret);
            let braced = usize::from(raised == 1 && self.token(2).tok == Tok::Open(Bracket::Brace));
            if let (Tok::Number(_), Tok::Prime) = (self.tok(), self.token(1 + raised + braced).tok) {
                let minutes = self.factor()?;
                let minutes = self.value(minutes)?;
                return self.arena.add(base, minutes, self.budget);
            }
            return Ok(base);
        }
        let (pi, half_turn) = (self.arena.constant(Constant::Pi), self.arena.integer(180));
        let radians = self.arena.mul(base, pi, self.budget)?;
        self.arena.div(radians, half_turn, self.budget)
    }

    /// What stands behind `^`, over `base`.
    fn raised(&mut self, base: Id) -> Outcome<Id> {
        // ^\circ, ^{\circ}, ^{\prime}, ^{\prime\prime}
        let braced = self.tok() == Tok::Open(Bracket::Brace);
        let inner = self.token(usize::from(braced)).tok;
        if inner == Tok::Degree {
            self.at += 1 + usize::from(braced);
            if braced && !self.eat(Tok::Close(Bracket::Brace)) {
                return self.error("\"}\"");
            }
            return self.degree(base);
        }
        // 18^{th}
        if braced && self.arena.rational(base).is_some_and(RBig::is_int) {
            let close = (2..5).find(|&ahead| self.token(ahead).tok == Tok::Close(Bracket::Brace));
            let text = close.map(|close| (close, self.token(1).start as usize..self.token(close - 1).end as usize));
            if let Some((close, text)) = text
                && matches!(&self.text[text], "st" | "nd" | "rd" | "th")
            {
                self.at += close + 1;
                return Ok(base);
            }
        }
        if inner == Tok::Prime {
            self.at += usize::from(braced);
            let mut primes = 0;
            while self.eat(Tok::Prime) {
                primes += 1;
            }
            if braced && !self.eat(Tok::Close(Bracket::Brace)) {
                return self.error("\"}\"");
            }
            return self.primed(base, primes);
        }
        // Towers are read from the top.
        let mut tower = vec![base];
        loop {
            let negative = self.eat(Tok::Minus);
            self.eat(Tok::Plus);
            let part = self.nested(Self::primary)?;
            let mut exponent = self.value(part)?;
            if negative {
                exponent = self.arena.neg(exponent);
            }
            while self.tok() == Tok::Bang {
                self.next();
                exponent = self.arena.call(Function::Factorial, exponent, self.budget)?;
            }
            tower.push(exponent);
            if !self.eat(Tok::Caret) {
                break;
            }
        }
        let mut top = match tower.pop() {
            Some(top) => top,
            None => return self.error("an exponent"),
        };
        while let Some(base) = tower.pop() {
            top = self.arena.pow(base, top, self.budget)?;
        }
        Ok(top)
    }

    /// y′: a symbol of its own.
    fn primed(&mut self, base: Id, primes: usize) -> Outcome<Id> {
        if let Node::Symbol(name) = *self.arena.node(base) {
            let name = format!("{}{}", self.arena.names[name as usize], "'".repeat(primes));
            let name = self.arena.name(&name);
            return Ok(self.arena.push(Node::Symbol(name)));
        }
        if self.arena.rational(base).is_some() {
            // Minutes and seconds of arc behind degrees; elsewhere feet and inches, where the number is the answer.
            let parts = self.arena.integer(if primes == 2 { 3600 } else { 60 });
            return if self.degrees { self.arena.div(base, parts, self.budget) } else { Ok(base) };
        }
        self.error("a name before \"'\"")
    }

    /// Powers and factors behind something that is no number: only a transposed matrix.
    fn behind_form(&mut self, form: Form) -> Outcome<Part> {
        if self.tok() != Tok::Caret {
            return Ok(Part::Form(form));
        }
        self.next();
        let braced = self.eat(Tok::Open(Bracket::Brace));
        let transposed = match self.tok() {
            Tok::Symbol(name) => self.arena.names[name as usize] == "T",
            Tok::Word => matches!(self.word(), "T" | "top" | "t"),
            _ => false,
        };
        self.next();
        if !transposed || braced && !self.eat(Tok::Close(Bracket::Brace)) {
            return self.error("\"T\" behind a matrix or vector");
        }
        let rows = match form {
            Form::Matrix(rows) => rows,
            Form::Group { items, .. } | Form::Vector(items) => vec![items],
            _ => return self.error("a matrix before \"^T\""),
        };
        let columns = rows.first().map_or(0, Vec::len);
        let flipped = (0..columns).map(|c| rows.iter().filter_map(|row| row.get(c).cloned()).collect()).collect();
        Ok(Part::Form(Form::Matrix(flipped)))
    }
}
