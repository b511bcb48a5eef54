//! Why a policy cannot be loaded, stored, or used.
use crate::model_folder::ModelFolderError;
use surefoot_engine::config::ConfigError;
use surefoot_engine::device::DeviceError;
use surefoot_engine::folder::FolderError;
use surefoot_engine::lora::PeftError;

/// Why a policy could not be loaded or stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The path is no model folder.
    #[error(transparent)]
    Model(#[from] ModelFolderError),
    /// `config.json`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Adapters.
    #[error(transparent)]
    Adapters(#[from] PeftError),
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// What it computes is no number.
    #[error(
        "{folder}: the model's probabilities are not finite; its weights are damaged, or the training that made them diverged"
    )]
    NotFinite {
        /// The model folder.
        folder: String,
    },
    /// `model.frozen`.
    #[error("model.frozen, for {folder}: {message}")]
    Frozen {
        /// The model folder.
        folder: String,
        /// What is wrong.
        message: String,
    },
    /// Adapters of a higher rank than a matrix that they are added to can have.
    #[error(
        "lora.rank is {rank}, more than the smallest side of {module} ({outputs} × {inputs}) of {folder}; take at most {}, or leave \
         {module} out of lora.targets",
        outputs.min(inputs)
    )]
    Rank {
        /// The model folder.
        folder: String,
        /// The rank.
        rank: usize,
        /// The matrix.
        module: &'static str,
        /// Its outputs.
        outputs: usize,
        /// Its inputs.
        inputs: usize,
    },
    /// Sequences longer than the model was made for.
    #[error(
        "the longest sequence is {needed} tokens (prompt and completion), and {folder} was made for {limit}; lower {keys}"
    )]
    Positions {
        /// The model folder.
        folder: String,
        /// Tokens of the longest sequence.
        needed: usize,
        /// Positions of the model.
        limit: usize,
        /// What to change.
        keys: &'static str,
    },
    /// A learning rate that was scaled beyond what the weight decay bears.
    #[error(
        "optimizer.base_parameters scales the learning rate to {rate:e}; times optimizer.weight_decay = {decay} it exceeds 1, and every update would turn the weights' signs"
    )]
    Rate {
        /// The scaled rate.
        rate: f64,
        /// The decay.
        decay: f64,
    },
}
