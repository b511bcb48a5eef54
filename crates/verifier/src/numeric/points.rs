//! Comparing two expressions at random points.

use dashu_int::UBig;
use dashu_ratio::RBig;

use super::ball::Ball;
use super::disc::Disc;
use super::eval::evaluate;
use super::precise::Precise;
use crate::budget::{Budget, Outcome};
use crate::expr::{Arena, Constant, Function, Id, Node};

/// Points at which two expressions must agree.
const POINTS: u32 = 6;
/// Points that are tried to find as many where both are defined.
const TRIES: u32 = 48;
/// Bits to which values must be known for their agreement to count.
const MIN_BITS: u32 = 30;
/// Precision of the second look, in bits: doubled until the values are known to [`PRECISE_BITS`], at most [`ROUNDS`] times.
const PRECISION: usize = 320;
const PRECISE_BITS: u32 = 200;
const ROUNDS: usize = 2;
/// Points of the second look.
const PRECISE_POINTS: u32 = 2;

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

    /// A whole number below `limit`.
    fn below(&mut self, limit: u64) -> i64 {
        (self.next() % limit) as i64
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
                // (-1)^n
                Node::Pow(base, exponent)
                    if arena.rational(*base).is_some_and(|b| *b < RBig::ZERO)
                        && arena.rational(*exponent).is_none() =>
                {
                    domain.whole = true;
                }
                _ => {}
            }
        }
        let quantity = |name: &u32| arena.names[*name as usize].len() > 1;
        domain.positive = domain.names.len() >= 3 || domain.names.iter().any(quantity);
        domain
    }

    pub(crate) fn draw(&self, random: &mut Random, attempt: u32, point: &mut [RBig]) {
        for &name in &self.names {
            point[name as usize] = if self.whole {
                RBig::from(1 + random.below(6 + u64::from(attempt) / 2).min(23))
            } else {
                // Between 1/4 and 11/4, in steps of 2^-20.
                let size = (1 << 18) + random.below(5 << 19);
                let negative = !self.positive && attempt % 2 == 1 && random.next() & 1 == 1;
                RBig::from_parts(if negative { -size } else { size }.into(), UBig::from(1u32 << 20))
            };
        }
    }
}

/// Two expressions, ready to be evaluated.
struct Pair<'a> {
    arena: &'a Arena,
    gold: Vec<Id>,
    answer: Vec<Id>,
    domain: Domain,
    point: Vec<RBig>,
    random: Random,
}

impl<'a> Pair<'a> {
    fn new(arena: &'a Arena, gold: Id, answer: Id, seed: u64, budget: &mut Budget) -> Outcome<Self> {
        let (gold, answer) = (arena.below(gold), arena.below(answer));
        budget.charge((gold.len() + answer.len()) as u64)?;
        let domain = Domain::of(arena, [&gold, &answer]);
        let point = vec![RBig::ZERO; arena.names.len()];
        Ok(Pair { arena, gold, answer, domain, point, random: Random(seed ^ 0x5eed) })
    }

    /// Compares at up to `wanted` points where both sides are known to `least` bits.
    fn compare<D: Disc>(&mut self, bits: usize, wanted: u32, least: u32, budget: &mut Budget) -> Outcome<Agreement> {
        let constant = self.domain.names.is_empty();
        let (tries, wanted) = if constant { (1, 1) } else { (TRIES, wanted) };
        let mut values: Vec<Option<D>> = Vec::new();
        let (mut agreed, mut known) = (0, u32::MAX);
        let mut evaluated = 0;
        let patience = if bits > 53 { 6 } else { 24 };
        for attempt in 0..tries {
            // Where nothing has had a value, nothing will.
            if attempt == patience && evaluated == 0 {
                break;
            }
            self.domain.draw(&mut self.random, attempt, &mut self.point);
            let Some(x) = evaluate(self.arena, &self.gold, &self.point, bits, &mut values, budget)? else { continue };
            // Where the gold answer has no real value, it says nothing.
            if x.nonreal() && !self.domain.complex && !constant {
                continue;
            }
            let Some(y) = evaluate(self.arena, &self.answer, &self.point, bits, &mut values, budget)? else { continue };
            evaluated += 1;
            let Some(difference) = x.sub(&y) else { continue };
            if difference.nonzero() {
                return Ok(Agreement::Differ { bits: bits as u32 });
            }
            // Values near zero are known by their distance.
            let near = difference.radius() < 2f64.powi(-(least as i32));
            let own = x.known_bits().min(y.known_bits());
            if own >= least || near {
                agreed += 1;
                known = known.min(own.max(least));
            }
            if agreed == wanted {
                break;
            }
        }
        // Few points may be in the domain of both.
        let enough = agreed == wanted || agreed >= 2 && !constant;
        Ok(if enough { Agreement::Agree { points: agreed, bits: known.min(bits as u32) } } else { Agreement::Unknown })
    }
}

/// Compares two expressions in double precision. Disjoint bounds prove that they differ.
pub(crate) fn compare(arena: &Arena, gold: Id, answer: Id, seed: u64, budget: &mut Budget) -> Outcome<Agreement> {
    Pair::new(arena, gold, answer, seed, budget)?.compare::<Ball>(53, POINTS, MIN_BITS, budget)
}

/// The same with hundreds of bits, as evidence that they agree.
pub(crate) fn compare_precisely(
    arena: &Arena,
    gold: Id,
    answer: Id,
    seed: u64,
    budget: &mut Budget,
) -> Outcome<Agreement> {
    let mut pair = Pair::new(arena, gold, answer, seed.wrapping_add(1), budget)?;
    let mut bits = PRECISION;
    for _ in 0..ROUNDS {
        let found = pair.compare::<Precise>(bits, PRECISE_POINTS, PRECISE_BITS, budget)?;
        if found != Agreement::Unknown {
            return Ok(found);
        }
        bits *= 2;
    }
    Ok(Agreement::Unknown)
}

/// Value of a constant expression with its error.
pub(crate) fn approximate(arena: &Arena, id: Id, budget: &mut Budget) -> Outcome<Option<Ball>> {
    if let Some(value) = arena.rational(id) {
        return Ok(<Ball as Disc>::rational(value, 53));
    }
    let order = arena.below(id);
    evaluate(arena, &order, &[], 53, &mut Vec::new(), budget)
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
    let mut pair = Pair::new(arena, gold, answer, seed ^ 0xfac7, budget)?;
    let mut values: Vec<Option<Ball>> = Vec::new();
    let mut first: Option<Ball> = None;
    let mut agreed = 0;
    let mut bits = 53;
    for attempt in 0..TRIES {
        pair.domain.draw(&mut pair.random, attempt, &mut pair.point);
        let x = evaluate(arena, &pair.gold, &pair.point, 53, &mut values, budget)?;
        let y = evaluate(arena, &pair.answer, &pair.point, 53, &mut values, budget)?;
        let (Some(x), Some(y)) = (x, y) else { continue };
        let Some(ratio) = y.inverse().and_then(|inverse| x.mul(inverse)) else {
            if x.nonzero() && y.rad < 1e-9 {
                return Ok(Agreement::Differ { bits: 53 });
            }
            continue;
        };
        if !ratio.nonzero() && x.rad < 1e-9 {
            return Ok(Agreement::Differ { bits: 53 });
        }
        if ratio.known_bits() < MIN_BITS {
            continue;
        }
        match first {
            None if positive && (!ratio.real || ratio.re < 0.0) => return Ok(Agreement::Differ { bits: 53 }),
            None => first = Some(ratio),
            Some(first) if first.differs(ratio) => return Ok(Agreement::Differ { bits: 53 }),
            Some(_) => {}
        }
        bits = bits.min(ratio.known_bits());
        agreed += 1;
        if agreed == POINTS {
            return Ok(Agreement::Agree { points: agreed, bits });
        }
    }
    Ok(Agreement::Unknown)
}
