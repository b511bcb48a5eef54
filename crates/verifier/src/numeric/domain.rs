//! The points at which two expressions are compared. An analytic function is known from a few points anywhere; one that is put
//! together of pieces (`|x − 5|`, `⌊n/3⌋`, `max(x, 100)`) only from points in all of them, so these are drawn at several scales
//! and next to the numbers that are written.

use dashu_int::UBig;
use dashu_ratio::RBig;

use crate::expr::{Arena, Constant, Function, Id, Node};

/// Points at which two expressions must agree.
const POINTS: u32 = 6;
/// ... if they are put together of pieces.
const POINTS_IN_PIECES: u32 = 48;
/// Points that are tried for each of these.
const TRIES_FOR_ONE: u32 = 4;
/// Numbers in the text that points are drawn next to.
const MAX_MARKS: usize = 12;
/// Numbers beyond this mark no piece.
const MAX_MARK: i64 = 1_000_000;
/// Steps between real numbers that are drawn: 2^-20.
const STEP: u32 = 1 << 20;

/// SplitMix64 (Steele, Lea, Flood 2014): one seed, the same points on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
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

/// What a name stands for, by where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Real,
    /// Under binomials, divisors, powers of -1; under floors, if its letter is one of whole numbers.
    Whole,
    /// Under a factorial: a small whole number.
    Counted,
}

/// How points are drawn, by what the expressions hold.
pub(crate) struct Domain {
    pub(crate) names: Vec<u32>,
    kinds: Vec<Kind>,
    /// Whole numbers of the text, without their signs.
    marks: Vec<i64>,
    /// Not analytic everywhere: points of all scales count.
    pieces: bool,
    /// Functions that jump at whole numbers.
    steps: bool,
    /// Formulas of quantities (subscripts, Greek letters, many variables): positive numbers.
    positive: bool,
    /// The imaginary unit is written: values off the real line count.
    pub(super) complex: bool,
}

impl Domain {
    pub(crate) fn of(arena: &Arena, orders: [&[Id]; 2]) -> Domain {
        let mut domain = Domain {
            names: Vec::new(),
            kinds: Vec::new(),
            marks: Vec::new(),
            pieces: false,
            steps: false,
            positive: false,
            complex: false,
        };
        let nodes = || orders.into_iter().flatten();
        for &id in nodes() {
            match arena.node(id) {
                Node::Symbol(name) if !domain.names.contains(name) => domain.names.push(*name),
                Node::Constant(Constant::I) => domain.complex = true,
                Node::Number(value) => {
                    let parts = [value.numerator().clone(), value.denominator().clone().into()];
                    for part in parts {
                        let mark = i64::try_from(part).ok().map(i64::abs).filter(|mark| (2..=MAX_MARK).contains(mark));
                        domain
                            .marks
                            .extend(mark.filter(|mark| domain.marks.len() < MAX_MARKS && !domain.marks.contains(mark)));
                    }
                }
                _ => {}
            }
        }
        domain.kinds = vec![Kind::Real; domain.names.len()];
        let mut signs = false;
        for &id in nodes() {
            let node = arena.node(id);
            domain.pieces |= in_pieces(arena, node);
            signs |= asks_for_signs(node);
            domain.steps |=
                matches!(node, Node::Call(Function::Floor | Function::Ceil, _) | Node::Call2(Function::Mod, ..));
            domain.restrict(arena, node);
        }
        if domain.kinds.iter().any(|kind| *kind > Kind::Real) {
            domain.pieces = true;
            for (name, kind) in domain.names.iter().zip(&mut domain.kinds) {
                if counts(&arena.names[*name as usize]) {
                    *kind = (*kind).max(Kind::Whole);
                }
            }
        }
        let quantity = |name: &u32| arena.names[*name as usize].len() > 1;
        domain.positive = !signs && (domain.names.len() >= 3 || domain.names.iter().any(quantity));
        domain
    }

    /// Takes names below a node for whole numbers where it is defined there alone.
    fn restrict(&mut self, arena: &Arena, node: &Node) {
        use Function as F;
        let (below, kind) = match *node {
            Node::Call(F::Factorial | F::DoubleFactorial, a) => (arena.below(a), Kind::Counted),
            Node::Call2(F::Binomial | F::Gcd | F::Lcm, a, b) => {
                (arena.below(a).into_iter().chain(arena.below(b)).collect(), Kind::Whole)
            }
            // (-1)^n
            Node::Pow(base, exponent) if arena.rational(base).is_some_and(|b| *b < RBig::ZERO) => {
                (arena.below(exponent), Kind::Whole)
            }
            // ⌊x⌋ says that x is none.
            Node::Call(F::Floor | F::Ceil, a) if !matches!(arena.node(a), Node::Symbol(_)) => {
                (arena.below(a), Kind::Real)
            }
            Node::Call2(F::Mod, a, b) => (arena.below(a).into_iter().chain(arena.below(b)).collect(), Kind::Real),
            _ => return,
        };
        for id in below {
            let Node::Symbol(name) = *arena.node(id) else { continue };
            let kind =
                if kind == Kind::Real && is_letter_of_wholes(&arena.names[name as usize]) { Kind::Whole } else { kind };
            if let Some(at) = self.names.iter().position(|known| *known == name) {
                self.kinds[at] = self.kinds[at].max(kind);
            }
        }
    }

    pub(super) fn is_constant(&self) -> bool {
        self.names.is_empty()
    }

    pub(super) fn in_pieces(&self) -> bool {
        self.pieces
    }

    /// Points at which two expressions must agree.
    pub(super) fn wanted(&self) -> u32 {
        match (self.is_constant(), self.pieces) {
            (true, _) => 1,
            (false, false) => POINTS,
            (false, true) => POINTS_IN_PIECES,
        }
    }

    /// Points that are tried to find as many where both are defined.
    pub(super) fn tries(&self) -> u32 {
        if self.is_constant() { 1 } else { TRIES_FOR_ONE * self.wanted() }
    }

    pub(crate) fn draw(&self, random: &mut Random, attempt: u32, point: &mut [RBig]) {
        for (&name, kind) in self.names.iter().zip(&self.kinds) {
            point[name as usize] = match kind {
                Kind::Real => self.real(random, attempt),
                Kind::Whole => RBig::from(self.whole(random, attempt)),
                Kind::Counted => RBig::from(1 + random.below(6 + u64::from(attempt) / 2).min(23)),
            };
        }
    }

    /// A number of the text.
    fn mark(&self, random: &mut Random) -> Option<i64> {
        let count = self.marks.len() as u64;
        (count > 0).then(|| self.marks[random.below(count) as usize])
    }

    fn real(&self, random: &mut Random, attempt: u32) -> RBig {
        let scale = if attempt < 2 || !self.pieces { 0 } else { attempt % 4 };
        let fraction = |size: i64| RBig::from_parts(size.into(), UBig::from(STEP));
        let one = u64::from(STEP);
        let mark = self.mark(random);
        let size = match (scale, mark) {
            // Between 1/4 and 11/4.
            (0, _) => fraction((1 << 18) + random.below(5 << 19)),
            // Next to a number of the text, on either side.
            (1, Some(mark)) => fraction((mark * i64::from(STEP) + random.below(2 * one) - i64::from(STEP)).abs() + 1),
            (3, _) if self.steps && attempt % 8 == 3 => RBig::from(random.below(40)),
            (3, _) => fraction(1 + random.below(3_000 * one)),
            _ => fraction(1 + random.below(16 * one)),
        };
        // The first point of all is positive.
        let negative = !self.positive && attempt > 0 && random.next() & 1 == 1;
        if negative { -size } else { size }
    }

    fn whole(&self, random: &mut Random, attempt: u32) -> i64 {
        let alone = self.names.len() == 1;
        match (attempt % 4, self.mark(random)) {
            // One after the other, where there is one alone.
            (0 | 2, _) if alone => 1 + i64::from(attempt / 2),
            (0 | 2, _) => 1 + random.below(6 + u64::from(attempt) / 2).min(23),
            (_, Some(mark)) if attempt % 8 != 3 => self.near_mark(random, mark).max(1),
            _ => 1 + random.below(if attempt % 16 == 3 { 300 } else { 30_000 }),
        }
    }

    /// A multiple or power of a number of the text, where a floor jumps, or next to one; as often, that and another number.
    fn near_mark(&self, random: &mut Random, mark: i64) -> i64 {
        let times = 1 + random.below(3);
        let at = match (random.below(3), self.mark(random)) {
            (0, _) => mark.pow(times as u32),
            (1, Some(other)) => mark * times + if random.next() & 1 == 1 { other } else { -other },
            _ => mark * times,
        };
        if random.next() & 1 == 1 { at } else { at + random.below(5) - 2 }
    }
}

/// Whether a function of this kind is not analytic on the real line, or not defined on all of it.
fn in_pieces(arena: &Arena, node: &Node) -> bool {
    use Function as F;
    match *node {
        Node::Call(function, _) => !matches!(
            function,
            F::Sin | F::Cos | F::Tan | F::Cot | F::Sec | F::Csc | F::Sinh | F::Cosh | F::Tanh | F::Exp | F::Cis
        ),
        Node::Call2(function, ..) => function != F::Det,
        Node::Pow(base, exponent) => {
            let whole = arena.rational(exponent).is_some_and(RBig::is_int);
            let positive = *arena.node(base) == Node::Constant(Constant::E)
                || arena.rational(base).is_some_and(|base| *base > RBig::ZERO);
            !whole && !positive
        }
        _ => false,
    }
}

/// Whether it matters to a function which sign its argument has, also where names stand for quantities.
fn asks_for_signs(node: &Node) -> bool {
    use Function as F;
    matches!(node, Node::Call(F::Abs | F::Floor | F::Ceil | F::Sign, _) | Node::Call2(F::Max | F::Min, ..))
}

/// Letters that count: whole numbers, once anything in the text is one.
fn counts(name: &str) -> bool {
    matches!(name, "i" | "j" | "k" | "l" | "m" | "n" | "K" | "L" | "M" | "N")
}

/// Letters that stand for whole numbers under a floor; x, t and the like stand for real ones.
fn is_letter_of_wholes(name: &str) -> bool {
    matches!(name.as_bytes(), [b'a'..=b'q' | b'A'..=b'Q'] | [b'a'..=b'q' | b'A'..=b'Q', b'_', ..])
}
