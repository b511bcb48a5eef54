//! Runs of ASCII letters: functions, constants, words, or variables side by side.

use super::token::{Tok, Token};
use super::{Lexer, names};
use crate::budget::{Outcome, Stop};
use crate::expr::Constant;

/// Different variables that one answer may have.
const MAX_NAMES: usize = 400;

impl Lexer<'_> {
    /// A run of ASCII letters: a function, a constant, a word, or variables side by side.
    pub(super) fn letters(&mut self, start: usize) -> Outcome<()> {
        let bytes = self.text.as_bytes();
        let run = bytes[start..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let word = &self.text[start..start + run];
        if !self.text_depths.is_empty() {
            self.at = start + bytes[start..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'\'').count();
            // \text{lcm}(4, 6); other names of functions are also words or units.
            let word = &self.text[start..self.at];
            let function = names::function(word).filter(|_| {
                matches!(word, "lcm" | "gcd" | "cis" | "Re" | "Im" | "arcsin" | "arccos" | "arctan" | "sgn")
            });
            self.push(function.map_or(Tok::Word, Tok::Function), start);
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
            || (free || behind_digit || self.per_unit_ahead()) && crate::units::is_plain_unit(word)
            || run == 3 && self.behind_number_and_slash() && crate::units::is_plain_unit(word)
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

    /// Whether the letters just passed stand behind a number and before a slash: `72 km/h`.
    fn per_unit_ahead(&self) -> bool {
        self.peek(0) == b'/' && matches!(self.out.tokens.last(), Some(Token { tok: Tok::Number(_), .. }))
    }

    /// `18/day`: a word there is a unit; two letters may be variables.
    fn behind_number_and_slash(&self) -> bool {
        matches!(self.out.tokens[..], [.., Token { tok: Tok::Number(_), .. }, Token { tok: Tok::Slash, .. }])
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
                if crate::units::is_plain_unit(word) || crate::parse::is_sign(word) {
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

    pub(super) fn letter(&mut self, start: usize) -> Outcome<()> {
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
}
