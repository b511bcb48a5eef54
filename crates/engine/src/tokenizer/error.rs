//! What can be wrong with a tokenizer.

use std::path::PathBuf;

/// An error of a tokenizer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A file cannot be read.
    #[error("{}: cannot read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("{}: {message}", file.display())]
    Broken {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// There are more token ids than rows in the embedding.
    #[error("{}: token ids go up to {}, but the model's embedding has {vocab_size} rows (`vocab_size` in config.json); \
             tokenizer and model do not belong together", file.display(), ids - 1)]
    Vocabulary {
        /// The tokenizer's file.
        file: PathBuf,
        /// The largest id plus one.
        ids: usize,
        /// Rows of the embedding.
        vocab_size: usize,
    },
    /// No end token has a row in the embedding, so that no text would ever end.
    #[error("{}: `eos_token_id` is {id} (generation_config.json or config.json), but token ids end at {}; correct it, or nothing \
             that the model writes ever ends", folder.display(), vocab_size - 1)]
    End {
        /// The model folder.
        folder: PathBuf,
        /// The least of the end tokens.
        id: u32,
        /// Rows of the embedding.
        vocab_size: usize,
    },
    /// A text has no token ids.
    #[error("{}: cannot encode a text: {message}", file.display())]
    Encode {
        /// The tokenizer's file.
        file: PathBuf,
        /// What the tokenizer says.
        message: String,
    },
    /// Token ids have no text.
    #[error("{}: cannot decode token ids: {message}", file.display())]
    Decode {
        /// The tokenizer's file.
        file: PathBuf,
        /// What the tokenizer says.
        message: String,
    },
}
