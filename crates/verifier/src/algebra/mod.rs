//! Normal forms: quotients of polynomials with rational coefficients over variables, π, i, roots, and functions as atoms.

mod atoms;
mod normal;
mod poly;

pub(crate) use normal::{Proof, decide};
