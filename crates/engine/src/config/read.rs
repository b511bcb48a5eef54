//! `config.json` → [`ModelConfig`], with the defaults that transformers gives to absent keys.

use std::path::Path;

use serde_json::{Map, Value};

use super::keys::Keys;
use super::{Architecture, AttentionBias, ConfigError, ModelConfig, rope};
use crate::folder::Dtype;

/// transformers' `rms_norm_eps` of all three architectures.
const DEFAULT_RMS_NORM_EPS: f64 = 1e-6;
/// transformers' `num_key_value_heads` of Qwen2 and Qwen3.
const DEFAULT_QWEN_KEY_VALUE_HEADS: usize = 32;
/// transformers' `head_dim` of Qwen3.
const DEFAULT_QWEN3_HEAD_DIM: usize = 128;

pub(super) fn from_json(text: &str, file: &Path) -> Result<ModelConfig, ConfigError> {
    let map: Map<String, Value> = serde_json::from_str(text)
        .map_err(|error| ConfigError::Json { file: file.into(), message: error.to_string() })?;
    let mut keys = Keys { map, prefix: "", file };
    let architecture = architecture(&mut keys)?;
    reject_unsupported(&mut keys)?;
    let (rope_theta, rope_scaling, max_position_embeddings) = rope::read(&mut keys, architecture)?;

    let hidden_size = keys.required_size("hidden_size")?;
    let num_attention_heads = keys.required_size("num_attention_heads")?;
    // An explicit null means "as many as query heads" everywhere; only an absent key has a default of its own.
    let key_value_heads_absent = !keys.map.contains_key("num_key_value_heads");
    let num_key_value_heads = match keys.size("num_key_value_heads")? {
        Some(heads) => heads,
        None if key_value_heads_absent && architecture != Architecture::Llama => DEFAULT_QWEN_KEY_VALUE_HEADS,
        None => num_attention_heads,
    };
    let head_dim = match keys.size("head_dim")? {
        Some(head_dim) => head_dim,
        None if architecture == Architecture::Qwen3 => DEFAULT_QWEN3_HEAD_DIM,
        None if num_attention_heads > 0 && hidden_size.is_multiple_of(num_attention_heads) => {
            hidden_size / num_attention_heads
        }
        None => {
            let message = format!(
                "`hidden_size` {hidden_size} is not a multiple of `num_attention_heads` {num_attention_heads}, \
                 and `head_dim` is not given"
            );
            return Err(ConfigError::Impossible { file: file.into(), message });
        }
    };
    let with_bias = keys.flag("attention_bias")?.unwrap_or(false);
    let attention_bias = match architecture {
        Architecture::Qwen2 => AttentionBias::Qkv,
        Architecture::Llama | Architecture::Qwen3 if with_bias => AttentionBias::Qkvo,
        Architecture::Llama | Architecture::Qwen3 => AttentionBias::None,
    };
    let mlp_bias = keys.flag("mlp_bias")?.unwrap_or(false) && architecture == Architecture::Llama;
    let (bos_token_id, eos_token_ids) = text_ends(&mut keys, architecture)?;

    Ok(ModelConfig {
        architecture,
        vocab_size: keys.required_size("vocab_size")?,
        hidden_size,
        intermediate_size: keys.required_size("intermediate_size")?,
        num_hidden_layers: keys.required_size("num_hidden_layers")?,
        num_attention_heads,
        num_key_value_heads,
        head_dim,
        rms_norm_eps: keys.number("rms_norm_eps")?.unwrap_or(DEFAULT_RMS_NORM_EPS),
        rope_theta,
        rope_scaling,
        max_position_embeddings,
        tie_word_embeddings: keys.flag("tie_word_embeddings")?.unwrap_or(false),
        attention_bias,
        mlp_bias,
        qk_norm: architecture == Architecture::Qwen3,
        bos_token_id,
        eos_token_ids,
        pad_token_id: keys.token_ids("pad_token_id")?.first().copied(),
        dtype: dtype(&mut keys)?,
        other: keys.map,
    })
}

/// `architectures` and `model_type`, which must not contradict each other; one of them may be absent.
fn architecture(keys: &mut Keys<'_>) -> Result<Architecture, ConfigError> {
    let model_type = keys.text("model_type")?;
    let class = match keys.value("architectures") {
        None => None,
        Some(Value::Array(classes)) => match classes.first() {
            None => None,
            Some(Value::String(class)) => Some(class.clone()),
            Some(other) => return Err(keys.wrong("architectures", "a list of class names", other)),
        },
        Some(other) => return Err(keys.wrong("architectures", "a list of class names", &other)),
    };
    let unsupported = |found: &str| ConfigError::Architecture { file: keys.file.into(), found: found.into() };
    let find = |name: &str, of: fn(Architecture) -> &'static str| {
        Architecture::ALL.into_iter().find(|&known| of(known) == name).ok_or_else(|| unsupported(name))
    };
    match (class, model_type) {
        (Some(class), model_type) => {
            let architecture = find(&class, Architecture::class_name)?;
            let own = architecture.model_type();
            // transformers goes by it, and the model is another one than the class says.
            match model_type.filter(|found| found != own) {
                Some(found) => Err(keys.unsupported("model_type", found, own)),
                None => Ok(architecture),
            }
        }
        (None, Some(model_type)) => find(&model_type, Architecture::model_type),
        (None, None) => Err(keys.missing("architectures")),
    }
}

/// Keys that would change the arithmetic in a way that the engine does not follow.
fn reject_unsupported(keys: &mut Keys<'_>) -> Result<(), ConfigError> {
    if let Some(activation) = keys.text("hidden_act")?
        && activation != "silu"
    {
        return Err(keys.unsupported("hidden_act", activation, "silu"));
    }
    if keys.map.get("quantization_config").is_some_and(|value| !value.is_null()) {
        return Err(keys.unsupported("quantization_config", "a quantised model", "f32, f16 and bf16 weights"));
    }
    // Read, not taken: these keys stay as they are in the file.
    let windowed = keys.map.get("use_sliding_window").and_then(Value::as_bool).unwrap_or(false);
    if windowed && keys.map.get("sliding_window").is_some_and(|value| !value.is_null()) {
        return Err(keys.unsupported("use_sliding_window", "true", "full attention"));
    }
    if let Some(Value::Array(layers)) = keys.map.get("layer_types")
        && let Some(other) = layers.iter().find(|layer| layer.as_str() != Some("full_attention"))
    {
        return Err(keys.unsupported("layer_types", other, "full_attention"));
    }
    Ok(())
}

/// Beginning and end of text. An absent key has a default in Llama only (1 and 2), `null` means none.
fn text_ends(keys: &mut Keys<'_>, architecture: Architecture) -> Result<(Option<u32>, Vec<u32>), ConfigError> {
    let defaults = architecture == Architecture::Llama;
    let no_bos = !keys.map.contains_key("bos_token_id");
    let no_eos = !keys.map.contains_key("eos_token_id");
    let bos = if defaults && no_bos { Some(1) } else { keys.token_ids("bos_token_id")?.first().copied() };
    let eos = if defaults && no_eos { vec![2] } else { keys.token_ids("eos_token_id")? };
    Ok((bos, eos))
}

/// `dtype` (transformers 5) before `torch_dtype` (transformers 4); absent means float32.
fn dtype(keys: &mut Keys<'_>) -> Result<Dtype, ConfigError> {
    let old = keys.text("torch_dtype")?;
    let Some(name) = keys.text("dtype")?.or(old) else { return Ok(Dtype::F32) };
    Dtype::from_torch(&name).ok_or_else(|| keys.unsupported("dtype", name, "float32, float16, bfloat16"))
}
