//! The CUDA kernels, compiled as host code and run by the emulation beside them (`src/cuda/kernels/README.md`), against the CPU operators on
//! odd shapes. Every launch runs three times with the threads of a block in other orders, and the bits must not change.
//!
//! Without a C++ compiler (`c++`, or what `CXX` names) the tests say that they were skipped.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attention;
mod decode;
mod head;
#[path = "../../src/cuda/tests/library.rs"]
mod library;
mod linear;
mod machine;
mod norm;
mod optimizer;
mod rows;
mod sample;

use machine::Memory;

/// Uniform values in [-1, 1).
fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// The same, rounded to bfloat16.
fn rounded(n: usize, seed: u64) -> Vec<f32> {
    values(n, seed).into_iter().map(round).collect()
}

fn round(v: f32) -> f32 {
    half::bf16::from_f32(v).to_f32()
}

/// Values that are bfloat16 already, as the kernels hold them.
fn halves(values: &[f32]) -> Memory {
    let bits: Vec<u16> = values.iter().map(|&v| half::bf16::from_f32(v).to_bits()).collect();
    Memory::new(&bits)
}

/// Fails where `got` differs from `want` by more than `tolerance` of the largest of these.
#[track_caller]
fn close(what: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(1e-9f32, |m, v| m.max(v.abs()));
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        assert!(((g - w) / scale).abs() <= tolerance, "{what}[{i}]: {g} against {w}, of at most {scale}");
    }
}
