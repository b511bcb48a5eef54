//! A mean over seeds with its interval.

/// 97.5% points of Student's t for 1 to 30 degrees of freedom (any table of the distribution).
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];
/// The same beyond: that of the normal distribution, a little low up to some hundred.
const NORMAL: f64 = 1.960;

/// A mean with half the width of its 95% interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// `t · s / √n`, for values that are independent and roughly normal; `None` for a single one.
    pub half_width: Option<f64>,
}

impl Estimate {
    /// Of these values; `None` without any.
    ///
    /// ```
    /// use surefoot_trainer::study::Estimate;
    ///
    /// let estimate = Estimate::of(&[1.0, 2.0, 3.0]).unwrap();
    /// assert_eq!(estimate.mean, 2.0);
    /// assert!((estimate.half_width.unwrap() - 4.303 / 3f64.sqrt()).abs() < 1e-12);
    /// ```
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let half_width = (values.len() > 1).then(|| {
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
            T.get(values.len() - 2).copied().unwrap_or(NORMAL) * (variance / n).sqrt()
        });
        Some(Self { mean, half_width })
    }

    /// As `0.719 ± 0.021`.
    pub fn text(&self) -> String {
        let number = |value: f64| format!("{value:.3}").replace('-', "−");
        match self.half_width {
            Some(half_width) => format!("{} ± {}", number(self.mean), number(half_width)),
            None => number(self.mean),
        }
    }
}
