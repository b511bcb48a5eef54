//! Special functions and counts with a notation of their own: Γ, ζ, `{}_{10}C_3`, `C_{10}^{3}`.

use super::{Parser, Part};
use crate::budget::Outcome;
use crate::expr::{Binder, Constant, Function, Id, Node, build_small};
use crate::lex::token::{Bracket, Tok};
use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

/// Largest argument of Γ that is worked out.
const MAX_GAMMA: u64 = 170;
/// `ζ(2k) = π^{2k}·a/b` (Euler).
const ZETA: [(i64, u64); 6] = [(1, 6), (1, 90), (1, 945), (1, 9450), (1, 93555), (691, 638_512_875)];

impl Parser<'_> {
    /// `\Gamma(1/2)`, `\zeta(2)`: worked out where that is known, else a function without a value. Stands before the bracket.
    pub(super) fn special_function(&mut self, name: u32) -> Outcome<Option<Id>> {
        let gamma = match self.arena.names[name as usize].as_str() {
            "Gamma" => true,
            "zeta" => false,
            _ => return Ok(None),
        };
        let argument = match self.nested(|p| p.group(Bracket::Round))? {
            Part::Value(id) => id,
            part => self.value(part)?,
        };
        let known = match self.arena.rational(argument).cloned() {
            Some(value) if gamma => self.gamma(&value)?,
            Some(value) => self.zeta(&value)?,
            None => None,
        };
        Ok(Some(known.unwrap_or_else(|| self.arena.push(Node::Apply(name, argument)))))
    }

    /// Γ of a positive whole number, or of half of an odd one: `Γ(x) = (x−1)·Γ(x−1)`, `Γ(1) = 1`, `Γ(1/2) = √π`.
    fn gamma(&mut self, value: &RBig) -> Outcome<Option<Id>> {
        let Some(twice) = build_small(&(value * RBig::from(2))).filter(|twice| twice.unsigned_abs() <= 2 * MAX_GAMMA)
        else {
            return Ok(None);
        };
        let whole = twice % 2 == 0;
        if whole && twice <= 0 {
            return self.error("an argument at which the function is defined");
        }
        self.budget.charge(twice.unsigned_abs())?;
        let half = |twice: i64| RBig::from_parts(IBig::from(twice), UBig::from(2u8));
        let mut factor = RBig::ONE;
        let start = if whole { 2 } else { 1 };
        for below in (start.min(twice)..start.max(twice)).step_by(2) {
            factor = if twice > start { factor * half(below) } else { factor / half(below) };
        }
        let factor = self.arena.number(factor);
        if whole {
            return Ok(Some(factor));
        }
        let pi = self.arena.constant(Constant::Pi);
        let root = self.arena.sqrt(pi, self.budget)?;
        self.arena.mul(factor, root, self.budget).map(Some)
    }

    /// ζ of a small even number, and of a greater whole number as its series.
    fn zeta(&mut self, value: &RBig) -> Outcome<Option<Id>> {
        let Some(s) = build_small(value).filter(|s| (2..=64).contains(s)) else { return Ok(None) };
        if let Some(&(top, bottom)) = ZETA.get(s as usize / 2 - 1).filter(|_| s % 2 == 0) {
            let (pi, power) = (self.arena.constant(Constant::Pi), self.arena.integer(s));
            let factor = self.arena.number(RBig::from_parts(IBig::from(top), UBig::from(bottom)));
            let power = self.arena.pow(pi, power, self.budget)?;
            return self.arena.mul(factor, power, self.budget).map(Some);
        }
        let symbol = self.arena.name("n");
        let index = self.arena.push(Node::Symbol(symbol));
        let (one, power) = (self.arena.integer(1), self.arena.integer(s));
        let bottom = self.arena.pow(index, power, self.budget)?;
        let body = self.arena.div(one, bottom, self.budget)?;
        let high = self.arena.constant(Constant::Infinity);
        Ok(Some(self.arena.push(Node::Bound { kind: Binder::Sum, symbol, low: one, high, body })))
    }

    /// Whether an empty group before a script begins here: `{}_{10}C_3`.
    pub(super) fn prescript_ahead(&self) -> bool {
        self.tok() == Tok::Open(Bracket::Brace)
            && self.token(1).tok == Tok::Close(Bracket::Brace)
            && matches!(self.token(2).tok, Tok::Underscore | Tok::Caret)
    }

    /// `{}_{10}C_3`, `^{10}C_3`, `_{10}P_{3}`: combinations, and permutations.
    pub(super) fn prescript(&mut self) -> Outcome<Id> {
        if self.prescript_ahead() {
            self.at += 2;
        }
        self.next();
        let top = self.argument(true)?;
        let combinations = match self.word() {
            "C" => true,
            "P" => false,
            _ => return self.error("a number, a variable or an opening bracket"),
        };
        self.next();
        if !self.eat(Tok::Underscore) && !self.eat(Tok::Caret) {
            return self.error("the lowered number behind C or P");
        }
        let bottom = self.argument(true)?;
        self.chosen(combinations, top, bottom)
    }

    /// `C_{10}^{3}`, `A_5^2`, as combinations and arrangements are written in much of the world. Stands behind the name; nothing
    /// where the numbers do not fit, as in a constant's square.
    pub(super) fn scripted_choice(&mut self, name: u32) -> Outcome<Option<Id>> {
        let combinations = match self.arena.names[name as usize].as_str() {
            "C" => true,
            "A" | "P" => false,
            _ => return Ok(None),
        };
        let start = self.at;
        let mut numbers = [None, None];
        for (number, script) in numbers.iter_mut().zip([Tok::Underscore, Tok::Caret]) {
            if self.eat(script) {
                let braced = self.eat(Tok::Open(Bracket::Brace));
                if let Tok::Number(index) = self.tok() {
                    *number = build_small(&self.lexed.numbers[index as usize].value);
                    self.next();
                }
                if braced && !self.eat(Tok::Close(Bracket::Brace)) {
                    *number = None;
                }
            }
        }
        if let [Some(top), Some(bottom)] = numbers
            && (0..=top).contains(&bottom)
        {
            let (top, bottom) = (self.arena.integer(top), self.arena.integer(bottom));
            return self.chosen(combinations, top, bottom).map(Some);
        }
        self.at = start;
        Ok(None)
    }

    /// `n!/(k!(n−k)!)`, or without `k!` where the order counts.
    fn chosen(&mut self, combinations: bool, top: Id, bottom: Id) -> Outcome<Id> {
        if combinations {
            return self.arena.call2(Function::Binomial, top, bottom, self.budget);
        }
        let rest = self.arena.sub(top, bottom, self.budget)?;
        let all = self.arena.call(Function::Factorial, top, self.budget)?;
        let rest = self.arena.call(Function::Factorial, rest, self.budget)?;
        self.arena.div(all, rest, self.budget)
    }
}
