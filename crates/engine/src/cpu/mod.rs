//! The operators on the CPU: f32, one file an operator; `tests/operators.rs` holds a plain f64 reference of each.

pub mod adamw;
pub mod attention;
pub mod cache;
mod device;
pub mod head;
pub mod linear;
pub mod math;
pub mod memory;
pub mod norm;
mod packed;
pub mod panel;
pub mod parallel;
pub mod rope;
pub mod sample;
pub mod simd;
pub mod swiglu;
mod team;
pub mod tile;
mod transpose;

pub use device::Cpu;
pub use packed::PackedMatrices;
