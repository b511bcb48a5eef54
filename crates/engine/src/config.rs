//! The model's configuration: `config.json` of a Hugging Face folder, read, checked and written back.
//!
//! One struct covers Llama, Qwen2 (and 2.5) and Qwen3. Keys that the engine does not use are kept in
//! [`ModelConfig::other`] and written back. Both spellings of the file are read, that of transformers 4 (`rope_theta`,
//! `rope_scaling`, `torch_dtype`) and that of transformers 5 (`rope_parameters`, `dtype`), and both are written.

mod error;
mod keys;
mod parameters;
mod read;
mod rope;
mod validate;
mod write;

use std::path::Path;

pub use error::ConfigError;
pub use parameters::Parameter;
pub use rope::RopeScaling;
use serde_json::{Map, Value};

use crate::folder::Dtype;

/// The decoder families that the engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// `LlamaForCausalLM`: Llama, SmolLM2 and others.
    Llama,
    /// `Qwen2ForCausalLM`: Qwen2, Qwen2.5, DeepSeek-R1-Distill-Qwen; biases on q, k and v.
    Qwen2,
    /// `Qwen3ForCausalLM`: RMS norms on each head of q and k.
    Qwen3,
}

impl Architecture {
    /// Every supported architecture.
    pub const ALL: [Architecture; 3] = [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3];

    /// The class name in `config.json`'s `architectures`.
    pub fn class_name(self) -> &'static str {
        match self {
            Architecture::Llama => "LlamaForCausalLM",
            Architecture::Qwen2 => "Qwen2ForCausalLM",
            Architecture::Qwen3 => "Qwen3ForCausalLM",
        }
    }

    /// `config.json`'s `model_type`.
    pub fn model_type(self) -> &'static str {
        match self {
            Architecture::Llama => "llama",
            Architecture::Qwen2 => "qwen2",
            Architecture::Qwen3 => "qwen3",
        }
    }
}

/// Which projections of the attention carry a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionBias {
    /// None of them.
    None,
    /// q, k and v (Qwen2).
    Qkv,
    /// q, k, v and o (Llama and Qwen3 with `"attention_bias": true`).
    Qkvo,
}

impl AttentionBias {
    /// Do the q, k and v projections have a bias?
    pub fn on_qkv(self) -> bool {
        self != AttentionBias::None
    }

    /// Does the output projection have a bias?
    pub fn on_output(self) -> bool {
        self == AttentionBias::Qkvo
    }
}

/// A decoder's shape and constants, as `config.json` states them.
///
/// ```
/// use std::path::Path;
/// use surefoot_engine::config::{Architecture, ModelConfig};
///
/// let json = r#"{"architectures": ["LlamaForCausalLM"], "vocab_size": 97, "hidden_size": 32, "intermediate_size": 48,
///     "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": true}"#;
/// let config = ModelConfig::from_json(json, Path::new("config.json"))?;
/// assert_eq!(config.architecture, Architecture::Llama);
/// assert_eq!(config.head_dim, 8);
/// assert_eq!(config.parameters()[1].name, "model.layers.0.input_layernorm.weight");
/// # Ok::<(), surefoot_engine::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The decoder family.
    pub architecture: Architecture,
    /// Rows of the embedding, V.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the SwiGLU layer.
    pub intermediate_size: usize,
    /// Number of decoder layers.
    pub num_hidden_layers: usize,
    /// Query heads of a layer.
    pub num_attention_heads: usize,
    /// Key and value heads of a layer; divides the query heads.
    pub num_key_value_heads: usize,
    /// Width of one head; even.
    pub head_dim: usize,
    /// ε of every RMS norm.
    pub rms_norm_eps: f64,
    /// Base θ of the rotary frequencies.
    pub rope_theta: f64,
    /// How the rotary frequencies are stretched.
    pub rope_scaling: RopeScaling,
    /// Longest sequence the model was made for, in tokens.
    pub max_position_embeddings: usize,
    /// Is the output head the embedding matrix?
    pub tie_word_embeddings: bool,
    /// Which attention projections carry a bias.
    pub attention_bias: AttentionBias,
    /// Do gate, up and down projections carry a bias?
    pub mlp_bias: bool,
    /// Are the heads of q and k normalised (Qwen3)?
    pub qk_norm: bool,
    /// Token that begins a text.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
    /// Token that fills a batch; not used here, kept for other programs.
    pub pad_token_id: Option<u32>,
    /// Number format of the stored weights.
    pub dtype: Dtype,
    /// Every key that is none of the above, as it stood in the file.
    pub other: Map<String, Value>,
}

impl ModelConfig {
    /// Reads and checks `config.json` of a model folder.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file and the key.
    pub fn from_folder(folder: &Path) -> Result<Self, ConfigError> {
        let file = folder.join("config.json");
        let text = std::fs::read_to_string(&file).map_err(|source| ConfigError::Read { file: file.clone(), source })?;
        Self::from_json(&text, &file)
    }

    /// Reads and checks the text of a `config.json`; `file` appears in messages.
    ///
    /// # Errors
    /// [`ConfigError`], naming `file` and the key.
    pub fn from_json(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let config = read::from_json(text, file)?;
        config.validate(file)?;
        Ok(config)
    }

    /// The text of a `config.json` that transformers 4 and 5 read, keys in alphabetical order.
    pub fn to_json(&self) -> String {
        write::to_json(self)
    }

    /// Query heads that share one key and value head.
    pub fn group_size(&self) -> usize {
        self.num_attention_heads / self.num_key_value_heads
    }
}

#[cfg(test)]
mod tests;
