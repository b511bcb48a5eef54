//! Comparing two expressions at random points.

use dashu_ratio::RBig;

use super::ball::Ball;
use super::disc::Disc;
use super::domain::{Domain, Random};
use super::eval::evaluate;
use super::precise::Precise;
use crate::budget::{Budget, Outcome};
use crate::expr::{Arena, Constant, Id, Node};

/// Points that are enough where few are in the domain of both ...
const FEW_POINTS: u32 = 2;
/// ... and of functions in pieces; for each of them so many points may be in the domain of one side alone.
const FEW_POINTS_IN_PIECES: u32 = 4;
const ONE_SIDED: u32 = 2;
/// Bits to which values must be known for their agreement to count.
const MIN_BITS: u32 = 30;
/// Precision of the second look, in bits: doubled until the values are known to [`PRECISE_BITS`], at most [`ROUNDS`] times.
const PRECISION: usize = 320;
const PRECISE_BITS: u32 = 200;
const ROUNDS: usize = 2;
/// Points of the second look, where the first found agreement everywhere ...
const PRECISE_POINTS: u32 = 2;
/// ... and where it knew too little.
const PRECISE_POINTS_ALONE: u32 = 8;

/// What comparing the numbers says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agreement {
    Differ { bits: u32 },
    Agree { points: u32, bits: u32 },
    Unknown,
}

/// Two expressions, ready to be evaluated.
struct Pair<'a> {
    arena: &'a Arena,
    gold: Vec<Id>,
    answer: Vec<Id>,
    domain: Domain,
    point: Vec<RBig>,
    random: Random,
    /// The gold answer has no real value somewhere: what is meant is where it has.
    restricted: bool,
    /// Double precision has found points where both have values: others are passed over.
    screened: bool,
}

impl<'a> Pair<'a> {
    fn new(arena: &'a Arena, gold: Id, answer: Id, seed: u64, budget: &mut Budget) -> Outcome<Self> {
        let (gold, answer) = (arena.below(gold), arena.below(answer));
        budget.charge((gold.len() + answer.len()) as u64)?;
        let domain = Domain::of(arena, [&gold, &answer]);
        let point = vec![RBig::ZERO; arena.names.len()];
        Ok(Pair {
            arena,
            gold,
            answer,
            domain,
            point,
            random: Random(seed ^ 0x5eed),
            restricted: false,
            screened: false,
        })
    }

    /// Compares at up to `wanted` points where both sides are known to `least` bits.
    fn compare<D: Disc>(&mut self, bits: usize, wanted: u32, least: u32, budget: &mut Budget) -> Outcome<Agreement> {
        let constant = self.domain.is_constant();
        let wanted = if constant { 1 } else { wanted };
        let real = !self.domain.complex && !constant;
        let mut values: Vec<Option<D>> = Vec::new();
        let (mut agreed, mut known) = (0, u32::MAX);
        let mut evaluated = 0;
        // Points where one side alone has a value; those where a side has one by way of values off the real line, another one.
        let (mut one_sided, mut doubtful) = (0, 0);
        let patience = if bits > 53 { 12 } else { 24 };
        for attempt in 0..self.domain.tries() {
            // Where nothing has had a value, nothing will.
            if attempt == patience && evaluated == 0 && !self.screened {
                break;
            }
            self.domain.draw(&mut self.random, attempt, &mut self.point);
            if self.screened && !self.has_values(real, budget)? {
                continue;
            }
            let x = evaluate(self.arena, &self.gold, &self.point, bits, &mut values, budget)?;
            // Where the gold answer has no real value, it says nothing.
            if real && x.as_ref().is_some_and(D::nonreal) {
                self.restricted = true;
                continue;
            }
            let by_nonreal = real && passes_nonreal(&self.gold, &values);
            let y = evaluate(self.arena, &self.answer, &self.point, bits, &mut values, budget)?;
            let (Some(x), Some(y)) = (&x, &y) else {
                one_sided += u32::from(x.is_some() != y.is_some());
                continue;
            };
            evaluated += 1;
            let Some(difference) = x.sub(y) else { continue };
            if difference.nonzero() {
                // √(x−4)·√(x+4) is −√(x²−16) where both roots are imaginary.
                if by_nonreal || real && !y.nonreal() && passes_nonreal(&self.answer, &values) {
                    self.restricted |= by_nonreal;
                    doubtful += 1;
                    continue;
                }
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
        if doubtful > 0 && !self.restricted {
            return Ok(Agreement::Differ { bits: bits as u32 });
        }
        // Few points may be in the domain of both.
        let few = if self.domain.in_pieces() { FEW_POINTS_IN_PIECES } else { FEW_POINTS };
        let enough = agreed == wanted || !constant && agreed >= few && one_sided + doubtful <= ONE_SIDED * agreed;
        Ok(if enough { Agreement::Agree { points: agreed, bits: known.min(bits as u32) } } else { Agreement::Unknown })
    }
}

impl Pair<'_> {
    /// Whether both sides have a value at the point in double precision, the gold answer a real one if asked for.
    fn has_values(&self, real: bool, budget: &mut Budget) -> Outcome<bool> {
        let mut values: Vec<Option<Ball>> = Vec::new();
        let gold = evaluate(self.arena, &self.gold, &self.point, 53, &mut values, budget)?;
        if gold.is_none_or(|gold| real && gold.nonreal()) {
            return Ok(false);
        }
        Ok(evaluate(self.arena, &self.answer, &self.point, 53, &mut values, budget)?.is_some())
    }
}

/// Whether a value on the way to the last one is off the real line.
fn passes_nonreal<D: Disc>(order: &[Id], values: &[Option<D>]) -> bool {
    order.iter().any(|&id| values[id as usize].as_ref().is_some_and(D::nonreal))
}

/// Compares two expressions in double precision. Disjoint bounds prove that they differ.
pub(crate) fn compare(arena: &Arena, gold: Id, answer: Id, seed: u64, budget: &mut Budget) -> Outcome<Agreement> {
    let mut pair = Pair::new(arena, gold, answer, seed, budget)?;
    let wanted = pair.domain.wanted();
    pair.compare::<Ball>(53, wanted, MIN_BITS, budget)
}

/// The same with hundreds of bits, as evidence that they agree, after what double precision said.
pub(crate) fn compare_precisely(
    arena: &Arena,
    gold: Id,
    answer: Id,
    first: Agreement,
    seed: u64,
    budget: &mut Budget,
) -> Outcome<Agreement> {
    let mut pair = Pair::new(arena, gold, answer, seed.wrapping_add(1), budget)?;
    let mut bits = PRECISION;
    (pair.restricted, pair.screened) = (first != Agreement::Unknown, first != Agreement::Unknown);
    let alone = pair.domain.in_pieces() && first == Agreement::Unknown;
    let wanted = if alone { PRECISE_POINTS_ALONE } else { PRECISE_POINTS };
    for _ in 0..ROUNDS {
        let found = pair.compare::<Precise>(bits, wanted, PRECISE_BITS, budget)?;
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

/// Whether two real constants are no further apart than `tolerance`, in double precision or, where that says too little, in more.
pub(crate) fn within(arena: &Arena, gold: Id, answer: Id, tolerance: f64, budget: &mut Budget) -> Outcome<bool> {
    Ok(match near::<Ball>(arena, gold, answer, 53, tolerance, budget)? {
        Some(near) => near,
        None => near::<Precise>(arena, gold, answer, PRECISION, tolerance, budget)?.unwrap_or(false),
    })
}

fn near<D: Disc>(
    arena: &Arena,
    gold: Id,
    answer: Id,
    bits: usize,
    tolerance: f64,
    budget: &mut Budget,
) -> Outcome<Option<bool>> {
    let mut values: Vec<Option<D>> = Vec::new();
    let mut value = |id: Id| evaluate(arena, &arena.below(id), &[], bits, &mut values, budget);
    let (Some(gold), Some(answer)) = (value(gold)?, value(answer)?) else { return Ok(None) };
    let Some(difference) = gold.sub(&answer).filter(D::is_real) else { return Ok(Some(false)) };
    let error = difference.radius();
    Ok((error < tolerance).then(|| difference.center().0.abs() <= tolerance + error))
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
    for attempt in 0..pair.domain.tries() {
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
        if agreed == pair.domain.wanted() {
            return Ok(Agreement::Agree { points: agreed, bits });
        }
    }
    Ok(Agreement::Unknown)
}
