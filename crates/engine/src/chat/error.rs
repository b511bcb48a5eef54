//! What can be wrong with a chat template.

use std::path::PathBuf;

use crate::tokenizer::TokenizerError;

/// An error in a chat template or its rendering.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// A file cannot be read or is not JSON.
    #[error(transparent)]
    File(#[from] TokenizerError),
    /// The template does not parse.
    #[error("{}: chat template: {message}", file.display())]
    Syntax {
        /// The file that holds the template.
        file: PathBuf,
        /// What is wrong, with the line in the template.
        message: String,
    },
    /// The template refuses the messages (`raise_exception`) or fails on them.
    #[error("{}: chat template cannot render the messages: {message}", file.display())]
    Render {
        /// The file that holds the template.
        file: PathBuf,
        /// What the template says.
        message: String,
    },
    /// A time that is none.
    #[error("`{text}` is no date such as 2026-11-28 or 2026-11-28T09:30:00: {message}")]
    Time {
        /// The text.
        text: String,
        /// The reason.
        message: String,
    },
}
