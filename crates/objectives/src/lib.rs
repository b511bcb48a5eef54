//! Objectives: per-token log-probabilities in, loss and `dL/dlogp` out.
//!
//! The ratio-control objectives of MHPO, DGPO, CPGD and their baselines as pure functions on slices: no tensors, no random
//! numbers, no input or output. One of your own is a [`control::Surrogate`]. A trainer backpropagates `Σ grad_logp·logp` with `grad_logp` held constant, and gets exactly the paper's
//! gradient.
//!
//! ```
//! use surefoot_objectives::{Advantages, Objective, TokenBatch};
//! let objective = Objective::named("grpo")?;
//! let offsets = [0, 1, 2];
//! let batch = TokenBatch::new(&[-1.0, -2.0], &[-1.0, -2.0], Advantages::PerSequence(&[1.0, -1.0]), &offsets, &[0, 0])?;
//! let result = objective.evaluate(&batch, &objective.denominators_of(&batch)?)?;
//! assert_eq!(result.grad_logp, [-0.5, 0.5]);
//! assert!(result.stats.metrics().contains(&("ratio/mean", 1.0)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
// one place allows it, and says why: evaluate/instructions.rs; what it is worth stands in EXPERIMENTS.md
#![deny(unsafe_code)]

pub mod advantage;
mod aggregation;
mod batch;
pub mod bias;
mod block;
mod catalog;
mod check;
pub mod control;
pub mod correction;
pub mod curve;
mod error;
mod evaluate;
mod exponential;
mod keyed;
mod nearest;
mod objective;
mod option;
mod region;
mod registry;
mod regularizer;
#[cfg(feature = "serde")]
mod serialize;
mod stats;

pub use aggregation::{Aggregation, Counts, Denominators};
pub use batch::{Advantages, TokenBatch};
pub use catalog::{RECIPES, Recipe};
pub use check::{Finding, Verdict, check_surrogate};
pub use error::ObjectiveError;
#[doc(hidden)]
pub use evaluate::Instructions;
pub use evaluate::{PlainLoss, TokenDetail, TokenLoss};
pub use objective::Objective;
pub use option::{Choice, Entry, OptionError, Range, Setting, Value};
pub use region::{Bounds, Region};
pub use registry::{RegisterError, recipes, register};
pub use regularizer::{Drift, ReferenceEstimator, Regularizer};
pub use stats::{Clipped, HazardStats, Histogram, OffPolicyStats, ReferenceStats, Stats, WeightStats};
