//! Subsets of the real line: intervals, unions, inequalities, finite sets.

use super::{Judge, Match, SHAPE};
use crate::budget::Outcome;
use crate::expr::{Constant, Function, Id, Node};
use crate::form::Form;
use crate::lex::token::{NamedSet, Rel};
use crate::numeric;
use crate::verdict::Decision;

/// An end of an interval: its value for ordering, the expression, and whether it belongs to the interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    at: f64,
    id: Option<Id>,
    closed: bool,
}

/// An interval; a point has two closed ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    low: End,
    high: End,
}

const BELOW: End = End { at: f64::NEG_INFINITY, id: None, closed: false };
const ABOVE: End = End { at: f64::INFINITY, id: None, closed: false };
/// Ends closer than this, relative to their size, are taken for one.
const NEAR: f64 = 1e-12;

fn near(a: f64, b: f64) -> bool {
    a == b || a.is_finite() && b.is_finite() && (a - b).abs() <= NEAR * a.abs().max(b.abs()).max(1.0)
}

impl Judge<'_> {
    /// Compares two forms as sets of real numbers, where one of them can be nothing else.
    pub(super) fn as_regions(&mut self, gold: &Form, answer: &Form) -> Outcome<Option<Match>> {
        if !self.is_region(gold) && !self.is_region(answer) {
            return Ok(None);
        }
        if let (Form::Named(g), Form::Named(a)) = (gold, answer) {
            return Ok(Some(if g == a { Match::Yes(Decision::Canonical) } else { Match::No(Decision::Canonical) }));
        }
        let (Some(g), Some(a)) = (self.region(gold)?, self.region(answer)?) else { return Ok(None) };
        self.regions(&g, &a).map(Some)
    }

    fn is_region(&self, form: &Form) -> bool {
        match form {
            Form::Union(_) | Form::Intersection(_) | Form::Difference(..) | Form::Named(_) => true,
            Form::Chain(_, relations) => relations.iter().any(|r| !matches!(r, Rel::Equal | Rel::Approx | Rel::Equiv)),
            Form::Group { items, closed } => {
                items.len() == 2 && (closed.0 != closed.1 || items.iter().any(|i| self.infinite(i).is_some()))
            }
            Form::List(items) => {
                items.len() > 1 && items.iter().all(|item| matches!(item, Form::Chain(..)) && self.is_region(item))
            }
            _ => false,
        }
    }

    fn infinite(&self, form: &Form) -> Option<bool> {
        let Form::Value(value) = form else { return None };
        match self.arena.node(value.id) {
            Node::Constant(Constant::Infinity) => Some(true),
            Node::Neg(inner) if *self.arena.node(*inner) == Node::Constant(Constant::Infinity) => Some(false),
            _ => None,
        }
    }

    fn end(&mut self, form: &Form, closed: bool) -> Outcome<Option<End>> {
        if let Some(above) = self.infinite(form) {
            return Ok(Some(if above { ABOVE } else { BELOW }));
        }
        let Form::Value(value) = form else { return Ok(None) };
        Ok(numeric::real_value(self.arena, value.id, self.budget)?.map(|at| End { at, id: Some(value.id), closed }))
    }

    fn region(&mut self, form: &Form) -> Outcome<Option<Vec<Piece>>> {
        self.budget.charge(8)?;
        let pieces = match form {
            Form::Named(NamedSet::Reals) => vec![Piece { low: BELOW, high: ABOVE }],
            Form::Named(NamedSet::Empty) => Vec::new(),
            Form::Group { closed, items } if items.len() == 2 => {
                let (Some(low), Some(high)) = (self.end(&items[0], closed.0)?, self.end(&items[1], closed.1)?) else {
                    return Ok(None);
                };
                vec![Piece { low, high }]
            }
            Form::Set(items) => {
                let mut points = Vec::new();
                for item in items {
                    let Some(end) = self.end(item, true)? else { return Ok(None) };
                    points.push(Piece { low: end, high: end });
                }
                points
            }
            Form::Union(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    let Some(pieces) = self.region(part)? else { return Ok(None) };
                    all.extend(pieces);
                }
                all
            }
            Form::Intersection(parts) => {
                let mut all = vec![Piece { low: BELOW, high: ABOVE }];
                for part in parts {
                    let Some(pieces) = self.region(part)? else { return Ok(None) };
                    all = intersect(&all, &pieces);
                }
                all
            }
            Form::Difference(from, taken) => {
                let (Some(from), Some(taken)) = (self.region(from)?, self.region(taken)?) else { return Ok(None) };
                intersect(&from, &complement(merged(taken)))
            }
            Form::Chain(sides, relations) => return self.region_of_chain((sides, relations)),
            // "x < 1 or x > 2" unites, "x > 1 and x < 2" intersects: overlapping parts would unite to everything.
            Form::List(items) => {
                let mut all: Vec<Piece> = Vec::new();
                let mut common = vec![Piece { low: BELOW, high: ABOVE }];
                for item in items {
                    let Some(pieces) = self.region(item)? else { return Ok(None) };
                    common = intersect(&common, &pieces);
                    all.extend(pieces);
                }
                if items.len() > 1 && !common.is_empty() { common } else { all }
            }
            _ => return Ok(None),
        };
        Ok(Some(merged(pieces)))
    }

    /// The set that an inequality describes, for its one variable.
    pub(super) fn region_of_chain(&mut self, (sides, relations): (&[Form], &[Rel])) -> Outcome<Option<Vec<Piece>>> {
        if let ([_, range], [Rel::In]) = (sides, relations) {
            return self.region(range);
        }
        let is_name = |judge: &Self, form: &Form| match form {
            Form::Value(value) => judge.arena.any(value.id, |n| matches!(n, Node::Symbol(_) | Node::Apply(..))),
            _ => false,
        };
        let Some(at) = sides.iter().position(|side| is_name(self, side)) else { return Ok(None) };
        if sides.iter().skip(at + 1).any(|side| is_name(self, side)) {
            return Ok(None);
        }
        let Form::Value(name) = &sides[at] else { return Ok(None) };
        if let (Node::Call(Function::Abs, inner), [_, bound], [relation], 0) =
            (self.arena.node(name.id), sides, relations, at)
            && self.name_of(*inner).is_some()
        {
            return self.around_zero(bound, *relation);
        }
        if self.name_of(name.id).is_none() {
            return Ok(None);
        }
        let mut all = vec![Piece { low: BELOW, high: ABOVE }];
        for (k, &relation) in relations.iter().enumerate() {
            // Relations left of the name read from the bound to it.
            let (bound, relation) = if k < at { (&sides[k], relation) } else { (&sides[k + 1], mirrored(relation)) };
            if k + 1 < at || k > at {
                return Ok(None);
            }
            let Some(pieces) = self.beyond(bound, relation)? else { return Ok(None) };
            all = intersect(&all, &pieces);
        }
        Ok(Some(all))
    }

    /// All x with `|x| relation bound`.
    fn around_zero(&mut self, bound: &Form, relation: Rel) -> Outcome<Option<Vec<Piece>>> {
        let closed = matches!(relation, Rel::LessEqual | Rel::GreaterEqual);
        let Some(high) = self.end(bound, closed)?.filter(|end| end.at > 0.0) else { return Ok(None) };
        let Some(id) = high.id else { return Ok(None) };
        let low = End { at: -high.at, id: Some(self.arena.neg(id)), closed };
        Ok(match relation {
            Rel::Less | Rel::LessEqual => Some(vec![Piece { low, high }]),
            Rel::Greater | Rel::GreaterEqual => {
                Some(vec![Piece { low: BELOW, high: low }, Piece { low: high, high: ABOVE }])
            }
            _ => None,
        })
    }

    /// All x with `bound relation x`.
    fn beyond(&mut self, bound: &Form, relation: Rel) -> Outcome<Option<Vec<Piece>>> {
        let closed = matches!(relation, Rel::LessEqual | Rel::GreaterEqual | Rel::Equal);
        let Some(end) = self.end(bound, closed)? else { return Ok(None) };
        Ok(Some(match relation {
            Rel::Less | Rel::LessEqual => vec![Piece { low: end, high: ABOVE }],
            Rel::Greater | Rel::GreaterEqual => vec![Piece { low: BELOW, high: end }],
            Rel::NotEqual => vec![Piece { low: BELOW, high: end }, Piece { low: end, high: ABOVE }],
            Rel::Equal => vec![Piece { low: end, high: end }],
            _ => return Ok(None),
        }))
    }

    pub(super) fn regions(&mut self, gold: &[Piece], answer: &[Piece]) -> Outcome<Match> {
        if gold.len() != answer.len() {
            return Ok(SHAPE);
        }
        let mut result = Match::Yes(Decision::Exact);
        for (g, a) in gold.iter().zip(answer) {
            for (g, a) in [(g.low, a.low), (g.high, a.high)] {
                result = result.and(match (g.id, a.id) {
                    _ if g.closed != a.closed => SHAPE,
                    (Some(g), Some(a)) => self.ids(g, a)?,
                    _ if g.at == a.at => Match::Yes(Decision::Exact),
                    _ => SHAPE,
                });
            }
        }
        Ok(result)
    }
}

fn mirrored(relation: Rel) -> Rel {
    match relation {
        Rel::Less => Rel::Greater,
        Rel::LessEqual => Rel::GreaterEqual,
        Rel::Greater => Rel::Less,
        Rel::GreaterEqual => Rel::LessEqual,
        other => other,
    }
}

fn intersect(a: &[Piece], b: &[Piece]) -> Vec<Piece> {
    let mut all = Vec::new();
    for x in a {
        for y in b {
            let low = if near(x.low.at, y.low.at) {
                End { closed: x.low.closed && y.low.closed, ..x.low }
            } else if x.low.at > y.low.at {
                x.low
            } else {
                y.low
            };
            let high = if near(x.high.at, y.high.at) {
                End { closed: x.high.closed && y.high.closed, ..x.high }
            } else if x.high.at < y.high.at {
                x.high
            } else {
                y.high
            };
            let point = near(low.at, high.at) && low.closed && high.closed;
            if point || low.at < high.at && !near(low.at, high.at) {
                all.push(Piece { low, high });
            }
        }
    }
    all
}

/// Sorted, with overlapping and touching pieces united.
fn merged(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.sort_by(|a, b| a.low.at.total_cmp(&b.low.at).then(b.low.closed.cmp(&a.low.closed)));
    let mut all: Vec<Piece> = Vec::new();
    for piece in pieces {
        match all.last_mut() {
            Some(last)
                if near(last.high.at, piece.low.at) && (last.high.closed || piece.low.closed)
                    || piece.low.at < last.high.at && !near(last.high.at, piece.low.at) =>
            {
                if near(last.low.at, piece.low.at) {
                    last.low.closed |= piece.low.closed;
                }
                if near(piece.high.at, last.high.at) {
                    last.high.closed |= piece.high.closed;
                } else if piece.high.at > last.high.at {
                    last.high = piece.high;
                }
            }
            _ => all.push(piece),
        }
    }
    all
}

/// Everything outside of sorted pieces.
fn complement(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut all = Vec::new();
    let mut low = BELOW;
    for piece in pieces {
        if low.at < piece.low.at {
            all.push(Piece { low, high: End { closed: !piece.low.closed, ..piece.low } });
        }
        low = End { closed: !piece.high.closed, ..piece.high };
    }
    if low.at < f64::INFINITY {
        all.push(Piece { low, high: ABOVE });
    }
    all
}
