//! Words, letters, ratios, times, residues and matrices.

use super::{Judge, Match, SHAPE};
use crate::budget::Outcome;
use crate::expr::{Function, Node};
use crate::form::{DayHalf, Form, Value};
use crate::verdict::Decision;

/// Texts are the same without articles, punctuation and plural or spelling variants of their spaces and hyphens.
pub(super) fn same_text(gold: &str, answer: &str) -> bool {
    words(gold).eq(words(answer)) || joined(gold) == joined(answer)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let text = if text == "dne" { "does not exist" } else { text };
    text.split([' ', '-', '.']).filter(|w| !w.is_empty() && !matches!(*w, "the" | "a" | "an" | "all"))
}

fn joined(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// A letter against a text that is that letter, or that names it: "option c".
pub(super) fn same_letter(gold: &Form, answer: &Form) -> bool {
    let letter = |form: &Form| match form {
        Form::Choice(letter) => Some(letter.to_ascii_lowercase()),
        Form::Text(text) => {
            let rest =
                ["option ", "choice ", "answer "].iter().find_map(|word| text.strip_prefix(word)).unwrap_or(text);
            let mut letters = rest.chars();
            letters.next().filter(|_| letters.next().is_none())
        }
        _ => None,
    };
    letter(gold).is_some_and(|g| letter(answer) == Some(g))
}

impl Judge<'_> {
    /// A letter of a choice against an expression, in which it would be a variable.
    pub(super) fn letter(&mut self, value: &Value, letter: char) -> Outcome<Match> {
        let mut buffer = [0; 4];
        let same = match self.arena.node(value.id) {
            Node::Symbol(name) => {
                self.arena.names[*name as usize].eq_ignore_ascii_case(letter.encode_utf8(&mut buffer))
            }
            Node::Constant(crate::expr::Constant::E) => letter == 'E',
            Node::Constant(crate::expr::Constant::I) => letter == 'I',
            _ => {
                let name = self.arena.name(letter.encode_utf8(&mut buffer));
                let symbol = self.arena.push(Node::Symbol(name));
                return self.ids(symbol, value.id);
            }
        };
        Ok(super::text(same))
    }

    /// A word of two to four letters against an expression, in which they would be variables: `abc` and `a b c`.
    pub(super) fn letters(&mut self, value: &Value, word: &str) -> Outcome<Match> {
        if !(2..=4).contains(&word.len()) || !word.bytes().all(|b| b.is_ascii_lowercase()) {
            return Ok(SHAPE);
        }
        let mut product = self.arena.integer(1);
        for at in 0..word.len() {
            let name = self.arena.name(&word[at..=at]);
            let symbol = self.arena.push(Node::Symbol(name));
            product = self.arena.mul(product, symbol, self.budget)?;
        }
        self.ids(product, value.id)
    }

    pub(super) fn ratios(&mut self, gold: &Form, answer: &Form) -> Outcome<Match> {
        match (gold, answer) {
            (Form::Ratio(g, g_half), Form::Ratio(a, a_half)) => {
                if g_half.is_some() || a_half.is_some() {
                    return self.times_of_day((g, *g_half), (a, *a_half));
                }
                if g.len() != a.len() {
                    return Ok(SHAPE);
                }
                self.proportional(g, a)
            }
            (Form::Ratio(g, None), Form::Value(a)) if g.len() == 2 => {
                let Some(quotient) = self.quotient(g)? else { return Ok(SHAPE) };
                self.values(&quotient, a)
            }
            (Form::Value(g), Form::Ratio(a, None)) if a.len() == 2 => {
                let Some(quotient) = self.quotient(a)? else { return Ok(SHAPE) };
                self.values(g, &quotient)
            }
            // "5 p.m." against 5.
            (Form::Ratio(g, Some(_)), Form::Value(a)) if g.len() == 1 => self.values(&g[0], a),
            _ => Ok(SHAPE),
        }
    }

    fn quotient(&mut self, parts: &[Value]) -> Outcome<Option<Value>> {
        if self.arena.rational(parts[1].id).is_some_and(dashu_ratio::RBig::is_zero) {
            return Ok(None);
        }
        Ok(Some(Value::of(self.arena.div(parts[0].id, parts[1].id, self.budget)?)))
    }

    fn proportional(&mut self, gold: &[Value], answer: &[Value]) -> Outcome<Match> {
        let mut same = Match::Yes(Decision::Exact);
        for (g, a) in gold.iter().zip(answer) {
            same = same.and(self.values(g, a)?);
        }
        if same.is_yes() {
            return Ok(same);
        }
        let zero = |judge: &Self, v: &Value| judge.arena.rational(v.id).is_some_and(dashu_ratio::RBig::is_zero);
        if gold.iter().chain(answer).any(|v| zero(self, v)) {
            return Ok(same);
        }
        let mut result = Match::Yes(Decision::Exact);
        for k in 1..gold.len() {
            let left = self.arena.mul(gold[0].id, answer[k].id, self.budget)?;
            let right = self.arena.mul(gold[k].id, answer[0].id, self.budget)?;
            result = result.and(self.ids(left, right)?);
        }
        Ok(result)
    }

    fn times_of_day(
        &mut self,
        gold: (&[Value], Option<DayHalf>),
        answer: (&[Value], Option<DayHalf>),
    ) -> Outcome<Match> {
        let parts = gold.0.len().max(answer.0.len());
        for k in 0..parts {
            let part = |judge: &Self, (values, half): (&[Value], Option<DayHalf>)| -> Option<i64> {
                let Some(value) = values.get(k) else { return Some(0) };
                let number = crate::expr::build_small(judge.arena.rational(value.id)?)?;
                Some(match (k, half) {
                    (0, Some(DayHalf::Pm)) if number < 12 => number + 12,
                    (0, Some(DayHalf::Am)) if number == 12 => 0,
                    _ => number,
                })
            };
            let (Some(g), Some(a)) = (part(self, gold), part(self, answer)) else { return Ok(SHAPE) };
            // Without a half of the day on one side, both hours fit.
            let either = k == 0 && (gold.1.is_none() || answer.1.is_none()) && (g - a).rem_euclid(12) == 0;
            if g != a && !either {
                return Ok(Match::No(Decision::Text));
            }
        }
        Ok(Match::Yes(Decision::Text))
    }

    pub(super) fn residues(&mut self, gold: &Form, answer: &Form) -> Outcome<Match> {
        let parts = |judge: &Self, form: &Form| match form {
            Form::Residue { value, modulus } => Some((*value, Some(*modulus))),
            Form::Value(value) => match *judge.arena.node(value.id) {
                Node::Call2(Function::Mod, value, modulus) => Some((value, Some(modulus))),
                _ => Some((value.id, None)),
            },
            _ => None,
        };
        let (Some((g, g_mod)), Some((a, a_mod))) = (parts(self, gold), parts(self, answer)) else { return Ok(SHAPE) };
        if let (Some(g_mod), Some(a_mod)) = (g_mod, a_mod) {
            let same = self.ids(g_mod, a_mod)?;
            if !same.is_yes() {
                return Ok(same);
            }
            let g = self.arena.call2(Function::Mod, g, g_mod, self.budget)?;
            let a = self.arena.call2(Function::Mod, a, a_mod, self.budget)?;
            return self.ids(g, a);
        }
        self.ids(g, a)
    }

    pub(super) fn matrices(&mut self, gold: &[Vec<Form>], answer: &[Vec<Form>]) -> Outcome<Match> {
        if gold.len() != answer.len() {
            return Ok(SHAPE);
        }
        let mut result = Match::Yes(Decision::Exact);
        for (g, a) in gold.iter().zip(answer) {
            result = result.and(self.in_order(g, a)?);
            if let Match::No(_) = result {
                break;
            }
        }
        Ok(result)
    }
}
