//! Text ↔ token ids: `tokenizer.json` of a Hugging Face folder.

mod error;
mod length;
mod read;
mod special;
mod stream;

use std::path::{Path, PathBuf};

pub use error::TokenizerError;
pub(crate) use special::{SpecialTokens, read_json};
pub use stream::TextStream;

/// A model folder's tokenizer, with the tokens that end a text.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    file: PathBuf,
    bos_id: Option<u32>,
    eos_ids: Vec<u32>,
    end_id: Option<u32>,
    id_count: usize,
    longest_token: usize,
}

impl Tokenizer {
    /// Loads `tokenizer.json` of a model folder.
    ///
    /// The tokens that end a text are those of `generation_config.json`, else `config.json`, else
    /// `tokenizer_config.json`. Tokens that only `tokenizer_config.json` lists are added, as transformers adds them.
    ///
    /// # Errors
    /// A missing or broken file; ids that do not fit the embedding, where the folder has a `config.json`.
    pub fn load(folder: &Path) -> Result<Self, TokenizerError> {
        let file = folder.join("tokenizer.json");
        let mut inner = read::read(&file)?;

        let special = SpecialTokens::load(folder)?;
        special.add_missing_to(&mut inner)?;
        let id_of = |name: &str| special.text(name).and_then(|token| inner.token_to_id(token));
        let bos_id = special::configured_ids(folder, "bos_token_id")?.first().copied().or_else(|| id_of("bos_token"));
        let mut eos_ids = special::configured_ids(folder, "eos_token_id")?;
        let named = id_of("eos_token");
        if eos_ids.is_empty() {
            eos_ids.extend(named);
        }
        let end_id = named.filter(|id| eos_ids.contains(id)).or(eos_ids.first().copied());
        let vocabulary = inner.get_vocab(true);
        let id_count = vocabulary.values().max().map_or(0, |largest| *largest as usize + 1);
        let longest_token = vocabulary.keys().map(String::len).max().unwrap_or(0);
        let tokenizer = Tokenizer { inner, file, bos_id, eos_ids, end_id, id_count, longest_token };
        let config = folder.join("config.json");
        if let Some(object) = read_json(&config)?
            && let Some(vocab_size) = object.get("vocab_size").and_then(serde_json::Value::as_u64)
        {
            tokenizer.check_vocabulary(vocab_size as usize, &tokenizer.file)?;
            if let Some(id) = tokenizer.eos_ids.iter().min().filter(|id| u64::from(**id) >= vocab_size) {
                return Err(TokenizerError::End { folder: folder.into(), id: *id, vocab_size: vocab_size as usize });
            }
        }
        Ok(tokenizer)
    }

    /// Checks that every id has a row in an embedding of `vocab_size` rows. [`load`](Self::load) does so itself.
    ///
    /// # Errors
    /// [`TokenizerError::Vocabulary`].
    pub fn check_vocabulary(&self, vocab_size: usize, file: &Path) -> Result<(), TokenizerError> {
        if self.id_count <= vocab_size {
            return Ok(());
        }
        Err(TokenizerError::Vocabulary { file: file.into(), ids: self.id_count, vocab_size })
    }

    /// Token ids of a text. Special tokens that stand in the text get their ids; none is added around it. This is what a
    /// rendered chat template needs.
    ///
    /// # Errors
    /// [`TokenizerError::Encode`], with a tokenizer that cannot represent the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode_with(text, false)
    }

    /// As [`encode`](Self::encode), with the tokens that the tokenizer puts around a document, as `transformers` does for
    /// plain text (Llama 3: the beginning of text; SmolLM2 and Qwen: none).
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_document(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode_with(text, true)
    }

    fn encode_with(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>, TokenizerError> {
        // `encode_fast` leaves out character offsets, which nobody here reads.
        let encoding = self
            .inner
            .encode_fast(text, add_special_tokens)
            .map_err(|error| TokenizerError::Encode { file: self.file.clone(), message: error.to_string() })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of tokens, special tokens left out. Bytes that are not UTF-8 become `�`.
    ///
    /// # Errors
    /// [`TokenizerError::Decode`].
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.decode_with(ids, true)
    }

    /// The text of tokens, special tokens written out.
    ///
    /// # Errors
    /// [`TokenizerError::Decode`].
    pub fn decode_verbatim(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.decode_with(ids, false)
    }

    fn decode_with(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String, TokenizerError> {
        self.inner
            .decode(ids, skip_special_tokens)
            .map_err(|error| TokenizerError::Decode { file: self.file.clone(), message: error.to_string() })
    }

    /// Decodes a text as its tokens arrive.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream::new(self)
    }

    /// The id of a token, special or not, by its text in the vocabulary.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token that begins a text.
    pub fn bos_id(&self) -> Option<u32> {
        self.bos_id
    }

    /// The tokens that end a text; may be empty.
    pub fn eos_ids(&self) -> &[u32] {
        &self.eos_ids
    }

    /// The token that an answer is ended with: the `eos_token` of `tokenizer_config.json` where it is one of [`eos_ids`](Self::eos_ids), as
    /// the chat template of a model ends its turns with it (Llama 3: `<|eot_id|>`), else the first of them.
    pub fn end_id(&self) -> Option<u32> {
        self.end_id
    }

    /// The largest id plus one: rows that the embedding must have.
    pub fn id_count(&self) -> usize {
        self.id_count
    }
}

#[cfg(test)]
mod tests;
