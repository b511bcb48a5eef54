//! Functions and their arguments.

use super::{Parser, Part};
use crate::budget::Outcome;
use crate::expr::{Constant, Function, Id, Node};
use crate::form::Form;
use crate::lex::token::{Bracket, Tok};
use dashu_ratio::RBig;

fn is_trigonometric(function: Function) -> bool {
    use Function::{Cis, Cos, Cot, Csc, Sec, Sin, Tan};
    matches!(function, Sin | Cos | Tan | Cot | Sec | Csc | Cis)
}

fn inverse(function: Function) -> Option<Function> {
    Some(match function {
        Function::Sin => Function::Asin,
        Function::Cos => Function::Acos,
        Function::Tan => Function::Atan,
        Function::Cot => Function::Acot,
        Function::Sec => Function::Asec,
        Function::Csc => Function::Acsc,
        Function::Sinh => Function::Asinh,
        Function::Cosh => Function::Acosh,
        Function::Tanh => Function::Atanh,
        _ => return None,
    })
}

impl Parser<'_> {
    /// A named function, its base or power, and its argument.
    pub(super) fn function(&mut self, function: Function) -> Outcome<Id> {
        self.next();
        if matches!(function, Function::Max | Function::Min | Function::Gcd | Function::Lcm) {
            return self.nested(|p| p.of_many(function));
        }
        if function == Function::Det {
            return self.nested(Self::determinant_of);
        }
        let mut base = None;
        let mut power = None;
        loop {
            match self.tok() {
                Tok::Underscore if base.is_none() && function == Function::Log => {
                    self.next();
                    base = Some(self.nested(|p| p.argument(true))?);
                }
                Tok::Caret if power.is_none() => {
                    self.next();
                    let negative = self.eat(Tok::Minus);
                    let exponent = self.nested(|p| p.argument(false))?;
                    power = Some(if negative { self.arena.neg(exponent) } else { exponent });
                }
                _ => break,
            }
        }
        let minus_one = power.is_some_and(|p| self.arena.rational(p).is_some_and(|p| *p == -RBig::ONE));
        let (function, power) = match inverse(function) {
            Some(inverse) if minus_one => (inverse, None),
            _ => (function, power),
        };
        let angle = std::mem::replace(&mut self.angle, is_trigonometric(function));
        let argument = self.nested(|p| p.function_argument(function));
        self.angle = angle;
        let argument = argument?;
        let value = match function {
            Function::Log => self.logarithm(argument, base)?,
            Function::Log10 => {
                let ten = self.arena.integer(10);
                self.logarithm(argument, Some(ten))?
            }
            Function::Cis => {
                let (i, e) = (self.arena.constant(Constant::I), self.arena.constant(Constant::E));
                let exponent = self.arena.mul(i, argument, self.budget)?;
                self.arena.pow(e, exponent, self.budget)?
            }
            _ => self.arena.call(function, argument, self.budget)?,
        };
        match power {
            Some(power) => self.arena.pow(value, power, self.budget),
            None => Ok(value),
        }
    }

    /// What stands behind `\det`: a matrix, whose determinant is worked out, or a name.
    fn determinant_of(&mut self) -> Outcome<Id> {
        let part = match self.primary()? {
            Part::Form(Form::Matrix(rows)) => return self.determinant(&rows),
            part => self.value(part)?,
        };
        let name = self.arena.name("det");
        Ok(self.arena.push(Node::Apply(name, part)))
    }

    fn logarithm(&mut self, argument: Id, base: Option<Id>) -> Outcome<Id> {
        let base = match base {
            Some(base) => Some(base),
            None => {
                self.met.log_ten = true;
                self.reading.log_ten.then(|| self.arena.integer(10))
            }
        };
        let top = self.arena.call(Function::Ln, argument, self.budget)?;
        let Some(base) = base else { return Ok(top) };
        if let Node::Constant(Constant::E) = self.arena.node(base) {
            return Ok(top);
        }
        let bottom = self.arena.call(Function::Ln, base, self.budget)?;
        self.arena.div(top, bottom, self.budget)
    }

    /// The argument of a function: a bracketed group, or the factors up to the next sign or function.
    fn function_argument(&mut self, function: Function) -> Outcome<Id> {
        let negative = self.eat(Tok::Minus);
        let bracketed = matches!(self.tok(), Tok::Open(Bracket::Round | Bracket::Brace | Bracket::Square) | Tok::Bar);
        let mut total = if bracketed {
            let part = self.primary()?;
            self.value(part)?
        } else {
            let part = self.factor()?;
            self.value(part)?
        };
        if !bracketed {
            loop {
                let more = match self.tok() {
                    Tok::Function(_) | Tok::Open(_) | Tok::Bar => false,
                    Tok::Sum | Tok::Product | Tok::Integral | Tok::Limit | Tok::Differential(_) | Tok::Begin(_) => {
                        false
                    }
                    _ => self.factor_ahead(),
                };
                // \cos π/4 is cos(π/4); sin x/2 is (sin x)/2.
                let slash = self.tok() == Tok::Slash
                    && is_trigonometric(function)
                    && matches!(self.token(1).tok, Tok::Number(_))
                    && !self.arena.any(total, |n| matches!(n, Node::Symbol(_)));
                if slash {
                    self.next();
                } else if !more {
                    break;
                }
                let part = self.factor()?;
                let factor = self.value(part)?;
                total = if slash {
                    self.arena.div(total, factor, self.budget)?
                } else {
                    self.arena.mul(total, factor, self.budget)?
                };
            }
        }
        Ok(if negative { self.arena.neg(total) } else { total })
    }

    /// `\max(a, b, c)`
    fn of_many(&mut self, function: Function) -> Outcome<Id> {
        let close = match self.tok() {
            Tok::Open(bracket @ (Bracket::Round | Bracket::Curly)) => Tok::Close(bracket),
            _ => return self.error("\"(\""),
        };
        self.next();
        let mut total = self.expression()?;
        while self.eat(Tok::Comma) {
            let next = self.expression()?;
            total = self.arena.call2(function, total, next, self.budget)?;
        }
        if !self.eat(close) {
            return self.error("\")\"");
        }
        Ok(total)
    }

    /// `f^{-1}(`: the inverse of a function, which is not its reciprocal.
    pub(super) fn inverse_ahead(&self, name: u32) -> bool {
        let one = |tok: Tok| matches!(tok, Tok::Number(at) if self.lexed.numbers[at as usize].value == RBig::ONE);
        self.arena.names[name as usize].starts_with(['f', 'g', 'h'])
            && self.tok() == Tok::Caret
            && self.token(1).tok == Tok::Open(Bracket::Brace)
            && self.token(2).tok == Tok::Minus
            && one(self.token(3).tok)
            && self.token(4).tok == Tok::Close(Bracket::Brace)
            && self.token(5).tok == Tok::Open(Bracket::Round)
    }

    /// `f(x)`: an unknown function, where the name is used as one. `n(n+1)` stays a product.
    pub(super) fn application(&mut self, name: u32) -> Outcome<Option<Id>> {
        if self.tok() != Tok::Open(Bracket::Round) {
            return Ok(None);
        }
        if let Some(special) = self.special_function(name)? {
            return Ok(Some(special));
        }
        let text = self.arena.names[name as usize].clone();
        let letter = text.bytes().next().unwrap_or(b' ');
        let applied =
            text.ends_with('\'') || text.contains(' ') || matches!(letter, b'f' | b'g' | b'h') || self.lone_argument();
        if text == "C" && self.pair_ahead() {
            self.at += 1;
            let top = self.nested(Self::expression)?;
            self.at += 1;
            let bottom = self.nested(Self::expression)?;
            self.at += 1;
            return self.arena.call2(Function::Binomial, top, bottom, self.budget).map(Some);
        }
        if let Some(conditional) = self.conditional(name) {
            return Ok(Some(conditional));
        }
        if !applied {
            return Ok(None);
        }
        let argument = match self.nested(|p| p.group(Bracket::Round))? {
            Part::Form(Form::Group { items, .. }) => return self.of_several(name, items).map(Some),
            part => self.value(part)?,
        };
        Ok(Some(self.arena.push(Node::Apply(name, argument))))
    }

    /// `f(x, y)`: a function of its first argument whose name carries the others.
    fn of_several(&mut self, name: u32, items: Vec<Form>) -> Outcome<Id> {
        let mut ids = Vec::new();
        for item in items {
            let Form::Value(value) = item else { return self.error("an argument") };
            ids.push(value.id);
        }
        let Some((&first, rest)) = ids.split_first() else { return self.error("an argument") };
        let mut total = self.arena.push(Node::Apply(name, first));
        for (position, &argument) in rest.iter().enumerate() {
            let full = format!("{}, argument {}", self.arena.names[name as usize], position + 2);
            let full = self.arena.name(&full);
            let applied = self.arena.push(Node::Apply(full, argument));
            total = self.arena.add(total, applied, self.budget)?;
        }
        Ok(total)
    }

    /// `(x)`, `(0)`: one letter or number alone in brackets.
    fn lone_argument(&self) -> bool {
        let inside = matches!(self.token(1).tok, Tok::Symbol(_) | Tok::Number(_));
        let applied = inside && self.token(2).tok == Tok::Close(Bracket::Round);
        // `x(5)` glued to a further bracket or power is a product.
        applied && !self.token(0).spaced
    }

    /// `(10,3)`
    fn pair_ahead(&self) -> bool {
        let number = |ahead: usize| matches!(self.token(ahead).tok, Tok::Number(_) | Tok::Symbol(_));
        number(1) && self.token(2).tok == Tok::Comma && number(3) && self.token(4).tok == Tok::Close(Bracket::Round)
    }
}
