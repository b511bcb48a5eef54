//! Numeric evaluation with error bounds: proof that two expressions differ, or evidence that they agree.

mod ball;
mod disc;
mod domain;
mod estimate;
mod eval;
mod exact;
mod magnitude;
mod points;
mod precise;
mod refine;

pub(crate) use estimate::{Estimated, estimates};
pub(crate) use magnitude::apart;
pub(crate) use points::{Agreement, approximate, compare, compare_precisely, multiples, real_value, within};
