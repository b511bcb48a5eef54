//! Trainer: prompts, rollout, reward, update, checkpoint, metrics.

pub mod config;
pub mod data;
pub mod demo;
pub mod journey;
pub mod metrics;
pub mod policy;
pub mod progress;
pub mod prompt;
pub mod random;
pub mod reward;
pub mod rollout;
pub mod run_folder;
pub mod sft;
pub mod state;
pub mod tasks;
pub mod train;
pub mod update;

pub use surefoot_engine as engine;
pub use surefoot_objectives as objectives;
pub use surefoot_verifier as verifier;
