//! Expressions: nodes in one flat list, children before parents, so that no walk over them needs recursion.

mod build;
mod infinite;
mod rewrite;

pub(crate) use build::{bits, exact_root, gcd_or_lcm, power as integer_power, small as build_small};

use dashu_ratio::RBig;

/// Position of a node.
pub(crate) type Id = u32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Constant {
    Pi,
    E,
    I,
    Infinity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Function {
    Sin,
    Cos,
    Tan,
    Cot,
    Sec,
    Csc,
    Asin,
    Acos,
    Atan,
    Acot,
    Asec,
    Acsc,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Ln,
    /// A logarithm whose base is not written.
    Log,
    Log10,
    Exp,
    Abs,
    Floor,
    Ceil,
    Factorial,
    DoubleFactorial,
    Sign,
    Re,
    Im,
    /// `cos + i·sin`; the parser writes it as a power of e.
    Cis,
    // Of two arguments:
    Binomial,
    Max,
    Min,
    Gcd,
    Lcm,
    Mod,
    /// `\sqrt[n]{x}`: x first, real for odd n.
    Root,
    /// Of a matrix that is written out; of a name it is an unknown function.
    Det,
}

/// What has a variable of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Binder {
    Sum,
    Product,
    /// Between bounds.
    Integral,
    Antiderivative,
    /// To the place `low`; `high` is 1 from above, -1 from below, 0 from both sides.
    Limit,
    /// Of the order `low`.
    Derivative,
}

impl Binder {
    /// Whether the variable's name does not matter.
    pub(crate) fn binds(self) -> bool {
        match self {
            Binder::Sum | Binder::Product | Binder::Integral | Binder::Limit => true,
            Binder::Antiderivative | Binder::Derivative => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Number(RBig),
    /// A variable: index into [`Arena::names`].
    Symbol(u32),
    Constant(Constant),
    Add(Id, Id),
    Mul(Id, Id),
    Div(Id, Id),
    Pow(Id, Id),
    Neg(Id),
    Call(Function, Id),
    Call2(Function, Id, Id),
    /// An unknown function of a name.
    Apply(u32, Id),
    /// `a ± b`; true for `a ∓ b`.
    PlusMinus(Id, Id, bool),
    /// A sum, integral or the like that was not worked out: variable, bounds, body.
    Bound {
        kind: Binder,
        symbol: u32,
        low: Id,
        high: Id,
        body: Id,
    },
}

impl Node {
    /// Children in reading order.
    pub(crate) fn children(&self) -> ([Id; 3], usize) {
        match *self {
            Node::Number(_) | Node::Symbol(_) | Node::Constant(_) => ([0; 3], 0),
            Node::Neg(a) | Node::Call(_, a) | Node::Apply(_, a) => ([a, 0, 0], 1),
            Node::Add(a, b) | Node::Mul(a, b) | Node::Div(a, b) | Node::Pow(a, b) | Node::Call2(_, a, b) => {
                ([a, b, 0], 2)
            }
            Node::PlusMinus(a, b, _) => ([a, b, 0], 2),
            Node::Bound { low, high, body, .. } => ([low, high, body], 3),
        }
    }

    /// The same node over other children.
    pub(crate) fn with_children(&self, kids: [Id; 3]) -> Node {
        let [a, b, c] = kids;
        match self {
            Node::Number(_) | Node::Symbol(_) | Node::Constant(_) => self.clone(),
            Node::Neg(_) => Node::Neg(a),
            Node::Call(f, _) => Node::Call(*f, a),
            Node::Apply(n, _) => Node::Apply(*n, a),
            Node::Add(..) => Node::Add(a, b),
            Node::Mul(..) => Node::Mul(a, b),
            Node::Div(..) => Node::Div(a, b),
            Node::Pow(..) => Node::Pow(a, b),
            Node::Call2(f, ..) => Node::Call2(*f, a, b),
            Node::PlusMinus(_, _, flip) => Node::PlusMinus(a, b, *flip),
            Node::Bound { kind, symbol, .. } => Node::Bound { kind: *kind, symbol: *symbol, low: a, high: b, body: c },
        }
    }
}

/// Nodes and names of one comparison.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    pub(crate) nodes: Vec<Node>,
    pub(crate) names: Vec<String>,
}

impl Arena {
    /// The index of a name, new or known.
    pub(crate) fn name(&mut self, name: &str) -> u32 {
        let known = self.names.iter().position(|n| n == name);
        known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        }) as u32
    }

    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    /// The exact value of a node that is a rational number.
    pub(crate) fn rational(&self, id: Id) -> Option<&RBig> {
        match self.node(id) {
            Node::Number(value) => Some(value),
            _ => None,
        }
    }

    /// Ids of `root` and everything below it, in increasing order (children first).
    pub(crate) fn below(&self, root: Id) -> Vec<Id> {
        let mut seen = vec![false; root as usize + 1];
        seen[root as usize] = true;
        for at in (0..=root as usize).rev() {
            if seen[at] {
                let (kids, n) = self.nodes[at].children();
                kids[..n].iter().for_each(|&kid| seen[kid as usize] = true);
            }
        }
        (0..=root).filter(|&id| seen[id as usize]).collect()
    }

    /// Whether any node below `root` fulfils the condition.
    pub(crate) fn any(&self, root: Id, condition: impl Fn(&Node) -> bool) -> bool {
        self.below(root).iter().any(|&id| condition(self.node(id)))
    }
}
