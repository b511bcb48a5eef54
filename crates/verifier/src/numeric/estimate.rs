//! Constants that hold definite integrals, infinite series or limits: worked out in double precision, as evidence.

use dashu_ratio::RBig;

use super::ball::Ball;
use super::eval::node;
use super::refine::{self, Refined};
use crate::budget::{Budget, Outcome};
use crate::expr::{Arena, Binder, Constant, Id, Node};

/// Integrals, series and limits that may stand within one another.
const MAX_NESTED: usize = 2;
/// Error of an estimate, relative to its size, above which it says nothing.
const TRUSTED: f64 = 1e-9;
/// Two values that differ by so many of their errors, and by more than [`APART`], are different.
const ERRORS_APART: f64 = 1e3;
const APART: f64 = 1e-6;

/// What two estimates say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Estimated {
    /// To so many bits.
    Agree(u32),
    Differ(u32),
    Unknown,
}

/// Compares two constants by estimates of what stands in them.
pub(crate) fn estimates(arena: &Arena, gold: Id, answer: Id, budget: &mut Budget) -> Outcome<Estimated> {
    let (Some(g), Some(a)) = (estimate(arena, gold, budget)?, estimate(arena, answer, budget)?) else {
        return Ok(Estimated::Unknown);
    };
    // Of great numbers the digits before the point must be right too.
    let scale = g.abs_mid().max(a.abs_mid()).clamp(1e-3, 1e3);
    let (error, apart) = (g.rad + a.rad, (g.re - a.re).abs());
    if error > TRUSTED * scale {
        return Ok(Estimated::Unknown);
    }
    let bits = (scale / error.max(scale * 2f64.powi(-40))).log2() as u32;
    Ok(if apart <= error.max(1e-12 * scale) {
        Estimated::Agree(bits)
    } else if apart > (error * ERRORS_APART).max(APART * scale) {
        Estimated::Differ(bits)
    } else {
        Estimated::Unknown
    })
}

/// The value of a real constant with its estimated error; nothing where it is undefined or has a variable.
fn estimate(arena: &Arena, root: Id, budget: &mut Budget) -> Outcome<Option<Ball>> {
    let below = arena.below(root);
    budget.charge(below.len() as u64)?;
    let mut bound = Vec::new();
    let mut orders = Vec::new();
    for &id in &below {
        if let Node::Bound { symbol, body, .. } = *arena.node(id) {
            bound.push(symbol);
            orders.push((body, outside_of_bodies(arena, body)));
        }
    }
    let free = |id: &Id| matches!(arena.node(*id), Node::Symbol(name) if !bound.contains(name));
    if below.iter().any(free) {
        return Ok(None);
    }
    orders.push((root, outside_of_bodies(arena, root)));
    let point = vec![RBig::ZERO; arena.names.len()];
    Estimator { arena, orders, point, budget }.value(root, 0)
}

/// What is below a node, children first, without what stands in bodies of integrals and the like.
fn outside_of_bodies(arena: &Arena, root: Id) -> Vec<Id> {
    let mut seen = vec![false; root as usize + 1];
    seen[root as usize] = true;
    for at in (0..=root).rev() {
        if seen[at as usize] {
            let (kids, n) = match *arena.node(at) {
                Node::Bound { low, high, .. } => ([low, high, 0], 2),
                ref other => other.children(),
            };
            kids[..n].iter().for_each(|&kid| seen[kid as usize] = true);
        }
    }
    (0..=root).filter(|&id| seen[id as usize]).collect()
}

struct Estimator<'a> {
    arena: &'a Arena,
    /// For the root and each body, the nodes to evaluate.
    orders: Vec<(Id, Vec<Id>)>,
    /// The bound variables' present values.
    point: Vec<RBig>,
    budget: &'a mut Budget,
}

impl Estimator<'_> {
    fn value(&mut self, root: Id, nested: usize) -> Outcome<Option<Ball>> {
        let Some(at) = self.orders.iter().position(|(id, _)| *id == root) else { return Ok(None) };
        let length = self.orders[at].1.len();
        self.budget.charge(2 * length as u64)?;
        let mut values: Vec<Option<Ball>> = vec![None; root as usize + 1];
        for k in 0..length {
            let id = self.orders[at].1[k];
            values[id as usize] = match *self.arena.node(id) {
                Node::Bound { kind, symbol, low, high, body } if nested < MAX_NESTED => {
                    let ends = [low, high].map(|end| self.end(end, &values));
                    self.bound(kind, symbol, ends, body, nested)?
                }
                _ => node(self.arena, id, &self.point, 53, &values),
            };
        }
        Ok(values[root as usize].filter(|ball| ball.real))
    }

    /// A bound, which may be infinite.
    fn end(&self, id: Id, values: &[Option<Ball>]) -> Option<f64> {
        let infinite = |id: Id| *self.arena.node(id) == Node::Constant(Constant::Infinity);
        match *self.arena.node(id) {
            Node::Constant(Constant::Infinity) => Some(f64::INFINITY),
            Node::Neg(inner) if infinite(inner) => Some(f64::NEG_INFINITY),
            _ => values[id as usize].filter(|ball| ball.real).map(|ball| ball.re),
        }
    }

    fn bound(
        &mut self,
        kind: Binder,
        symbol: u32,
        ends: [Option<f64>; 2],
        body: Id,
        nested: usize,
    ) -> Outcome<Option<Ball>> {
        let [Some(low), Some(high)] = ends else { return Ok(None) };
        let logarithms = kind == Binder::Product;
        let mut f = |x: f64| -> Outcome<Option<(f64, f64)>> {
            let Ok(exact) = RBig::try_from(x) else { return Ok(None) };
            self.point[symbol as usize] = exact;
            let value = self.value(body, nested + 1)?;
            let value = if logarithms { value.filter(|ball| ball.re > 0.0).and_then(Ball::ln) } else { value };
            Ok(value.map(|ball| (ball.re, ball.rad)))
        };
        let found = match kind {
            Binder::Integral => refine::integral(low, high, &mut f)?,
            Binder::Sum | Binder::Product if high == f64::INFINITY && low.fract() == 0.0 => {
                refine::series(low, &mut f)?
            }
            Binder::Limit if low.is_infinite() => refine::limit(low, low.signum(), &mut f)?,
            Binder::Limit if high != 0.0 => refine::limit(low, high, &mut f)?,
            Binder::Limit => both_sides(refine::limit(low, 1.0, &mut f)?, refine::limit(low, -1.0, &mut f)?),
            Binder::Sum | Binder::Product | Binder::Antiderivative | Binder::Derivative => None,
        };
        // An estimate that changed by nothing is still no better than double precision.
        let ball = found.and_then(|found| Ball::real(found.value, 8.0 * found.change + 1e-13 * found.value.abs()));
        Ok(if logarithms { ball.and_then(Ball::exp) } else { ball })
    }
}

/// A limit exists where both sides lead to one value.
fn both_sides(above: Option<Refined>, below: Option<Refined>) -> Option<Refined> {
    let (above, below) = (above?, below?);
    let change = above.change.max(below.change).max((above.value - below.value).abs());
    Some(Refined { value: 0.5 * (above.value + below.value), change })
}
