//! The import itself.

use std::collections::BTreeMap;
use std::path::Path;

use super::GgufError;
use super::architecture::{self, ROPE_FACTORS};
use super::blocks::Format;
use super::container::{Container, Tensor};
use super::names::{deinterleave, gguf_name, is_interleaved};
use super::{range, tokenizer};
use crate::config::{Architecture, ModelConfig, Parameter};
use crate::folder::{Dtype, FolderError, save_configs, write_safetensors_from, write_text};

/// What was imported.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportSummary {
    /// `general.name`.
    pub name: Option<String>,
    /// The decoder family.
    pub architecture: Architecture,
    /// Number of weights.
    pub parameter_count: usize,
    /// Number format of the written weights.
    pub dtype: Dtype,
    /// Formats in the GGUF file → number of tensors stored so.
    pub formats: BTreeMap<&'static str, usize>,
    /// Tokens of the vocabulary.
    pub token_count: usize,
    /// `tokenizer.ggml.pre`.
    pub pre_tokenizer: String,
    /// Did the file hold a chat template?
    pub has_chat_template: bool,
}

/// Reads a GGUF file and writes a Hugging Face folder: `config.json`, `generation_config.json`, `tokenizer.json`,
/// `tokenizer_config.json`, `chat_template.jinja` and, last, `model.safetensors` with numbers in `dtype`.
///
/// Everything is checked before the first file is written. Memory: the largest tensor as f32, twice for llama's q and k.
///
/// # Errors
/// [`GgufError`], naming the file and the tensor or metadata key.
pub fn import(file: &Path, folder: &Path, dtype: Dtype) -> Result<ImportSummary, GgufError> {
    let container = Container::open(file)?;
    let mut config = architecture::config(&container, dtype)?;
    let formats = check(&container, &config)?;
    let files = tokenizer::rebuild(&container.metadata, &mut config)?;
    let name = container.metadata.text("general.name")?.map(str::to_owned);
    range::check(&container, dtype)?;

    save_configs(folder, &config, None)?;
    write_text(&folder.join("tokenizer.json"), &format!("{:#}\n", files.tokenizer))?;
    write_text(&folder.join("tokenizer_config.json"), &format!("{:#}\n", files.config))?;
    if let Some(template) = &files.chat_template {
        write_text(&folder.join("chat_template.jinja"), template)?;
    }
    let mut stored = Vec::new();
    write_safetensors_from(&folder.join("model.safetensors"), &config.parameters(), dtype, |parameter, values| {
        read(&container, &config, parameter, &mut stored, values);
        Ok::<(), FolderError>(())
    })?;
    Ok(ImportSummary {
        name,
        architecture: config.architecture,
        parameter_count: config.parameter_count(),
        dtype,
        formats,
        token_count: files.token_count,
        pre_tokenizer: files.pre,
        has_chat_template: files.chat_template.is_some(),
    })
}

/// Every parameter is there, in a known format and its shape, and nothing else is.
pub(super) fn check(container: &Container, config: &ModelConfig) -> Result<BTreeMap<&'static str, usize>, GgufError> {
    let file = &container.metadata.file;
    let mut formats = BTreeMap::new();
    let mut extra = container.tensors.clone();
    extra.remove(ROPE_FACTORS);
    for Parameter { name, shape } in config.parameters() {
        let tensor = gguf_name(&name).into_owned();
        let Some(found) = extra.remove(&tensor) else {
            return Err(GgufError::MissingTensor { file: file.clone(), tensor, expected: shape });
        };
        let format = known_format(&found).map_err(|found| GgufError::Format {
            file: file.clone(),
            tensor: tensor.clone(),
            found,
            supported: Format::ALL.map(Format::name).join(", "),
        })?;
        if found.shape != shape {
            return Err(GgufError::Shape { file: file.clone(), tensor, expected: shape, found: found.shape });
        }
        *formats.entry(format.name()).or_default() += 1;
    }
    match extra.into_keys().next() {
        None => Ok(formats),
        Some(tensor) => {
            let architecture = config.architecture.model_type();
            Err(GgufError::ExtraTensor { file: file.clone(), tensor, architecture })
        }
    }
}

fn known_format(tensor: &Tensor) -> Result<Format, String> {
    tensor.format.map_err(|number| match number {
        9 => "Q8_1".into(),
        10 => "Q2_K".into(),
        11 => "Q3_K".into(),
        15 => "Q8_K".into(),
        39 => "MXFP4".into(),
        _ => format!("number {number} of ggml's list"),
    })
}

/// A checked parameter's values. `stored` is reused from one call to the next.
fn read(container: &Container, config: &ModelConfig, parameter: &Parameter, stored: &mut Vec<f32>, values: &mut [f32]) {
    let Some(tensor) = container.tensors.get(gguf_name(&parameter.name).as_ref()) else { return };
    let Ok(format) = tensor.format else { return };
    let bytes = container.bytes(tensor);
    if !is_interleaved(config, &parameter.name) {
        return format.dequantize(bytes, values);
    }
    stored.clear();
    stored.resize(values.len(), 0.0);
    format.dequantize(bytes, stored);
    let width = if parameter.shape.len() == 2 { parameter.shape[1] } else { 1 };
    deinterleave(stored, config.head_dim, width, values);
}
