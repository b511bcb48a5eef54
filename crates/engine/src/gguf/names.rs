//! GGUF's tensor names, and its order of rows in llama's q and k.

use std::borrow::Cow;

use crate::config::{Architecture, ModelConfig};

/// The GGUF name of a Hugging Face parameter.
pub(super) fn gguf_name(parameter: &str) -> Cow<'_, str> {
    match parameter {
        "model.embed_tokens.weight" => return "token_embd.weight".into(),
        "model.norm.weight" => return "output_norm.weight".into(),
        "lm_head.weight" => return "output.weight".into(),
        _ => {}
    }
    let Some((layer, rest)) = parameter.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.')) else {
        return parameter.into();
    };
    let Some((module, kind)) = rest.rsplit_once('.') else { return parameter.into() };
    let module = match module {
        "input_layernorm" => "attn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.o_proj" => "attn_output",
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        "post_attention_layernorm" => "ffn_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        _ => return parameter.into(),
    };
    format!("blk.{layer}.{module}.{kind}").into()
}

/// Does GGUF store the rows of this parameter interleaved?
///
/// llama's q and k are stored for a rotation of neighbours (2i, 2i + 1); Hugging Face rotates the halves (i, i + d/2).
/// qwen2 and qwen3 are stored for the latter already.
pub(super) fn is_interleaved(config: &ModelConfig, parameter: &str) -> bool {
    config.architecture == Architecture::Llama
        && (parameter.contains(".self_attn.q_proj.") || parameter.contains(".self_attn.k_proj."))
}

/// Rows (0, d/2, 1, d/2 + 1, …) of each head back to (0, 1, 2, …); `width` numbers a row, 1 for a bias.
pub(super) fn deinterleave(values: &[f32], head_dim: usize, width: usize, out: &mut [f32]) {
    let head = head_dim * width;
    for (values, out) in values.chunks_exact(head).zip(out.chunks_exact_mut(head)) {
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            let stored = row % (head_dim / 2) * 2 + row / (head_dim / 2);
            out.copy_from_slice(&values[stored * width..][..width]);
        }
    }
}
