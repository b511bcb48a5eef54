//! Floating-point operations of a training step, counted from the model's shape.
use surefoot_engine::config::ModelConfig;
use surefoot_engine::layout::Layout;

/// Operations that a training step of `sequences` x `tokens` cannot do without: matrix products of every layer and the
/// head (2 for each weight and token forward, 4 backward) and causal attention (two products over half of the square
/// forward, four backward). Norms, softmax, recomputed values and the optimizer do not count.
///
/// ```
/// use surefoot_benchmarks::{arithmetic::step_operations, shape};
/// let shape = shape("S")?;
/// let products = 4.0 * (256.0 * 512.0 + 256.0 * 256.0 + 3.0 * 256.0 * 768.0) + 512.0 * 256.0;
/// let attention = 4.0 * 256.0 * (257.0 / 2.0);
/// assert_eq!(step_operations(&shape.model.config, 16, 256), 16.0 * 256.0 * (6.0 * products + 12.0 * attention));
/// # Ok::<(), anyhow::Error>(())
/// ```
pub fn step_operations(config: &ModelConfig, sequences: usize, tokens: usize) -> f64 {
    let layout = Layout::new(config);
    let layers = layout.layers.iter().flat_map(|l| [&l.qkv, &l.output, &l.gate_up, &l.down]);
    let weights: usize = layers.chain([&layout.head]).map(|m| m.outputs * m.inputs).sum();
    let width = config.num_attention_heads * config.head_dim;
    let keys = (tokens + 1) as f64 / 2.0;
    let attention = (layout.layers.len() * width) as f64 * keys;
    (sequences * tokens) as f64 * (6.0 * weights as f64 + 12.0 * attention)
}
