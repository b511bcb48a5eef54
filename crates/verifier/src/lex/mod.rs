//! From the text of an answer to tokens: LaTeX, plain and Unicode spellings alike.

mod glyphs;
mod names;
pub(crate) mod number;
pub(crate) mod token;

use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

use crate::budget::{Budget, Outcome, Stop};
use crate::expr::{Arena, Constant};
use crate::verdict::Why;
use names::Command;
use token::{Bracket, Lexed, NamedSet, Number, Rel, Tok, Token};

/// Different variables that one answer may have.
const MAX_NAMES: usize = 400;

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

    /// A dollar before a number is money where it is alone; elsewhere it only marks a formula.
    fn dollar(&mut self, start: usize) {
        let digit = self.text[self.at..].trim_start().starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if digit && self.lone_dollar { self.push(Tok::Currency('$'), start) } else { self.spaced = true }
    }

    fn number(&mut self, start: usize) -> Outcome<()> {
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

    /// A run of ASCII letters: a function, a constant, a word, or variables side by side.
    fn letters(&mut self, start: usize) -> Outcome<()> {
        let bytes = self.text.as_bytes();
        let run = bytes[start..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let word = &self.text[start..start + run];
        if !self.text_depths.is_empty() {
            self.at = start + bytes[start..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'\'').count();
            self.push(Tok::Word, start);
            return Ok(());
        }
        self.at = start + run;
        if matches!(word, "np" | "math" | "numpy" | "sympy" | "sp") && self.peek(0) == b'.' {
            self.at += 1;
            return Ok(());
        }
        if let Some(tok) = names::word(word).or_else(|| names::function(word).map(Tok::Function)) {
            self.push(tok, start);
            return Ok(());
        }
        let spaced = self.spaced || start == 0;
        // a.m., P.M.
        if spaced && run == 1 && self.day_half(start) {
            self.push(Tok::Word, start);
            return Ok(());
        }
        let next = self.text[self.at..].trim_start().bytes().next().unwrap_or(0);
        let touches = matches!(self.peek(0), b'^' | b'_' | b'(' | b'+' | b'-' | b'*' | b'/' | b'=' | b'0'..=b'9')
            || matches!(next, b'^' | b'_' | b'=');
        let behind_operator = start > 0 && matches!(bytes[start - 1], b'+' | b'-' | b'*' | b'/' | b'^' | b'(');
        let free = spaced && !touches && !behind_operator;
        let behind_digit = start > 0 && bytes[start - 1].is_ascii_digit();
        let is_word = matches!(word, "or" | "and")
            || crate::parse::number_word(word).is_some()
            || free && names::is_short_word(word)
            || (free || behind_digit) && crate::units::is_plain_unit(word)
            || behind_digit && matches!(word, "st" | "nd" | "rd" | "th")
            || run >= 4 && !(touches && behind_operator)
            || run == 3 && free;
        if run >= 2 && names::is_greek(word) {
            let name = self.arena.name(word);
            self.push(Tok::Symbol(name), start);
            return Ok(());
        }
        if run >= 2 && is_word && !self.starts_with_function(start, run)? {
            self.at = start + run;
            self.push(Tok::Word, start);
            return Ok(());
        }
        if run >= 2 && self.at == start + run {
            return self.split_letters(start, run);
        }
        if run == 1 {
            return self.letter(start);
        }
        Ok(())
    }

    /// Moves behind `a.m.` or `p.m.`
    fn day_half(&mut self, start: usize) -> bool {
        let bytes = &self.text.as_bytes()[start..];
        let found =
            bytes.len() >= 3 && matches!(bytes[0] | 32, b'a' | b'p') && bytes[1] == b'.' && bytes[2] | 32 == b'm';
        if found {
            self.at = start + 3 + usize::from(bytes.get(3) == Some(&b'.'));
        }
        found
    }

    /// `sinx`, `cosx`, `lnx`: a function glued to its one-letter argument.
    fn starts_with_function(&mut self, start: usize, run: usize) -> Outcome<bool> {
        let word = &self.text[start..start + run];
        for length in (2..run).rev() {
            let rest = run - length;
            if rest <= 2
                && let Some(function) = names::function(&word[..length]).filter(|_| length >= 3 || rest == 1)
            {
                if crate::units::is_plain_unit(word) {
                    return Ok(false);
                }
                self.at = start + length;
                self.push(Tok::Function(function), start);
                self.split_letters(start + length, rest)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn split_letters(&mut self, start: usize, run: usize) -> Outcome<()> {
        for at in start..start + run {
            self.at = at + 1;
            self.letter(at)?;
        }
        Ok(())
    }

    fn letter(&mut self, start: usize) -> Outcome<()> {
        let tok = match self.text.as_bytes()[start] {
            b'e' => Tok::Constant(Constant::E),
            b'i' => Tok::Constant(Constant::I),
            _ => Tok::Symbol(self.arena.name(&self.text[start..=start])),
        };
        if self.arena.names.len() > MAX_NAMES {
            return Err(Stop::Budget);
        }
        self.push(tok, start);
        Ok(())
    }

    fn command(&mut self, start: usize) -> Outcome<()> {
        let bytes = self.text.as_bytes();
        let letters = bytes[self.at..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
        if letters == 0 {
            return self.control_sign(start);
        }
        let name = &self.text[self.at..self.at + letters];
        self.at += letters;
        match name {
            "begin" | "end" => return self.environment(name == "begin", start),
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

    fn count_depth(&mut self, tok: Tok) {
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
        let array = rest[1..close].starts_with("array") || rest[1..close].starts_with("alignedat");
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

    fn glyph(&mut self, start: usize) -> Outcome<()> {
        let Some(glyph) = self.text[start..].chars().next() else { return Ok(()) };
        self.at = start + glyph.len_utf8();
        if glyph.is_whitespace() || matches!(glyph, '\u{200b}' | '\u{feff}' | '\u{2061}'..='\u{2064}') {
            self.spaced |= glyph.is_whitespace();
        } else if let Some(tok) = glyphs::token(glyph) {
            self.count_depth(tok);
            self.push(tok, start);
        } else if glyphs::superscript(glyph).is_some() {
            self.script(start, Tok::Caret, glyphs::superscript)?;
        } else if glyphs::subscript(glyph).is_some() {
            self.script(start, Tok::Underscore, glyphs::subscript)?;
        } else if let Some((top, bottom)) = glyphs::fraction(glyph) {
            let value = RBig::from_parts(IBig::from(top), UBig::from(bottom));
            self.out.numbers.push(Number { value, places: None, exponent: 0, digits: 1, plain: false, vulgar: true });
            self.push(Tok::Number((self.out.numbers.len() - 1) as u32), start);
        } else if let Some(name) = glyphs::greek(glyph) {
            let name = self.arena.name(name);
            self.push(Tok::Symbol(name), start);
        } else if glyph.is_alphabetic() {
            let word =
                self.text[start..].chars().take_while(|c| c.is_alphanumeric()).map(char::len_utf8).sum::<usize>();
            self.at = start + word;
            self.push(Tok::Word, start);
        }
        Ok(())
    }

    /// A run of raised or lowered characters as a group.
    fn script(&mut self, start: usize, operator: Tok, plain: fn(char) -> Option<char>) -> Outcome<()> {
        let run: Vec<(usize, char)> = self.text[start..]
            .char_indices()
            .map_while(|(at, c)| plain(c).map(|p| (start + at + c.len_utf8(), p)))
            .collect();
        self.push(operator, start);
        self.push(Tok::Open(Bracket::Brace), start);
        let mut digits = String::new();
        for &(end, plain) in &run {
            if plain.is_ascii_digit() {
                digits.push(plain);
            } else {
                self.script_number(&mut digits, start)?;
                match plain {
                    'n' | 'a' | 'x' | 'k' | 'm' => {
                        let name = self.arena.name(plain.encode_utf8(&mut [0; 4]));
                        self.push(Tok::Symbol(name), start);
                    }
                    'i' => self.push(Tok::Constant(Constant::I), start),
                    sign => self.sign(sign as u8, start),
                }
            }
            self.at = end;
        }
        self.script_number(&mut digits, start)?;
        self.push(Tok::Close(Bracket::Brace), start);
        Ok(())
    }

    fn script_number(&mut self, digits: &mut String, start: usize) -> Outcome<()> {
        if !digits.is_empty() {
            let scanned = number::scan(digits, 0, false, true)?;
            self.out.numbers.push(scanned.number);
            self.push(Tok::Number((self.out.numbers.len() - 1) as u32), start);
            digits.clear();
        }
        Ok(())
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

fn one_dollar(text: &str) -> bool {
    let mut dollars = text.match_indices('$').filter(|(at, _)| *at == 0 || text.as_bytes()[at - 1] != b'\\');
    dollars.next().is_some() && dollars.next().is_none()
}
