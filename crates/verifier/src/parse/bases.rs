//! Numbers in a base of their own: `1011_2`, `2F_{16}`, `(1011)_2`, `132 base 4`.

use super::Parser;
use crate::budget::{Outcome, Stop};
use crate::expr::{Id, build_small};
use crate::lex::number::in_base;
use crate::lex::token::{Bracket, Tok};
use crate::verdict::Why;

impl Parser<'_> {
    /// A number whose digits are known, at the `_` or "base" before its base.
    pub(super) fn in_base_behind(&mut self, digits: &str) -> Outcome<Id> {
        self.next();
        let base = self.base()?;
        self.based = true;
        let value = in_base(digits, base)?;
        Ok(self.arena.number(value))
    }

    /// How many tokens glued to the number just read are digits of a base above ten: `2F_{16}`.
    pub(super) fn letter_digits(&self) -> Option<usize> {
        let is_digit = |ahead: &usize| {
            let token = self.token(*ahead);
            let text = &self.text.as_bytes()[token.start as usize..token.end as usize];
            !token.spaced
                && match token.tok {
                    Tok::Symbol(_) => matches!(text, [b'A'..=b'F']),
                    Tok::Number(_) => text.iter().all(u8::is_ascii_digit),
                    _ => false,
                }
        };
        let count = (0..64).take_while(is_digit).count();
        let braced = usize::from(self.token(count + 1).tok == Tok::Open(Bracket::Brace));
        let Tok::Number(base) = self.token(count + 1 + braced).tok else { return None };
        let base = build_small(&self.lexed.numbers[base as usize].value);
        let fits = base.is_some_and(|base| (11..=36).contains(&base));
        (count > 0 && fits && self.token(count).tok == Tok::Underscore).then_some(count)
    }

    /// `(1011)_2`
    pub(super) fn bracketed_digits_ahead(&self) -> bool {
        matches!(self.token(1).tok, Tok::Number(index) if self.lexed.numbers[index as usize].plain)
            && self.token(2).tok == Tok::Close(Bracket::Round)
            && self.token(3).tok == Tok::Underscore
    }

    /// The base behind `_`: a number, or a word such as "two".
    fn base(&mut self) -> Outcome<u32> {
        let braced = self.eat(Tok::Open(Bracket::Brace));
        let base = match self.tok() {
            Tok::Number(index) => u32::try_from(self.lexed.numbers[index as usize].value.numerator().clone()).ok(),
            Tok::Word => super::counting::number_word(self.word()).and_then(|n| u32::try_from(n).ok()),
            _ => None,
        };
        self.next();
        if braced && !self.eat(Tok::Close(Bracket::Brace)) {
            return self.error("\"}\"");
        }
        base.ok_or(Stop::Unreadable(Why::Invalid("a base that is no number")))
    }
}
