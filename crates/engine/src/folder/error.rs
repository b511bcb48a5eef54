//! What can be wrong with a model folder.

use std::path::{Path, PathBuf};

use crate::config::ConfigError;

/// What to do about a file that came from elsewhere.
const COPY_AGAIN: &str = "; download or copy it again";

/// An error in a model folder; every message names the file, and the tensor where it is about one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// `config.json` is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder holds no weights.
    #[error("{}: no weights: expected model.safetensors or model.safetensors.index.json; \
             other formats, as pytorch_model.bin, are not read", folder.display())]
    NoWeights {
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be read.
    #[error("{}: cannot read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written; what stood there before still does.
    #[error("{}: cannot write: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `model.safetensors.index.json` does not map tensors to files beside it.
    #[error("{}: not an index of safetensors files: {message}", file.display())]
    Index {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The file is shorter than its header says.
    #[error("{}: truncated: expected {expected} bytes for {what}, found {found}{}", file.display(), COPY_AGAIN)]
    Truncated {
        /// The file.
        file: PathBuf,
        /// The part that is cut: `the header` or `tensor NAME`.
        what: String,
        /// Bytes up to the end of that part.
        expected: u64,
        /// Bytes in the file.
        found: u64,
    },
    /// The file's header is not one of safetensors.
    #[error("{}: not a safetensors file: {message}", file.display())]
    Header {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A tensor's header entry contradicts itself.
    #[error("{}: tensor `{tensor}`: {message}", file.display())]
    Tensor {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is wrong.
        message: String,
    },
    /// A tensor's number format is not one of weights.
    #[error("{}: tensor `{tensor}`: expected F32, F16 or BF16, found {found}", file.display())]
    Dtype {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// The format in the header.
        found: String,
    },
    /// A weight is NaN or infinite.
    #[error("{}: tensor `{tensor}`: element {index} is {value}; the weights are damaged, or the training that made them diverged", file.display())]
    NotFinite {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its first such element, counted from 0 in row-major order.
        index: usize,
        /// The element.
        value: f32,
    },
    /// A tensor of the configuration is not there.
    #[error("{}: tensor `{tensor}` is missing{}", file.display(), of_shape(expected))]
    MissingTensor {
        /// The file or folder.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// The shape that it should have, where that is known.
        expected: Option<Vec<usize>>,
    },
    /// A tensor's shape contradicts the configuration, or the buffer it is read into.
    #[error("{}: tensor `{tensor}`: expected shape {expected:?}, found {found:?}", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// What `config.json` asks for.
        expected: Vec<usize>,
        /// What the file holds.
        found: Vec<usize>,
    },
}

impl FolderError {
    /// What is wrong, without what to do about a file that came from elsewhere.
    pub fn reason(&self) -> String {
        let said = self.to_string();
        said.strip_suffix(COPY_AGAIN).map(str::to_string).unwrap_or(said)
    }
}

/// A file or folder with which the system refuses to do something.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// What was tried, as `read`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The reason.
    pub source: std::io::Error,
}

impl FileError {
    /// For `map_err` on the system's errors, as an error that can hold this one.
    pub fn of<E: From<Self>>(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> E + use<E> {
        let path = path.to_path_buf();
        move |source| FileError { action, path, source }.into()
    }
}

fn of_shape(expected: &Option<Vec<usize>>) -> String {
    expected.as_ref().map_or(String::new(), |shape| format!(", expected shape {shape:?}"))
}
