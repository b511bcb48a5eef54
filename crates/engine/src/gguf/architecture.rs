//! Metadata → [`ModelConfig`].

use serde_json::Map;

use super::GgufError;
use super::blocks::Format;
use super::container::Container;
use crate::config::{Architecture, AttentionBias, ModelConfig, RopeScaling};
use crate::folder::Dtype;

/// Tensor that holds, for each rotary frequency, by how much Llama 3.1's scaling divides it.
pub(super) const ROPE_FACTORS: &str = "rope_freqs.weight";

/// Llama 3.1's and 3.2's constants, the only ones in use; the file holds only what follows from them.
const LLAMA3_LOW_FREQ_FACTOR: f64 = 1.0;
const LLAMA3_HIGH_FREQ_FACTOR: f64 = 4.0;
const LLAMA3_ORIGINAL_CONTEXT: usize = 8192;

/// llama.cpp's default θ.
const DEFAULT_THETA: f64 = 10_000.0;

pub(super) fn architecture(container: &Container) -> Result<Architecture, GgufError> {
    let key = "general.architecture";
    let metadata = &container.metadata;
    let found = metadata.text(key)?.ok_or_else(|| metadata.missing(key))?;
    Architecture::ALL
        .into_iter()
        .find(|architecture| architecture.model_type() == found)
        .ok_or_else(|| GgufError::Architecture { file: metadata.file.clone(), found: found.into() })
}

/// The model's shape; special tokens are filled in by the tokenizer's import.
pub(super) fn config(container: &Container, dtype: Dtype) -> Result<ModelConfig, GgufError> {
    let architecture = architecture(container)?;
    let metadata = &container.metadata;
    let key = |name: &str| format!("{}.{name}", architecture.model_type());
    let size = |name: &str| metadata.size(&key(name));
    let optional = |name: &str| metadata.integer(&key(name)).map(|number| number.map(|number| number as usize));

    let hidden_size = size("embedding_length")?;
    let num_attention_heads = size("attention.head_count")?;
    let head_dim = match optional("attention.key_length")? {
        Some(head_dim) => head_dim,
        None if num_attention_heads > 0 => hidden_size / num_attention_heads,
        None => 0,
    };
    // Both say again what the head's width is; another value would be another kind of attention.
    for name in ["attention.value_length", "rope.dimension_count"] {
        if let Some(other) = optional(name)?.filter(|&other| other != head_dim) {
            return Err(metadata.unsupported(&key(name), &other.to_string(), "the width of a head"));
        }
    }
    let has = |name: &str| container.tensors.contains_key(name);
    // A bias that is missing here, or that the architecture does not have, is an error when tensors are matched.
    let attention_bias = match architecture {
        Architecture::Qwen2 => AttentionBias::Qkv,
        Architecture::Llama | Architecture::Qwen3 if has("blk.0.attn_q.bias") => AttentionBias::Qkvo,
        Architecture::Llama | Architecture::Qwen3 => AttentionBias::None,
    };
    let rope_theta = metadata.number(&key("rope.freq_base"))?.unwrap_or(DEFAULT_THETA);
    let eps_key = key("attention.layer_norm_rms_epsilon");
    let rms_norm_eps = metadata.number(&eps_key)?.ok_or_else(|| metadata.missing(&eps_key))?;
    let embedding = container.tensors.get("token_embd.weight").map(|tensor| tensor.shape.as_slice());
    let Some([vocab_size, _]) = embedding else {
        return Err(GgufError::MissingTensor {
            file: metadata.file.clone(),
            tensor: "token_embd.weight".into(),
            expected: vec![metadata.texts("tokenizer.ggml.tokens")?.len(), hidden_size],
        });
    };
    let config = ModelConfig {
        architecture,
        vocab_size: *vocab_size,
        hidden_size,
        intermediate_size: size("feed_forward_length")?,
        num_hidden_layers: size("block_count")?,
        num_attention_heads,
        num_key_value_heads: optional("attention.head_count_kv")?.unwrap_or(num_attention_heads),
        head_dim,
        rms_norm_eps: shortest(rms_norm_eps),
        rope_theta: shortest(rope_theta),
        rope_scaling: rope_scaling(container, &key("rope.scaling"), rope_theta, head_dim)?,
        max_position_embeddings: size("context_length")?,
        tie_word_embeddings: !has("output.weight"),
        attention_bias,
        mlp_bias: architecture == Architecture::Llama && has("blk.0.ffn_gate.bias"),
        qk_norm: architecture == Architecture::Qwen3,
        bos_token_id: None,
        eos_token_ids: Vec::new(),
        pad_token_id: None,
        dtype,
        other: Map::new(),
    };
    config.validate(&metadata.file)?;
    Ok(config)
}

/// GGUF stores an f32; `config.json` wants the decimal number that it came from, 1e-5 and not 9.999999747378752e-6.
fn shortest(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

fn rope_scaling(container: &Container, key: &str, theta: f64, head_dim: usize) -> Result<RopeScaling, GgufError> {
    let metadata = &container.metadata;
    let kind_key = format!("{key}.type");
    match metadata.text(&kind_key)?.unwrap_or("none") {
        "none" => {}
        "linear" => {
            let factor_key = format!("{key}.factor");
            let factor = metadata.number(&factor_key)?.ok_or_else(|| metadata.missing(&factor_key))?;
            return Ok(RopeScaling::Linear { factor: shortest(factor) });
        }
        other => return Err(metadata.unsupported(&kind_key, other, "none, linear, and llama3 by its table")),
    }
    let Some(tensor) = container.tensors.get(ROPE_FACTORS) else { return Ok(RopeScaling::None) };
    let unknown = || {
        let found = "a table of frequency factors that is not Llama 3's";
        metadata.unsupported(ROPE_FACTORS, found, "the table of Llama 3.1 and 3.2")
    };
    if tensor.format != Ok(Format::F32) || tensor.shape != [head_dim / 2] {
        return Err(unknown());
    }
    let mut factors = vec![0.0; head_dim / 2];
    Format::F32.dequantize(container.bytes(tensor), &mut factors);
    let scaling = RopeScaling::Llama3 {
        factor: f64::from(factors.iter().copied().fold(0.0, f32::max)),
        low_freq_factor: LLAMA3_LOW_FREQ_FACTOR,
        high_freq_factor: LLAMA3_HIGH_FREQ_FACTOR,
        original_max_position_embeddings: LLAMA3_ORIGINAL_CONTEXT,
    };
    let fits = factors.iter().enumerate().all(|(i, &factor)| {
        let frequency = theta.powf(-2.0 * i as f64 / head_dim as f64);
        // The table was computed in f32.
        (frequency / scaling.apply(frequency) / f64::from(factor) - 1.0).abs() < 1e-4
    });
    if fits { Ok(scaling) } else { Err(unknown()) }
}
