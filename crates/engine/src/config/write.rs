//! [`ModelConfig`] → `config.json`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{AttentionBias, ModelConfig, RopeScaling};

/// Both spellings of the rotary parameters and of the number format are written: transformers 4 ignores those of 5,
/// and would fall back to its defaults.
pub(super) fn to_json(config: &ModelConfig) -> String {
    let mut rope_parameters = config.rope_scaling.to_json();
    let rope_scaling = match config.rope_scaling {
        RopeScaling::None => Value::Null,
        RopeScaling::Linear { .. } | RopeScaling::Llama3 { .. } => Value::Object(rope_parameters.clone()),
    };
    rope_parameters.insert("rope_theta".into(), json!(config.rope_theta));
    let eos = match config.eos_token_ids.as_slice() {
        [] => Value::Null,
        [one] => json!(one),
        several => json!(several),
    };
    let known = [
        ("architectures", json!([config.architecture.class_name()])),
        ("model_type", json!(config.architecture.model_type())),
        ("vocab_size", json!(config.vocab_size)),
        ("hidden_size", json!(config.hidden_size)),
        ("intermediate_size", json!(config.intermediate_size)),
        ("num_hidden_layers", json!(config.num_hidden_layers)),
        ("num_attention_heads", json!(config.num_attention_heads)),
        ("num_key_value_heads", json!(config.num_key_value_heads)),
        ("head_dim", json!(config.head_dim)),
        ("hidden_act", json!("silu")),
        ("rms_norm_eps", json!(config.rms_norm_eps)),
        ("rope_theta", json!(config.rope_theta)),
        ("rope_scaling", rope_scaling),
        ("rope_parameters", Value::Object(rope_parameters)),
        ("max_position_embeddings", json!(config.max_position_embeddings)),
        ("tie_word_embeddings", json!(config.tie_word_embeddings)),
        ("attention_bias", json!(config.attention_bias == AttentionBias::Qkvo)),
        ("mlp_bias", json!(config.mlp_bias)),
        ("bos_token_id", json!(config.bos_token_id)),
        ("eos_token_id", eos),
        ("pad_token_id", json!(config.pad_token_id)),
        ("dtype", json!(config.dtype.torch_name())),
        ("torch_dtype", json!(config.dtype.torch_name())),
    ];
    let mut keys: BTreeMap<&str, Value> = known.into_iter().collect();
    for (key, value) in &config.other {
        keys.entry(key).or_insert_with(|| value.clone());
    }
    // Maps of strings, numbers and lists always serialise; the alternate form indents by two.
    let object: Value = keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    format!("{object:#}\n")
}
