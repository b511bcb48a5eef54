//! Names that a convention gives a meaning: the whole number of a family of angles, the constant of integration, the vectors of
//! the axes. The answer may use another letter, or none.

use super::{Judge, Match};
use crate::budget::Outcome;
use crate::expr::{Constant, Id, Node};
use crate::form::{Form, Value};

impl Judge<'_> {
    /// The answer with the gold answer's letter for what a convention lets anyone name.
    pub(super) fn in_gold_letters(&mut self, gold: Id, answer: Id) -> Outcome<Option<Id>> {
        if let Some(renamed) = self.same_parameter(gold, answer)? {
            return Ok(Some(renamed));
        }
        self.same_constant(gold, answer)
    }

    /// The answer with the gold answer's name for the one whole number that counts the turns of an angle: `π/4 + kπ`, `π/4 + nπ`.
    fn same_parameter(&mut self, gold: Id, answer: Id) -> Outcome<Option<Id>> {
        let parameter = |judge: &Self, side: Id| {
            let mut names = judge.arena.below(side).into_iter().filter_map(|id| match judge.arena.node(id) {
                Node::Symbol(name) => Some(*name),
                _ => None,
            });
            let first = names.next().filter(|_| judge.arena.any(side, |n| *n == Node::Constant(Constant::Pi)))?;
            let whole = matches!(judge.arena.names[first as usize].as_str(), "k" | "n" | "m");
            names.all(|name| name == first).then_some(first).filter(|_| whole)
        };
        let (Some(g), Some(a)) = (parameter(self, gold), parameter(self, answer)) else { return Ok(None) };
        if g == a { Ok(None) } else { self.renamed(answer, a, g).map(Some) }
    }

    /// The answer with `C` for its constant of integration, where the gold answer has one: `2x + C`, `2x + c`.
    fn same_constant(&mut self, gold: Id, answer: Id) -> Outcome<Option<Id>> {
        let (large, small) = (self.arena.name("C"), self.arena.name("c"));
        let is = |name: u32| move |node: &Node| *node == Node::Symbol(name);
        let added = |judge: &Self, side: Id, name: u32| {
            let mut terms = vec![side];
            let mut found = 0;
            while let Some(id) = terms.pop() {
                match *judge.arena.node(id) {
                    Node::Add(a, b) => terms.extend([a, b]),
                    Node::Symbol(symbol) if symbol == name => found += 1,
                    _ if judge.arena.any(id, is(name)) => return false,
                    _ => {}
                }
            }
            found == 1
        };
        let fits = added(self, gold, large)
            && added(self, answer, small)
            && !self.arena.any(gold, is(small))
            && !self.arena.any(answer, is(large));
        if fits { self.renamed(answer, small, large).map(Some) } else { Ok(None) }
    }

    fn renamed(&mut self, root: Id, from: u32, to: u32) -> Outcome<Id> {
        let name = self.arena.push(Node::Symbol(to));
        self.arena.substitute(root, |node| (*node == Node::Symbol(from)).then_some(name), self.budget)
    }

    /// The entries of `2\mathbf{i} + 3\mathbf{j}` in a space of so many dimensions.
    pub(super) fn along_axes(&mut self, value: &Value, dimensions: usize) -> Outcome<Option<Vec<Form>>> {
        if !(2..=3).contains(&dimensions) || value.unit.is_some() {
            return Ok(None);
        }
        let Some(axes) = self.axes(value.id) else { return Ok(None) };
        let (zero, one) = (self.arena.integer(0), self.arena.integer(1));
        let mut entries = Vec::with_capacity(dimensions);
        let mut sum = zero;
        for axis in 0..3 {
            let mut entry = value.id;
            for (other, node) in axes.iter().enumerate() {
                let with = if axis == other { one } else { zero };
                entry = self.arena.substitute(entry, |n| (n == node).then_some(with), self.budget)?;
            }
            let vector = self.arena.push(axes[axis].clone());
            let part = self.arena.mul(entry, vector, self.budget)?;
            sum = self.arena.add(sum, part, self.budget)?;
            match axis < dimensions {
                true => entries.push(Form::Value(Value::of(entry))),
                false if !self.ids(zero, entry)?.is_yes() => return Ok(None),
                false => {}
            }
        }
        // Entries are what stands before the axes' vectors only where the sum of these is all.
        let linear = matches!(self.ids(value.id, sum)?, Match::Yes(_));
        Ok(linear.then_some(entries))
    }

    /// The vectors of the axes in one spelling: `i, j, k`, `\hat i, …`, `\vec i, …`; nothing where they do not
    /// occur. A bare `i` is a vector's only beside `j`.
    fn axes(&mut self, id: Id) -> Option<[Node; 3]> {
        ["", "hat ", "vec "].into_iter().find_map(|accent| {
            let mut named = |letter: &str| Node::Symbol(self.arena.name(&format!("{accent}{letter}")));
            let first = if accent.is_empty() { Node::Constant(Constant::I) } else { named("i") };
            let axes = [first, named("j"), named("k")];
            let holds = |axis: &Node| self.arena.any(id, |node| node == axis);
            let found = if accent.is_empty() {
                holds(&axes[1]) && (holds(&axes[0]) || holds(&axes[2]))
            } else {
                axes.iter().any(holds)
            };
            found.then_some(axes)
        })
    }
}
