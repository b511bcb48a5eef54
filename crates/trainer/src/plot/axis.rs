//! Axes: how values become positions, and where ticks stand.

/// How values lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// Their logarithms evenly; for positive values.
    Log,
}

/// An axis with its range and label.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    /// How.
    pub scale: Scale,
    /// Value at its beginning.
    pub low: f64,
    /// Value at its end, greater than `low`.
    pub high: f64,
}

/// Most ticks of an axis.
const TICKS: f64 = 6.0;

impl Axis {
    /// An evenly divided axis.
    pub fn linear(label: &str, low: f64, high: f64) -> Self {
        Axis { label: label.into(), scale: Scale::Linear, low, high }
    }

    /// A logarithmic axis; `low` is positive.
    pub fn log(label: &str, low: f64, high: f64) -> Self {
        Axis { label: label.into(), scale: Scale::Log, low, high }
    }

    /// A linear axis that holds all finite values, from 0 where none is negative; a little wider than they are.
    pub fn around(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (0.0_f64, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        let high = if high > low { high } else { low + 1.0 };
        let margin = 0.05 * (high - low);
        Axis::linear(label, if low < 0.0 { low - margin } else { low }, high + margin)
    }

    /// A linear axis just wide enough for all finite values.
    pub fn fitting(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return Axis::linear(label, 0.0, 1.0);
        }
        let margin = (0.05 * (high - low)).max(0.005 * high.abs().max(0.2));
        Axis::linear(label, low - margin, high + margin)
    }

    /// Where a value lies: 0 at the beginning of the axis, 1 at its end.
    pub fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        }
    }

    /// Round values within the range.
    pub fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let rough = (self.high - self.low) / TICKS;
                let power = 10_f64.powf(rough.log10().floor());
                let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough * 0.999);
                let step = step.unwrap_or(rough);
                let (first, last) = ((self.low / step - 1e-9).ceil() as i64, (self.high / step + 1e-9).floor() as i64);
                (first..=last).map(|n| n as f64 * step).collect()
            }
            Scale::Log => {
                let decades = (self.high / self.low).log10();
                let within: &[f64] = if decades > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
                let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
                (first..=last)
                    .flat_map(|power| within.iter().map(move |m| m * 10_f64.powi(power)))
                    .filter(|tick| (self.low * 0.999..=self.high * 1.001).contains(tick))
                    .collect()
            }
        }
    }
}

/// A tick's text: at most six digits, without trailing zeros.
pub(super) fn text(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e6).contains(&value.abs()) {
        return format!("{value:.0e}");
    }
    let decimals = (5 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        let texts = |axis: Axis| axis.ticks().into_iter().map(text).collect::<Vec<_>>().join(" ");
        assert_eq!(texts(Axis::linear("", 0.0, 3.2)), "0 1 2 3");
        assert_eq!(texts(Axis::linear("", -1.6, 1.6)), "-1 0 1");
        assert_eq!(texts(Axis::linear("", 0.0, 1.05)), "0 0.2 0.4 0.6 0.8 1");
        assert_eq!(texts(Axis::log("", 0.1, 10.0)), "0.1 0.2 0.5 1 2 5 10");
        assert_eq!(texts(Axis::log("", 1e-5, 10.0)), "1e-5 0.0001 0.001 0.01 0.1 1 10");
        assert_eq!(texts(Axis::linear("", 0.0, 300.0)), "0 50 100 150 200 250 300");
    }

    #[test]
    fn places_and_ranges() {
        assert!((Axis::log("", 0.1, 10.0).place(1.0) - 0.5).abs() < 1e-12);
        assert!((Axis::linear("", -1.0, 3.0).place(0.0) - 0.25).abs() < 1e-12);
        let axis = Axis::around("", [f64::NAN, 2.0, -2.0].into_iter());
        assert!((axis.low + 2.2).abs() < 1e-12 && (axis.high - 2.2).abs() < 1e-12);
        assert_eq!(Axis::around("", [].into_iter()).high, 1.05);
        let fitting = Axis::fitting("", [3.0, f64::NAN, 5.0].into_iter());
        assert!((fitting.low - 2.9).abs() < 1e-12 && (fitting.high - 5.1).abs() < 1e-12);
        let single = Axis::fitting("", [1.0].into_iter());
        assert!(single.low < 1.0 && 1.0 < single.high);
    }
}
