//! LaTeX commands and environments.

use super::Lexer;
use super::names::{self, Command};
use super::token::{NamedSet, Tok};
use crate::budget::{Outcome, Stop};
use crate::expr::Constant;
use crate::verdict::Why;

impl Lexer<'_> {
    pub(super) fn command(&mut self, start: usize) -> Outcome<()> {
        let bytes = self.text.as_bytes();
        let letters = bytes[self.at..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
        if letters == 0 {
            return self.control_sign(start);
        }
        let name = &self.text[self.at..self.at + letters];
        self.at += letters;
        match name {
            "begin" | "end" => return self.environment(name == "begin", start),
            "name" => return self.named(start),
            "R" | "Z" | "N" | "Q" | "C" => {
                if let Some(set) = named_set(name.as_bytes()[0]) {
                    self.push(Tok::Set(set), start);
                    return Ok(());
                }
            }
            "mathbb" => {
                let rest = self.text[self.at..].trim_start();
                let inner = rest.strip_prefix('{').unwrap_or(rest).trim_start();
                if let Some(set) = inner.bytes().next().and_then(named_set) {
                    let skip = self.text.len() - inner.len() + 1;
                    self.at = skip + usize::from(rest.starts_with('{') && self.text[skip..].starts_with('}'));
                    self.push(Tok::Set(set), start);
                    return Ok(());
                }
            }
            _ => {}
        }
        match names::command(name) {
            // "⟹ x = 18": before the answer an arrow says nothing.
            Command::Unknown
                if self.out.tokens.is_empty()
                    && matches!(name, "implies" | "Rightarrow" | "Longrightarrow" | "iff" | "Leftrightarrow") => {}
            Command::Token(tok) => {
                self.count_depth(tok);
                self.push(tok, start);
            }
            Command::Space => self.spaced = true,
            Command::Nothing => {}
            Command::Side => {
                if self.text[self.at..].trim_start().starts_with('.') {
                    self.at += self.text[self.at..].find('.').map_or(0, |p| p + 1);
                }
            }
            Command::Text => self.open_text(),
            Command::Upright => self.upright()?,
            Command::Skip => self.skip_argument(),
            Command::Unknown if names::is_greek(name) => {
                let name = self.arena.name(name);
                self.push(Tok::Symbol(name), start);
            }
            Command::Unknown => {
                let expected = "a LaTeX command that has a value";
                return Err(Stop::Unreadable(Why::Syntax { at: start, expected }));
            }
        }
        Ok(())
    }

    pub(super) fn count_depth(&mut self, tok: Tok) {
        match tok {
            Tok::Open(_) => self.depth += 1,
            Tok::Close(_) => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    /// `\,`, `\{`, `\\` and other commands of one sign.
    fn control_sign(&mut self, start: usize) -> Outcome<()> {
        let Some(sign) = self.text[self.at..].chars().next() else { return Ok(()) };
        self.at += sign.len_utf8();
        let mut name = [0u8; 4];
        match names::command(sign.encode_utf8(&mut name)) {
            Command::Token(tok) => {
                self.count_depth(tok);
                self.push(tok, start);
            }
            Command::Space => self.spaced = true,
            _ if sign == '\\' => {
                // `\\[2pt]` sets a distance.
                if self.peek(0) == b'['
                    && self.text[self.at..].find(']').is_some_and(|e| self.text[self.at..self.at + e].contains("pt"))
                {
                    self.at += self.text[self.at..].find(']').map_or(0, |e| e + 1);
                }
                self.push(Tok::Row, start);
            }
            // Signs of a formula: \( \) \[ \], and escapes such as \_ or \#.
            _ => self.spaced |= matches!(sign, '(' | ')' | '[' | ']'),
        }
        Ok(())
    }

    fn environment(&mut self, begins: bool, start: usize) -> Outcome<()> {
        let rest = &self.text[self.at..];
        let close = rest.find('}').filter(|_| rest.starts_with('{'));
        let expected = "a matrix or cases environment";
        let close = close.ok_or(Stop::Unreadable(Why::Syntax { at: start, expected }))?;
        let kind = names::environment(&rest[1..close]).ok_or(Stop::Unreadable(Why::Syntax { at: start, expected }))?;
        let array = rest[1..close].starts_with("array")
            || rest[1..close].starts_with("aligneda")
            || rest[1..close].starts_with("alignat");
        self.at += close + 1;
        if begins {
            // `\begin{array}{cc}` describes its columns.
            if array && self.peek(0) == b'{' {
                self.skip_argument();
            }
            self.depth += 1;
            self.push(Tok::Begin(kind), start);
        } else {
            self.depth = self.depth.saturating_sub(1);
            self.push(Tok::End, start);
        }
        Ok(())
    }

    /// `\name{dy/dx}`: a variable whose name the parser put together, as [`crate::show`] spells it.
    fn named(&mut self, start: usize) -> Outcome<()> {
        let inside = self.text[self.at..].strip_prefix('{').and_then(|rest| Some(&rest[..rest.find('}')?]));
        let Some(name) = inside.filter(|name| !name.is_empty() && !name.contains('{')) else {
            return Err(Stop::Unreadable(Why::Syntax { at: start, expected: "\\name{…} with a name in it" }));
        };
        self.at += name.len() + 2;
        let name = self.arena.name(name);
        self.push(Tok::Symbol(name), start);
        Ok(())
    }

    /// Begins `\text{`: the brace that comes next opens it.
    fn open_text(&mut self) {
        if self.text[self.at..].trim_start().starts_with('{') {
            self.text_depths.push(self.braces + 1);
        }
        self.spaced = true;
    }

    /// `\mathrm{cm}`: a unit, a function's name or a word; one letter alone may also be a variable.
    fn upright(&mut self) -> Outcome<()> {
        let rest = self.text[self.at..].trim_start();
        let Some(close) = rest.strip_prefix('{').and_then(|inside| inside.find('}')) else { return Ok(()) };
        let inside = &rest[1..=close];
        let word = inside.trim_matches(|c: char| c == '~' || c == ' ' || c == '\\' || c == ',' || c == ';');
        if word.is_empty() || !word.bytes().all(|b| b.is_ascii_alphabetic()) {
            self.open_text();
            return Ok(());
        }
        let from = self.text.len() - rest.len() + 1 + inside.find(word).unwrap_or(0);
        self.at = from + word.len();
        self.spaced |= inside.starts_with(['~', ' ', '\\']);
        match names::word(word).or_else(|| names::function(word).map(Tok::Function)) {
            Some(tok) => self.push(tok, from),
            None if word == "e" => self.push(Tok::Constant(Constant::E), from),
            None if word == "i" => self.push(Tok::Constant(Constant::I), from),
            None if word == "d" => self.letter(from)?,
            None => {
                self.push(Tok::Word, from);
                if let Some(last) = self.out.tokens.last_mut() {
                    last.text = true;
                }
            }
        }
        self.at = self.text.len() - rest.len() + close + 2;
        Ok(())
    }

    fn skip_argument(&mut self) {
        let rest = self.text[self.at..].trim_start();
        let begin = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return };
        self.at = begin + first.len_utf8();
        if first == '{' {
            let mut depth = 1usize;
            while self.at < self.text.len() && depth > 0 {
                match self.peek(0) {
                    b'{' => depth += 1,
                    b'}' => depth -= 1,
                    _ => {}
                }
                self.at += 1;
            }
            while !self.text.is_char_boundary(self.at) {
                self.at += 1;
            }
        }
    }
}

fn named_set(letter: u8) -> Option<NamedSet> {
    Some(match letter {
        b'R' => NamedSet::Reals,
        b'Z' => NamedSet::Integers,
        b'N' => NamedSet::Naturals,
        b'Q' => NamedSet::Rationals,
        b'C' => NamedSet::Complexes,
        _ => return None,
    })
}
