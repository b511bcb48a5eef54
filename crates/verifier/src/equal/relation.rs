//! Equations and inequalities.

use super::{Judge, Match, SHAPE};
use crate::budget::Outcome;
use crate::expr::{Constant, Function, Id, Node};
use crate::form::{Form, Value};
use crate::lex::token::Rel;
use crate::numeric;
use crate::verdict::Decision;

type Chain<'a> = (&'a [Form], &'a [Rel]);

impl Judge<'_> {
    pub(super) fn chains(&mut self, gold: Chain<'_>, answer: Chain<'_>) -> Outcome<Match> {
        let equal = |relations: &[Rel]| relations.iter().all(|r| matches!(r, Rel::Equal | Rel::Approx));
        if let (Some(g), Some(a)) = (self.bounded_name(gold), self.bounded_name(answer)) {
            if !self.same_name(g, a) {
                return Ok(Match::No(Decision::Canonical));
            }
            let regions = (self.region_of_chain(gold)?, self.region_of_chain(answer)?);
            if let (Some(g), Some(a)) = regions {
                return self.regions(&g, &a);
            }
        }
        if equal(gold.1) && equal(answer.1) {
            return self.equations(gold, answer);
        }
        if gold.1.len() == 1 && answer.1.len() == 1 {
            return self.inequalities(gold, answer);
        }
        let (gold, answer) = (rising(gold), rising(answer));
        if gold.1 == answer.1 {
            return self.in_order(&gold.0, &answer.0);
        }
        Ok(SHAPE)
    }

    fn equations(&mut self, gold: Chain<'_>, answer: Chain<'_>) -> Outcome<Match> {
        let (Some((g_left, g_right)), Some((a_left, a_right))) = (self.ends(gold), self.ends(answer)) else {
            return self.in_order(gold.0, answer.0);
        };
        let (answer_right, g_right) = self.same_argument((g_left, g_right), (a_left, a_right))?;
        let renamed = answer_right != a_right;
        let a_right = answer_right;
        if renamed {
            let value = self.ids(g_right, a_right)?;
            if value.is_yes() {
                return Ok(value);
            }
        }
        // name = value on both sides
        if let (Some(g), Some(a)) = (self.name_of(g_left), self.name_of(a_left))
            && self.same_name(g, a)
        {
            if let Err(decided) = self.assigned(answer.0, answer.1, None)? {
                return Ok(decided);
            }
            let same = match (gold.0.last(), answer.0.last()) {
                (Some(g), Some(a)) => self.forms(g, a)?,
                _ => SHAPE,
            };
            if same.is_yes() {
                return Ok(same);
            }
            if let Some(renamed) = self.in_gold_letters(g_right, a_right)? {
                return self.ids(g_right, renamed);
            }
        }
        if self.constant(g_left) && self.constant(g_right) || self.constant(a_left) && self.constant(a_right) {
            let (g, a) = (self.assigned(gold.0, gold.1, None)?, self.assigned(answer.0, answer.1, None)?);
            return match (g, a) {
                (Ok(g), Ok(a)) => self.forms(&g, &a),
                (Err(decided), _) | (_, Err(decided)) => Ok(decided),
            };
        }
        self.multiples(g_left, g_right, a_left, a_right, false)
    }

    /// The right sides of `f(x) = …` and `f(t) = …` with one name for the argument; others as they are.
    fn same_argument(&mut self, gold: (Id, Id), answer: (Id, Id)) -> Outcome<(Id, Id)> {
        let argument = |judge: &Self, left: Id| match *judge.arena.node(left) {
            Node::Apply(function, inside) => match *judge.arena.node(inside) {
                Node::Symbol(name) => Some((function, name)),
                _ => None,
            },
            _ => None,
        };
        let (Some((f, x)), Some((g, t))) = (argument(self, gold.0), argument(self, answer.0)) else {
            return Ok((answer.1, gold.1));
        };
        if x == t || !self.same_name(f, g) {
            return Ok((answer.1, gold.1));
        }
        let common = self.arena.name("the argument");
        let common = self.arena.push(Node::Symbol(common));
        let mut rename = |right: Id, name: u32| {
            self.arena.substitute(right, |node| (*node == Node::Symbol(name)).then_some(common), self.budget)
        };
        Ok((rename(answer.1, t)?, rename(gold.1, x)?))
    }

    fn inequalities(&mut self, gold: Chain<'_>, answer: Chain<'_>) -> Outcome<Match> {
        let (Some(g), Some(a)) = (oriented(gold), oriented(answer)) else {
            return if gold.1 == answer.1 { self.in_order(gold.0, answer.0) } else { Ok(SHAPE) };
        };
        if g.2 != a.2 {
            return Ok(SHAPE);
        }
        self.multiples(g.0, g.1, a.0, a.1, g.2 != Rel::NotEqual)
    }

    /// Whether `g_left − g_right` and `a_left − a_right` are constant multiples of each other (positive ones, if `positive`).
    fn multiples(&mut self, g_left: Id, g_right: Id, a_left: Id, a_right: Id, positive: bool) -> Outcome<Match> {
        let gold = self.arena.sub(g_left, g_right, self.budget)?;
        let answer = self.arena.sub(a_left, a_right, self.budget)?;
        numeric::multiples(self.arena, gold, answer, positive, self.options.seed, self.budget).map(|agreement| {
            match agreement {
                numeric::Agreement::Agree { points, bits } => Match::Yes(Decision::Evidence { points, bits }),
                numeric::Agreement::Differ { bits } => Match::No(Decision::Bounds { bits }),
                numeric::Agreement::Unknown => Match::Unknown,
            }
        })
    }

    /// First and last side of an equation, where both are values.
    fn ends(&self, chain: Chain<'_>) -> Option<(Id, Id)> {
        match (chain.0.first()?, chain.0.last()?) {
            (Form::Value(left), Form::Value(right)) => Some((left.id, right.id)),
            _ => None,
        }
    }

    fn constant(&self, id: Id) -> bool {
        !self.arena.any(id, |n| matches!(n, Node::Symbol(_) | Node::Apply(..)))
    }

    /// The name that an expression is: a variable, or an unknown function of something.
    pub(super) fn name_of(&self, id: Id) -> Option<u32> {
        match self.arena.node(id) {
            Node::Symbol(name) | Node::Apply(name, _) => Some(*name),
            _ => None,
        }
    }

    /// Names of the same thing: equal, with or without a subscript or argument; and `f(x)` for `y`.
    fn same_name(&self, a: u32, b: u32) -> bool {
        if a == b {
            return true;
        }
        let (a, b) = (self.arena.names[a as usize].as_str(), self.arena.names[b as usize].as_str());
        let bare = |name: &str| !name.contains('_');
        let stem = |name: &str| name.split('_').next().unwrap_or(name).to_owned();
        let graph = |name: &str| matches!(name, "y" | "f" | "g" | "h" | "p");
        (bare(a) || bare(b)) && stem(a) == stem(b) || (a == "y" && graph(b)) || (b == "y" && graph(a))
    }

    /// The value of `name = value`, of a chain of equal numbers, or of `expression = number`. Otherwise what this decides.
    pub(super) fn assigned(
        &mut self,
        sides: &[Form],
        relations: &[Rel],
        other: Option<&Form>,
    ) -> Outcome<Result<Form, Match>> {
        if !relations.iter().all(|r| matches!(r, Rel::Equal | Rel::Approx)) {
            return Ok(Err(SHAPE));
        }
        let (Some(first), Some(last)) = (sides.first(), sides.last()) else { return Ok(Err(SHAPE)) };
        let named = self.is_name(first);
        let values = if named { &sides[1..] } else { sides };
        let relations = if named { &relations[1..] } else { relations };
        // Numbers that are said to be equal must be.
        for (pair, relation) in values.windows(2).zip(relations) {
            let [Form::Value(a), Form::Value(b)] = pair else { continue };
            let about = *relation == Rel::Approx;
            if self.constant(a.id) && self.constant(b.id) {
                let same = if about {
                    self.values(b, a)?.or(self.close(a, b)?)
                } else {
                    self.values(a, b)?.or(self.values(b, a)?)
                };
                if let Match::No(_) = same {
                    return Ok(Err(Match::No(Decision::Contradiction)));
                }
            }
        }
        // The exact side of `2/3 ≈ 0.67` counts.
        if let Some(at) = relations.iter().position(|r| *r == Rel::Approx)
            && values.len() > 1
            && let Form::Value(exact) = &values[at]
            && self.constant(exact.id)
        {
            return Ok(Ok(values[at].clone()));
        }
        if named {
            return Ok(Ok(last.clone()));
        }
        // `18 = x`
        if let ([Form::Value(value), _], [Rel::Equal], true) = (sides, relations, self.is_name(last))
            && self.constant(value.id)
        {
            return Ok(Ok(first.clone()));
        }
        let (Form::Value(left), Form::Value(right)) = (first, last) else { return Ok(Err(SHAPE)) };
        let zero = self.arena.rational(right.id).is_some_and(dashu_ratio::RBig::is_zero);
        let constant_other = match other {
            Some(Form::Value(value)) => self.constant(value.id),
            _ => true,
        };
        if self.constant(left.id) || self.constant(right.id) && !zero && constant_other {
            return Ok(Ok(last.clone()));
        }
        Ok(Err(SHAPE))
    }

    /// A variable, or `(x, y)` before the point that it is.
    fn is_name(&self, form: &Form) -> bool {
        match form {
            Form::Value(value) => self.name_of(value.id).is_some(),
            Form::Group { items, .. } => items.iter().all(|item| match item {
                Form::Value(value) => self.name_of(value.id).is_some(),
                other => matches!(other, Form::Choice(_)),
            }),
            _ => false,
        }
    }

    /// Whether a decimal is near a number: within its last digit.
    fn close(&mut self, exact: &Value, decimal: &Value) -> Outcome<Match> {
        let (a, b) = (
            numeric::approximate(self.arena, exact.id, self.budget)?,
            numeric::approximate(self.arena, decimal.id, self.budget)?,
        );
        let (Some(a), Some(b)) = (a, b) else { return Ok(Match::Unknown) };
        let scale = a.abs_mid().max(1e-12);
        Ok(if (a.re - b.re).abs() < 0.02 * scale {
            Match::Yes(Decision::Rounded)
        } else {
            Match::No(Decision::Contradiction)
        })
    }

    /// The one variable of an inequality `a < x ≤ b`, if that is its form.
    fn bounded_name(&self, chain: Chain<'_>) -> Option<u32> {
        if chain.1.contains(&Rel::Equiv) {
            return None;
        }
        let mut name = None;
        for side in chain.0 {
            let Form::Value(value) = side else { continue };
            // |x| < 1 bounds x.
            let inner = match self.arena.node(value.id) {
                Node::Call(Function::Abs, inner) => *inner,
                _ => value.id,
            };
            match self.name_of(inner) {
                Some(found) if name.is_none() => name = Some(found),
                _ if self.constant(value.id)
                    || matches!(self.arena.node(value.id), Node::Constant(Constant::Infinity)) => {}
                _ => return None,
            }
        }
        name.filter(|_| chain.1.iter().any(|r| !matches!(r, Rel::Equal | Rel::Approx)))
    }
}

/// A chain of `>` and `≥` read from its other end.
fn rising(chain: Chain<'_>) -> (Vec<Form>, Vec<Rel>) {
    let turned = |relation: &Rel| match relation {
        Rel::Greater => Some(Rel::Less),
        Rel::GreaterEqual => Some(Rel::LessEqual),
        _ => None,
    };
    match chain.1.iter().rev().map(turned).collect::<Option<Vec<Rel>>>() {
        Some(relations) => (chain.0.iter().rev().cloned().collect(), relations),
        None => (chain.0.to_vec(), chain.1.to_vec()),
    }
}

/// `left < right` or `left ≤ right`, turned so that the smaller stands first.
fn oriented(chain: Chain<'_>) -> Option<(Id, Id, Rel)> {
    let [Form::Value(left), Form::Value(right)] = chain.0 else { return None };
    Some(match chain.1[0] {
        Rel::Greater => (right.id, left.id, Rel::Less),
        Rel::GreaterEqual => (right.id, left.id, Rel::LessEqual),
        relation @ (Rel::Less | Rel::LessEqual | Rel::NotEqual) => (left.id, right.id, relation),
        _ => return None,
    })
}
