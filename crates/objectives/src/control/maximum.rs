//! The greatest value of a smooth function with one peak that matters.

/// The greatest value of `f` between `low` and `high`: a scan finds the peak, thirds close in on it.
pub(super) fn maximum(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    const STEPS: u32 = 800;
    let step = (high - low) / f64::from(STEPS);
    let best =
        (0..=STEPS).map(|i| low + f64::from(i) * step).fold(low, |best, x| if f(x) > f(best) { x } else { best });
    let (mut low, mut high) = (best - step, best + step);
    for _ in 0..80 {
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
        assert!((maximum(|x| x, 0.0, 1.0) - 1.0).abs() < 2e-3);
    }
}
