//! Metadata → `tokenizer.json`, `tokenizer_config.json` and the special tokens of `config.json`.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::GgufError;
use super::metadata::Metadata;
use super::pretokenizer::{PreTokenizer, SUPPORTED, byte_level};
use crate::config::ModelConfig;

/// Kinds in `tokenizer.ggml.token_type`.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;

/// What a folder's tokenizer files hold.
pub(super) struct TokenizerFiles {
    /// `tokenizer.json`.
    pub tokenizer: Value,
    /// `tokenizer_config.json`.
    pub config: Value,
    /// `chat_template.jinja`.
    pub chat_template: Option<String>,
    /// Tokens, unused ones not counted.
    pub token_count: usize,
    /// Value of `tokenizer.ggml.pre`.
    pub pre: String,
}

/// Rebuilds the tokenizer and fills the special tokens of `config` in.
pub(super) fn rebuild(metadata: &Metadata, config: &mut ModelConfig) -> Result<TokenizerFiles, GgufError> {
    let wrong = |message: String| GgufError::Tokenizer { file: metadata.file.clone(), message };
    let model_key = "tokenizer.ggml.model";
    let model = metadata.text(model_key)?.ok_or_else(|| metadata.missing(model_key))?;
    if model != "gpt2" {
        return Err(metadata.unsupported(model_key, model, "gpt2 (byte-level BPE)"));
    }
    let pre_key = "tokenizer.ggml.pre";
    let pre_name = metadata.text(pre_key)?.unwrap_or("default");
    let pre = PreTokenizer::from_name(pre_name).ok_or_else(|| metadata.unsupported(pre_key, pre_name, SUPPORTED))?;
    let tokens = metadata.texts("tokenizer.ggml.tokens")?;
    if tokens.len() > config.vocab_size {
        let rows = config.vocab_size;
        return Err(wrong(format!("{} tokens, but the embedding has {rows} rows", tokens.len())));
    }
    let kinds = metadata.integers("tokenizer.ggml.token_type")?.unwrap_or_default();
    if !kinds.is_empty() && kinds.len() != tokens.len() {
        return Err(wrong(format!("{} tokens, but {} token types", tokens.len(), kinds.len())));
    }
    let kind = |id: usize| kinds.get(id).copied();

    let mut vocab = Map::with_capacity(tokens.len());
    let mut added = Vec::new();
    for (id, token) in tokens.iter().enumerate().filter(|(id, _)| kind(*id) != Some(UNUSED)) {
        if vocab.insert(token.clone(), id.into()).is_some() {
            return Err(wrong(format!("token `{token}` stands there twice")));
        }
        if let Some(CONTROL | USER_DEFINED) = kind(id) {
            added.push(json!({
                "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": kind(id) == Some(CONTROL),
            }));
        }
    }
    let token_count = vocab.len();
    let merges = merges(metadata, &vocab)?;
    let special = Special::read(metadata, tokens)?;
    special.fill(config);

    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": pre.normalizer(),
        "pre_tokenizer": pre.steps(),
        "post_processor": post_processor(metadata, pre, &special)?,
        "decoder": byte_level(true),
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": pre.ignore_merges(),
            "vocab": vocab,
            "merges": merges,
        },
    });
    let chat_template = metadata.text("tokenizer.chat_template")?.map(str::to_owned);
    let config = special.tokenizer_config(config);
    Ok(TokenizerFiles { tokenizer, config, chat_template, token_count, pre: pre_name.to_owned() })
}

/// Merges as pairs, each part and their union in the vocabulary.
fn merges(metadata: &Metadata, vocab: &Map<String, Value>) -> Result<Vec<Value>, GgufError> {
    let wrong = |merge: &str, why: &str| GgufError::Tokenizer {
        file: metadata.file.clone(),
        message: format!("merge `{merge}`: {why}"),
    };
    let list = metadata.texts("tokenizer.ggml.merges")?;
    let mut pairs = Vec::with_capacity(list.len());
    for merge in list {
        // A space inside of a token is written as Ġ, so the only one is between the two.
        let (left, right) = merge.split_once(' ').ok_or_else(|| wrong(merge, "expected two tokens"))?;
        for token in [left, right, &format!("{left}{right}")] {
            if !vocab.contains_key(token) {
                return Err(wrong(merge, &format!("`{token}` is not a token")));
            }
        }
        pairs.push(json!([left, right]));
    }
    Ok(pairs)
}

/// Special tokens: id and text.
struct Special {
    bos: Option<(u32, String)>,
    eos: Vec<(u32, String)>,
    unknown: Option<(u32, String)>,
    padding: Option<(u32, String)>,
}

impl Special {
    fn read(metadata: &Metadata, tokens: &[String]) -> Result<Self, GgufError> {
        let read = |name: &str| -> Result<Option<(u32, String)>, GgufError> {
            let key = format!("tokenizer.ggml.{name}_token_id");
            let Some(id) = metadata.integer(&key)? else { return Ok(None) };
            let token = usize::try_from(id).ok().and_then(|id| tokens.get(id));
            let Some(token) = token else {
                let message = format!("`{key}` is {id}, but there are {} tokens", tokens.len());
                return Err(GgufError::Tokenizer { file: metadata.file.clone(), message });
            };
            Ok(Some((id as u32, token.clone())))
        };
        // A text ends with any of these: end of sequence, of turn, of message.
        let mut seen = HashSet::new();
        let mut eos = Vec::new();
        for name in ["eos", "eot", "eom"] {
            eos.extend(read(name)?.filter(|(id, _)| seen.insert(*id)));
        }
        Ok(Special { bos: read("bos")?, eos, unknown: read("unknown")?, padding: read("padding")? })
    }

    fn fill(&self, config: &mut ModelConfig) {
        let id = |token: &Option<(u32, String)>| token.as_ref().map(|(id, _)| *id);
        config.bos_token_id = id(&self.bos);
        config.eos_token_ids = self.eos.iter().map(|(id, _)| *id).collect();
        config.pad_token_id = id(&self.padding);
    }

    fn tokenizer_config(&self, config: &ModelConfig) -> Value {
        let mut object = Map::new();
        let eos = self.eos.first().cloned();
        for (name, token) in
            [("bos_token", &self.bos), ("eos_token", &eos), ("unk_token", &self.unknown), ("pad_token", &self.padding)]
        {
            if let Some((_, text)) = token {
                object.insert(name.into(), text.as_str().into());
            }
        }
        object.insert("clean_up_tokenization_spaces".into(), false.into());
        object.insert("model_max_length".into(), config.max_position_embeddings.into());
        object.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
        Value::Object(object)
    }
}

/// Puts the beginning- and end-of-text tokens around a document, if the file says so.
fn post_processor(metadata: &Metadata, pre: PreTokenizer, special: &Special) -> Result<Value, GgufError> {
    let add_bos = metadata.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(pre.adds_bos());
    let add_eos = metadata.flag("tokenizer.ggml.add_eos_token")?.unwrap_or(false);
    let bos = special.bos.as_ref().filter(|_| add_bos);
    let eos = special.eos.first().filter(|_| add_eos);
    if bos.is_none() && eos.is_none() {
        return Ok(byte_level(true));
    }
    let piece = |token: &(u32, String)| json!({"SpecialToken": {"id": token.1, "type_id": 0}});
    let text = |name: &str| json!({"Sequence": {"id": name, "type_id": 0}});
    let wrap =
        |inner: Value| -> Vec<Value> { bos.map(piece).into_iter().chain([inner]).chain(eos.map(piece)).collect() };
    let tokens: Map<String, Value> = bos
        .into_iter()
        .chain(eos)
        .map(|(id, token)| (token.clone(), json!({"id": token, "ids": [id], "tokens": [token]})))
        .collect();
    let pair: Vec<Value> = wrap(text("A")).into_iter().chain(wrap(text("B"))).collect();
    Ok(json!({"type": "TemplateProcessing", "single": wrap(text("A")), "pair": pair, "special_tokens": tokens}))
}
