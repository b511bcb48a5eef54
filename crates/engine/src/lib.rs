//! Engine: the transformer, forward and backward, sampling, optimizer, model files.

pub mod batch;
pub mod chat;
pub mod config;
pub mod cpu;
pub mod decoder;
pub mod device;
pub mod folder;
pub mod generate;
pub mod gguf;
pub mod layout;
pub mod model;
pub mod random;
pub mod tokenizer;
