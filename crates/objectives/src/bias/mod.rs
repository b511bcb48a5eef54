//! How far each objective's gradient is from the importance-weighted policy gradient (DGPO appendix A.3).
//!
//! The bias in a region is `‖E_{o∼π_old}[1_region·(F − r)·A·∇log π]‖`: exactly, for a softmax policy ([`empirical`]);
//! and at the left boundary under the paper's decoupling assumption, as an integral over the density `k·r^γ`, in closed
//! form ([`closed_form`]) and numerically ([`integrate`]).

mod empirical;
mod left;

pub use empirical::{RegionBias, empirical};
pub use left::{LeftBias, ce_gppo_printed, closed_form, integrate, turns};

/// DGPO appendix A.4: the learning rate at `to` parameters that keeps the total variance of the gradient that `rate` has
/// at `from` parameters, `η₂ = η₁·√(N₁/N₂)`.
///
/// ```
/// # use surefoot_objectives::bias::scaled_learning_rate;
/// assert!((scaled_learning_rate(1e-6, 1.5e9, 7e9) - 4.63e-7).abs() < 5e-10);
/// assert!((scaled_learning_rate(1e-6, 1.5e9, 14e9) - 3.27e-7).abs() < 5e-10);
/// ```
pub fn scaled_learning_rate(rate: f64, from: f64, to: f64) -> f64 {
    rate * (from / to).sqrt()
}
