//! What a checkpoint holds beside the Hugging Face folder, so that a run goes on to the same bits.
use crate::config::choice::Precision;
use crate::data::Position;
use crate::policy::{Policy, PolicyError};
use crate::run_folder::{PartialCheckpoint, RunFolderError, atomic};
use crate::train::versions::Versions;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use surefoot_engine::config::ModelConfig;
use surefoot_engine::device::DeviceError;
use surefoot_engine::folder::{Dtype, FolderError, TensorFolder, write_safetensors};
use surefoot_engine::model::Model;

/// Exact state of the optimizer, and of the weights.
const OPTIMIZER: &str = "optimizer.safetensors";
/// Weights of earlier steps that samples are still to come from.
const BEHAVIOR: &str = "behavior.safetensors";
/// Counters.
const STATE: &str = "trainer_state.json";

/// Counters of a run. All random numbers are functions of the seed and these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps that are done.
    pub step: u64,
    /// Updates that are done, skipped ones included: the learning rate's place in its schedule.
    pub updates: u64,
    /// Those that moved the optimizer's moments, for its bias correction; checkpoints that do not say so skipped none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer_steps: Option<u64>,
    /// Place in the data.
    pub data: Position,
    /// What `checkpoint.best` compares; `None` for a checkpoint that is no candidate: one that was written as the run was
    /// stopped between two regular ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The step's evaluation was cut off; a resume finishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
}

/// A step whose evaluation was cut off: its line is not in the metrics yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// What its line holds so far.
    pub record: String,
    /// Seconds that the step took so far.
    pub seconds: f64,
}

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The model's files.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The optimizer's files.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The checkpoint's folder.
    #[error(transparent)]
    Run(#[from] RunFolderError),
    /// The counters' file.
    #[error("{}: {message}; the checkpoint is broken, remove its folder to resume from the one before", file.display())]
    Broken {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// Writes a checkpoint, whole or not at all.
///
/// # Errors
/// [`StateError`], for instance on a full disk; earlier checkpoints are untouched.
pub fn save(
    policy: &Policy,
    state: &State,
    precision: Precision,
    to: PartialCheckpoint,
) -> Result<PathBuf, StateError> {
    let folder = to.path();
    policy.save(folder, precision)?;
    let values = policy.values()?;
    let len = [values.len()];
    let moments = policy.moments()?;
    let tensors = [
        ("weights", &len[..], values.as_ref()),
        ("first_moment", &len[..], moments.0.as_ref()),
        ("second_moment", &len[..], moments.1.as_ref()),
    ];
    // Weights saved as f32 are exact in the model's own file.
    let from = if precision == Precision::F32 && policy.values_are_weights() { 1 } else { 0 };
    write_safetensors(&folder.join(OPTIMIZER), tensors[from..].iter().copied(), Dtype::F32)?;
    write(folder, state)?;
    Ok(to.commit()?)
}

/// Writes the counters of a checkpoint, whole or not at all.
///
/// # Errors
/// [`StateError`] names the file.
pub fn write(folder: &Path, state: &State) -> Result<(), StateError> {
    let file = folder.join(STATE);
    let text = serde_json::to_string_pretty(state).map_err(broken(&file))?;
    Ok(atomic::write(&file, text.as_bytes()).map_err(RunFolderError::file("write", &file))?)
}

/// The counters of a checkpoint.
///
/// # Errors
/// [`StateError::Broken`] names the file.
pub fn read(folder: &Path) -> Result<State, StateError> {
    let file = folder.join(STATE);
    let text = std::fs::read_to_string(&file).map_err(broken(&file))?;
    serde_json::from_str(&text).map_err(broken(&file))
}

fn broken<E: std::fmt::Display>(file: &Path) -> impl Fn(E) -> StateError {
    move |error| StateError::Broken { file: file.to_path_buf(), message: error.to_string() }
}

/// Restores optimizer and counters of the checkpoint in `folder`, whose weights `policy` has been loaded with.
///
/// # Errors
/// [`StateError`] names the file.
pub fn restore(policy: &mut Policy, folder: &Path) -> Result<State, StateError> {
    let state = read(folder)?;
    let tensors = TensorFolder::open_file(&folder.join(OPTIMIZER))?;
    let len = policy.elements();
    let read = |name: &str| {
        let mut values = vec![0.0; len];
        tensors.read_into(name, &mut values).map(|()| values)
    };
    let values = tensors.shape("weights").is_some().then(|| read("weights")).transpose()?;
    let moments = (read("first_moment")?, read("second_moment")?);
    policy.restore(values, moments)?;
    policy.updates = state.updates;
    policy.optimizer_steps = state.optimizer_steps.unwrap_or(state.updates);
    Ok(state)
}

/// Writes weights of earlier steps, by their versions, into the folder of a checkpoint; no file where there are none.
pub(crate) fn save_versions<'a>(
    older: impl Iterator<Item = (u64, &'a Model)>,
    folder: &Path,
) -> Result<(), StateError> {
    let older: Vec<(String, [usize; 1], &[f32])> = older
        .map(|(version, model)| (format!("weights_{version}"), [model.weights.len()], model.weights.as_slice()))
        .collect();
    if older.is_empty() {
        return Ok(());
    }
    let tensors = older.iter().map(|(name, shape, weights)| (name.as_str(), &shape[..], *weights));
    Ok(write_safetensors(&folder.join(BEHAVIOR), tensors, Dtype::F32)?)
}

/// Reads what [`save_versions`] wrote for a model of `structure` with so many `parameters`.
pub(crate) fn restore_versions(
    structure: &ModelConfig,
    parameters: usize,
    folder: &Path,
    versions: &mut Versions,
) -> Result<(), StateError> {
    let file = folder.join(BEHAVIOR);
    if !file.exists() {
        return Ok(());
    }
    let tensors = TensorFolder::open_file(&file)?;
    let names: Vec<String> = tensors.names().map(str::to_string).collect();
    for name in names {
        let version = name.strip_prefix("weights_").and_then(|version| version.parse().ok());
        let version = version.ok_or_else(|| broken(&file)(format!("tensor `{name}` is none of weights_N")))?;
        let mut weights = vec![0.0; parameters];
        tensors.read_into(&name, &mut weights)?;
        versions.restore(version, Model { config: structure.clone(), weights });
    }
    Ok(())
}
