//! Comparing two forms.

mod binders;
mod collections;
mod conventions;
mod kinds;
mod region;
mod relation;
mod series;
mod value;

use crate::budget::{Budget, Outcome};
use crate::expr::Arena;
use crate::form::Form;
use crate::lex::token::Rel;
use crate::options::Options;
use crate::verdict::Decision;

/// What a comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Yes(Decision),
    No(Decision),
    /// Neither could be shown.
    Unknown,
}

impl Match {
    pub(crate) fn is_yes(self) -> bool {
        matches!(self, Match::Yes(_))
    }

    /// Both must hold; the weaker ground counts.
    fn and(self, other: Match) -> Match {
        match (self, other) {
            (Match::No(decision), _) | (_, Match::No(decision)) => Match::No(decision),
            (Match::Unknown, _) | (_, Match::Unknown) => Match::Unknown,
            (Match::Yes(a), Match::Yes(b)) => Match::Yes(if strength(a) <= strength(b) { a } else { b }),
        }
    }

    /// One of both is enough.
    fn or(self, other: Match) -> Match {
        match (self, other) {
            (Match::Yes(_), _) => self,
            (_, Match::Yes(_)) => other,
            (Match::Unknown, _) | (_, Match::Unknown) => Match::Unknown,
            _ => self,
        }
    }
}

fn strength(decision: Decision) -> u32 {
    match decision {
        Decision::Exact | Decision::Text => 4,
        Decision::Canonical | Decision::Shape | Decision::Contradiction => 3,
        Decision::Bounds { .. } => 2,
        Decision::Rounded => 1,
        Decision::Evidence { .. } | Decision::Estimate { .. } => 0,
    }
}

/// One comparison in progress.
pub(crate) struct Judge<'a> {
    pub(crate) arena: &'a mut Arena,
    pub(crate) budget: &'a mut Budget,
    pub(crate) options: &'a Options,
}

const SHAPE: Match = Match::No(Decision::Shape);

impl Judge<'_> {
    /// Whether any reading of the gold answer equals any reading of the other.
    pub(crate) fn readings(&mut self, gold: &[Form], answer: &[Form]) -> Outcome<Match> {
        let mut best: Option<Match> = None;
        for g in gold {
            for a in answer {
                let result = self.forms(g, a)?;
                if result.is_yes() {
                    return Ok(result);
                }
                best = Some(best.map_or(result, |best| best.or(result)));
            }
        }
        Ok(best.unwrap_or(SHAPE))
    }

    pub(crate) fn forms(&mut self, gold: &Form, answer: &Form) -> Outcome<Match> {
        use Form as F;
        self.budget.charge(4)?;
        match (gold, answer) {
            (F::Value(g), F::Value(a)) => self.values(g, a),
            (F::Choice(g), F::Choice(a)) => Ok(text(g == a)),
            (F::Text(g), F::Text(a)) => Ok(text(kinds::same_text(g, a))),
            (F::Choice(_) | F::Text(_), F::Choice(_) | F::Text(_)) => Ok(text(kinds::same_letter(gold, answer))),
            (F::Date(g), F::Date(a)) => {
                Ok(text(g.month == a.month && g.day == a.day && (g.year == a.year || g.year.is_none())))
            }
            (F::Choice(letter), F::Value(v)) | (F::Value(v), F::Choice(letter)) => self.letter(v, *letter),
            (F::Text(word), F::Value(v)) | (F::Value(v), F::Text(word)) => self.letters(v, word),
            (F::Ratio(..), F::Ratio(..) | F::Value(_)) | (F::Value(_), F::Ratio(..)) => self.ratios(gold, answer),
            (F::Residue { .. }, _) | (_, F::Residue { .. }) => self.residues(gold, answer),
            (F::Matrix(g), F::Matrix(a)) => self.matrices(g, a),
            (F::Chain(g, gr), F::Chain(a, ar)) => self.chains((g, gr), (a, ar)),
            _ => self.mixed(gold, answer),
        }
    }

    fn mixed(&mut self, gold: &Form, answer: &Form) -> Outcome<Match> {
        // `x ∈ {1, 2}` says what the set says.
        if let Some(gold) = members(gold) {
            return self.mixed(&gold, answer);
        }
        if let Some(answer) = members(answer) {
            return self.mixed(gold, &answer);
        }
        if let Some(result) = self.as_regions(gold, answer)? {
            return Ok(result);
        }
        self.collections(gold, answer)
    }
}

/// The finite set that something is said to be in.
fn members(form: &Form) -> Option<Form> {
    match form {
        Form::Chain(sides, relations) if relations[..] == [Rel::In] => {
            sides.last().filter(|set| matches!(set, Form::Set(_))).cloned()
        }
        _ => None,
    }
}

fn text(equal: bool) -> Match {
    if equal { Match::Yes(Decision::Text) } else { Match::No(Decision::Text) }
}
