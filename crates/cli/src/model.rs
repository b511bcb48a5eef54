//! `surefoot model`

use std::path::Path;

use anyhow::Context;
use surefoot_trainer::engine::config::ModelConfig;
use surefoot_trainer::engine::cuda::LOGIT_BYTES;
use surefoot_trainer::engine::device::Bytes;
use surefoot_trainer::engine::folder::{Dtype, TensorFolder};
use surefoot_trainer::engine::gguf;
use surefoot_trainer::engine::memory::{Demand, Sampling, Training};
use surefoot_trainer::engine::model::Model;
use surefoot_trainer::engine::tokenizer::Tokenizer;
use surefoot_trainer::model_folder;

use crate::args::{ModelCommand, Number};
use crate::exit::Exit;
use crate::output;

/// Runs the command.
pub fn run(command: &ModelCommand) -> anyhow::Result<Exit> {
    match command {
        ModelCommand::Init { from, to, seed, dtype } => init(from, to, *seed, dtype.dtype())?,
        ModelCommand::Import { file, to, dtype } => {
            anyhow::ensure!(!file.is_dir(), "{}: expected a GGUF file, found a folder", file.display());
            model_folder::expect_free(to)?;
            let found = gguf::import(file, to, dtype.dtype())?;
            let formats: Vec<String> = found.formats.iter().map(|(format, n)| format!("{n} x {format}")).collect();
            output::note(&format!(
                "{}: {}, {} parameters ({}), {} tokens; written to {} as {}",
                found.name.as_deref().unwrap_or("unnamed"),
                found.architecture.class_name(),
                found.parameter_count,
                formats.join(", "),
                found.token_count,
                to.display(),
                found.dtype.safetensors_name()
            ));
        }
        ModelCommand::Info { folder } => info(folder)?,
    }
    Ok(Exit::Done)
}

impl Number {
    fn dtype(self) -> Dtype {
        match self {
            Number::F32 => Dtype::F32,
            Number::F16 => Dtype::F16,
            Number::Bf16 => Dtype::BF16,
        }
    }
}

fn init(from: &Path, to: &Path, seed: u64, dtype: Dtype) -> anyhow::Result<()> {
    model_folder::expect_free(to)?;
    model_folder::expect(from)?;
    let model = Model::initialise(ModelConfig::from_folder(from)?, seed);
    model.save(to, Some(from), dtype)?;
    output::note(&format!("{} parameters written to {}", model.weights.len(), to.display()));
    Ok(())
}

fn info(folder: &Path) -> anyhow::Result<()> {
    model_folder::expect(folder)?;
    let config = ModelConfig::from_folder(folder)?;
    let tensors = TensorFolder::open(folder)?;
    let unused = tensors.check(&config)?;
    let tokenizer = Tokenizer::load(folder).context("the tokenizer")?;
    let lines = [
        ("architecture", config.architecture.class_name().to_string()),
        ("parameters", config.parameter_count().to_string()),
        ("layers", config.num_hidden_layers.to_string()),
        ("hidden", config.hidden_size.to_string()),
        (
            "heads",
            format!(
                "{} queries, {} keys of {}",
                config.num_attention_heads, config.num_key_value_heads, config.head_dim
            ),
        ),
        ("feed-forward", config.intermediate_size.to_string()),
        ("vocabulary", format!("{} rows, {} tokens", config.vocab_size, tokenizer.id_count())),
        ("positions", config.max_position_embeddings.to_string()),
        ("tied head", config.tie_word_embeddings.to_string()),
        ("stored as", config.dtype.safetensors_name().to_string()),
        ("end tokens", format!("{:?}", tokenizer.eos_ids())),
        ("GPU memory", gpu_memory(&config)),
        ("unused tensors", if unused.is_empty() { "none".to_string() } else { unused.join(", ") }),
    ];
    for (name, value) in lines {
        output::data(&format!("{name:<16}{value}"))?;
    }
    Ok(())
}

/// What sampling and training take on a GPU, with settings that are said.
fn gpu_memory(config: &ModelConfig) -> String {
    let tokens = config.max_position_embeddings.min(2048);
    let sampling = Some(Sampling { sequences: 64, tokens });
    let training = |half_moments| {
        let elements = config.parameter_count();
        Some(Training { elements, half_moments, rows: 4096.max(tokens), recompute: true, logit_bytes: LOGIT_BYTES })
    };
    let total = |training| Bytes(Demand { training, sampling, copies: 0 }.total(config));
    format!(
        "{} to sample 64 sequences of {tokens} tokens, {} to train as well ({} with optimizer.state = \"bf16\")",
        total(None),
        total(training(false)),
        total(training(true))
    )
}
