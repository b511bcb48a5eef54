//! Integrals, limits, derivatives, and sums that cannot be written out: equal where their parts are; elsewhere compared by
//! numeric estimates, where they are constants, or undecided.

use super::{Judge, Match};
use crate::budget::Outcome;
use crate::expr::{Binder, Id, Node};
use crate::numeric::{self, Estimated};
use crate::verdict::Decision;

/// One of them, its variable renamed where the name does not matter.
#[derive(Clone, Copy)]
struct Seen {
    kind: Binder,
    /// The variable, where it is no bound one.
    free: Option<u32>,
    parts: [Id; 3],
    /// The name that stands for it.
    stand_in: Id,
}

impl Judge<'_> {
    /// The comparison with a name in the place of each, the same name for the same parts. That names differ proves nothing;
    /// then the values are estimated.
    pub(super) fn with_stand_ins(&mut self, gold: Id, answer: Id) -> Outcome<Match> {
        let mut seen = Vec::new();
        let named = (self.stand_ins(gold, &mut seen)?, self.stand_ins(answer, &mut seen)?);
        let result = self.ids(named.0, named.1)?;
        if result.is_yes() {
            return Ok(result);
        }
        Ok(match numeric::estimates(self.arena, gold, answer, self.budget)? {
            Estimated::Agree(bits) => Match::Yes(Decision::Estimate { bits }),
            Estimated::Differ(bits) => Match::No(Decision::Estimate { bits }),
            Estimated::Unknown => Match::Unknown,
        })
    }

    fn stand_ins(&mut self, root: Id, seen: &mut Vec<Seen>) -> Outcome<Id> {
        let mut root = root;
        loop {
            // Children come before parents, so the first has none within.
            let below = self.arena.below(root);
            self.budget.charge(below.len() as u64)?;
            let Some(&id) = below.iter().find(|&&id| matches!(self.arena.node(id), Node::Bound { .. })) else {
                return Ok(root);
            };
            let Node::Bound { kind, symbol, low, high, body } = *self.arena.node(id) else { return Ok(root) };
            let bound = kind.binds();
            let name = self.arena.name("the bound variable");
            let renamed = self.arena.push(Node::Symbol(name));
            let is_symbol = |node: &Node| (bound && *node == Node::Symbol(symbol)).then_some(renamed);
            let body = self.arena.substitute(body, is_symbol, self.budget)?;
            let one = Seen { kind, free: (!bound).then_some(symbol), parts: [low, high, body], stand_in: id };
            let stand_in = self.stand_in(one, seen)?;
            let old = self.arena.node(id).clone();
            root = self.arena.substitute(root, |node| (*node == old).then_some(stand_in), self.budget)?;
        }
    }

    fn stand_in(&mut self, one: Seen, seen: &mut Vec<Seen>) -> Outcome<Id> {
        for known in seen.iter() {
            if (known.kind, known.free) != (one.kind, one.free) {
                continue;
            }
            let mut same = true;
            for (a, b) in known.parts.into_iter().zip(one.parts) {
                same = same && self.ids(a, b)?.is_yes();
            }
            if same {
                return Ok(known.stand_in);
            }
        }
        let name = self.arena.name(&format!("stand-in {}", seen.len()));
        let stand_in = self.arena.push(Node::Symbol(name));
        seen.push(Seen { stand_in, ..one });
        Ok(stand_in)
    }
}
