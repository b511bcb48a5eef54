//! Trainer: prompts, rollout, reward, update, checkpoint, metrics.

pub mod config;
pub mod data;
pub mod metrics;
pub mod progress;
pub mod random;
pub mod reward;
pub mod run_folder;
pub mod tasks;

pub use surefoot_verifier as verifier;
