//! Names under accents and behind the signs of figures.

use super::Parser;
use crate::budget::Outcome;
use crate::expr::{Constant, Id, Node};
use crate::lex::number::in_base;
use crate::lex::token::{Bracket, Tok};

impl Parser<'_> {
    /// `\vec{v}`, `\overline{AB}`, `\dot x`: a name of its own.
    pub(super) fn accented(&mut self) -> Outcome<Id> {
        let mut name = self.word().trim_start_matches('\\').to_owned();
        // Wide and narrow accents are the same.
        for (wide, narrow) in
            [("overline", "bar"), ("widehat", "hat"), ("widetilde", "tilde"), ("overrightarrow", "vec")]
        {
            if name == wide {
                narrow.clone_into(&mut name);
            }
        }
        // A line over letters, and a vector's arrow, are only how they are printed.
        let plain = matches!(name.as_str(), "underline" | "bar" | "hat" | "mathcal" | "mathbb" | "mathscr");
        self.next();
        if plain && matches!(self.token(0).tok, Tok::Number(_)) {
            return self.argument(false);
        }
        // \underline{\underline{18}}
        if plain && self.tok() == Tok::Open(Bracket::Brace) && self.token(1).tok == Tok::Accent {
            self.next();
            let inside = self.nested(Self::accented)?;
            return if self.eat(Tok::Close(Bracket::Brace)) { Ok(inside) } else { self.error("\"}\"") };
        }
        name.push(' ');
        let inside = self.subscript()?;
        if inside.is_empty() {
            return self.error("a letter under the accent");
        }
        if plain && inside.bytes().all(|b| b.is_ascii_digit()) {
            let value = in_base(&inside, 10)?;
            return Ok(self.arena.number(value));
        }
        name.push_str(&inside);
        if self.tok() == Tok::Underscore {
            self.next();
            let subscript = self.subscript()?;
            name.push('_');
            name.push_str(&subscript);
        }
        let name = self.arena.name(&name);
        if let Some(applied) = self.application(name)? {
            return Ok(applied);
        }
        Ok(self.arena.push(Node::Symbol(name)))
    }

    /// `\angle ABC`, `\triangle ABC`: the sign with the letters behind it is one name.
    pub(super) fn figure(&mut self) -> Outcome<Id> {
        let mut name = match self.word() {
            "∠" => "angle".to_owned(),
            "△" | "▵" => "triangle".to_owned(),
            command => command.trim_start_matches('\\').to_owned(),
        };
        self.next();
        let braced = self.eat(Tok::Open(Bracket::Brace));
        let start = self.at;
        while matches!(self.tok(), Tok::Symbol(_) | Tok::Constant(Constant::E | Constant::I) | Tok::Prime | Tok::Word)
            || self.tok() == Tok::Underscore
            || matches!(self.tok(), Tok::Number(_)) && self.at > start
            || self.tok() == Tok::Open(Bracket::Brace) && self.at > start
            || self.tok() == Tok::Close(Bracket::Brace) && self.at > start && !braced
        {
            if !matches!(self.tok(), Tok::Open(_) | Tok::Close(_)) {
                name.push_str(self.word());
            }
            self.next();
        }
        if self.at == start || braced && !self.eat(Tok::Close(Bracket::Brace)) {
            return self.error("letters behind the figure");
        }
        let name = self.arena.name(&name);
        Ok(self.arena.push(Node::Symbol(name)))
    }
}
