//! Comparing two expressions at random points.

use super::ball::Ball;
use super::eval::evaluate;
use crate::budget::{Budget, Outcome};
use crate::expr::{Arena, Constant, Function, Id, Node};

/// Points at which two expressions must agree.
const POINTS: u32 = 6;
/// Points that are tried to find as many where both are defined.
const TRIES: u32 = 48;
/// Bits to which values must be known for their agreement to count.
const MIN_BITS: u32 = 30;

/// What comparing the numbers says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agreement {
    Differ { bits: u32 },
    Agree { points: u32, bits: u32 },
    Unknown,
}

/// SplitMix64 (Steele, Lea, Flood 2014): one seed, the same points on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in [0, 1) with 20 bits, so that small powers of it stay exact.
    fn unit(&mut self) -> f64 {
        (self.next() >> 44) as f64 / f64::from(1u32 << 20)
    }
}

/// How points are drawn, by what the expressions hold.
pub(crate) struct Domain {
    pub(crate) names: Vec<u32>,
    /// Factorials, binomials, floors: whole numbers alone make sense.
    whole: bool,
    /// Formulas of quantities (subscripts, Greek letters, many variables): positive numbers.
    positive: bool,
    /// The imaginary unit is written: values off the real line count.
    complex: bool,
}

impl Domain {
    pub(crate) fn of(arena: &Arena, orders: [&[Id]; 2]) -> Domain {
        let mut domain = Domain { names: Vec::new(), whole: false, positive: false, complex: false };
        for &id in orders.into_iter().flatten() {
            match arena.node(id) {
                Node::Symbol(name) if !domain.names.contains(name) => domain.names.push(*name),
                Node::Constant(Constant::I) => domain.complex = true,
                Node::Call(Function::Factorial | Function::DoubleFactorial | Function::Floor | Function::Ceil, _)
                | Node::Call2(Function::Binomial | Function::Gcd | Function::Lcm | Function::Mod, ..) => {
                    domain.whole = true
                }
                _ => {}
            }
        }
        let quantity = |name: &u32| arena.names[*name as usize].len() > 1;
        domain.positive = domain.names.len() >= 3 || domain.names.iter().any(quantity);
        domain
    }

    pub(crate) fn draw(&self, random: &mut Random, attempt: u32, point: &mut [f64]) {
        for &name in &self.names {
            let unit = random.unit();
            point[name as usize] = if self.whole {
                (1.0 + (unit * (6.0 + f64::from(attempt) / 2.0)).floor()).min(24.0)
            } else {
                let size = 0.25 + 2.5 * unit;
                let negative = !self.positive && attempt % 2 == 1 && random.next() & 1 == 1;
                if negative { -size } else { size }
            };
        }
    }
}

/// Compares two expressions in double precision. Disjoint bounds prove that they differ.
pub(crate) fn compare(arena: &Arena, gold: Id, answer: Id, seed: u64, budget: &mut Budget) -> Outcome<Agreement> {
    let (gold, answer) = (arena.below(gold), arena.below(answer));
    budget.charge((gold.len() + answer.len()) as u64)?;
    let domain = Domain::of(arena, [&gold, &answer]);
    let mut values = Vec::new();
    let mut point = vec![f64::NAN; arena.names.len()];
    let mut random = Random(seed ^ 0x5eed);
    let (mut agreed, mut bits) = (0, 53);
    let tries = if domain.names.is_empty() { 1 } else { TRIES };
    let wanted = if domain.names.is_empty() { 1 } else { POINTS };
    for attempt in 0..tries {
        domain.draw(&mut random, attempt, &mut point);
        let Some(x) = evaluate(arena, &gold, &point, &mut values, budget)? else { continue };
        let y = evaluate(arena, &answer, &point, &mut values, budget)?;
        let constant = domain.names.is_empty();
        if x.nonreal() && !domain.complex && !constant {
            continue;
        }
        let Some(y) = y else { continue };
        if x.differs(y) {
            return Ok(Agreement::Differ { bits: 53 });
        }
        let known = x.bits().min(y.bits());
        // Values near zero are known by their distance.
        if known >= MIN_BITS || x.rad + y.rad < 1e-10 {
            agreed += 1;
            bits = bits.min(known.max(MIN_BITS));
        }
        if agreed == wanted {
            return Ok(Agreement::Agree { points: agreed, bits });
        }
    }
    // A rational function of few whole points may not reach the full number.
    Ok(if agreed >= 3 { Agreement::Agree { points: agreed, bits } } else { Agreement::Unknown })
}

/// Value of a constant expression with its error.
pub(crate) fn approximate(arena: &Arena, id: Id, budget: &mut Budget) -> Outcome<Option<Ball>> {
    if let Some(value) = arena.rational(id) {
        return Ok(super::eval::rational(value));
    }
    let order = arena.below(id);
    evaluate(arena, &order, &[], &mut Vec::new(), budget)
}

/// A real constant's value, for putting things in order.
pub(crate) fn real_value(arena: &Arena, id: Id, budget: &mut Budget) -> Outcome<Option<f64>> {
    match arena.node(id) {
        Node::Constant(Constant::Infinity) => return Ok(Some(f64::INFINITY)),
        Node::Neg(inner) if *arena.node(*inner) == Node::Constant(Constant::Infinity) => {
            return Ok(Some(f64::NEG_INFINITY));
        }
        _ => {}
    }
    Ok(approximate(arena, id, budget)?.filter(|ball| ball.real).map(|ball| ball.re))
}

/// Whether two expressions are constant multiples of each other, by a positive constant if `positive`.
pub(crate) fn multiples(
    arena: &Arena,
    gold: Id,
    answer: Id,
    positive: bool,
    seed: u64,
    budget: &mut Budget,
) -> Outcome<Agreement> {
    let (gold, answer) = (arena.below(gold), arena.below(answer));
    budget.charge((gold.len() + answer.len()) as u64)?;
    let domain = Domain::of(arena, [&gold, &answer]);
    let mut values = Vec::new();
    let mut point = vec![f64::NAN; arena.names.len()];
    let mut random = Random(seed ^ 0xfac7);
    let mut first: Option<Ball> = None;
    let mut agreed = 0;
    let mut bits = 53;
    for attempt in 0..TRIES {
        domain.draw(&mut random, attempt, &mut point);
        let x = evaluate(arena, &gold, &point, &mut values, budget)?;
        let y = evaluate(arena, &answer, &point, &mut values, budget)?;
        let (Some(x), Some(y)) = (x, y) else { continue };
        let Some(ratio) = y.inverse().and_then(|inverse| x.mul(inverse)) else {
            if x.nonzero() && y.rad < 1e-9 {
                return Ok(Agreement::Differ { bits: 53 });
            }
            continue;
        };
        if !ratio.nonzero() || ratio.bits() < MIN_BITS {
            continue;
        }
        match first {
            None => {
                if positive && (!ratio.real || ratio.re < 0.0) {
                    return Ok(Agreement::Differ { bits: 53 });
                }
                first = Some(ratio);
            }
            Some(first) if first.differs(ratio) => return Ok(Agreement::Differ { bits: 53 }),
            Some(_) => {}
        }
        bits = bits.min(ratio.bits());
        agreed += 1;
        if agreed == POINTS {
            return Ok(Agreement::Agree { points: agreed, bits });
        }
    }
    Ok(Agreement::Unknown)
}
