//! A whole model folder, as `transformers` loads it.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::{Dtype, FolderError, write_atomically, write_safetensors};
use crate::config::ModelConfig;

/// Files that a saved folder takes over from the one its model came from: tokenizer and chat template.
pub const CARRIED_FILES: [&str; 8] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
];

/// Writes a model folder: `config.json`, `generation_config.json`, `model.safetensors`, and from `source`, where it is
/// given, the tokenizer and chat template ([`CARRIED_FILES`], `additional_chat_templates/`).
///
/// `tensors` are those of [`ModelConfig::parameters`]. Weights come last, so a folder with `model.safetensors` is whole.
/// `generation_config.json` is the source's, or one with the special tokens of `config`.
///
/// # Errors
/// [`FolderError::Write`] and [`FolderError::Read`], naming the file.
pub fn save_folder<'a, I>(
    folder: &Path,
    config: &ModelConfig,
    tensors: I,
    dtype: Dtype,
    source: Option<&Path>,
) -> Result<(), FolderError>
where
    I: IntoIterator<Item = (&'a str, &'a [usize], &'a [f32])>,
    I::IntoIter: Clone,
{
    save_configs(folder, &ModelConfig { dtype, ..config.clone() }, source)?;
    write_safetensors(&folder.join("model.safetensors"), tensors, dtype)
}

/// All of [`save_folder`] but the weights.
pub(crate) fn save_configs(folder: &Path, config: &ModelConfig, source: Option<&Path>) -> Result<(), FolderError> {
    std::fs::create_dir_all(folder).map_err(|source| FolderError::Write { file: folder.into(), source })?;
    write_text(&folder.join("config.json"), &config.to_json())?;
    let carried_generation = match source {
        Some(source) => carry(source, folder, "generation_config.json")?,
        None => false,
    };
    if !carried_generation {
        write_text(&folder.join("generation_config.json"), &generation_config(config))?;
    }
    if let Some(source) = source {
        for name in CARRIED_FILES {
            carry(source, folder, name)?;
        }
        carry_named_templates(source, folder)?;
    }
    Ok(())
}

fn generation_config(config: &ModelConfig) -> String {
    let value = json!({
        "bos_token_id": config.bos_token_id,
        "eos_token_id": match config.eos_token_ids.as_slice() {
            [] => Value::Null,
            [one] => json!(one),
            several => json!(several),
        },
        "pad_token_id": config.pad_token_id,
    });
    format!("{value:#}\n")
}

/// Copies one file if the source has it; says whether it had.
fn carry(source: &Path, folder: &Path, name: &str) -> Result<bool, FolderError> {
    let from = source.join(name);
    let bytes = match std::fs::read(&from) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(FolderError::Read { file: from, source: error }),
    };
    write_bytes(&folder.join(name), &bytes)?;
    Ok(true)
}

/// transformers 4.52 and later keep named templates in files of their own.
fn carry_named_templates(source: &Path, folder: &Path) -> Result<(), FolderError> {
    const FOLDER: &str = "additional_chat_templates";
    let from = source.join(FOLDER);
    if !from.is_dir() {
        return Ok(());
    }
    let read = |source| FolderError::Read { file: from.clone(), source };
    let to = folder.join(FOLDER);
    std::fs::create_dir_all(&to).map_err(|source| FolderError::Write { file: to.clone(), source })?;
    for entry in std::fs::read_dir(&from).map_err(read)? {
        let name = entry.map_err(read)?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.ends_with(".jinja")) {
            carry(&from, &to, name)?;
        }
    }
    Ok(())
}

/// Writes a text file atomically.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), FolderError> {
    write_bytes(path, text.as_bytes())
}

fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    write_atomically(path, |writer| writer.write_all(bytes))
        .map_err(|source: std::io::Error| FolderError::Write { file: path.into(), source })
}
