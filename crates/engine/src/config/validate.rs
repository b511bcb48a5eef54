//! Values that no model can have.

use std::path::Path;

use super::{Architecture, AttentionBias, ConfigError, ModelConfig, RopeScaling};

/// More parameters than any machine that this engine meets can hold: 2^42, or 16 TiB of f32. Stops a hostile file
/// before it is taken as a plan for allocations.
const MOST_PARAMETERS: u128 = 1 << 42;

/// Far above any model in use (the deepest have some hundred layers), and few enough that a list of every parameter stays
/// small.
const MOST_LAYERS: usize = 4096;

impl ModelConfig {
    /// Checks that sizes are positive, fit together and stay countable; `file` appears in messages.
    ///
    /// # Errors
    /// [`ConfigError::Impossible`].
    pub fn validate(&self, file: &Path) -> Result<(), ConfigError> {
        self.contradiction().map_or(Ok(()), |message| Err(ConfigError::Impossible { file: file.into(), message }))
    }

    fn contradiction(&self) -> Option<String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("head_dim", self.head_dim),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        if let Some((key, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Some(format!("`{key}` is 0"));
        }
        // Factors below 2^42 each multiply without overflow in u128, three at a time.
        if let Some((key, size)) = sizes.iter().find(|(_, size)| *size as u128 > MOST_PARAMETERS) {
            return Some(format!("`{key}` is {size}, the largest is {MOST_PARAMETERS}"));
        }
        if self.num_hidden_layers > MOST_LAYERS {
            return Some(format!("`num_hidden_layers` is {}, the most is {MOST_LAYERS}", self.num_hidden_layers));
        }
        let (heads, shared) = (self.num_attention_heads, self.num_key_value_heads);
        if !heads.is_multiple_of(shared) {
            return Some(format!("`num_attention_heads` {heads} is not a multiple of `num_key_value_heads` {shared}"));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Some(format!("`head_dim` is {}, rotary embedding needs an even one", self.head_dim));
        }
        if self.vocab_size > u32::MAX as usize {
            return Some(format!("`vocab_size` is {}, token ids have 32 bits", self.vocab_size));
        }
        if !(self.rms_norm_eps.is_finite() && self.rms_norm_eps > 0.0) {
            return Some(format!("`rms_norm_eps` is {}, expected a positive number", self.rms_norm_eps));
        }
        if !(self.rope_theta.is_finite() && self.rope_theta > 0.0) {
            return Some(format!("`rope_theta` is {}, expected a positive number", self.rope_theta));
        }
        self.architecture_contradiction()
            .or_else(|| self.rope_contradiction())
            .or_else(|| self.token_contradiction())
            .or_else(|| self.too_large())
    }

    /// `config.json` has no key for these: they follow from the architecture, and would be lost in writing.
    fn architecture_contradiction(&self) -> Option<String> {
        let (name, qwen2) = (self.architecture.class_name(), self.architecture == Architecture::Qwen2);
        if self.qk_norm != (self.architecture == Architecture::Qwen3) {
            return Some(format!(
                "`qk_norm` is {} in {name}; Qwen3 has these norms, the others have not",
                self.qk_norm
            ));
        }
        if qwen2 != (self.attention_bias == AttentionBias::Qkv) {
            return Some(format!("biases on {:?} in {name}; Qwen2 has them on q, k and v only", self.attention_bias));
        }
        if self.mlp_bias && self.architecture != Architecture::Llama {
            return Some(format!("`mlp_bias` in {name}; only Llama can have it"));
        }
        None
    }

    fn rope_contradiction(&self) -> Option<String> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        match self.rope_scaling {
            RopeScaling::Linear { factor } | RopeScaling::Llama3 { factor, .. } if !positive(factor) => {
                Some(format!("rope scaling `factor` is {factor}, expected a positive number"))
            }
            RopeScaling::Llama3 {
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings,
                ..
            } if !(positive(low) && high.is_finite() && high > low && original_max_position_embeddings > 0) => {
                Some(format!(
                    "rope scaling llama3 needs 0 < `low_freq_factor` < `high_freq_factor` and a positive \
                     `original_max_position_embeddings`, found {low}, {high}, {original_max_position_embeddings}"
                ))
            }
            _ => None,
        }
    }

    /// `pad_token_id` is not checked: files in use name one past the embedding, and nothing here reads it.
    fn token_contradiction(&self) -> Option<String> {
        let named = [("bos_token_id", self.bos_token_id.as_slice()), ("eos_token_id", self.eos_token_ids.as_slice())];
        let mut ids = named.iter().flat_map(|(key, ids)| ids.iter().map(move |id| (key, *id)));
        ids.find(|(_, id)| *id as usize >= self.vocab_size)
            .map(|(key, id)| format!("`{key}` {id} is not below `vocab_size` {}", self.vocab_size))
    }

    fn too_large(&self) -> Option<String> {
        let [vocab, hidden, ffn, layers, heads, shared, dim] = [
            self.vocab_size,
            self.hidden_size,
            self.intermediate_size,
            self.num_hidden_layers,
            self.num_attention_heads,
            self.num_key_value_heads,
            self.head_dim,
        ]
        .map(|size| size as u128);
        // Widths first, so that the products below stay within u128.
        let widest = [vocab * hidden, 3 * hidden * ffn, heads * dim, shared * dim].into_iter().max().unwrap_or(0);
        let layer = if widest > MOST_PARAMETERS { widest } else { 2 * hidden * dim * (heads + shared) + widest };
        let total = layer.saturating_mul(layers).saturating_add(vocab * hidden);
        (total > MOST_PARAMETERS).then(|| format!("more than {MOST_PARAMETERS} parameters"))
    }
}
