//! The greatest value of a smooth function with one peak that matters.

/// The greatest value of `f` between `low` and `high`: a scan finds the peak, thirds close in on it.
pub(super) fn maximum(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    const STEPS: u32 = 128;
    let step = (high - low) / f64::from(STEPS);
    let mut peak = (f(low), low);
    for i in 1..=STEPS {
        let x = low + f64::from(i) * step;
        let y = f(x);
        if y > peak.0 {
            peak = (y, x);
        }
    }
    let (mut low, mut high) = ((peak.1 - step).max(low), (peak.1 + step).min(high));
    // f is flat at its peak: its value is exact to rounding once the place is exact to the root of that
    const NARROWINGS: u32 = 40;
    for _ in 0..NARROWINGS {
        let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if f(a) < f(b) {
            low = a;
        } else {
            high = b;
        }
    }
    f(0.5 * (low + high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_peak_inside_and_at_the_edge() {
        assert!((maximum(|x| 3.0 - (x - 0.123).powi(2), -5.0, 5.0) - 3.0).abs() < 1e-12);
        assert!((maximum(|x| x, 0.0, 1.0) - 1.0).abs() < 1e-8);
        assert!((maximum(|x| -x, 0.0, 1.0)).abs() < 1e-8);
    }
}
