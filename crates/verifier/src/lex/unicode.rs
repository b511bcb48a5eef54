//! Signs and letters beyond ASCII: √, ², ½, ≤, π.

use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

use super::token::{Bracket, Number, Tok};
use super::{Lexer, glyphs, number};
use crate::budget::{Outcome, Stop};
use crate::expr::Constant;
use crate::verdict::Why;

impl Lexer<'_> {
    pub(super) fn glyph(&mut self, start: usize) -> Outcome<()> {
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
        } else if matches!(glyph, '\u{2200}'..='\u{22ff}') && !matches!(glyph, '∴' | '∵' | '∎') {
            // A mathematical sign without a meaning here would change the answer if it were left out.
            return Err(Stop::Unreadable(Why::Syntax { at: start, expected: "a sign that has a value" }));
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
