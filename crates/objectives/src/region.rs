//! The five regions of ratio and advantage (DGPO Table 1), decided exactly.

use crate::keyed::keyed_enum;

keyed_enum! {
    /// Where a token stands between the bounds. Both inequalities are strict, so a ratio *at* a bound is inside, and a
    /// token with advantage 0 is always inside.
    pub enum Region {
        /// `r < 1−ε_l` and `A < 0`: pushed down and already below (LN).
        LowNegative => "ln",
        /// `r > 1+ε_h` and `A > 0`: pushed up and already above (HP).
        HighPositive => "hp",
        /// `r < 1−ε_l` and `A > 0`: on its way back up (LP).
        LowPositive => "lp",
        /// `r > 1+ε_h` and `A < 0`: on its way back down (HN).
        HighNegative => "hn",
        /// Everything else (M).
        Middle => "m",
    }
}

/// The bounds `1−low` and `1+high` of the ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// `ε_l`; 1 or more removes the lower bound.
    pub low: f64,
    /// `ε_h`.
    pub high: f64,
}

impl Bounds {
    /// `ε_l = ε_h = 0.2`: the regions of objectives that have no bounds of their own are counted with DGPO's.
    pub const REPORT: Self = Self { low: 0.2, high: 0.2 };

    /// `ln(1−ε_l)`, minus infinity without a lower bound.
    pub fn log_low(self) -> f64 {
        if self.low >= 1.0 { f64::NEG_INFINITY } else { (-self.low).ln_1p() }
    }

    /// `ln(1+ε_h)`.
    pub fn log_high(self) -> f64 {
        self.high.ln_1p()
    }

    /// The region of a token with this log-ratio and advantage.
    pub fn region(self, log_ratio: f64, advantage: f64) -> Region {
        let (low, high) = (log_ratio < self.log_low(), log_ratio > self.log_high());
        match (low, high) {
            (true, _) if advantage < 0.0 => Region::LowNegative,
            (true, _) if advantage > 0.0 => Region::LowPositive,
            (_, true) if advantage > 0.0 => Region::HighPositive,
            (_, true) if advantage < 0.0 => Region::HighNegative,
            _ => Region::Middle,
        }
    }

    /// The bounds on the log-ratio for `f32` comparisons: `ℓ < low` and `ℓ > high` hold for exactly those `f32` for
    /// which they hold with the unrounded bounds.
    pub(crate) fn log_f32(self) -> LogBounds {
        LogBounds { low: least_at_least(self.log_low()), high: greatest_at_most(self.log_high()) }
    }
}

/// See [`Bounds::log_f32`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogBounds {
    pub low: f32,
    pub high: f32,
}

/// The least `f32` that is not below `x`.
pub(crate) fn least_at_least(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) < x { near.next_up() } else { near }
}

/// The greatest `f32` that is not above `x`.
pub(crate) fn greatest_at_most(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) > x { near.next_down() } else { near }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_at_its_bound_is_inside() {
        let bounds = Bounds { low: 0.5, high: 1.0 };
        for advantage in [-1.0, 1.0] {
            assert_eq!(bounds.region(bounds.log_low(), advantage), Region::Middle);
            assert_eq!(bounds.region(bounds.log_high(), advantage), Region::Middle);
        }
        let beyond = 1e-12;
        assert_eq!(bounds.region(bounds.log_low() - beyond, -1.0), Region::LowNegative);
        assert_eq!(bounds.region(bounds.log_low() - beyond, 1.0), Region::LowPositive);
        assert_eq!(bounds.region(bounds.log_high() + beyond, -1.0), Region::HighNegative);
        assert_eq!(bounds.region(bounds.log_high() + beyond, 1.0), Region::HighPositive);
        for log_ratio in [-9.0, 9.0] {
            assert_eq!(bounds.region(log_ratio, 0.0), Region::Middle);
        }
    }

    #[test]
    fn rounded_bounds_decide_as_exact_ones() {
        for low in [0.0, 3e-4, 0.1, 0.2, 0.28, 0.9, 1.0, 2.0] {
            let bounds = Bounds { low, high: low };
            let rounded = bounds.log_f32();
            for start in [rounded.low, rounded.high] {
                if start.is_infinite() {
                    continue;
                }
                for x in [
                    start.next_down().next_down(),
                    start.next_down(),
                    start,
                    start.next_up(),
                    start.next_up().next_up(),
                ] {
                    assert_eq!(x < rounded.low, f64::from(x) < bounds.log_low(), "low {low}, x {x:e}");
                    assert_eq!(x > rounded.high, f64::from(x) > bounds.log_high(), "high {low}, x {x:e}");
                }
            }
        }
    }
}
