//! Sums and products whose bounds are variables: compared at small whole numbers, where they can be written out.

use super::{Judge, Match};
use crate::budget::{Budget, Outcome};
use crate::expr::{Arena, Binder, Id, Node, build_small};
use crate::verdict::Decision;

/// Whole numbers that the variables take together.
const POINTS: i64 = 5;
/// Terms that one sum may have at such a point.
const MAX_TERMS: i64 = 200;

impl Judge<'_> {
    /// The comparison, where one side holds a sum or product that was not written out.
    pub(super) fn with_series(&mut self, gold: Id, answer: Id) -> Outcome<Option<Match>> {
        let series = |id: Id, arena: &Arena| arena.any(id, |n| matches!(n, Node::Bound { .. }));
        if !series(gold, self.arena) && !series(answer, self.arena) {
            return Ok(None);
        }
        let mut result = Match::Yes(Decision::Canonical);
        for k in 0..POINTS {
            let (g, a) = (at_whole(self.arena, gold, k, self.budget)?, at_whole(self.arena, answer, k, self.budget)?);
            if series(g, self.arena) || series(a, self.arena) {
                return self.with_stand_ins(gold, answer).map(Some);
            }
            match self.ids(g, a)? {
                Match::Yes(_) => result = Match::Yes(Decision::Evidence { points: POINTS as u32, bits: 53 }),
                other => return Ok(Some(other)),
            }
        }
        Ok(Some(result))
    }
}

/// Puts small whole numbers, different ones for different variables, in the place of all variables but the indices.
fn at_whole(arena: &mut Arena, root: Id, k: i64, budget: &mut Budget) -> Outcome<Id> {
    let below = arena.below(root);
    let indices: Vec<u32> = below
        .iter()
        .filter_map(|&id| if let Node::Bound { symbol, .. } = arena.node(id) { Some(*symbol) } else { None })
        .collect();
    arena.rebuild(root, budget, |arena, node, budget| match *node {
        Node::Symbol(name) if !indices.contains(&name) => Ok(Some(arena.integer(3 + k + i64::from(name % 7)))),
        Node::Bound { kind: kind @ (Binder::Sum | Binder::Product), symbol, low, high, body } => {
            let product = kind == Binder::Product;
            let bounds = arena.rational(low).and_then(build_small).zip(arena.rational(high).and_then(build_small));
            let Some((low, high)) = bounds.filter(|(low, high)| high.saturating_sub(*low) < MAX_TERMS) else {
                return Ok(None);
            };
            let mut total = arena.integer(i64::from(product));
            for index in low..=high {
                let index = arena.integer(index);
                let term = arena.substitute(body, |n| (*n == Node::Symbol(symbol)).then_some(index), budget)?;
                total = if product { arena.mul(total, term, budget)? } else { arena.add(total, term, budget)? };
            }
            Ok(Some(total))
        }
        _ => Ok(None),
    })
}
