//! Engine: the transformer, forward and backward, sampling, optimizer, model files.

pub mod config;
pub mod cpu;
pub mod folder;
