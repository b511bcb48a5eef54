//! Numeric evaluation with error bounds: proof that two expressions differ, or evidence that they agree.

mod ball;
mod eval;
mod points;

pub(crate) use points::{Agreement, approximate, compare, multiples, real_value};
