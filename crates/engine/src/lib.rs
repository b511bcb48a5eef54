//! Engine: the transformer, forward and backward, sampling, optimizer, model files.

pub mod chat;
pub mod config;
pub mod folder;
pub mod gguf;
pub mod tokenizer;
