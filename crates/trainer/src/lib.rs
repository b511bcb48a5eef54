//! Trainer: prompts, rollout, reward, update, checkpoint, metrics.
