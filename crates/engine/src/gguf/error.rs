//! What can be wrong with a GGUF file.

use std::path::PathBuf;

use crate::config::ConfigError;
use crate::folder::FolderError;

/// An error in a GGUF file or its import; every message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file cannot be read.
    #[error("{}: cannot read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file does not begin as a GGUF file of versions 2 and 3, little-endian.
    #[error("{}: not a GGUF file that can be read: {message}", file.display())]
    NotGguf {
        /// The file.
        file: PathBuf,
        /// What was found instead.
        message: String,
    },
    /// The file ends within something.
    #[error("{}: truncated: {what} ends at byte {expected}, the file at {found}; download or copy it again", file.display())]
    Truncated {
        /// The file.
        file: PathBuf,
        /// The part that is cut.
        what: String,
        /// Where that part ends.
        expected: u64,
        /// Bytes in the file.
        found: u64,
    },
    /// A part of the file contradicts itself.
    #[error("{}: damaged at byte {position}: {message}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where.
        position: u64,
        /// What is wrong.
        message: String,
    },
    /// The model's architecture is none that the engine runs.
    #[error("{}: architecture `{found}` is not supported; supported are llama, qwen2, qwen3", file.display())]
    Architecture {
        /// The file.
        file: PathBuf,
        /// `general.architecture`.
        found: String,
    },
    /// Metadata that has to be there is not.
    #[error("{}: metadata key `{key}` is missing", file.display())]
    MissingKey {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
    },
    /// Metadata of another type.
    #[error("{}: metadata key `{key}`: expected {expected}", file.display())]
    KeyType {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// What the key takes.
        expected: &'static str,
    },
    /// Metadata whose value the import cannot follow.
    #[error("{}: metadata key `{key}`: `{found}` is not supported; supported: {supported}", file.display())]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// The value.
        found: String,
        /// What is supported.
        supported: &'static str,
    },
    /// A tensor in a format that is not implemented.
    #[error("{}: tensor `{tensor}`: format {found} is not supported; supported are {supported}", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// The format's name or number.
        found: String,
        /// Every supported format.
        supported: String,
    },
    /// A tensor of the model is not there.
    #[error("{}: tensor `{tensor}` is missing, expected shape {expected:?}", file.display())]
    MissingTensor {
        /// The file.
        file: PathBuf,
        /// The tensor, by its GGUF name.
        tensor: String,
        /// The shape that the metadata asks for, `[out, in]`.
        expected: Vec<usize>,
    },
    /// A tensor's shape contradicts the metadata.
    #[error("{}: tensor `{tensor}`: expected shape {expected:?}, found {found:?}", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// The tensor, by its GGUF name.
        tensor: String,
        /// The shape that the metadata asks for, `[out, in]`.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor that the architecture does not have: leaving it out would give another model.
    #[error("{}: tensor `{tensor}` is not part of a {architecture} model", file.display())]
    ExtraTensor {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// The architecture.
        architecture: &'static str,
    },
    /// A weight that is no number: the model would compute nothing else.
    #[error("{}: tensor `{tensor}` holds {found}; the weights are damaged: download the file again, or convert it anew", file.display())]
    NotFinite {
        /// The file.
        file: PathBuf,
        /// The tensor, by its GGUF name.
        tensor: String,
        /// NaN or an infinity.
        found: f32,
    },
    /// A weight that is an infinity in the number format that was asked for.
    #[error("{}: tensor `{tensor}` holds {found}, beyond the range of {dtype}; import it with {advice}", file.display())]
    Range {
        /// The file.
        file: PathBuf,
        /// The tensor, by its GGUF name.
        tensor: String,
        /// The weight.
        found: f32,
        /// The number format.
        dtype: &'static str,
        /// Formats that have room for it.
        advice: &'static str,
    },
    /// The tokenizer's lists contradict each other.
    #[error("{}: tokenizer: {message}", file.display())]
    Tokenizer {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The metadata describes an impossible model.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder cannot be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
}
