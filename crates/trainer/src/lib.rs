//! Trainer: prompts, rollout, reward, update, checkpoint, metrics.

pub mod config;
pub mod data;
pub mod random;
pub mod reward;
pub mod tasks;
