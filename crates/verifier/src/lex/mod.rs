//! From the text of an answer to tokens: LaTeX, plain and Unicode spellings alike.

mod commands;
mod glyphs;
mod letters;
mod names;
pub(crate) mod number;
pub(crate) mod token;
mod unicode;

use crate::budget::{Budget, Outcome};
use crate::expr::Arena;
pub(crate) use names::is_greek;
use token::{Bracket, Lexed, Rel, Tok, Token};

/// Splits an answer into tokens. `join_commas` reads `100,200` as one number.
pub(crate) fn lex(text: &str, join_commas: bool, arena: &mut Arena, budget: &mut Budget) -> Outcome<Lexed> {
    budget.charge(text.len() as u64 / 4)?;
    let mut lexer = Lexer {
        text,
        at: 0,
        spaced: false,
        depth: 0,
        text_depths: Vec::new(),
        braces: 0,
        lone_dollar: one_dollar(text),
        join_commas,
        out: Lexed::default(),
        arena,
    };
    lexer.out.tokens.reserve(text.len() / 2 + 2);
    lexer.run()?;
    let end = text.len() as u32;
    lexer.out.tokens.push(Token { tok: Tok::End0, start: end, end, spaced: false, text: false });
    Ok(lexer.out)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    spaced: bool,
    /// Open brackets of every kind but invisible groups.
    depth: usize,
    /// Brace depths at which `\text{` began; empty outside of text.
    text_depths: Vec<usize>,
    /// Open braces.
    braces: usize,
    /// There is one dollar sign in the whole text, so it can be no pair around a formula.
    lone_dollar: bool,
    join_commas: bool,
    out: Lexed,
    arena: &'a mut Arena,
}

impl Lexer<'_> {
    fn push(&mut self, tok: Tok, start: usize) {
        let text = !self.text_depths.is_empty();
        self.out.tokens.push(Token { tok, start: start as u32, end: self.at as u32, spaced: self.spaced, text });
        self.spaced = false;
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn run(&mut self) -> Outcome<()> {
        while self.at < self.text.len() {
            let (start, byte) = (self.at, self.peek(0));
            self.at += 1;
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b'~' => self.spaced = true,
                b'0'..=b'9' => self.number(start)?,
                b'.' if self.peek(0).is_ascii_digit() => self.number(start)?,
                b'a'..=b'z' | b'A'..=b'Z' => self.letters(start)?,
                b'\\' => self.command(start)?,
                b'{' => {
                    if self.text[start..].starts_with("{,}") {
                        self.at += 2;
                        continue;
                    }
                    if self.text[start..].starts_with("{:}") {
                        self.at += 2;
                        self.push(Tok::Colon, start);
                        continue;
                    }
                    self.braces += 1;
                    if self.text_depths.last() != Some(&self.braces) {
                        self.push(Tok::Open(Bracket::Brace), start);
                    }
                }
                b'}' => {
                    if self.text_depths.last() == Some(&self.braces) {
                        self.text_depths.pop();
                        self.spaced = true;
                    } else {
                        self.push(Tok::Close(Bracket::Brace), start);
                    }
                    self.braces = self.braces.saturating_sub(1);
                }
                b'$' => self.dollar(start),
                128.. => self.glyph(start)?,
                _ => self.sign(byte, start),
            }
        }
        Ok(())
    }

    fn sign(&mut self, byte: u8, start: usize) {
        let two = |lexer: &mut Self, tok| {
            lexer.at += 1;
            tok
        };
        let tok = match byte {
            b'+' if self.peek(0) == b'/' && self.peek(1) == b'-' => {
                self.at += 2;
                Tok::PlusMinus
            }
            b'+' => Tok::Plus,
            b'-' => Tok::Minus,
            b'*' if self.peek(0) == b'*' => two(self, Tok::Caret),
            b'*' => Tok::Star,
            b'/' => Tok::Slash,
            b'^' => Tok::Caret,
            b'_' => Tok::Underscore,
            b'(' | b'[' => {
                self.depth += 1;
                Tok::Open(if byte == b'(' { Bracket::Round } else { Bracket::Square })
            }
            b')' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                Tok::Close(if byte == b')' { Bracket::Round } else { Bracket::Square })
            }
            b'|' if self.peek(0) == b'|' => two(self, Tok::DoubleBar),
            b'|' => Tok::Bar,
            b',' => Tok::Comma,
            b';' => Tok::Semicolon,
            b':' if self.peek(0) == b'=' => two(self, Tok::Rel(Rel::Equal)),
            b':' => Tok::Colon,
            b'=' if self.peek(0) == b'=' => two(self, Tok::Rel(Rel::Equal)),
            b'=' => Tok::Rel(Rel::Equal),
            b'<' if self.peek(0) == b'=' => two(self, Tok::Rel(Rel::LessEqual)),
            b'>' if self.peek(0) == b'=' => two(self, Tok::Rel(Rel::GreaterEqual)),
            b'!' if self.peek(0) == b'=' => two(self, Tok::Rel(Rel::NotEqual)),
            b'<' => Tok::Rel(Rel::Less),
            b'>' => Tok::Rel(Rel::Greater),
            b'!' => Tok::Bang,
            b'\'' => Tok::Prime,
            b'"' if self.inches(start) => {
                self.push(Tok::Prime, start);
                Tok::Prime
            }
            b'`' | b'"' | b'?' => return,
            b'%' => Tok::Percent,
            b'&' => Tok::Ampersand,
            b'@' | b'#' => return,
            b'.' if self.text[start..].starts_with("...") => {
                self.at += 2;
                Tok::Ellipsis
            }
            _ => return,
        };
        self.push(tok, start);
    }

    /// Whether a quotation mark stands behind a number and closes no quotation.
    fn inches(&self, start: usize) -> bool {
        let before = &self.text.as_bytes()[..start];
        before.last().is_some_and(u8::is_ascii_digit) && before.iter().filter(|b| **b == b'"').count() % 2 == 0
    }

    /// A dollar before a number is money where it is alone; elsewhere it only marks a formula.
    fn dollar(&mut self, start: usize) {
        let digit = self.text[self.at..].trim_start().starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if digit && self.lone_dollar { self.push(Tok::Currency('$'), start) } else { self.spaced = true }
    }

    fn number(&mut self, start: usize) -> Outcome<()> {
        if let Some((value, end)) = number::prefixed(self.text, start) {
            self.at = end;
            self.out.numbers.push(number::whole(value));
            self.push(Tok::Number((self.out.numbers.len() - 1) as u32), start);
            return Ok(());
        }
        let scanned = number::scan(self.text, start, self.join_commas, self.depth > 0)?;
        self.out.commas_ambiguous |= scanned.commas;
        self.at = scanned.end;
        // Letters glued to digits in text are one word: "A5", "3rd".
        self.out.numbers.push(scanned.number);
        let index = (self.out.numbers.len() - 1) as u32;
        self.push(Tok::Number(index), start);
        // "3x10^8"
        let rest = self.text[self.at..].trim_start_matches(' ');
        let times = rest.strip_prefix(['x', 'X']).map(str::trim_start);
        if times.is_some_and(|t| {
            t.starts_with("10^") || t.starts_with("10**") || t.starts_with("10⁻") || t.starts_with("10{")
        }) {
            self.at = self.text.len() - rest.len() + 1;
            self.push(Tok::Star, self.at - 1);
        }
        Ok(())
    }
}

fn one_dollar(text: &str) -> bool {
    let mut dollars = text.match_indices('$').filter(|(at, _)| *at == 0 || text.as_bytes()[at - 1] != b'\\');
    dollars.next().is_some() && dollars.next().is_none()
}
