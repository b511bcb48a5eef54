//! Integrals, limits and derivatives: read, compared with their like, and not worked out.

use super::Parser;
use crate::budget::Outcome;
use crate::expr::{Binder, Id, Node};
use crate::lex::token::{Bracket, Rel, Tok};

impl Parser<'_> {
    /// `\int_{a}^{b} body \, dx`, `\int \frac{dx}{x}`, and over a region or path: `\iint_D body \, dx \, dy`
    pub(super) fn integral(&mut self) -> Outcome<Id> {
        let sign = self.word().to_owned();
        self.next();
        let mut bounds = [None, None];
        for (at, sign) in [Tok::Underscore, Tok::Caret].into_iter().enumerate() {
            if self.eat(sign) {
                bounds[at] = Some(self.argument(true)?);
            }
        }
        let (differential, symbol) = self.differential()?;
        let mut body = self.signed_body()?;
        while self.at <= differential && matches!(self.tok(), Tok::Plus | Tok::Minus) {
            let term = self.signed_body()?;
            body = self.arena.add(body, term, self.budget)?;
        }
        if self.at <= differential {
            return self.error("the integrand up to \"dx\"");
        }
        let over_region = sign != "\\int" && sign != "∫";
        if over_region {
            self.more_differentials();
        }
        let kind = match bounds {
            [None, None] if !over_region => Binder::Antiderivative,
            [None, Some(_)] => return self.error("both bounds of the integral, the lower one, or none"),
            _ => Binder::Integral,
        };
        // A region stands at the lower bound; the sign in place of the upper one tells the kinds apart.
        let missing = if kind == Binder::Integral {
            let sign = self.arena.name(&sign);
            self.arena.push(Node::Symbol(sign))
        } else {
            self.arena.integer(0)
        };
        let [low, high] = bounds.map(|bound| bound.unwrap_or(missing));
        Ok(self.arena.push(Node::Bound { kind, symbol, low, high, body }))
    }

    /// `dy \, dz` behind the first differential.
    fn more_differentials(&mut self) {
        let is_d = |p: &Self| matches!(p.tok(), Tok::Symbol(name) if p.arena.names[name as usize] == "d");
        while is_d(self) && matches!(self.token(1).tok, Tok::Symbol(_)) {
            self.at += 2;
        }
    }

    fn signed_body(&mut self) -> Outcome<Id> {
        let part = self.signed_product()?;
        self.value(part)
    }

    /// Where the `dx` of this integral ends, whose letters become factors of one, and its variable.
    fn differential(&mut self) -> Outcome<(usize, u32)> {
        let mut inner = 0;
        let mut at = self.at;
        while at + 1 < self.lexed.tokens.len() {
            self.budget.charge(1)?;
            let variable = match (self.lexed.tokens[at].tok, self.lexed.tokens[at + 1].tok) {
                (Tok::Symbol(d), Tok::Symbol(variable)) if self.arena.names[d as usize] == "d" => Some(variable),
                // Read before, by a parser that came back.
                (Tok::Differential(variable), Tok::Differential(_)) => Some(variable),
                (Tok::Integral, _) => {
                    inner += 1;
                    None
                }
                _ => None,
            };
            match variable {
                Some(variable) if inner == 0 => {
                    self.lexed.tokens[at].tok = Tok::Differential(variable);
                    self.lexed.tokens[at + 1].tok = Tok::Differential(variable);
                    return Ok((at + 1, variable));
                }
                Some(_) => {
                    inner -= 1;
                    at += 2;
                }
                None => at += 1,
            }
        }
        self.error("an integrand that ends with \"dx\"")
    }

    /// `\lim_{x \to 0^+} body`
    pub(super) fn limit(&mut self) -> Outcome<Id> {
        self.next();
        if !self.eat(Tok::Underscore) || !self.eat(Tok::Open(Bracket::Brace)) {
            return self.error("\"_{x \\to …}\"");
        }
        let Tok::Symbol(symbol) = self.tok() else { return self.error("the variable of the limit") };
        self.next();
        if !self.eat(Tok::To) {
            return self.error("\"\\to\"");
        }
        let close = Tok::Close(Bracket::Brace);
        let (side, place) = self.side_of_limit();
        let low = match place {
            // The place ends where its side is written.
            Some((sign, end)) => {
                let caret = std::mem::replace(&mut self.lexed.tokens[sign].tok, close);
                let low = self.expression();
                let whole = self.at == sign;
                self.lexed.tokens[sign].tok = caret;
                if whole {
                    self.at = end;
                }
                low?
            }
            None => self.expression()?,
        };
        if !self.eat(close) {
            return self.error("the end of \"_{x \\to …}\"");
        }
        let body = self.signed_body()?;
        let high = self.arena.integer(side);
        Ok(self.arena.push(Node::Bound { kind: Binder::Limit, symbol, low, high, body }))
    }

    /// Where the variable goes to with `^+` or `^{-}` behind it: 1 from above, -1 from below, 0 both; with where that sign
    /// begins and ends.
    fn side_of_limit(&self) -> (i64, Option<(usize, usize)>) {
        let close = Tok::Close(Bracket::Brace);
        let tok = |at: usize| self.lexed.tokens.get(at).map(|token| token.tok);
        for at in self.at..self.lexed.tokens.len() {
            let braced = tok(at + 1) == Some(Tok::Open(Bracket::Brace));
            let sign = at + 1 + usize::from(braced);
            let end = sign + 1 + usize::from(braced);
            let closed = tok(end) == Some(close) && (!braced || tok(sign + 1) == Some(close));
            match (tok(at), tok(sign)) {
                (Some(Tok::Caret), Some(Tok::Plus)) if closed => return (1, Some((at, end))),
                (Some(Tok::Caret), Some(Tok::Minus)) if closed => return (-1, Some((at, end))),
                (Some(Tok::To | Tok::Limit | Tok::End0), _) => break,
                _ => {}
            }
        }
        (0, None)
    }

    /// `\frac{dy}{dx}` as one name, `\frac{d}{dx} body` as a derivative; nothing where the fraction is a plain one. Stands
    /// behind `\frac`.
    pub(super) fn derivative(&mut self) -> Outcome<Option<Id>> {
        let Some((top, behind)) = self.differentials(0) else { return Ok(None) };
        let Some((bottom, end)) = self.differentials(behind) else { return Ok(None) };
        if top.sign != bottom.sign || bottom.variables.is_empty() {
            return Ok(None);
        }
        if !top.variables.is_empty() {
            let name = format!("{}{}{}/{}", top.sign, top.order, top.text, bottom.text);
            self.at += end;
            let name = self.arena.name(&name);
            return Ok(Some(self.arena.push(Node::Symbol(name))));
        }
        let [symbol] = bottom.variables[..] else { return Ok(None) };
        self.at += end;
        let body = self.signed_body()?;
        let order = self.arena.integer(top.order);
        Ok(Some(self.arena.push(Node::Bound { kind: Binder::Derivative, symbol, low: order, high: order, body })))
    }

    /// `dy/dx` as one name, the same as `\frac{dy}{dx}`.
    pub(super) fn slashed_derivative(&mut self) -> Option<Id> {
        let letter = |ahead: usize| match self.token(ahead).tok {
            Tok::Symbol(name) => Some(self.arena.names[name as usize].as_str()),
            _ => None,
        };
        if letter(0) != Some("d") || self.token(2).tok != Tok::Slash || letter(3) != Some("d") {
            return None;
        }
        let name = format!("d1d{}/d{}", letter(1)?, letter(4)?);
        self.at += 5;
        let name = self.arena.name(&name);
        Some(self.arena.push(Node::Symbol(name)))
    }

    /// A braced `d^2 y`, `dx^2` or `\partial x \partial y`, `ahead` tokens from here, and the position behind it.
    fn differentials(&self, mut ahead: usize) -> Option<(Differentials, usize)> {
        if self.token(ahead).tok != Tok::Open(Bracket::Brace) {
            return None;
        }
        let mut found = Differentials { sign: "", order: 1, text: String::new(), variables: Vec::new() };
        let mut signs = 0;
        let mut braces = 0;
        loop {
            ahead += 1;
            let token = self.token(ahead);
            let word = self.text.get(token.start as usize..token.end as usize)?;
            match token.tok {
                Tok::Symbol(name) => match self.arena.names[name as usize].as_str() {
                    "d" => (found.sign, signs) = ("d", signs + 1),
                    "partial" => (found.sign, signs) = ("∂", signs + 1),
                    _ if signs == 0 => return None,
                    _ => found.variables.push(name),
                },
                Tok::Open(Bracket::Brace) => braces += 1,
                Tok::Close(Bracket::Brace) if braces > 0 => braces -= 1,
                Tok::Close(Bracket::Brace) => break,
                Tok::Number(_) if found.variables.is_empty() && self.token(ahead - 1 - braces).tok == Tok::Caret => {
                    found.order = word.parse().ok()?;
                    continue;
                }
                Tok::Number(_) if !found.variables.is_empty() => {}
                Tok::Caret | Tok::Underscore if signs > 0 => {}
                _ => return None,
            }
            let mark = !matches!(token.tok, Tok::Open(_) | Tok::Close(_));
            if mark && !(found.variables.is_empty() && token.tok == Tok::Caret) {
                found.text.push_str(word);
            }
            if found.text.len() > MAX_NAME {
                return None;
            }
        }
        (signs > 0).then_some((found, ahead + 1))
    }

    /// `P(A \mid B)` as one name; nothing where no bar divides the bracket. Stands before the bracket.
    pub(super) fn conditional(&mut self, name: u32) -> Option<Id> {
        let mut full = format!("{}(", self.arena.names[name as usize]);
        let mut bars = 0;
        for ahead in 1.. {
            let token = self.token(ahead);
            match token.tok {
                Tok::Close(Bracket::Round) if bars == 1 => {
                    self.at += ahead + 1;
                    full.push(')');
                    let name = self.arena.name(&full);
                    return Some(self.arena.push(Node::Symbol(name)));
                }
                Tok::Bar | Tok::Mid => {
                    bars += 1;
                    full.push('|');
                }
                Tok::Symbol(_) | Tok::Number(_) | Tok::Comma | Tok::Prime | Tok::Rel(Rel::Equal) | Tok::Underscore
                    if full.len() < MAX_NAME =>
                {
                    full.push_str(self.text.get(token.start as usize..token.end as usize)?);
                }
                _ => return None,
            }
        }
        None
    }
}

/// Longest name that is put together, in bytes.
const MAX_NAME: usize = 60;

/// One side of `dy/dx`.
struct Differentials {
    /// `d` or `∂`.
    sign: &'static str,
    order: i64,
    text: String,
    variables: Vec<u32>,
}
