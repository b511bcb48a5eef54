//! How much memory a run takes on a GPU, before it is started.
//!
//! The parts are those that `decoder/train.rs`, `decoder/infer.rs` and [`crate::cuda`] take: exact where they are a function of the model's
//! sizes, and an upper bound where they depend on the data (logits, pages of keys and values).
use crate::config::ModelConfig;
use crate::cuda;
use crate::layout::{Layer, Layout};

/// Bytes of f32 and of bfloat16.
const EXACT: usize = 4;
const HALF: usize = 2;
/// Scratch space of products, partial sums and tables, and what the driver keeps for its context and the kernels.
const REST: usize = 1 << 30;
/// Part of the memory that stays free where there is more than a run needs: what other programs and fragments take.
const MARGIN: usize = 16;

/// What may be taken of so many bytes for speed alone.
pub const fn spare(bytes: usize) -> usize {
    bytes - bytes / MARGIN
}
/// Most prompt tokens of one prefill.
const PREFILL_ROWS: usize = crate::generate::PREFILL_ROWS;

/// What learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Training {
    /// Values of the gradient: those of the model, or of its adapters.
    pub elements: usize,
    /// Whether the optimizer's moments are bfloat16.
    pub half_moments: bool,
    /// Tokens of a micro-batch.
    pub rows: usize,
    /// Whether activations are computed again.
    pub recompute: bool,
    /// Most bytes of logits at once ([`cuda::LOGIT_BYTES`], or more).
    pub logit_bytes: usize,
}

/// What samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Sequences that are decoded together.
    pub sequences: usize,
    /// Tokens of the longest, its prompt included.
    pub tokens: usize,
}

/// What a run does with a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Updates, if it makes any.
    pub training: Option<Training>,
    /// Samples, if it draws any.
    pub sampling: Option<Sampling>,
    /// Copies of the weights beside those of the policy: the reference, the weights of an earlier step.
    pub copies: usize,
}

/// Memory for one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// For what.
    pub name: &'static str,
    /// How much.
    pub bytes: usize,
}

impl Demand {
    /// What the run takes for a model of `config`.
    ///
    /// ```
    /// use surefoot_engine::{config::ModelConfig, memory::{Demand, Training}};
    /// # let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/models/llama");
    /// let config = ModelConfig::from_folder(&folder)?;
    /// let elements = config.parameter_count();
    /// let training = Training { elements, half_moments: false, rows: 64, recompute: false, logit_bytes: 1 << 30 };
    /// let parts = Demand { training: Some(training), ..Demand::default() }.parts(&config);
    /// assert_eq!((parts[0].name, parts[0].bytes), ("weights", 6 * elements));
    /// # Ok::<(), surefoot_engine::config::ConfigError>(())
    /// ```
    pub fn parts(&self, config: &ModelConfig) -> Vec<Part> {
        let layout = Layout::new(config);
        let mut parts = Vec::new();
        let mut add = |name, bytes| {
            if bytes > 0 {
                parts.push(Part { name, bytes });
            }
        };
        match &self.training {
            Some(training) => {
                let adapters = training.elements != layout.len;
                // The master weights with the copy that is computed with.
                add("weights", (EXACT + HALF) * layout.len);
                add("adapters", if adapters { (EXACT + HALF) * training.elements } else { 0 });
                add("gradient", EXACT * training.elements);
                add("moments", 2 * training.elements * if training.half_moments { HALF } else { EXACT });
                add("activations", activations(config, &layout, training));
                add("logits", cuda::logit_bytes(training.rows, config.vocab_size, training.logit_bytes));
            }
            None => add("weights", HALF * layout.len),
        }
        add("copies of the weights", HALF * layout.len * self.copies);
        if let Some(sampling) = &self.sampling {
            add("keys and values", pages(config, sampling));
            add("sampling", scratch(config, &layout, sampling));
        }
        add("libraries and scratch space", REST);
        parts
    }

    /// The demand of a faster run in `free` bytes: one that keeps its activations, if it may (`keep`), which saves a quarter of an update,
    /// and the logits of a whole micro-batch, which saves one of the vocabulary's four products. What does not fit stays as it is.
    #[must_use]
    pub fn faster(self, config: &ModelConfig, free: usize, keep: bool) -> Self {
        let Some(mut training) = self.training else { return self };
        let fits = |training| Self { training: Some(training), ..self }.total(config) <= spare(free);
        let kept = Training { recompute: training.recompute && !keep, ..training };
        if fits(kept) {
            training = kept;
        }
        let logit_bytes = training.logit_bytes.max(EXACT * config.vocab_size * training.rows);
        let whole = Training { logit_bytes, ..training };
        if fits(whole) {
            training = whole;
        }
        Self { training: Some(training), ..self }
    }

    /// All of [`Demand::parts`].
    pub fn total(&self, config: &ModelConfig) -> usize {
        self.parts(config).iter().map(|part| part.bytes).sum()
    }
}

/// Widths of a row: residual stream, queries with keys and values, attention's output, feed-forward part.
struct Widths {
    hidden: usize,
    qkv: usize,
    attended: usize,
    queries: usize,
    ffn: usize,
    /// Whether raw queries and keys are kept before their norm.
    raw: bool,
}

fn widths(config: &ModelConfig, layout: &Layout) -> Widths {
    let (queries, keys, dim) = (config.num_attention_heads, config.num_key_value_heads, config.head_dim);
    let raw = layout.layers.first().is_some_and(|layer: &Layer| layer.qk_norm.is_some());
    Widths {
        hidden: config.hidden_size,
        qkv: (queries + 2 * keys) * dim,
        attended: queries * dim,
        queries,
        ffn: config.intermediate_size,
        raw,
    }
}

/// A tape, as `decoder/train.rs` makes it.
fn activations(config: &ModelConfig, layout: &Layout, training: &Training) -> usize {
    let w = widths(config, layout);
    let layers = layout.layers.len();
    let kept = if training.recompute { 1 } else { layers };
    let layer = HALF * (w.qkv * if w.raw { 2 } else { 1 } + w.attended + 2 * w.ffn) + EXACT * (w.queries + w.hidden);
    // The residual stream with its bfloat16 copy, what sublayers read and write, and three rows of the head.
    let once = EXACT * 3 * w.hidden + HALF * (4 * w.hidden + w.ffn.max(w.attended) + w.qkv);
    let inputs = EXACT * w.hidden * layers;
    training.rows.next_multiple_of(64) * (inputs + kept * layer + once)
}

fn pages(config: &ModelConfig, sampling: &Sampling) -> usize {
    let page = 2 * HALF * cuda::plan::KEY_TILE * config.num_key_value_heads * config.head_dim;
    let pages = sampling.sequences * (sampling.tokens.div_ceil(cuda::plan::KEY_TILE) + 1) + 1;
    page * pages * config.num_hidden_layers
}

/// Buffers of `decoder/infer.rs`.
fn scratch(config: &ModelConfig, layout: &Layout, sampling: &Sampling) -> usize {
    let w = widths(config, layout);
    let rows = sampling.tokens.max(PREFILL_ROWS).max(sampling.sequences).next_multiple_of(16);
    let row = EXACT * (2 * w.hidden + w.queries)
        + HALF * (2 * w.hidden + w.qkv * if w.raw { 2 } else { 1 } + w.attended + 3 * w.ffn);
    rows * row + EXACT * config.vocab_size * sampling.sequences.next_multiple_of(16)
}
