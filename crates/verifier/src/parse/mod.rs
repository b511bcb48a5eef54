//! From tokens to forms. One method a grammar level; brackets and arguments may nest [`MAX_DEPTH`] deep, everything else is a loop.

mod accents;
mod bases;
mod calculus;
mod call;
mod counting;
mod determinant;
mod group;
mod items;
mod measures;
mod parameter;
mod plus_minus;
mod primary;
mod qualifiers;
mod series;
mod special;
mod sum;
mod tail;
mod words;

use crate::budget::{Budget, Outcome, Stop};
use crate::expr::{Arena, Id, Node};
use crate::form::Form;
use crate::lex::lex;
use crate::lex::token::{Lexed, Tok, Token};
use crate::verdict::Why;

pub(crate) use counting::number_word;
pub(crate) use qualifiers::{is_bound, is_power, is_sign, turned};
pub(crate) use words::MONTHS;

/// Deepest nesting of brackets and arguments.
pub(crate) const MAX_DEPTH: usize = 60;

/// Choices where a text can be read in two ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reading {
    /// `\log` is the decimal logarithm, not the natural one.
    log_ten: bool,
    /// `100,200` is two numbers, not one.
    split_commas: bool,
    /// `5 m` is five metres, not five times m.
    letter_units: bool,
    /// In `2k\pi, k \in \mathbb{Z}` any letter says the same as n.
    any_parameter: bool,
}

/// A number or expression, or something that is no number.
enum Part {
    Value(Id),
    Form(Form),
}

struct Parser<'a> {
    text: &'a str,
    lexed: Lexed,
    at: usize,
    depth: usize,
    arena: &'a mut Arena,
    budget: &'a mut Budget,
    reading: Reading,
    /// Ambiguities that were met: their readings differ.
    met: Reading,
    /// Open `\{`, where a bar begins a condition.
    curly: usize,
    /// Open `|`, where a bar closes.
    bars: usize,
    /// Within an argument of a trigonometric function, where degrees become radians.
    angle: bool,
    /// Within `]a, b[`, where `[` closes.
    outward: bool,
    /// A degree sign was read outside of such an argument.
    degrees: bool,
    /// A number in a base of its own was read.
    based: bool,
}

/// As [`parse`], for a text of any length, of which one above `limit` bytes is not read.
pub(crate) fn parse_within(text: &str, limit: usize, arena: &mut Arena, budget: &mut Budget) -> Outcome<Vec<Form>> {
    if text.len() > limit {
        return Err(Stop::Unreadable(Why::TooLong { bytes: text.len(), limit }));
    }
    parse(&crate::extract::plain(text), arena, budget)
}

/// All readings of an answer, the most likely first.
fn parse(text: &str, arena: &mut Arena, budget: &mut Budget) -> Outcome<Vec<Form>> {
    let mut forms = Vec::new();
    if let Some((letter, rest)) = words::lettered(text) {
        forms.push(Form::Choice(letter));
        if let Ok((form, _)) = read(rest, Reading::default(), arena, budget) {
            forms.push(form);
        }
        return Ok(forms);
    }
    let first = read(text, Reading::default(), arena, budget);
    let met = match &first {
        Ok((_, met)) => *met,
        // A run of digits and commas may only fit as a list.
        Err(Stop::Unreadable(_)) if text.contains(',') => Reading { split_commas: true, ..Reading::default() },
        Err(_) => Reading::default(),
    };
    let failure = match first {
        Ok((form, _)) => {
            forms.push(form);
            None
        }
        Err(stop) => Some(stop),
    };
    let others = [
        Reading { log_ten: true, ..Reading::default() },
        Reading { split_commas: true, ..Reading::default() },
        Reading { letter_units: true, ..Reading::default() },
        Reading { any_parameter: true, ..Reading::default() },
    ];
    for (other, wanted) in others.into_iter().zip([met.log_ten, met.split_commas, met.letter_units, met.any_parameter])
    {
        if wanted && let Ok((form, _)) = read(text, other, arena, budget) {
            forms.push(form);
        }
    }
    match failure {
        Some(stop) if forms.is_empty() => Err(stop),
        _ => Ok(forms),
    }
}

fn read(text: &str, reading: Reading, arena: &mut Arena, budget: &mut Budget) -> Outcome<(Form, Reading)> {
    let mut lexed = lex(text, !reading.split_commas, arena, budget)?;
    budget.charge(lexed.tokens.len() as u64)?;
    let any_parameter = parameter::rename(&mut lexed.tokens, arena.name("n"), reading.any_parameter);
    let met = Reading { split_commas: lexed.commas_ambiguous, any_parameter, ..Reading::default() };
    let mut parser = Parser {
        text,
        lexed,
        at: 0,
        depth: 0,
        arena,
        budget,
        reading,
        met,
        curly: 0,
        bars: 0,
        angle: false,
        outward: false,
        degrees: false,
        based: false,
    };
    let form = parser.whole()?;
    let met = parser.met;
    let form = plus_minus::expand(form, arena, budget)?;
    Ok((form, met))
}

impl Parser<'_> {
    fn tok(&self) -> Tok {
        self.token(0).tok
    }

    fn token(&self, ahead: usize) -> Token {
        let last = self.lexed.tokens.len() - 1;
        self.lexed.tokens[(self.at + ahead).min(last)]
    }

    /// The letters of the current token.
    fn word(&self) -> &str {
        let token = self.token(0);
        &self.text[token.start as usize..token.end as usize]
    }

    fn next(&mut self) {
        self.at += 1;
    }

    fn eat(&mut self, tok: Tok) -> bool {
        let found = self.tok() == tok;
        self.at += usize::from(found);
        found
    }

    fn error<T>(&self, expected: &'static str) -> Outcome<T> {
        Err(Stop::Unreadable(Why::Syntax { at: self.token(0).start as usize, expected }))
    }

    /// Runs one nested level.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Stop::Unreadable(Why::TooDeep(MAX_DEPTH)));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn whole(&mut self) -> Outcome<Form> {
        if self.tok() == Tok::End0 {
            return Err(Stop::Unreadable(Why::NoAnswer));
        }
        let mut form = self.list()?;
        if matches!(self.tok(), Tok::Over | Tok::Choose) {
            form = self.over(form)?;
        }
        match self.tok() {
            Tok::End0 => Ok(form),
            _ => self.error("the end of the answer"),
        }
    }

    /// The value of a part; anything else is an error here.
    fn value(&mut self, part: Part) -> Outcome<Id> {
        match part {
            Part::Value(id) => Ok(id),
            // A capital letter in brackets, in the midst of mathematics, is a variable.
            Part::Form(Form::Choice(letter)) => {
                let name = self.arena.name(letter.encode_utf8(&mut [0; 4]));
                Ok(self.arena.push(Node::Symbol(name)))
            }
            Part::Form(_) => self.error("a number or expression"),
        }
    }
}
