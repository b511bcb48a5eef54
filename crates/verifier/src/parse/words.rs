//! Answers in words: letters of a choice, dates, plain text; `counting` reads numbers.

use super::counting::number_word;
use super::{Parser, Part, qualifiers};
use crate::budget::Outcome;
use crate::expr::Node;
use crate::form::{Date, Form, Value};
use crate::lex::number::in_base;
use crate::lex::token::{NamedSet, Rel, Tok};

pub(crate) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// Longest text that is an answer and not a discourse, in words.
const MAX_WORDS: usize = 12;

/// The number of a month by its English name or its first letters.
pub(super) fn month(word: &str) -> Option<u8> {
    let word = word.trim_end_matches('.').to_ascii_lowercase();
    let at = MONTHS
        .iter()
        .position(|month| *month == word || word.len() >= 3 && word.len() <= 4 && month.starts_with(&word))?;
    Some(at as u8 + 1)
}

/// `C) 42`, `(C) 42`, `C: 42`, `\text{(C)} 42`: the letter and what it stands for.
pub(super) fn lettered(text: &str) -> Option<(char, &str)> {
    let inner =
        ["\\textbf{", "\\text{", "\\mathrm{", "\\mathbf{"].iter().find_map(|command| text.strip_prefix(command));
    let (body, braced) = inner.map_or((text, false), |inner| (inner, true));
    let round = body.starts_with('(');
    let body = body.strip_prefix('(').unwrap_or(body);
    let letter = body.chars().next().filter(|c| ('A'..='J').contains(c))?;
    let rest = &body[1..];
    let rest = if round {
        rest.strip_prefix(')')?
    } else {
        rest.strip_prefix([')', ':', '.']).or_else(|| braced.then_some(rest))?
    };
    let rest = if braced {
        // \text{(C) }42 and \text{(C)} 42
        let rest = rest.trim_start_matches([' ', ':']);
        rest.strip_prefix('}')?
    } else {
        rest
    };
    let rest =
        rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '~' | '$')).trim_end_matches('$');
    // "A.B", "(A)(B)" and "(A) or (B)" are something else.
    let plain = rest.strip_prefix("\\text{").unwrap_or(rest).trim_start();
    let joined = ["or ", "and ", "or}", "and}", "\\cup", "\\cap", "\\or"].iter().any(|joint| plain.starts_with(joint));
    let signs = ['(', ',', ';', '/', '&', '}', '\'', '^', '_', '=', '+', '-', '*', '\u{222a}'];
    let fits = !rest.is_empty() && !joined && !rest.starts_with(signs);
    fits.then_some((letter, rest))
}

impl Parser<'_> {
    /// An item that consists of words alone.
    pub(super) fn words_only(&mut self) -> Outcome<Option<Form>> {
        let first = self.tok();
        let starts = matches!(first, Tok::Word | Tok::Symbol(_) | Tok::Set(_));
        if !starts {
            return Ok(None);
        }
        // A lone capital letter may be a choice.
        if let Tok::Symbol(_) | Tok::Word = first
            && let [letter @ b'A'..=b'Z'] = self.word().as_bytes()
            && matches!(self.token(1).tok, Tok::End0 | Tok::Comma | Tok::Close(_) | Tok::Semicolon | Tok::Word)
            && (self.token(1).tok != Tok::Word || self.is_joint(1))
            && self.bars == 0
        {
            let letter = char::from(*letter);
            self.next();
            return Ok(Some(Form::Choice(letter)));
        }
        if let Tok::Symbol(_) = first {
            return Ok(self.capital_word());
        }
        let mut words: Vec<String> = Vec::new();
        let mut ahead = 0;
        loop {
            match self.token(ahead).tok {
                Tok::Word if self.is_joint(ahead) && !words.is_empty() && !self.counts_on(ahead, &words) => break,
                Tok::Word => {
                    let token = self.token(ahead);
                    words.push(self.text[token.start as usize..token.end as usize].to_lowercase());
                }
                Tok::Minus | Tok::Prime | Tok::Bang | Tok::Ellipsis => {}
                // A variable between words is a letter of the text.
                Tok::Symbol(_) | Tok::Constant(_) if self.token(ahead).text => words.push(self.letters(ahead)),
                Tok::Comma | Tok::Semicolon | Tok::End0 | Tok::Close(_) | Tok::Ampersand | Tok::Row | Tok::End => break,
                // "Answer: B"
                Tok::Colon if matches!(words.last().map(String::as_str), Some("answer" | "option" | "choice")) => {
                    self.at += ahead + 1;
                    return self.words_only();
                }
                Tok::Number(index) => {
                    // "October 30, 1999"
                    let number = self.lexed.numbers[index as usize].value.clone();
                    if words.len() == 1
                        && let Some(month) = month(&words[0])
                        && number.is_int()
                    {
                        self.at += ahead + 1;
                        if self.tok() == Tok::Word && matches!(self.word(), "st" | "nd" | "rd" | "th") {
                            self.next();
                        }
                        let day = crate::expr::build_small(&number).and_then(|d| u8::try_from(d).ok());
                        let year = self.written_year();
                        return Ok(Some(Form::Date(Date { month, day, year })));
                    }
                    return Ok(None);
                }
                _ => return Ok(None),
            }
            ahead += 1;
        }
        if words.len() > MAX_WORDS {
            return self.error("an answer, not a text");
        }
        let behind_or = self.at > 0 && matches!(self.lexed.tokens[self.at - 1].tok, Tok::Word);
        if behind_or && words.first().is_some_and(|word| qualifiers::is_bound(word)) {
            return self.error("a value, not a bound");
        }
        if let Some(form) = self.meaning(&words) {
            self.at += ahead;
            return Ok(Some(form));
        }
        // "A5" with a base behind it is a number, and so are words that count.
        if self.token(1).tok == Tok::Underscore || words.first().is_some_and(|w| number_word(w).is_some()) {
            return Ok(None);
        }
        self.at += ahead;
        Ok(Some(Form::Text(words.join(" "))))
    }

    fn letters(&self, ahead: usize) -> String {
        let token = self.token(ahead);
        self.text[token.start as usize..token.end as usize].to_lowercase()
    }

    fn is_joint(&self, ahead: usize) -> bool {
        let token = self.token(ahead);
        matches!(&self.text[token.start as usize..token.end as usize], "or" | "and" | "Or" | "And" | "OR" | "AND")
    }

    /// Capitals side by side that are the whole item: the name of something, in this order.
    fn capital_word(&mut self) -> Option<Form> {
        let is_capital = |p: &Self, ahead: usize| {
            matches!(p.token(ahead).tok, Tok::Symbol(_))
                && p.token(ahead).end == p.token(ahead).start + 1
                && p.text.as_bytes()[p.token(ahead).start as usize].is_ascii_uppercase()
                && (ahead == 0 || !p.token(ahead).spaced)
        };
        let length = (0..12).take_while(|&ahead| is_capital(self, ahead)).count();
        if length < 2 || !matches!(self.token(length).tok, Tok::End0 | Tok::Comma | Tok::Semicolon) {
            return None;
        }
        let word = self.letters_ahead(length).to_lowercase();
        self.at += length;
        Some(Form::Text(word))
    }

    fn written_year(&mut self) -> Option<i32> {
        let comma = self.tok() == Tok::Comma;
        let Tok::Number(index) = self.token(usize::from(comma)).tok else { return None };
        let number = &self.lexed.numbers[index as usize];
        if !number.plain || number.digits != 4 {
            return None;
        }
        let year = crate::expr::build_small(&number.value).and_then(|y| i32::try_from(y).ok());
        self.at += 1 + usize::from(comma);
        year
    }

    /// Words with a meaning of their own.
    fn meaning(&mut self, words: &[String]) -> Option<Form> {
        let words: Vec<&str> =
            words.iter().map(String::as_str).filter(|w| !matches!(*w, "the" | "a" | "an" | "is" | "answer")).collect();
        // "There are no solutions"
        let words = match &words[..] {
            ["there", "are" | "exist" | "exists", rest @ ..] | ["there", rest @ ..] => rest,
            words => words,
        };
        match words[..] {
            ["no", "solution" | "solutions"]
            | ["no", "real", "solution" | "solutions"]
            | ["empty", "set"]
            | ["none"] => Some(Form::Set(Vec::new())),
            ["all", "real", "numbers"] | ["all", "reals"] | ["real", "numbers"] | ["reals"] => {
                Some(Form::Named(NamedSet::Reals))
            }
            [month_name] if month(month_name).is_some() && month_name.len() != 2 => {
                month(month_name).map(|month| Form::Date(Date { month, day: None, year: None }))
            }
            ["infinity"] | ["infinite"] | ["infinitely", "many"] | ["infinitely", "many", "solutions"] => {
                Some(Form::Value(Value::of(self.arena.constant(crate::expr::Constant::Infinity))))
            }
            [] => None,
            [sign, ref count @ ..] if qualifiers::is_sign(sign) => {
                let number = self.number_in_words(count)?;
                Some(Form::Value(Value::of(self.arena.neg(number))))
            }
            _ => {
                let number = self.number_in_words(words)?;
                Some(Form::Value(Value::of(number)))
            }
        }
    }

    /// Skips the words before the mathematics of an item: "approximately", "the area is". Words that change the value are not skipped.
    pub(super) fn leading_words(&mut self) -> Outcome<()> {
        let start = self.at;
        while self.tok() == Tok::Word {
            if self.at - start > 40 {
                return self.error("an answer, not a text");
            }
            let word = self.word().to_owned();
            if self.token(1).tok == Tok::Underscore || number_word(&word).is_some() {
                break;
            }
            if qualifiers::denies(&word) {
                return self.error("an answer, not what it is not");
            }
            if qualifiers::is_sign(&word) && self.token(1).tok != Tok::Word {
                self.lexed.tokens[self.at].tok = Tok::Minus;
                break;
            }
            self.next();
        }
        let words = &self.text[self.lexed.tokens[start].start as usize..self.token(0).start as usize];
        let named = matches!(self.tok(), Tok::Rel(Rel::Equal | Rel::Approx) | Tok::Colon);
        if !named && qualifiers::turned(words) {
            return self.error("a value, not a part, a multiple or a bound of one");
        }
        if self.at > start
            && let Tok::Rel(Rel::Equal | Rel::Approx) | Tok::Colon = self.tok()
        {
            self.next();
        }
        Ok(())
    }

    /// A word in the place of a value: a number word, a number with letters as digits, or a name in an equation.
    pub(super) fn word_value(&mut self) -> Outcome<Part> {
        let word = self.word().to_owned();
        if self.token(1).tok == Tok::Underscore && word.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let start = self.at;
            self.at += 2;
            let braced = self.eat(Tok::Open(crate::lex::token::Bracket::Brace));
            if let Tok::Number(index) = self.tok()
                && let Some(base) = crate::expr::build_small(&self.lexed.numbers[index as usize].value)
            {
                self.next();
                if !braced || self.eat(Tok::Close(crate::lex::token::Bracket::Brace)) {
                    self.based = true;
                    let value = in_base(&word, u32::try_from(base).unwrap_or(0))?;
                    return Ok(Part::Value(self.arena.number(value)));
                }
            }
            self.at = start;
        }
        if let Some(number) = number_word(&word) {
            self.next();
            return Ok(Part::Value(self.arena.integer(number)));
        }
        if self.at == 0 || matches!(self.lexed.tokens[self.at - 1].tok, Tok::Rel(_)) {
            self.next();
            let name = self.arena.name(&word);
            return Ok(Part::Value(self.arena.push(Node::Symbol(name))));
        }
        self.error("a number or a variable, not a word")
    }
}
