//! Numbers and expressions: exact first, then by their values, with the policies for decimals, percent and units.

use dashu_int::IBig;
use dashu_ratio::RBig;

use super::{Judge, Match};
use crate::algebra::{self, Proof};
use crate::budget::Outcome;
use crate::expr::{Constant, Function as F, Id, Node};
use crate::form::{Decimal, Value};
use crate::numeric::{self, Agreement};
use crate::options::Percent;
use crate::units::Unit;
use crate::verdict::Decision;

const EXACT_NO: Match = Match::No(Decision::Exact);

impl Judge<'_> {
    pub(super) fn values(&mut self, gold: &Value, answer: &Value) -> Outcome<Match> {
        let mut plain = self.with_units(gold, answer)?;
        if !plain.is_yes()
            && let Some(id) = self.in_gold_letters(gold.id, answer.id)?
        {
            plain = plain.or(self.with_units(gold, &Value { id, ..answer.clone() })?);
        }
        if plain.is_yes() || gold.percent == answer.percent || self.options.percent == Percent::Value {
            return Ok(plain);
        }
        // 10% against the bare number 10.
        let hundred = RBig::from(100);
        let bare = if gold.percent {
            let gold = self.times(gold, &hundred)?;
            self.with_units(&gold, answer)?
        } else if self.exceeds_one(gold.id)? {
            let answer = self.times(answer, &hundred)?;
            self.with_units(gold, &answer)?
        } else {
            // A part of one that is followed by a percent sign is a hundred times too small.
            return Ok(plain);
        };
        Ok(plain.or(bare))
    }

    /// Whether a bare number can be meant as so many percent.
    fn exceeds_one(&mut self, id: Id) -> Outcome<bool> {
        if let Some(value) = self.arena.rational(id) {
            return Ok(*value > RBig::ONE);
        }
        Ok(numeric::real_value(self.arena, id, self.budget)?.is_some_and(|value| value > 1.0))
    }

    /// `value · factor`, its last digit with it.
    fn times(&mut self, value: &Value, factor: &RBig) -> Outcome<Value> {
        let by = self.arena.number(factor.clone());
        let id = self.arena.mul(value.id, by, self.budget)?;
        let decimal = value.decimal.as_ref().map(|d| Decimal { ulp: &d.ulp * factor, digits: d.digits });
        Ok(Value { id, decimal, ..value.clone() })
    }

    fn with_units(&mut self, gold: &Value, answer: &Value) -> Outcome<Match> {
        let (Some(g), Some(a)) = (&gold.unit, &answer.unit) else {
            let plain = self.rounded(gold, answer)?;
            return if plain.is_yes() { Ok(plain) } else { Ok(plain.or(self.angles(gold, answer)?)) };
        };
        match a.to(g) {
            Some(factor) if factor.is_one() => self.rounded(gold, answer),
            Some(factor) => {
                let answer = self.times(answer, &factor)?;
                self.rounded(gold, &answer)
            }
            None if g.is_temperature() && a.is_degree() => self.rounded(gold, answer),
            None if g.is_degree() != a.is_degree() => self.angles(gold, answer),
            None => Ok(Match::No(Decision::Shape)),
        }
    }

    /// Degrees on one side; on the other what can only be radians, a multiple of π or an inverse function.
    fn angles(&mut self, gold: &Value, answer: &Value) -> Outcome<Match> {
        let degrees = |v: &Value| v.unit.as_ref().is_some_and(Unit::is_degree);
        if degrees(gold) == degrees(answer) {
            return Ok(Match::No(Decision::Shape));
        }
        let (in_degrees, in_radians) = if degrees(gold) { (gold.id, answer.id) } else { (answer.id, gold.id) };
        let inverse = |f: F| matches!(f, F::Asin | F::Acos | F::Atan | F::Acot | F::Asec | F::Acsc);
        let radian = |n: &Node| *n == Node::Constant(Constant::Pi) || matches!(n, Node::Call(f, _) if inverse(*f));
        if !self.arena.any(in_radians, radian) {
            return Ok(Match::No(Decision::Shape));
        }
        let (pi, half_turn) = (self.arena.constant(Constant::Pi), self.arena.integer(180));
        let radians = self.arena.mul(in_degrees, pi, self.budget)?;
        let radians = self.arena.div(radians, half_turn, self.budget)?;
        self.ids(radians, in_radians)
    }

    /// Equality under the rounding policy.
    fn rounded(&mut self, gold: &Value, answer: &Value) -> Outcome<Match> {
        let exact = self.ids(gold.id, answer.id)?;
        if exact.is_yes() {
            return Ok(exact);
        }
        let rounding = self.options.rounding;
        let tolerance = match (&gold.decimal, &answer.decimal) {
            // A tie counts either way.
            (Some(gold), _) if rounding.at_gold_precision => &gold.ulp / RBig::from(2),
            // Truncated digits count like rounded ones, but a whole last digit off does not.
            (None, Some(answer)) if rounding.digits_for_exact_gold.is_some_and(|least| answer.digits >= least) => {
                &answer.ulp * RBig::from_parts(IBig::from(999_999), 1_000_000u32.into())
            }
            _ => return Ok(exact),
        };
        Ok(if self.within(gold.id, answer.id, &tolerance)? { Match::Yes(Decision::Rounded) } else { exact })
    }

    /// Whether two real constants are no further apart than `tolerance`.
    fn within(&mut self, gold: Id, answer: Id, tolerance: &RBig) -> Outcome<bool> {
        if let (Some(g), Some(a)) = (self.arena.rational(gold), self.arena.rational(answer)) {
            let distance = g - a;
            let distance = if distance < RBig::ZERO { -distance } else { distance };
            return Ok(distance <= *tolerance);
        }
        numeric::within(self.arena, gold, answer, tolerance.to_f64_fast(), self.budget)
    }

    /// Equality of two expressions.
    pub(super) fn ids(&mut self, gold: Id, answer: Id) -> Outcome<Match> {
        if let (Some(g), Some(a)) = (self.arena.rational(gold), self.arena.rational(answer)) {
            return Ok(if g == a { Match::Yes(Decision::Exact) } else { EXACT_NO });
        }
        if self.same_tree(gold, answer)? {
            return Ok(Match::Yes(Decision::Canonical));
        }
        // Two infinite values that are the same are written alike.
        if self.arena.infinite(gold).is_some() || self.arena.infinite(answer).is_some() {
            return Ok(Match::No(Decision::Canonical));
        }
        if let Some(result) = self.with_series(gold, answer)? {
            return Ok(result);
        }
        let seed = self.options.seed;
        let numbers = numeric::compare(self.arena, gold, answer, seed, self.budget)?;
        if let Agreement::Differ { bits } = numbers {
            return Ok(Match::No(Decision::Bounds { bits }));
        }
        if numbers == Agreement::Unknown && numeric::apart(self.arena, gold, answer, self.budget)? {
            return Ok(Match::No(Decision::Bounds { bits: 53 }));
        }
        match algebra::decide(self.arena, gold, answer, self.budget)? {
            Proof::Equal => return Ok(Match::Yes(Decision::Canonical)),
            Proof::Different => return Ok(Match::No(Decision::Canonical)),
            Proof::None => {}
        }
        match numeric::compare_precisely(self.arena, gold, answer, numbers, seed, self.budget)? {
            Agreement::Differ { bits } => Ok(Match::No(Decision::Bounds { bits })),
            Agreement::Agree { points, bits } => Ok(Match::Yes(Decision::Evidence { points, bits })),
            Agreement::Unknown => Ok(Match::Unknown),
        }
    }

    /// Whether two expressions are written alike.
    fn same_tree(&mut self, a: Id, b: Id) -> Outcome<bool> {
        let mut pairs = vec![(a, b)];
        while let Some((a, b)) = pairs.pop() {
            self.budget.charge(1)?;
            if a == b {
                continue;
            }
            let (x, y) = (self.arena.node(a), self.arena.node(b));
            let ((kids_x, n), (kids_y, _)) = (x.children(), y.children());
            let leaves = x.with_children([0; 3]) == y.with_children([0; 3]);
            if !leaves {
                return Ok(false);
            }
            pairs.extend(kids_x.into_iter().zip(kids_y).take(n));
        }
        Ok(true)
    }
}
