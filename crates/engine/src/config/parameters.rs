//! Every parameter of a decoder, by its Hugging Face name.

use super::ModelConfig;

/// A weight's name and shape; matrices are `[out, in]`, the embedding is `[vocab, hidden]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// As in `model.safetensors`.
    pub name: String,
    /// One or two dimensions.
    pub shape: Vec<usize>,
}

impl Parameter {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Never true for a checked configuration.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ModelConfig {
    /// Every parameter, in the order in which a forward pass meets them. A tied head is not listed again.
    pub fn parameters(&self) -> Vec<Parameter> {
        let (hidden, ffn, head_dim) = (self.hidden_size, self.intermediate_size, self.head_dim);
        let (queries, keys) = (self.num_attention_heads * head_dim, self.num_key_value_heads * head_dim);
        let (qkv_bias, output_bias) = (self.attention_bias.on_qkv(), self.attention_bias.on_output());
        let mut list = List(Vec::new());

        list.weight("model.embed_tokens", &[self.vocab_size, hidden]);
        for layer in 0..self.num_hidden_layers {
            let name = |part: &str| format!("model.layers.{layer}.{part}");
            list.weight(&name("input_layernorm"), &[hidden]);
            list.linear(&name("self_attn.q_proj"), queries, hidden, qkv_bias);
            list.linear(&name("self_attn.k_proj"), keys, hidden, qkv_bias);
            list.linear(&name("self_attn.v_proj"), keys, hidden, qkv_bias);
            if self.qk_norm {
                list.weight(&name("self_attn.q_norm"), &[head_dim]);
                list.weight(&name("self_attn.k_norm"), &[head_dim]);
            }
            list.linear(&name("self_attn.o_proj"), hidden, queries, output_bias);
            list.weight(&name("post_attention_layernorm"), &[hidden]);
            list.linear(&name("mlp.gate_proj"), ffn, hidden, self.mlp_bias);
            list.linear(&name("mlp.up_proj"), ffn, hidden, self.mlp_bias);
            list.linear(&name("mlp.down_proj"), hidden, ffn, self.mlp_bias);
        }
        list.weight("model.norm", &[hidden]);
        if !self.tie_word_embeddings {
            list.weight("lm_head", &[self.vocab_size, hidden]);
        }
        list.0
    }

    /// Number of weights, a tied head counted once.
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().map(Parameter::len).sum()
    }
}

struct List(Vec<Parameter>);

impl List {
    fn weight(&mut self, module: &str, shape: &[usize]) {
        self.0.push(Parameter { name: format!("{module}.weight"), shape: shape.to_vec() });
    }

    fn linear(&mut self, module: &str, out: usize, input: usize, bias: bool) {
        self.weight(module, &[out, input]);
        if bias {
            self.0.push(Parameter { name: format!("{module}.bias"), shape: vec![out] });
        }
    }
}
