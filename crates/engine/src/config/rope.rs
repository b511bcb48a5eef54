//! Rotary position embedding: the table of inverse frequencies and its scaling.

use serde_json::{Map, Value, json};

use super::keys::Keys;
use super::{Architecture, ConfigError, ModelConfig};

/// transformers' `rope_theta` of all three architectures.
const DEFAULT_THETA: f64 = 10_000.0;
const SUPPORTED_TYPES: &str = "default, linear, llama3";

/// How the rotary frequencies are stretched for longer contexts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Every frequency divided by `factor`.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Llama 3.1's: long wavelengths divided by `factor`, short ones kept, a linear blend between.
    Llama3 {
        /// The divisor of long wavelengths.
        factor: f64,
        /// Wavelengths above `original_max_position_embeddings / low_freq_factor` are long.
        low_freq_factor: f64,
        /// Wavelengths below `original_max_position_embeddings / high_freq_factor` are short.
        high_freq_factor: f64,
        /// Context of the pretraining, in tokens.
        original_max_position_embeddings: usize,
    },
}

impl ModelConfig {
    /// The rotary frequencies in radians a position, f32 `[head_dim / 2]`.
    ///
    /// ω_i = θ^(−2i/d), i = 0 … d/2 − 1 (RoFormer, eq. 15), then scaled as [`RopeScaling`] says. Evaluated in f64 and
    /// rounded once; transformers evaluates in f32, so the last bits differ.
    pub fn inverse_frequencies(&self) -> Vec<f32> {
        let frequency = |i: usize| self.rope_theta.powf(-2.0 * i as f64 / self.head_dim as f64);
        (0..self.head_dim / 2).map(|i| self.rope_scaling.apply(frequency(i)) as f32).collect()
    }
}

impl RopeScaling {
    /// The scaled frequency.
    pub(crate) fn apply(self, frequency: f64) -> f64 {
        match self {
            RopeScaling::None => frequency,
            RopeScaling::Linear { factor } => frequency / factor,
            RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings: context,
            } => {
                // Turns that the angle makes over the original context.
                let turns = context as f64 * frequency / std::f64::consts::TAU;
                let kept = ((turns - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0.0, 1.0);
                kept * frequency + (1.0 - kept) * frequency / factor
            }
        }
    }

    /// The object that stands in `rope_scaling` and, with `rope_theta`, in `rope_parameters`.
    pub(super) fn to_json(self) -> Map<String, Value> {
        let value = match self {
            RopeScaling::None => json!({"rope_type": "default"}),
            RopeScaling::Linear { factor } => json!({"rope_type": "linear", "factor": factor}),
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
                json!({
                    "rope_type": "llama3",
                    "factor": factor,
                    "low_freq_factor": low_freq_factor,
                    "high_freq_factor": high_freq_factor,
                    "original_max_position_embeddings": original_max_position_embeddings,
                })
            }
        };
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

/// θ, scaling and `max_position_embeddings`. As in transformers, `rope_scaling` goes before `rope_parameters`, and a
/// `rope_theta` inside of either before the one beside it.
pub(super) fn read(keys: &mut Keys<'_>, architecture: Architecture) -> Result<(f64, RopeScaling, usize), ConfigError> {
    let default_context = if architecture == Architecture::Llama { 2048 } else { 32768 };
    let context = keys.size("max_position_embeddings")?.unwrap_or(default_context);
    let outer_theta = keys.number("rope_theta")?;
    let outer_partial = keys.number("partial_rotary_factor")?;
    let new = keys.object("rope_parameters")?;
    let old = keys.object("rope_scaling")?;
    let (prefix, map) = match (old, new) {
        (Some(old), _) => ("rope_scaling.", old),
        (None, Some(new)) => ("rope_parameters.", new),
        (None, None) => ("rope_scaling.", Map::new()),
    };
    let mut inner = Keys { map, prefix, file: keys.file };
    let theta = inner.number("rope_theta")?.or(outer_theta).unwrap_or(DEFAULT_THETA);
    if let Some(partial) = inner.number("partial_rotary_factor")?.or(outer_partial)
        && partial != 1.0
    {
        return Err(inner.unsupported("partial_rotary_factor", partial, "1"));
    }
    let oldest_spelling = inner.text("type")?;
    let kind = inner.text("rope_type")?.or(oldest_spelling).unwrap_or_else(|| "default".into());
    let scaling = match kind.as_str() {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear { factor: inner.required_number("factor")? },
        "llama3" => RopeScaling::Llama3 {
            factor: inner.required_number("factor")?,
            low_freq_factor: inner.required_number("low_freq_factor")?,
            high_freq_factor: inner.required_number("high_freq_factor")?,
            original_max_position_embeddings: inner.size("original_max_position_embeddings")?.unwrap_or(context),
        },
        other => return Err(inner.unsupported("rope_type", other, SUPPORTED_TYPES)),
    };
    // What is left would be a parameter of one layer type, or of a scaling that this one is not.
    if let Some((key, value)) = inner.map.iter().find(|(_, value)| value.is_object()) {
        return Err(inner.unsupported(key, value, "one set of rotary parameters for all layers"));
    }
    Ok((theta, scaling, context))
}
