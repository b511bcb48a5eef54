//! The Python extension module `surefoot._surefoot`: objectives and verifier, with NumPy arrays in and out.
//!
//! Nothing here computes: a call checks shapes, borrows the arrays, releases the interpreter's lock and runs the Rust
//! libraries. Errors are Python's `ValueError` with the text of the Rust error.

mod advantage;
mod array;
mod correction;
mod counts;
mod evaluation;
mod objective;
mod options;
mod report;
mod text;
mod verifier;

use pyo3::prelude::*;

/// Objectives and verifier of surefoot, in Rust.
#[pymodule]
mod _surefoot {
    #[pymodule_export]
    use crate::advantage::{AdvantageEstimator, overlong_penalty};
    #[pymodule_export]
    use crate::correction::Correction;
    #[pymodule_export]
    use crate::counts::Counts;
    #[pymodule_export]
    use crate::evaluation::{Evaluation, merge_stats};
    #[pymodule_export]
    use crate::objective::{Objective, advantage_estimators, objectives, region_names};
    #[pymodule_export]
    use crate::report::Report;
    #[pymodule_export]
    use crate::verifier::Verifier;
    #[pymodule_export]
    #[allow(non_upper_case_globals)] // Python's name for it
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
