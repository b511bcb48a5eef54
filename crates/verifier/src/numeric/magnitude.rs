//! Bounds of numbers that are too large to be worked out, towers of powers and factorials, by logarithms of logarithms: proof
//! that two numbers differ where one is far greater.

use std::cmp::Ordering;

use dashu_base::BitTest;

use super::ball::Ball;
use super::eval::node;
use crate::budget::{Budget, Outcome};
use crate::expr::{Arena, Function, Id, Node, build_small};

/// `2^2^…^x` with `level` twos; `x` is within `LEAST..=MOST` above level 0, so that towers are in order as their parts are.
#[derive(Debug, Clone, Copy)]
struct Tower {
    level: u8,
    x: f64,
}

const LEAST: f64 = 40.0;
const MOST: f64 = 1_099_511_627_776.0;
/// Bounds are widened so much by every step, more than doubles round.
const SLACK: f64 = 1e-12;
/// `log2(e)`, rounded up.
const LOG_E: f64 = 1.442_695_1;

impl Tower {
    fn plain(x: f64) -> Option<Tower> {
        Tower { level: 0, x }.ordered()
    }

    fn ordered(self) -> Option<Tower> {
        let Tower { mut level, mut x } = self;
        if !x.is_finite() || x < -MOST {
            return None;
        }
        while level > 0 && x <= LEAST {
            (level, x) = (level - 1, x.exp2());
        }
        while x > MOST {
            (level, x) = (level.checked_add(1)?, x.log2());
        }
        Some(Tower { level, x })
    }

    /// A bound a little further out.
    fn widened(self, up: bool) -> Option<Tower> {
        let by = SLACK * (1.0 + self.x.abs());
        Tower { x: if up { self.x + by } else { self.x - by }, ..self }.ordered()
    }

    fn exp2(self) -> Option<Tower> {
        Tower { level: self.level.checked_add(1)?, x: self.x }.ordered()
    }

    /// The logarithm of a positive value.
    fn log2(self) -> Option<Tower> {
        match self.level {
            0 if self.x > 0.0 => Tower::plain(self.x.log2()),
            0 => None,
            level => Tower { level: level - 1, x: self.x }.ordered(),
        }
    }

    /// A bound of the sum from above or below.
    fn plus(self, other: Tower, up: bool) -> Option<Tower> {
        if self.level == 0 && other.level == 0 {
            return Tower::plain(self.x + other.x)?.widened(up);
        }
        let (great, small) = if self.order(other) == Ordering::Less { (other, self) } else { (self, other) };
        // Twice or half the greater is beyond the sum.
        match (up, small.level == 0 && small.x < 0.0) {
            (true, _) => great.log2()?.plus(Tower::plain(1.0)?, true)?.exp2(),
            (false, false) => Some(great),
            (false, true) => great.log2()?.plus(Tower::plain(-2.0)?, false)?.exp2(),
        }
    }

    /// The opposite, where that is no tower.
    fn opposite(self) -> Option<Tower> {
        if self.level == 0 { Tower::plain(-self.x) } else { None }
    }

    fn order(self, other: Tower) -> Ordering {
        self.level.cmp(&other.level).then(self.x.total_cmp(&other.x))
    }
}

/// A real number that is not zero: its sign and bounds of the logarithm of its size.
#[derive(Debug, Clone, Copy)]
struct Size {
    negative: bool,
    low: Tower,
    high: Tower,
}

impl Size {
    fn of(negative: bool, low: Tower, high: Tower) -> Option<Size> {
        Some(Size { negative, low: low.widened(false)?, high: high.widened(true)? })
    }

    fn of_ball(ball: Ball) -> Option<Size> {
        if !ball.real || !ball.nonzero() {
            return None;
        }
        let (low, high) = (ball.re.abs() - ball.rad, ball.re.abs() + ball.rad);
        Size::of(ball.re < 0.0, Tower::plain(low.log2() - 1e-9)?, Tower::plain(high.log2() + 1e-9)?)
    }

    fn times(self, other: Size) -> Option<Size> {
        let (low, high) = (self.low.plus(other.low, false)?, self.high.plus(other.high, true)?);
        Size::of(self.negative != other.negative, low, high)
    }

    fn inverse(self) -> Option<Size> {
        Size::of(self.negative, self.high.opposite()?, self.low.opposite()?)
    }

    fn plus(self, other: Size) -> Option<Size> {
        let (great, small) = if self.high.order(other.high) == Ordering::Less { (other, self) } else { (self, other) };
        let one = Tower::plain(1.0)?;
        if great.negative == small.negative {
            return Size::of(great.negative, great.low, great.high.plus(one, true)?);
        }
        // At least half of the greater is left where it is twice the other.
        if small.high.plus(one, true)?.order(great.low) == Ordering::Less {
            return Size::of(great.negative, great.low.plus(one.opposite()?, false)?, great.high);
        }
        None
    }

    /// `self^exponent`, where that grows.
    fn power(self, exponent: Size, negative: bool) -> Option<Size> {
        let grown = Size::of(
            negative,
            exponent.low.plus(self.low.log2()?, false)?.exp2()?,
            exponent.high.plus(self.high.log2()?, true)?.exp2()?,
        )?;
        if exponent.negative { grown.inverse() } else { Some(grown) }
    }

    /// `n!`, between `(n/2)^(n/2)` and `n^n`; of every other factor at least the root of that.
    fn factorial(self, double: bool) -> Option<Size> {
        let least = Tower::plain(if double { -2.0 } else { -1.0 })?;
        let inner = self.low.plus(Tower::plain(-1.0)?, false)?;
        let low = self.low.plus(least, false)?.plus(inner.log2()?, false)?.exp2()?;
        let high = self.high.plus(self.high.log2()?, true)?.exp2()?;
        if self.negative { None } else { Size::of(false, low, high) }
    }

    /// `C(n, k)`, between `(n/k)^k` and `(en/k)^k`.
    fn binomial(self, k: Size) -> Option<Size> {
        let (least, most) = (self.low.plus(k.high.opposite()?, false)?, self.high.plus(k.low.opposite()?, true)?);
        let low = k.low.plus(least.log2()?, false)?.exp2()?;
        let high = k.high.plus(most.plus(Tower::plain(LOG_E)?, true)?.log2()?, true)?.exp2()?;
        if self.negative || k.negative { None } else { Size::of(false, low, high) }
    }
}

/// Whether one of two constants is surely greater in size than the other, or of another sign.
pub(crate) fn apart(arena: &Arena, gold: Id, answer: Id, budget: &mut Budget) -> Outcome<bool> {
    let zero = |id: Id| arena.rational(id).is_some_and(dashu_ratio::RBig::is_zero);
    let (g, a) = (size(arena, gold, budget)?, size(arena, answer, budget)?);
    Ok(match (g, a) {
        (Some(g), Some(a)) => {
            g.negative != a.negative || g.high.order(a.low) == Ordering::Less || a.high.order(g.low) == Ordering::Less
        }
        (None, Some(_)) => zero(gold),
        (Some(_), None) => zero(answer),
        (None, None) => false,
    })
}

fn size(arena: &Arena, root: Id, budget: &mut Budget) -> Outcome<Option<Size>> {
    let below = arena.below(root);
    budget.charge(8 * below.len() as u64)?;
    let mut balls: Vec<Option<Ball>> = vec![None; root as usize + 1];
    let mut sizes: Vec<Option<Size>> = vec![None; root as usize + 1];
    for &id in &below {
        balls[id as usize] = node(arena, id, &[], 53, &balls);
        let known = balls[id as usize].and_then(Size::of_ball);
        sizes[id as usize] = known.or_else(|| size_of(arena, id, &sizes));
    }
    Ok(sizes[root as usize])
}

fn size_of(arena: &Arena, id: Id, sizes: &[Option<Size>]) -> Option<Size> {
    let at = |id: Id| sizes[id as usize];
    match *arena.node(id) {
        Node::Number(ref value) if !value.is_zero() => {
            let log = value.numerator().bit_len() as f64 - value.denominator().bit_len() as f64;
            Size::of(*value < dashu_ratio::RBig::ZERO, Tower::plain(log - 1.0)?, Tower::plain(log + 1.0)?)
        }
        Node::Neg(a) => at(a).map(|size| Size { negative: !size.negative, ..size }),
        Node::Call(Function::Abs, a) => at(a).map(|size| Size { negative: false, ..size }),
        Node::Add(a, b) => match (at(a), at(b)) {
            (Some(a), Some(b)) => a.plus(b),
            (Some(size), None) if arena.rational(b).is_some_and(dashu_ratio::RBig::is_zero) => Some(size),
            (None, Some(size)) if arena.rational(a).is_some_and(dashu_ratio::RBig::is_zero) => Some(size),
            _ => None,
        },
        Node::Mul(a, b) => at(a)?.times(at(b)?),
        Node::Div(a, b) => at(a)?.times(at(b)?.inverse()?),
        Node::Pow(a, b) => {
            let base = at(a)?;
            let odd = arena.rational(b).and_then(build_small).map(|n| n % 2 != 0);
            let negative = base.negative && odd?;
            base.power(at(b)?, negative)
        }
        Node::Call(Function::Factorial, n) => at(n)?.factorial(false),
        Node::Call(Function::DoubleFactorial, n) => at(n)?.factorial(true),
        Node::Call2(Function::Binomial, n, k) => at(n)?.binomial(at(k)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tower(levels: usize) -> Size {
        let nine = Size::of_ball(Ball::exact(9.0).unwrap()).unwrap();
        (1..levels).fold(nine, |top, _| nine.power(top, false).unwrap())
    }

    #[test]
    fn towers_are_in_order() {
        for levels in 1..40 {
            assert!(tower(levels).high.order(tower(levels + 1).low) == Ordering::Less, "{levels}");
        }
    }

    #[test]
    fn bounds_hold_the_value() {
        let of = |n: f64| Size::of_ball(Ball::exact(n).unwrap()).unwrap();
        let holds = |size: Size, log: f64| {
            let log = Tower::plain(log).unwrap();
            size.low.order(log) != Ordering::Greater && size.high.order(log) != Ordering::Less
        };
        // log2(1000!) = 8529.39…, log2(C(1000, 300)) = 876.1…, log2(9^100) = 316.99…
        assert!(holds(of(1000.0).factorial(false).unwrap(), 8529.398));
        assert!(holds(of(1000.0).binomial(of(300.0)).unwrap(), 876.1));
        assert!(holds(of(9.0).power(of(100.0), false).unwrap(), 316.9925));
        assert!(holds(of(9.0).power(of(100.0), false).unwrap().inverse().unwrap(), -316.9925));
    }
}
