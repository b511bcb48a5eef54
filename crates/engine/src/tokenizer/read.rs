//! Reading `tokenizer.json`, on whose damages the library panics now and then.

use std::path::Path;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use tokenizers::{DecoderWrapper, ModelWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper};

use super::TokenizerError;
use crate::guard::guarded;

/// The tokenizer of a file, without truncation and padding.
pub(super) fn read(file: &Path) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let bytes = std::fs::read(file).map_err(|source| TokenizerError::Read { file: file.into(), source })?;
    let broken = |message: String| TokenizerError::Broken { file: file.into(), message };
    // Errors of syntax are found here: the library takes a decoder for sound JSON.
    serde_json::from_slice::<IgnoredAny>(&bytes)
        .map_err(|error| broken(format!("not JSON: {error}; download or copy the file again")))?;
    // The text of a panic is about the library's code and says nothing of the file.
    let read = guarded(|| tokenizers::Tokenizer::from_bytes(&bytes))
        .map_err(|_| broken(format!("{}; download or copy the file again", damage(&bytes))))?;
    let mut tokenizer = read.map_err(|error| broken(error.to_string()))?;
    // Saved settings of some earlier program; cutting a prompt silently is never wanted here.
    tokenizer.with_truncation(None).map_err(|error| broken(error.to_string()))?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

/// Which part of a file it is that makes the library panic.
fn damage(bytes: &[u8]) -> String {
    type Panics = fn(&Value) -> bool;
    fn panics<T: DeserializeOwned>(part: &Value) -> bool {
        guarded(|| serde_json::from_value::<Option<T>>(part.clone()).is_ok()).is_err()
    }
    let file: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let parts: [(&str, Panics); 5] = [
        ("normalizer", panics::<NormalizerWrapper>),
        ("pre_tokenizer", panics::<PreTokenizerWrapper>),
        ("model", panics::<ModelWrapper>),
        ("post_processor", panics::<PostProcessorWrapper>),
        ("decoder", panics::<DecoderWrapper>),
    ];
    match parts.into_iter().find(|(name, panics)| panics(&file[*name])) {
        Some((name, _)) => format!("key `{name}` is damaged"),
        None => "the file is damaged".into(),
    }
}
