//! Expressions, with no more brackets than the parser needs.

use dashu_ratio::RBig;

use super::{Page, name, number};
use crate::expr::{Binder, Constant, Function, Id, Node};

/// What of an expression is still to be written.
pub(super) enum Piece {
    /// A node where nothing touches it.
    Alone(Id),
    /// A node beside an operator: in brackets unless it is one thing.
    Operand(Id),
    /// A term of a sum.
    Term(Id),
    /// The first factor of a product or quotient.
    Factor(Id),
    /// What is raised to a power.
    Base(Id),
    /// A number with the other sign.
    Turned(Id),
    Name(u32),
    Text(&'static str),
}

use Piece::{Alone, Base, Factor, Name, Operand, Term, Text, Turned};

impl Page<'_> {
    pub(super) fn pieces(&mut self, first: Piece) {
        // The last is written first.
        let mut pieces = vec![first];
        while let Some(piece) = pieces.pop() {
            if self.is_full() {
                return;
            }
            match piece {
                Text(text) => self.put(text),
                Name(name) => self.name(name),
                Turned(id) => {
                    if let Some(value) = self.arena.rational(id) {
                        number::number(&-value.clone(), self);
                    }
                }
                Alone(id) | Operand(id) | Term(id) | Factor(id) | Base(id) if self.is_bare(&piece, id) => {
                    let node = self.node(id);
                    pieces.extend(node.into_iter().rev());
                }
                Alone(id) | Operand(id) | Term(id) | Factor(id) | Base(id) => {
                    pieces.extend([Text(")"), Alone(id), Text("(")]);
                }
            }
        }
    }

    /// Whether a node needs no brackets in its place.
    fn is_bare(&self, piece: &Piece, id: Id) -> bool {
        let node = self.arena.node(id);
        let one_thing = match node {
            Node::Number(value) => value.is_int() && *value >= RBig::ZERO,
            Node::Symbol(_) | Node::Constant(_) | Node::Apply(..) => true,
            Node::Call(function, _) => !is_factorial(*function),
            Node::Call2(function, ..) => *function != Function::Mod,
            Node::Pow(base, exponent) => self.is_root(*base, *exponent),
            _ => false,
        };
        match piece {
            Alone(_) => true,
            Term(_) | Factor(_) => one_thing || matches!(node, Node::Mul(..) | Node::Div(..) | Node::Pow(..)),
            // `C_{5}^2` counts combinations.
            Base(_) => {
                one_thing && !matches!(node, Node::Symbol(name) if self.arena.names[*name as usize].contains('_'))
            }
            _ => one_thing,
        }
    }

    /// `√x`, whose radicand is not negative, as the root of such a number is read as a multiple of i.
    fn is_root(&self, base: Id, exponent: Id) -> bool {
        let half = |value: &RBig| value.numerator().is_one() && *value == RBig::ONE / RBig::from(2);
        self.arena.rational(exponent).is_some_and(half) && self.arena.rational(base).is_none_or(|x| *x >= RBig::ZERO)
    }

    /// A node without brackets around it, in pieces.
    fn node(&mut self, id: Id) -> Vec<Piece> {
        let arena = self.arena;
        match *arena.node(id) {
            Node::Number(ref value) => number::number(value, self),
            Node::Symbol(name) => self.name(name),
            Node::Constant(constant) => self.put(match constant {
                Constant::Pi => "π",
                Constant::E => "e",
                Constant::I => "i",
                Constant::Infinity => "∞",
            }),
            Node::Add(a, b) => {
                let left = self.left_of_sum(a);
                return match *arena.node(b) {
                    Node::Number(ref value) if *value < RBig::ZERO => vec![left, Text(" - "), Turned(b)],
                    Node::Neg(b) => vec![left, Text(" - "), Term(b)],
                    _ => vec![left, Text(" + "), Term(b)],
                };
            }
            Node::PlusMinus(a, b, flip) => {
                return vec![self.left_of_sum(a), Text(if flip { " ∓ " } else { " ± " }), Term(b)];
            }
            Node::Mul(a, b) => return vec![Factor(a), Text("·"), Operand(b)],
            Node::Div(a, b) => return vec![Factor(a), Text("/"), Operand(b)],
            Node::Pow(a, b) if self.is_root(a, b) => return vec![Text("sqrt("), Alone(a), Text(")")],
            Node::Pow(a, b) => return vec![Base(a), Text("^"), Operand(b)],
            Node::Neg(a) => return vec![Text("-"), Term(a)],
            Node::Call(function @ (Function::Factorial | Function::DoubleFactorial), a) => {
                return vec![Base(a), Text(if function == Function::Factorial { "!" } else { "!!" })];
            }
            Node::Call(function, a) => return vec![Text(function_name(function)), Text("("), Alone(a), Text(")")],
            Node::Call2(Function::Root, a, n) => {
                return vec![Text("\\sqrt["), Alone(n), Text("]{"), Alone(a), Text("}")];
            }
            // Behind `mod` a round bracket would be that of a congruence.
            Node::Call2(Function::Mod, a, b) => return vec![Operand(a), Text(" mod {"), Alone(b), Text("}")],
            Node::Call2(function, a, b) => {
                return vec![Text(function_name(function)), Text("("), Alone(a), Text(", "), Alone(b), Text(")")];
            }
            Node::Apply(function, a) => return self.applied(function, a),
            Node::Bound { kind, symbol, low, high, body } => return self.bound(kind, symbol, [low, high, body]),
        }
        Vec::new()
    }

    /// The left side of a sum goes on it: sums are read from the left.
    fn left_of_sum(&self, a: Id) -> Piece {
        match self.arena.node(a) {
            Node::Bound { .. } => Operand(a),
            _ => Alone(a),
        }
    }

    fn name(&mut self, name: u32) {
        let name = &self.arena.names[name as usize];
        match name::spelling(name) {
            Some(spelling) => self.put(&spelling),
            None => {
                self.whole = false;
                self.put(name);
            }
        }
    }

    /// `f(x)`. Of other names than f, g, h only one letter or number is read as an argument.
    fn applied(&mut self, function: u32, argument: Id) -> Vec<Piece> {
        let name = self.arena.names[function as usize].as_str();
        if name == "det" {
            return vec![Text("det("), Alone(argument), Text(")")];
        }
        let special = matches!(name, "Gamma" | "zeta");
        let any_argument = special || name.ends_with('\'') || name.contains(' ') || name.starts_with(['f', 'g', 'h']);
        if let Some(value) = self.arena.rational(argument).filter(|value| !any_argument && !value.is_int()) {
            let digits = number::finite(value);
            self.whole &= digits.is_some();
            self.name(function);
            self.put(&format!("({})", digits.unwrap_or_default()));
            return Vec::new();
        }
        vec![Name(function), Text("("), Alone(argument), Text(")")]
    }

    fn bound(&mut self, kind: Binder, symbol: u32, [low, high, body]: [Id; 3]) -> Vec<Piece> {
        // The index i is read as one in its place.
        let index = if self.arena.names[symbol as usize] == "i" { Text("i") } else { Name(symbol) };
        match kind {
            Binder::Sum | Binder::Product => {
                let sign = if kind == Binder::Sum { "\\sum_{" } else { "\\prod_{" };
                let bounds = [Text(sign), index, Text(" = "), Alone(low), Text("}^{"), Alone(high), Text("} ")];
                bounds.into_iter().chain([Operand(body)]).collect()
            }
            Binder::Antiderivative => vec![Text("\\int "), Operand(body), Text(" d "), index],
            Binder::Integral => {
                let mut pieces = self.integral_bounds(low, high);
                pieces.extend([Text(" "), Operand(body), Text(" d "), index]);
                pieces
            }
            Binder::Limit => {
                let side = match self.arena.rational(high) {
                    Some(side) if *side > RBig::ZERO => "^{+}} ",
                    Some(side) if *side < RBig::ZERO => "^{-}} ",
                    _ => "} ",
                };
                vec![Text("\\lim_{"), index, Text(" \\to "), Operand(low), Text(side), Operand(body)]
            }
            Binder::Derivative => {
                let below = [Text("}}{d "), Name(symbol), Text("^{"), Alone(low), Text("}} "), Operand(body)];
                [Text("\\frac{d^{"), Alone(low)].into_iter().chain(below).collect()
            }
        }
    }

    /// The sign of an integral with its bounds, or with its region and the sign that stands for the upper bound.
    fn integral_bounds(&mut self, low: Id, high: Id) -> Vec<Piece> {
        let sign = |id: Id| match self.arena.node(id) {
            Node::Symbol(name) => {
                let name = self.arena.names[*name as usize].as_str();
                ["\\int", "\\iint", "\\iiint", "\\oint", "∫", "∬", "∭", "∮"].into_iter().find(|sign| *sign == name)
            }
            _ => None,
        };
        match (sign(high), sign(low)) {
            (Some(sign), Some(_)) => vec![Text(sign)],
            (Some(sign), None) => vec![Text(sign), Text("_{"), Alone(low), Text("}")],
            (None, _) => vec![Text("\\int_{"), Alone(low), Text("}^{"), Alone(high), Text("}")],
        }
    }
}

fn is_factorial(function: Function) -> bool {
    matches!(function, Function::Factorial | Function::DoubleFactorial)
}

fn function_name(function: Function) -> &'static str {
    match function {
        Function::Sin => "sin",
        Function::Cos => "cos",
        Function::Tan => "tan",
        Function::Cot => "cot",
        Function::Sec => "sec",
        Function::Csc => "csc",
        Function::Asin => "arcsin",
        Function::Acos => "arccos",
        Function::Atan => "arctan",
        Function::Acot => "arccot",
        Function::Asec => "arcsec",
        Function::Acsc => "arccsc",
        Function::Sinh => "sinh",
        Function::Cosh => "cosh",
        Function::Tanh => "tanh",
        Function::Asinh => "arsinh",
        Function::Acosh => "arcosh",
        Function::Atanh => "artanh",
        Function::Ln => "ln",
        Function::Log => "log",
        Function::Log10 => "lg",
        Function::Exp => "exp",
        Function::Abs => "abs",
        Function::Floor => "floor",
        Function::Ceil => "ceil",
        Function::Factorial | Function::DoubleFactorial => "",
        Function::Sign => "sign",
        Function::Re => "Re",
        Function::Im => "Im",
        Function::Cis => "cis",
        Function::Binomial => "binom",
        Function::Max => "max",
        Function::Min => "min",
        Function::Gcd => "gcd",
        Function::Lcm => "lcm",
        Function::Mod => "mod",
        Function::Root => "root",
        Function::Det => "det",
    }
}
