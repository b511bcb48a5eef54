//! Engine: the transformer, forward and backward, sampling, optimizer, model files.
//!
//! One decoder covers the Llama, Qwen2 and Qwen3 families; what `config.json` says decides about biases, QK-norm and a
//! tied head. It is written once over the operators of [`device::Device`], which [`cpu`] implements in f32 and [`cuda`] in bfloat16. The sampler
//! and the training forward pass use the same operators, and every element of every product is one chain of fused
//! multiply-adds in a fixed order ([`cpu::tile`]), so a token has the same log-probability to the bit wherever it is
//! computed: alone or in a batch, from a cache or from packed sequences, on one thread or on many.
//!
//! | from file to model | |
//! |---|---|
//! | [`config`] | `config.json` and what follows from it: families, parameter names and shapes, rotary frequencies |
//! | [`folder`] | Hugging Face folders: safetensors read out of memory maps and written whole or not at all |
//! | [`gguf`] | GGUF files made into such folders |
//! | [`tokenizer`], [`chat`] | text and tokens, messages and prompts |
//! | [`guard`] | panics of libraries on damaged files, as errors |
//! | [`layout`], [`model`] | the one arena of all parameters, and the model that it belongs to |
//!
//! | from model to tokens and gradients | |
//! |---|---|
//! | [`batch`] | packed sequences, a shared prompt stored once |
//! | [`device`] | the operators that a device implements |
//! | [`cpu`] | the operators on the CPU, one file each |
//! | [`cuda`] | the operators on a GPU |
//! | [`decoder`] | forward and backward over packed sequences; prefill and decoding over caches |
//! | [`lora`] | low-rank adapters of frozen weights |
//! | [`memory`] | what a run takes on a GPU |
//! | [`generate`] | many samples with continuous batching |
//! | [`random`] | counter-based random numbers |
//!
//! A loss reaches the engine as one number a token, its derivative by the token's log-probability; nothing here knows
//! what an objective is:
//!
//! ```
//! use std::path::Path;
//! use surefoot_engine::batch::{Packed, Target};
//! use surefoot_engine::config::ModelConfig;
//! use surefoot_engine::cpu::{Cpu, parallel::Threading};
//! use surefoot_engine::decoder::{Activations, Decoder, Tape};
//! use surefoot_engine::device::Weights;
//! use surefoot_engine::model::Model;
//!
//! let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/models/llama");
//! let (model, _unused) = Model::load(&folder, ModelConfig::from_folder(&folder)?)?;
//! let decoder = Decoder::new(Cpu::new(Threading::Pool), &model.config, 16);
//!
//! let mut batch = Packed::default();
//! let prompt = batch.push(&[3, 14, 15], None);
//! batch.push(&[92], Some(prompt));
//! let targets = [Target { row: 2, token: 92 }, Target { row: 3, token: 6 }];
//!
//! let weights = Weights { arena: &model.weights, packed: None };
//! let mut tape = Tape::new(&decoder, batch.len(), Activations::Keep);
//! let found = decoder.forward(weights, &batch, &targets, 1.0, &mut tape);
//! let mut gradient = vec![0.0; model.weights.len()];
//! decoder.backward(weights, &batch, &[-0.5, -0.5], &mut tape, &mut gradient);
//! assert!(found.logp.iter().all(|logp| *logp < 0.0) && gradient.iter().any(|g| *g != 0.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod batch;
pub mod chat;
pub mod config;
pub mod cpu;
// Without CUDA nothing opens a GPU; what plans for one still compiles.
#[cfg_attr(not(feature = "cuda"), allow(dead_code))]
pub mod cuda;
pub mod decoder;
pub mod device;
pub mod folder;
pub mod generate;
pub mod gguf;
pub mod guard;
pub mod layout;
pub mod lora;
pub mod memory;
pub mod model;
pub mod random;
pub mod tokenizer;
