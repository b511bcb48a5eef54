//! Special tokens, from the four files that may name them.

use std::path::Path;

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::TokenizerError;

/// The special tokens of `tokenizer_config.json` and `special_tokens_map.json`.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpecialTokens {
    /// `bos_token`, `eos_token`, … → the token's text; `additional_special_tokens` → a list.
    pub named: Map<String, Value>,
    /// `added_tokens_decoder`: id → token.
    added: Vec<(u32, Map<String, Value>)>,
    file: std::path::PathBuf,
}

const NAMES: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl SpecialTokens {
    /// Reads both files; either may be absent. `tokenizer_config.json` goes first.
    pub fn load(folder: &Path) -> Result<Self, TokenizerError> {
        let file = folder.join("tokenizer_config.json");
        let config = read_json(&file)?.unwrap_or_default();
        let map = read_json(&folder.join("special_tokens_map.json"))?.unwrap_or_default();
        let mut named = Map::new();
        for name in NAMES {
            if let Some(token) = config.get(name).and_then(text).or_else(|| map.get(name).and_then(text)) {
                named.insert(name.into(), token.into());
            }
        }
        const ADDITIONAL: &str = "additional_special_tokens";
        if let Some(Value::Array(list)) = config.get(ADDITIONAL).or_else(|| map.get(ADDITIONAL)) {
            named.insert(ADDITIONAL.into(), list.iter().filter_map(text).collect());
        }
        let mut added = Vec::new();
        if let Some(Value::Object(tokens)) = config.get("added_tokens_decoder") {
            for (id, token) in tokens {
                let (Ok(id), Value::Object(token)) = (id.parse(), token) else {
                    let message = format!("`added_tokens_decoder`: `{id}` is not a token id with its token");
                    return Err(TokenizerError::Broken { file, message });
                };
                added.push((id, token.clone()));
            }
        }
        added.sort_by_key(|(id, _)| *id);
        Ok(SpecialTokens { named, added, file })
    }

    /// The text of `eos_token` and its like.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.named.get(name).and_then(Value::as_str)
    }

    /// Adds the tokens that `tokenizer.json` does not know, under the ids that they are listed with.
    pub fn add_missing_to(&self, tokenizer: &mut tokenizers::Tokenizer) -> Result<(), TokenizerError> {
        let broken = |message: String| TokenizerError::Broken { file: self.file.clone(), message };
        for (id, fields) in &self.added {
            let flag = |name: &str, default: bool| fields.get(name).and_then(Value::as_bool).unwrap_or(default);
            let Some(content) = fields.get("content").and_then(Value::as_str) else {
                return Err(broken(format!("`added_tokens_decoder`: token {id} has no `content`")));
            };
            if tokenizer.token_to_id(content).is_some() {
                continue;
            }
            let special = flag("special", false);
            let token = AddedToken::from(content, special)
                .single_word(flag("single_word", false))
                .lstrip(flag("lstrip", false))
                .rstrip(flag("rstrip", false))
                .normalized(flag("normalized", !special));
            tokenizer.add_tokens([token]).map_err(|error| broken(error.to_string()))?;
            let found = tokenizer.token_to_id(content);
            if found != Some(*id) {
                return Err(broken(format!(
                    "`added_tokens_decoder`: token `{content}` should have id {id}, but the next free id in tokenizer.json gives {found:?}"
                )));
            }
        }
        Ok(())
    }
}

/// `eos_token_id` or `bos_token_id` of `generation_config.json`, else of `config.json`; one id or a list.
pub(super) fn configured_ids(folder: &Path, key: &str) -> Result<Vec<u32>, TokenizerError> {
    for name in ["generation_config.json", "config.json"] {
        let file = folder.join(name);
        let Some(object) = read_json(&file)? else { continue };
        let values = match object.get(key) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(values)) => values.clone(),
            Some(value) => vec![value.clone()],
        };
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids = values.iter().map(id).collect::<Option<Vec<u32>>>().ok_or_else(|| TokenizerError::Broken {
            file: file.clone(),
            message: format!("key `{key}`: expected a token id or a list of them"),
        })?;
        if !ids.is_empty() {
            return Ok(ids);
        }
    }
    Ok(Vec::new())
}

/// A JSON object, `None` if there is no such file.
pub(crate) fn read_json(file: &Path) -> Result<Option<Map<String, Value>>, TokenizerError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TokenizerError::Read { file: file.into(), source }),
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| TokenizerError::Broken { file: file.into(), message: format!("not a JSON object: {error}") })
}

/// A token given as its text, or as an object with `content`.
fn text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content").and_then(Value::as_str))
}
