//! GGUF files → Hugging Face folders.
//!
//! [`import`] reads a llama.cpp model file and writes a folder that this engine and `transformers` load: weights
//! dequantised, rows of q and k put back in order, tokenizer and chat template rebuilt from the metadata.

mod architecture;
mod blocks;
mod container;
mod error;
mod import;
mod metadata;
mod names;
mod pretokenizer;
mod range;
mod tokenizer;

pub use error::GgufError;
pub use import::{ImportSummary, import};

#[cfg(test)]
mod tests;
