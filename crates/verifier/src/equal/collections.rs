//! Lists, sets, points and vectors.

use super::{Judge, Match, SHAPE};
use crate::budget::Outcome;
use crate::form::Form;
use crate::verdict::Decision;

impl Judge<'_> {
    /// Everything that is no single value on both sides.
    pub(super) fn collections(&mut self, gold: &Form, answer: &Form) -> Outcome<Match> {
        use Form as F;
        match (gold, answer) {
            (F::Set(g), F::Set(a)) => self.unordered(g, a, true),
            (F::List(g), F::List(a)) => self.lists(g, a),
            (F::Set(g), F::List(a)) | (F::List(g), F::Set(a)) => {
                let (g, a) = (flat(g), flat(a));
                self.unordered(&g, &a, true)
            }
            (F::Set(items) | F::List(items), single) if is_alone(items, single) => self.forms(&items[0], single),
            (single, F::Set(items) | F::List(items)) if is_alone(items, single) => self.forms(single, &items[0]),
            (F::Group { closed: g_ends, items: g }, F::Group { closed: a_ends, items: a }) => {
                // Two entries may be an interval: then its ends count.
                if g.len() == 2 && g_ends != a_ends { Ok(SHAPE) } else { self.in_order(g, a) }
            }
            // A point or vector, however it is bracketed.
            (
                F::Group { .. } | F::Vector(_) | F::Matrix(_) | F::List(_),
                F::Group { .. } | F::Vector(_) | F::Matrix(_) | F::List(_),
            ) => {
                let (Some(g), Some(a)) = (entries(gold), entries(answer)) else { return Ok(SHAPE) };
                let a = self.without_names(a)?;
                let g = self.without_names(g)?;
                self.in_order(&g, &a)
            }
            (F::Group { .. } | F::Vector(_) | F::Matrix(_), F::Value(value)) => {
                let Some(g) = entries(gold) else { return Ok(SHAPE) };
                let a = self.along_axes(value, g.len())?;
                a.map_or(Ok(SHAPE), |a| self.in_order(&g, &a))
            }
            (F::Value(value), F::Group { .. } | F::Vector(_) | F::Matrix(_)) => {
                let Some(a) = entries(answer) else { return Ok(SHAPE) };
                let g = self.along_axes(value, a.len())?;
                g.map_or(Ok(SHAPE), |g| self.in_order(&g, &a))
            }
            // Sets of which nothing but the names is known.
            (F::Union(g), F::Union(a)) | (F::Intersection(g), F::Intersection(a)) => self.unordered(g, a, true),
            (F::Difference(g, from_g), F::Difference(a, from_a)) => {
                Ok(self.forms(g, a)?.and(self.forms(from_g, from_a)?))
            }
            (F::Chain(sides, relations), other) => match self.assigned(sides, relations, Some(other))? {
                Ok(value) => self.forms(&value, other),
                Err(decided) => Ok(decided),
            },
            (other, F::Chain(sides, relations)) => match self.assigned(sides, relations, Some(other))? {
                Ok(value) => self.forms(other, &value),
                Err(decided) => Ok(decided),
            },
            _ => Ok(SHAPE),
        }
    }

    pub(super) fn in_order(&mut self, gold: &[Form], answer: &[Form]) -> Outcome<Match> {
        if gold.len() != answer.len() {
            return Ok(SHAPE);
        }
        let mut result = Match::Yes(Decision::Exact);
        for (g, a) in gold.iter().zip(answer) {
            result = result.and(self.forms(g, a)?);
            if let Match::No(_) = result {
                break;
            }
        }
        Ok(result)
    }

    fn lists(&mut self, gold: &[Form], answer: &[Form]) -> Outcome<Match> {
        let (gold, answer) = (flat(gold), flat(answer));
        let result = self.unordered(&gold, &answer, false)?;
        if result.is_yes() {
            return Ok(result);
        }
        // `x = 1, y = 2` against `1, 2`: names only say which is which.
        let named = |items: &[Form]| items.iter().any(|item| matches!(item, Form::Chain(..)));
        if named(&gold) == named(&answer) {
            return Ok(result);
        }
        let (gold, answer) = (self.without_names(gold)?, self.without_names(answer)?);
        self.unordered(&gold, &answer, false)
    }

    /// Each part on its own side of `name = value` where all are of that kind.
    fn without_names(&mut self, items: Vec<Form>) -> Outcome<Vec<Form>> {
        let mut values = Vec::with_capacity(items.len());
        for item in &items {
            match item {
                Form::Chain(sides, relations) => match self.assigned(sides, relations, None)? {
                    Ok(value) => values.push(value),
                    Err(_) => return Ok(items),
                },
                other => values.push(other.clone()),
            }
        }
        Ok(values)
    }

    /// Parts in any order: each once, or as members of a set.
    pub(super) fn unordered(&mut self, gold: &[Form], answer: &[Form], set: bool) -> Outcome<Match> {
        if !set && gold.len() != answer.len() {
            return Ok(SHAPE);
        }
        let mut used = vec![false; answer.len()];
        let mut result = Match::Yes(Decision::Exact);
        for g in gold {
            let mut found = Match::No(Decision::Exact);
            for (at, a) in answer.iter().enumerate() {
                if used[at] && !set {
                    continue;
                }
                let one = self.forms(g, a)?;
                found = if at == 0 { one } else { found.or(one) };
                if one.is_yes() {
                    used[at] = true;
                    found = one;
                    break;
                }
            }
            result = result.and(found);
            if let Match::No(_) = result {
                return Ok(result);
            }
        }
        if !set {
            return Ok(result);
        }
        for (at, a) in answer.iter().enumerate() {
            if used[at] {
                continue;
            }
            let mut found = Match::No(Decision::Exact);
            for g in gold {
                let one = self.forms(g, a)?;
                found = found.or(one);
                if one.is_yes() {
                    break;
                }
            }
            result = result.and(found);
        }
        Ok(result)
    }
}

fn is_many(form: &Form) -> bool {
    matches!(form, Form::List(_) | Form::Set(_) | Form::Group { .. } | Form::Union(_))
}

/// Whether the one member of a set or list can stand for it: a set that holds the empty set is not that.
fn is_alone(items: &[Form], single: &Form) -> bool {
    match items {
        [Form::Set(_) | Form::Named(_)] => false,
        [Form::Group { .. }] if matches!(single, Form::Group { .. }) => true,
        [_] => !is_many(single),
        _ => false,
    }
}

/// Lists within lists are one list.
fn flat(items: &[Form]) -> Vec<Form> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Form::List(inner) => all.extend(inner.iter().cloned()),
            other => all.push(other.clone()),
        }
    }
    all
}

/// The entries of a point, vector, row or column.
fn entries(form: &Form) -> Option<Vec<Form>> {
    Some(match form {
        Form::Group { items, closed } if *closed == (false, false) || *closed == (true, true) && items.len() != 2 => {
            items.clone()
        }
        Form::Vector(items) => items.clone(),
        Form::List(items) => items.clone(),
        Form::Matrix(rows) if rows.len() == 1 => rows[0].clone(),
        Form::Matrix(rows) if rows.iter().all(|row| row.len() == 1) => rows.iter().flatten().cloned().collect(),
        _ => return None,
    })
}
