//! Scales of an axis, and the numbers that stand beside it.

/// Ranges of positive values beyond this ratio are drawn on a logarithmic axis.
const WIDE: f64 = 60.0;
/// Tick marks that an axis has room for.
const TICKS: f64 = 5.0;

/// How values lie on an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// With marks at the multiples of `step`.
    Linear {
        low: f64,
        high: f64,
        step: f64,
    },
    Log {
        low: f64,
        high: f64,
    },
    /// Logarithmic on both sides of 0, and linear up to about `near`.
    Symmetric {
        low: f64,
        high: f64,
        near: f64,
    },
}

impl Scale {
    /// From `low` to `high`, widened to round numbers.
    pub fn linear(low: f64, high: f64) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low - pad(low), high + pad(high)) };
        let (mut ends, mut every) = ((low, high), step(high - low));
        // Wider ends can ask for a wider step, and that for wider ends.
        for _ in 0..4 {
            ends = ((low / every + 1e-9).floor() * every, (high / every - 1e-9).ceil() * every);
            every = step(ends.1 - ends.0);
        }
        Scale::Linear { low: ends.0, high: ends.1, step: every }
    }

    /// Steps of a run from 0 to `last`, with marks at whole numbers.
    pub fn steps(last: u64) -> Self {
        let high = last.max(1) as f64;
        let mut decade = 1.0;
        let step = loop {
            match [1.0, 2.0, 5.0].into_iter().map(|digit| digit * decade).find(|step| step * TICKS >= high) {
                Some(step) => break step,
                None => decade *= 10.0,
            }
        };
        Scale::Linear { low: 0.0, high, step }
    }

    /// From `low` to `high`, both positive, widened to 1, 2 or 5 of a decade.
    pub fn log(low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low * 2.0 };
        let below = marks(low.log10().floor() as i32 - 1, high.log10().ceil() as i32 + 1);
        let first = below.iter().rev().find(|mark| **mark <= low * (1.0 + 1e-9)).copied().unwrap_or(low);
        let last = below.iter().find(|mark| **mark >= high * (1.0 - 1e-9)).copied().unwrap_or(high);
        Scale::Log { low: first, high: last }
    }

    /// From `low` to `high`, of which one or both may be 0 or beyond it, widened to 1, 2 or 5 of a decade.
    fn symmetric(low: f64, high: f64, near: f64) -> Self {
        let outer = |size: f64| match Self::log(near, size.max(near)) {
            Scale::Log { high, .. } if size > 0.0 => high,
            _ => 0.0,
        };
        Scale::Symmetric { low: -outer(-low), high: outer(high), near }
    }

    /// For ratios, which go as far below 1 as above.
    pub fn ratios(low: f64, typical: f64, high: f64) -> Self {
        if low > 0.0 && high > WIDE * low { Self::log(low, high) } else { Self::fitting(low, typical, high) }
    }

    /// A value in the middle of the sizes of those that are not 0; for [`Scale::fitting`].
    pub fn typical(values: impl Iterator<Item = f64>) -> f64 {
        let mut sizes: Vec<f64> = values.map(f64::abs).filter(|size| *size > 0.0).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.get(sizes.len() / 2).copied().unwrap_or(0.0)
    }

    /// Logarithmic where values are far apart; `typical` is a size in their middle.
    pub fn fitting(low: f64, typical: f64, high: f64) -> Self {
        match high {
            _ if low > 0.0 && high > WIDE * typical => Self::log(low, high),
            _ if low <= 0.0 && typical > 0.0 && high.max(-low) > WIDE * typical => Self::symmetric(low, high, typical),
            _ if low == 0.0 && high == 0.0 => Self::linear(0.0, 1.0),
            _ => Self::linear(low.min(0.0), high.max(0.0)),
        }
    }

    /// Where a value lies: 0 at the low end, 1 at the high end; what is outside is put on the edge.
    pub fn place(&self, value: f64) -> f64 {
        let place = match *self {
            Scale::Linear { low, high, .. } => (value - low) / (high - low),
            Scale::Log { low, high } => (value.max(low).ln() - low.ln()) / (high.ln() - low.ln()),
            Scale::Symmetric { low, high, near } => {
                let at = |value: f64| (value / near).asinh();
                (at(value) - at(low)) / (at(high) - at(low))
            }
        };
        place.clamp(0.0, 1.0)
    }

    /// Both ends.
    pub fn ends(&self) -> (f64, f64) {
        match *self {
            Scale::Linear { low, high, .. } | Scale::Log { low, high } | Scale::Symmetric { low, high, .. } => {
                (low, high)
            }
        }
    }

    /// The numbers beside the axis.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        match *self {
            Scale::Linear { low, high, step } => {
                let (first, last) = ((low / step - 1e-6).ceil() as i64, (high / step + 1e-6).floor() as i64);
                (first..=last).map(|i| i as f64 * step).map(|value| (value, label(value, step))).collect()
            }
            Scale::Log { low, high } => {
                let within = |mark: &f64| *mark >= low * (1.0 - 1e-9) && *mark <= high * (1.0 + 1e-9);
                let all = marks(low.log10().floor() as i32, high.log10().ceil() as i32);
                let mut all: Vec<f64> = all.into_iter().filter(within).collect();
                if all.len() > 6 {
                    all.retain(|mark| (mark.log10() - mark.log10().round()).abs() < 1e-6);
                }
                while all.len() > 7 {
                    all = all.into_iter().step_by(2).collect();
                }
                all.into_iter().map(|mark| (mark, label(mark, mark))).collect()
            }
            Scale::Symmetric { low, high, near } => {
                let side = |size: f64| -> Vec<f64> {
                    let exponents = (near.log10().ceil() as i32)..=(size.max(near).log10().floor() as i32);
                    let decades: Vec<f64> = exponents.map(|exponent| 10f64.powi(exponent)).collect();
                    let every = decades.len().div_ceil(3).max(1);
                    decades.into_iter().rev().step_by(every).filter(|mark| *mark <= size * (1.0 + 1e-9)).collect()
                };
                let below = side(-low).into_iter().map(|mark| -mark);
                let above = side(high).into_iter().rev();
                below.chain([0.0]).chain(above).map(|mark| (mark, label(mark, mark.abs().max(near)))).collect()
            }
        }
    }

    /// What the axis' label says of it.
    pub fn remark(&self) -> &'static str {
        match self {
            Scale::Linear { .. } => "",
            Scale::Log { .. } | Scale::Symmetric { .. } => ", log scale",
        }
    }
}

fn pad(value: f64) -> f64 {
    if value == 0.0 { 1.0 } else { value.abs() * 0.5 }
}

/// 1, 2 and 5 of every decade.
fn marks(first: i32, last: i32) -> Vec<f64> {
    (first..=last).flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(decade))).collect()
}

fn step(range: f64) -> f64 {
    let rough = range / TICKS;
    let decade = 10f64.powf(rough.log10().floor());
    let digit = [1.0, 2.0, 2.5, 5.0].into_iter().find(|digit| digit * decade >= rough * 0.999).unwrap_or(10.0);
    digit * decade
}

/// A value beside the axis with as many places as the step between two of them needs.
fn label(value: f64, step: f64) -> String {
    if value.abs() < step * 1e-6 {
        return "0".to_string();
    }
    let size = value.abs();
    let finer = |step: f64| {
        let whole = |places: &usize| {
            let scaled = step * 10f64.powi(*places as i32);
            (scaled - scaled.round()).abs() < 1e-6 * scaled
        };
        (0..12).find(whole).unwrap_or(12)
    };
    let trimmed = |text: String| text.replace('-', "−");
    match size {
        _ if size < 1e-3 => trimmed(format!("{value:.1e}").replace(".0e", "e")),
        _ if size < 1e4 => trimmed(format!("{value:.*}", finer(step))),
        _ if size < 1e6 => trimmed(format!("{:.*}k", finer(step / 1e3), value / 1e3)),
        _ if size < 1e9 => trimmed(format!("{:.*}M", finer(step / 1e6), value / 1e6)),
        _ => trimmed(format!("{value:.0e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::Scale;

    fn labels(scale: Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(Scale::linear(0.0, 1.0)), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(Scale::linear(0.0, 11_000.0)), ["0", "2500", "5000", "7500", "10.0k", "12.5k"]);
        assert_eq!(labels(Scale::linear(-0.03, 0.02)), ["−0.03", "−0.02", "−0.01", "0", "0.01", "0.02"]);
        assert_eq!(labels(Scale::linear(-0.08, 0.45)), ["−0.2", "0", "0.2", "0.4", "0.6"]);
        assert_eq!(labels(Scale::log(0.3, 40.0)), ["1", "10"]);
        assert_eq!(labels(Scale::steps(12)), ["0", "5", "10"]);
        assert_eq!(labels(Scale::steps(1)), ["0", "1"]);
        assert_eq!(labels(Scale::log(0.8, 2.1)), ["0.5", "1", "2", "5"]);
    }

    /// One blow-up among small values, some of which are 0 or negative: they are told apart all the same.
    #[test]
    fn a_blow_up_flattens_nothing() {
        for (low, high) in [(0.0, 3000.0), (-0.02, 900.0), (-500.0, 0.03)] {
            let scale = Scale::fitting(low, 0.01, high);
            assert!(matches!(scale, Scale::Symmetric { .. }), "{scale:?}");
            let (near, twice) = (scale.place(0.01), scale.place(0.02));
            assert!(twice - near > 0.03, "{scale:?}: {near} {twice}");
            assert!((0.0..1.0).contains(&scale.place(0.0)) && scale.place(low) < scale.place(high));
            let labels = labels(scale);
            assert!((2..=8).contains(&labels.len()) && labels.contains(&"0".to_string()), "{labels:?}");
        }
        assert!(matches!(Scale::fitting(0.0, 0.5, 1.0), Scale::Linear { .. }));
        assert_eq!(Scale::typical([0.0, 0.0, -3.0, 1.0, 2.0].into_iter()), 2.0);
    }

    #[test]
    fn marks_stand_where_they_say() {
        for case in 0..400 {
            let low = -((case % 20) as f64).powi(3) * 0.013;
            let scale = Scale::linear(low, low + 0.017 * 1.09f64.powi(case));
            let (first, last) = scale.ends();
            let ticks = scale.ticks();
            assert!((2..=8).contains(&ticks.len()), "{scale:?}");
            for (value, _) in ticks {
                let exact = (value - first) / (last - first);
                assert!((-1e-6..=1.0 + 1e-6).contains(&exact), "{value} is outside of {scale:?}");
            }
        }
    }

    #[test]
    fn equal_values_and_strange_ones_have_a_scale() {
        for scale in
            [Scale::linear(0.0, 0.0), Scale::linear(3.0, 3.0), Scale::log(1e-9, 1e-9), Scale::linear(0.0, 1e-7)]
        {
            let (low, high) = scale.ends();
            assert!(high > low && scale.ticks().len() < 12, "{scale:?}");
            assert!((0.0..=1.0).contains(&scale.place(high * 3.0)) && scale.place(low) == 0.0);
        }
    }
}
