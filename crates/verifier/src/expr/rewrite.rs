//! Copies of an expression with some nodes replaced.

use std::collections::HashMap;

use super::{Arena, Id, Node};
use crate::budget::{Budget, Outcome};

impl Arena {
    /// A node over children, with rational arithmetic done.
    pub(crate) fn make(&mut self, node: Node, budget: &mut Budget) -> Outcome<Id> {
        match node {
            Node::Add(a, b) => self.add(a, b, budget),
            Node::Mul(a, b) => self.mul(a, b, budget),
            Node::Div(a, b) => self.div(a, b, budget),
            Node::Pow(a, b) => self.pow(a, b, budget),
            Node::Neg(a) => Ok(self.neg(a)),
            Node::Call(function, a) => self.call(function, a, budget),
            Node::Call2(super::Function::Root, a, b) => self.root(a, b, budget),
            Node::Call2(function, a, b) => self.call2(function, a, b, budget),
            node => Ok(self.push(node)),
        }
    }

    /// Rebuilds `root` from its leaves; `change` may replace a node whose children are rebuilt already.
    pub(crate) fn rebuild(
        &mut self,
        root: Id,
        budget: &mut Budget,
        mut change: impl FnMut(&mut Arena, &Node, &mut Budget) -> Outcome<Option<Id>>,
    ) -> Outcome<Id> {
        let mut new: HashMap<Id, Id> = HashMap::new();
        for id in self.below(root) {
            budget.charge(2)?;
            let (kids, n) = self.node(id).children();
            let mut replaced = kids;
            for at in 0..n {
                replaced[at] = new.get(&kids[at]).copied().unwrap_or(kids[at]);
            }
            let node = self.node(id).with_children(replaced);
            let made = match change(self, &node, budget)? {
                Some(other) => other,
                None if replaced == kids => id,
                None => self.make(node, budget)?,
            };
            new.insert(id, made);
        }
        Ok(new.get(&root).copied().unwrap_or(root))
    }

    /// Puts other nodes in the place of those that `with` names.
    pub(crate) fn substitute(
        &mut self,
        root: Id,
        with: impl Fn(&Node) -> Option<Id>,
        budget: &mut Budget,
    ) -> Outcome<Id> {
        self.rebuild(root, budget, |_, node, _| Ok(with(node)))
    }
}
