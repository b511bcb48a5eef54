//! Whole models on the GPU's operators, against `transformers` and against the CPU. Each test runs on the emulated machine, and on a GPU
//! where there is one; `SUREFOOT_REQUIRE_CUDA=1` makes its absence a failure. `driver.rs` runs them once more, on a GPU that is emulated below the driver.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod driver;
mod emulated;
mod library;
mod models;
mod operators;
mod shapes;

use super::{Cuda, Forward};
use crate::device::DeviceError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Memory of the emulated machine.
const EMULATED_BYTES: usize = 1 << 30;

/// An emulated machine of so many bytes, where there is a compiler.
fn emulated_machine(bytes: usize) -> Option<Cuda> {
    let machine = emulated::emulated(bytes)?;
    Some(Cuda::on(Arc::new(machine), Arc::default(), "emulation".to_string(), Forward::Agreeing))
}

/// The machines that there are, with the products that every GPU has.
pub(super) fn machines() -> Vec<Cuda> {
    // One for all tests: it is opened in seconds, and libraries keep state with its context.
    static GPU: OnceLock<Result<Cuda, DeviceError>> = OnceLock::new();
    // On the emulated driver the emulated machine itself is none of the question.
    let emulated = if driver::is_emulated() { None } else { emulated_machine(EMULATED_BYTES) };
    let mut found: Vec<Cuda> = emulated.into_iter().collect();
    match GPU.get_or_init(|| Cuda::open(0)) {
        // A queue and a list of failures of its own.
        Ok(cuda) => found.push(Cuda::on(
            cuda.shared.machine.another_queue().unwrap(),
            Arc::default(),
            cuda.describe().to_string(),
            Forward::Agreeing,
        )),
        Err(error) => {
            assert!(std::env::var_os("SUREFOOT_REQUIRE_CUDA").is_none(), "{error}");
            eprintln!("no GPU: {error}");
        }
    }
    found
}

/// A folder of the repository's golden files; `SUREFOOT_GOLDEN` names it where the tests run elsewhere than they were built.
fn golden(family: &str) -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden");
    std::env::var_os("SUREFOOT_GOLDEN").map_or_else(built, PathBuf::from).join("models").join(family)
}

/// Euclidean norm of the difference over that of what is wanted.
fn distance(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square = |v: f64| v * v;
    let difference: f64 = got.iter().zip(want).map(|(&g, &w)| square(f64::from(g) - f64::from(w))).sum();
    let size: f64 = want.iter().map(|&w| square(f64::from(w))).sum();
    assert!(difference.is_finite(), "not a number");
    (difference / size.max(1e-30)).sqrt()
}
