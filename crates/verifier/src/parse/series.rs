//! Sums and products with bounds, and residues.

use super::Parser;
use crate::budget::Outcome;
use crate::expr::build_small;
use crate::expr::{Binder, Constant, Id, Node};
use crate::form::Form;
use crate::lex::token::{Bracket, Rel, Tok};

/// Terms beyond this number are not written out.
const MAX_TERMS: i64 = 2_000;

impl Parser<'_> {
    /// `\sum_{k=1}^{n} body`
    pub(super) fn series(&mut self, kind: Binder) -> Outcome<Id> {
        self.next();
        if !self.eat(Tok::Underscore) || !self.eat(Tok::Open(Bracket::Brace)) {
            return self.error("the lower bound \"_{k=…}\"");
        }
        let symbol = match self.tok() {
            Tok::Symbol(name) => name,
            Tok::Constant(Constant::I) => self.arena.name("i"),
            _ => return self.error("the index of the sum"),
        };
        self.next();
        if !self.eat(Tok::Rel(Rel::Equal)) {
            return self.error("\"=\" behind the index");
        }
        let low = self.expression()?;
        if !self.eat(Tok::Close(Bracket::Brace)) || !self.eat(Tok::Caret) {
            return self.error("the upper bound");
        }
        let high = self.argument(false)?;
        let part = self.signed_product()?;
        let mut body = self.value(part)?;
        if self.arena.names[symbol as usize] == "i" {
            body = self.index_i(body, symbol)?;
        }
        let bounds =
            self.arena.rational(low).and_then(build_small).zip(self.arena.rational(high).and_then(build_small));
        match bounds {
            Some((low, high)) if high.saturating_sub(low) < MAX_TERMS => {
                self.written_out(kind == Binder::Product, symbol, low, high, body)
            }
            _ => Ok(self.arena.push(Node::Bound { kind, symbol, low, high, body })),
        }
    }

    fn written_out(&mut self, product: bool, symbol: u32, low: i64, high: i64, body: Id) -> Outcome<Id> {
        let mut total = self.arena.integer(i64::from(product));
        let size = self.arena.below(body).len() as u64;
        for k in low..=high {
            self.budget.charge(size + 10)?;
            let index = self.arena.integer(k);
            let term =
                self.arena.substitute(body, |node| (*node == Node::Symbol(symbol)).then_some(index), self.budget)?;
            total = if product {
                self.arena.mul(total, term, self.budget)?
            } else {
                self.arena.add(total, term, self.budget)?
            };
        }
        Ok(total)
    }

    /// Where i is the index it is not the imaginary unit.
    fn index_i(&mut self, body: Id, symbol: u32) -> Outcome<Id> {
        let index = self.arena.push(Node::Symbol(symbol));
        self.arena.substitute(body, |node| (*node == Node::Constant(Constant::I)).then_some(index), self.budget)
    }

    pub(super) fn modulus_ahead(&self) -> bool {
        self.tok() == Tok::Mod || self.tok() == Tok::Open(Bracket::Round) && self.token(1).tok == Tok::Mod
    }

    /// Whether the product in hand stands in a congruence, whose modulus belongs to all of it.
    pub(super) fn in_residue(&self) -> bool {
        self.lexed.tokens[..self.at].iter().rev().take(64).any(|t| t.tok == Tok::Rel(Rel::Equiv))
    }

    /// `x ≡ 3 (mod 7)`
    pub(super) fn residue(&mut self, sides: Vec<Form>) -> Outcome<Form> {
        let bracketed = self.eat(Tok::Open(Bracket::Round));
        self.next();
        let modulus = if self.tok() == Tok::Open(Bracket::Brace) { self.argument(false)? } else { self.expression()? };
        if bracketed && !self.eat(Tok::Close(Bracket::Round)) {
            return self.error("\")\"");
        }
        match sides.last() {
            Some(Form::Value(value)) => Ok(Form::Residue { value: value.id, modulus }),
            _ => self.error("a residue"),
        }
    }
}
