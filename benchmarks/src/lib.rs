//! Shapes, measurements and the training step that the benchmarks share.
pub mod arithmetic;
pub mod training;

use anyhow::{Context, Result};
use rayon::prelude::*;
use std::path::Path;
use surefoot_engine::config::ModelConfig;
use surefoot_engine::layout::Layout;
use surefoot_engine::model::Model;

/// A model and a batch to measure with.
pub struct Shape {
    /// The model.
    pub model: Model,
    /// Sequences of a training step.
    pub sequences: usize,
    /// Tokens of a sequence.
    pub tokens: usize,
}

/// `S`, `M`, a size of Qwen2.5 (`0.5B`, `1.5B` or `7B`: 16 sequences of 1024 tokens), or a model folder (8 sequences of 256 tokens).
pub fn shape(name: &str) -> Result<Shape> {
    if let Some(found) = qwen(name)? {
        return Ok(found);
    }
    let (hidden, layers, ffn, vocabulary, sequences) = match name {
        "S" => (256, 4, 768, 512, 16),
        "M" => (512, 8, 1536, 4096, 8),
        folder => {
            let folder = Path::new(folder);
            let (model, _) = Model::load(folder, ModelConfig::from_folder(folder)?)?;
            return Ok(Shape { model, sequences: 8, tokens: 256 });
        }
    };
    let json = serde_json::json!({
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": vocabulary, "hidden_size": hidden,
        "intermediate_size": ffn, "num_hidden_layers": layers, "num_attention_heads": 8, "num_key_value_heads": 4,
        "head_dim": hidden / 8, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "max_position_embeddings": 1024,
        "tie_word_embeddings": true, "hidden_act": "silu",
    });
    let config = ModelConfig::from_json(&json.to_string(), Path::new("shape")).context("the shape's configuration")?;
    let layout = Layout::new(&config);
    let mut random = Lcg(7);
    let mut weights = vec![0.0; layout.len];
    for (parameter, range) in layout.parameters() {
        let (mean, width) = if parameter.shape.len() == 1 { (1.0, 0.1) } else { (0.0, 0.087) };
        weights[range].iter_mut().for_each(|w| *w = mean + width * (2.0 * random.uniform() - 1.0));
    }
    Ok(Shape { model: Model { config, weights }, sequences, tokens: 256 })
}

/// Qwen2.5 of a size, with random weights.
fn qwen(name: &str) -> Result<Option<Shape>> {
    let (hidden, layers, queries, keys, ffn, vocabulary, tied) = match name {
        "0.5B" => (896, 24, 14, 2, 4864, 151_936, true),
        "1.5B" => (1536, 28, 12, 2, 8960, 151_936, true),
        "7B" => (3584, 28, 28, 4, 18_944, 152_064, false),
        _ => return Ok(None),
    };
    let json = serde_json::json!({
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": vocabulary, "hidden_size": hidden,
        "intermediate_size": ffn, "num_hidden_layers": layers, "num_attention_heads": queries, "num_key_value_heads": keys,
        "rms_norm_eps": 1e-6, "rope_theta": 1e6, "max_position_embeddings": 32_768, "tie_word_embeddings": tied,
        "hidden_act": "silu",
    });
    let config = ModelConfig::from_json(&json.to_string(), Path::new("shape")).context("the shape's configuration")?;
    let layout = Layout::new(&config);
    let mut weights = vec![0.0; layout.len];
    for (parameter, range) in layout.parameters() {
        let width = if parameter.shape.len() == 1 { 0.0 } else { 0.035 };
        let mean = if parameter.name.ends_with("norm.weight") { 1.0 } else { 0.0 };
        weights[range].par_chunks_mut(1 << 20).enumerate().for_each(|(i, chunk)| {
            let mut random = Lcg(i as u64);
            chunk.iter_mut().for_each(|w| *w = mean + width * (2.0 * random.uniform() - 1.0));
        });
    }
    Ok(Some(Shape { model: Model { config, weights }, sequences: 16, tokens: 1024 }))
}

/// A small generator for inputs whose values do not matter.
pub struct Lcg(pub u64);

impl Lcg {
    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    /// A token.
    pub fn token(&mut self, vocabulary: usize) -> u32 {
        (self.uniform() * vocabulary as f32) as u32
    }
}

/// CPU seconds of this process so far, and its peak memory in MB (10^6 bytes).
pub fn usage() -> (f64, f64) {
    // SAFETY: `getrusage` fills the struct that it is given.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    let unit = if cfg!(target_os = "macos") { 1.0 } else { 1024.0 };
    (seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss as f64 * unit / 1e6)
}

/// Wall and CPU seconds of repeated work.
#[derive(Default)]
pub struct Timings {
    /// Wall seconds of each repetition.
    pub wall: Vec<f64>,
    /// CPU seconds of each, all threads together.
    pub cpu: Vec<f64>,
}

impl Timings {
    /// Runs `work` and notes what it took.
    pub fn time<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let (start, (cpu, _)) = (std::time::Instant::now(), usage());
        let result = work();
        self.wall.push(start.elapsed().as_secs_f64());
        self.cpu.push(usage().0 - cpu);
        result
    }
}

/// Prints a result as one line of JSON, with the process's peak memory; `compare.sh` reads it.
pub fn report(what: &str, timings: &Timings, tokens: usize, more: &[(&str, f64)]) {
    let wall = median(timings.wall.clone());
    let mut line = serde_json::json!({
        "program": "surefoot", "what": what, "wall_s": wall, "cpu_s": median(timings.cpu.clone()),
        "tokens_per_s": tokens as f64 / wall, "peak_mb": usage().1,
    });
    for (key, value) in more {
        line[*key] = serde_json::json!(value);
    }
    println!("{line}");
}

/// The middle of a list of measurements.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
