//! Where each parameter lies in the one arena that holds them all.
//!
//! Matrices that read the same input are neighbours (q, k, v; gate, up), so that one product serves them. Gradients and
//! optimizer moments use the same layout.
use crate::config::{ModelConfig, Parameter};
use std::ops::Range;

/// A weight matrix `[outputs, inputs]` and its bias, by place in the arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Row-major weights.
    pub weight: Range<usize>,
    /// One value an output.
    pub bias: Option<Range<usize>>,
    /// Rows.
    pub outputs: usize,
    /// Columns.
    pub inputs: usize,
}

/// The parameters of one decoder layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Norm before attention.
    pub input_norm: Range<usize>,
    /// Queries, keys and values in one matrix.
    pub qkv: Matrix,
    /// Norms of the query and key heads.
    pub qk_norm: Option<(Range<usize>, Range<usize>)>,
    /// Output projection of the attention.
    pub output: Matrix,
    /// Norm before the feed-forward part.
    pub mlp_norm: Range<usize>,
    /// Gate and up projections in one matrix.
    pub gate_up: Matrix,
    /// Down projection.
    pub down: Matrix,
}

/// The arena's map.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Token embedding `[vocabulary, hidden]`.
    pub embedding: Matrix,
    /// Layers in order.
    pub layers: Vec<Layer>,
    /// Final norm.
    pub norm: Range<usize>,
    /// Vocabulary head; the embedding itself if they are tied.
    pub head: Matrix,
    /// Number of elements.
    pub len: usize,
    places: Vec<(Parameter, usize)>,
}

/// Hands out consecutive places.
struct Cursor {
    next: usize,
}

impl Cursor {
    fn take(&mut self, len: usize) -> Range<usize> {
        self.next += len;
        self.next - len..self.next
    }

    fn matrix(&mut self, outputs: usize, inputs: usize, bias: bool) -> Matrix {
        let weight = self.take(outputs * inputs);
        Matrix { weight, bias: bias.then(|| self.take(outputs)), outputs, inputs }
    }
}

impl Layout {
    /// The layout of a model.
    pub fn new(config: &ModelConfig) -> Self {
        let (hidden, ffn, dim) = (config.hidden_size, config.intermediate_size, config.head_dim);
        let (queries, keys) = (config.num_attention_heads * dim, config.num_key_value_heads * dim);
        let mut cursor = Cursor { next: 0 };
        let embedding = cursor.matrix(config.vocab_size, hidden, false);
        let layers: Vec<Layer> = (0..config.num_hidden_layers)
            .map(|_| Layer {
                input_norm: cursor.take(hidden),
                qkv: cursor.matrix(queries + 2 * keys, hidden, config.attention_bias.on_qkv()),
                qk_norm: config.qk_norm.then(|| (cursor.take(dim), cursor.take(dim))),
                output: cursor.matrix(hidden, queries, config.attention_bias.on_output()),
                mlp_norm: cursor.take(hidden),
                gate_up: cursor.matrix(2 * ffn, hidden, config.mlp_bias),
                down: cursor.matrix(hidden, ffn, config.mlp_bias),
            })
            .collect();
        let norm = cursor.take(hidden);
        let head = if config.tie_word_embeddings {
            embedding.clone()
        } else {
            cursor.matrix(config.vocab_size, hidden, false)
        };
        let mut layout = Self { embedding, layers, norm, head, len: cursor.next, places: Vec::new() };
        layout.places =
            config.parameters().into_iter().map(|p| (p.clone(), layout.place(&p.name, queries, keys, ffn))).collect();
        layout
    }

    /// First element of the parameter called `name`.
    fn place(&self, name: &str, queries: usize, keys: usize, ffn: usize) -> usize {
        let Some(rest) = name.strip_prefix("model.layers.") else {
            return match name {
                "model.embed_tokens.weight" => self.embedding.weight.start,
                "model.norm.weight" => self.norm.start,
                _ => self.head.weight.start,
            };
        };
        let (index, part) = rest.split_once('.').unwrap_or((rest, ""));
        let layer = &self.layers[index.parse::<usize>().unwrap_or(0)];
        let within = |matrix: &Matrix, row: usize, bias: bool| match (&matrix.bias, bias) {
            (Some(at), true) => at.start + row,
            _ => matrix.weight.start + row * matrix.inputs,
        };
        let (module, kind) = part.rsplit_once('.').unwrap_or((part, "weight"));
        let bias = kind == "bias";
        match module {
            "input_layernorm" => layer.input_norm.start,
            "post_attention_layernorm" => layer.mlp_norm.start,
            "self_attn.q_norm" => layer.qk_norm.as_ref().map_or(0, |n| n.0.start),
            "self_attn.k_norm" => layer.qk_norm.as_ref().map_or(0, |n| n.1.start),
            "self_attn.q_proj" => within(&layer.qkv, 0, bias),
            "self_attn.k_proj" => within(&layer.qkv, queries, bias),
            "self_attn.v_proj" => within(&layer.qkv, queries + keys, bias),
            "self_attn.o_proj" => within(&layer.output, 0, bias),
            "mlp.gate_proj" => within(&layer.gate_up, 0, bias),
            "mlp.up_proj" => within(&layer.gate_up, ffn, bias),
            _ => within(&layer.down, 0, bias),
        }
    }

    /// Every parameter with its Hugging Face name and shape, and where it lies.
    pub fn parameters(&self) -> impl Iterator<Item = (&Parameter, Range<usize>)> + Clone {
        self.places.iter().map(|(p, at)| (p, *at..*at + p.len()))
    }

    /// The ranges that weight decay applies to: matrices, not norms and biases.
    pub fn decayed(&self) -> Vec<Range<usize>> {
        let mut ranges: Vec<_> = self.parameters().filter(|(p, _)| p.shape.len() == 2).map(|(_, at)| at).collect();
        ranges.sort_by_key(|r| r.start);
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_element_belongs_to_one_parameter() {
        for family in ["llama", "qwen2", "qwen3"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/models").join(family);
            let layout = Layout::new(&ModelConfig::from_folder(&folder).unwrap());
            let mut owner = vec![None; layout.len];
            for (p, range) in layout.parameters() {
                for o in &mut owner[range] {
                    assert_eq!(o.replace(p.name.clone()), None, "{} overlaps", p.name);
                }
            }
            assert!(owner.iter().all(Option::is_some), "{family}: gaps");
        }
    }
}
