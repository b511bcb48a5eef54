//! Trainer: prompts, rollout, reward, update, checkpoint, metrics.

pub mod config;
pub mod reward;
