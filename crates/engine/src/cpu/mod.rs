//! The operators on the CPU.
pub mod linear;
pub mod math;
pub mod norm;
pub mod panel;
pub mod parallel;
pub mod rope;
pub mod simd;
pub mod swiglu;
pub mod tile;
