//! What a checkpoint holds beside the Hugging Face folder, so that a run goes on to the same bits.
use crate::config::choice::Precision;
use crate::data::Position;
use crate::fingerprint;
use crate::policy::{Policy, PolicyError};
use crate::run_folder::{PartialCheckpoint, RunFolderError, atomic};
use crate::train::versions::Versions;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use surefoot_engine::device::DeviceError;
use surefoot_engine::folder::{Dtype, FolderError, TensorFolder, write_safetensors};
use surefoot_engine::model::Model;

/// Exact state of the optimizer, and of the weights.
const OPTIMIZER: &str = "optimizer.safetensors";
/// Weights of earlier steps that samples are still to come from.
const BEHAVIOR: &str = "behavior.safetensors";
/// Counters.
const STATE: &str = "trainer_state.json";

/// The model's structure.
const CONFIG: &str = "config.json";

/// Names of tensors: exact weights, moments, and weights after N steps (`weights_N`).
const WEIGHTS: &str = "weights";
const FIRST_MOMENT: &str = "first_moment";
const SECOND_MOMENT: &str = "second_moment";
const OLDER: &str = "weights_";

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
    /// Fingerprints of what was saved with it, by the names of tensors and files: what is of another step is not taken for its own.
    /// Saving fills it in; checkpoints that have none are taken as they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signatures: BTreeMap<String, String>,
}

impl State {
    fn sign(&mut self, name: &str, fingerprint: u64) {
        self.signatures.insert(name.to_string(), format!("{fingerprint:016x}"));
    }

    /// That `name`, read from `file`, is what was saved under this name.
    fn expect(&self, name: &str, fingerprint: u64, file: &Path) -> Result<(), StateError> {
        match self.signatures.get(name) {
            Some(saved) if *saved != format!("{fingerprint:016x}") => {
                Err(broken(file)(format!("`{name}` is not what was saved with {STATE}")))
            }
            _ => Ok(()),
        }
    }
}

/// That all values are finite, and none is below `least`.
fn sound(name: &str, values: &[f32], least: f32, file: &Path) -> Result<(), StateError> {
    match values.iter().position(|value| !value.is_finite() || *value < least) {
        Some(at) => Err(broken(file)(format!("`{name}`: element {at} is {}, which training never makes", values[at]))),
        None => Ok(()),
    }
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
#[non_exhaustive]
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

/// Writes a checkpoint, whole or not at all; `older` are weights of earlier steps that samples are still to come from, by their
/// versions.
///
/// # Errors
/// [`StateError`], for instance on a full disk; earlier checkpoints are untouched.
pub(crate) fn save<'a>(
    policy: &Policy,
    mut state: State,
    older: impl Iterator<Item = (u64, &'a Model)>,
    precision: Precision,
    to: PartialCheckpoint,
) -> Result<PathBuf, StateError> {
    let folder = to.path();
    let older: Vec<(String, &[f32])> =
        older.map(|(version, model)| (format!("{OLDER}{version}"), model.weights.as_slice())).collect();
    if !older.is_empty() {
        write_flat(&folder.join(BEHAVIOR), older.iter().map(|(name, weights)| (name.as_str(), *weights)), &mut state)?;
    }
    policy.save(folder, precision)?;
    let values = policy.values()?;
    // Nothing has looked at them since the last update.
    sound(WEIGHTS, &values, f32::MIN, folder)?;
    let moments = policy.moments()?;
    let mut tensors = vec![(FIRST_MOMENT, moments.0.as_ref()), (SECOND_MOMENT, moments.1.as_ref())];
    // Weights saved as f32 are exact in the model's own file.
    if precision == Precision::F32 && policy.values_are_weights() {
        state.sign(WEIGHTS, fingerprint::of_weights(&values));
    } else {
        tensors.push((WEIGHTS, values.as_ref()));
    }
    state.sign(CONFIG, fingerprint::of_text(&text(&folder.join(CONFIG))?));
    write_flat(&folder.join(OPTIMIZER), tensors.into_iter(), &mut state)?;
    write(folder, &state)?;
    Ok(to.commit()?)
}

/// Writes flat tensors, and signs them in `state`.
fn write_flat<'a>(
    file: &Path,
    tensors: impl Iterator<Item = (&'a str, &'a [f32])> + Clone,
    state: &mut State,
) -> Result<(), StateError> {
    tensors.clone().for_each(|(name, values)| state.sign(name, fingerprint::of_weights(values)));
    let shapes: Vec<[usize; 1]> = tensors.clone().map(|(_, values)| [values.len()]).collect();
    let shaped = tensors.zip(&shapes).map(|((name, values), shape)| (name, &shape[..], values));
    Ok(write_safetensors(file, shaped, Dtype::F32)?)
}

/// Writes other counters into the checkpoint in `folder`, whole or not at all: what was saved with it stays.
///
/// # Errors
/// [`StateError`] names the file.
pub(crate) fn amend(folder: &Path, state: State) -> Result<(), StateError> {
    let signatures = read(folder)?.signatures;
    write(folder, &State { signatures, ..state })
}

fn write(folder: &Path, state: &State) -> Result<(), StateError> {
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
    serde_json::from_str(&text(&file)?).map_err(broken(&file))
}

fn text(file: &Path) -> Result<String, StateError> {
    std::fs::read_to_string(file).map_err(broken(file))
}

fn broken<E: std::fmt::Display>(file: &Path) -> impl Fn(E) -> StateError {
    move |error| StateError::Broken { file: file.to_path_buf(), message: error.to_string() }
}

/// Restores optimizer and counters of the checkpoint of `step` in `folder`, whose weights `policy` has been loaded with, and
/// `versions`.
///
/// # Errors
/// [`StateError`] names the file.
pub(crate) fn restore(
    policy: &mut Policy,
    step: u64,
    folder: &Path,
    versions: &mut Versions,
) -> Result<State, StateError> {
    let state = read(folder)?;
    if state.step != step {
        return Err(broken(&folder.join(STATE))(format!("it is of step {}, not of step {step}", state.step)));
    }
    let config = folder.join(CONFIG);
    state.expect(CONFIG, fingerprint::of_text(&text(&config)?), &config)?;
    let file = folder.join(OPTIMIZER);
    let tensors = TensorFolder::open_file(&file)?;
    let len = policy.elements();
    let read = |name, least| read_tensor(&tensors, name, len, least, &state, &file);
    let values = tensors.shape(WEIGHTS).is_some().then(|| read(WEIGHTS, f32::MIN)).transpose()?;
    let moments = (read(FIRST_MOMENT, f32::MIN)?, read(SECOND_MOMENT, 0.0)?);
    if values.is_none() {
        state.expect(WEIGHTS, fingerprint::of_weights(&policy.values()?), folder)?;
    }
    policy.restore(values, moments)?;
    policy.updates = state.updates;
    policy.optimizer_steps = state.optimizer_steps.unwrap_or(state.updates);
    restore_versions(policy, folder, &state, versions)?;
    Ok(state)
}

/// A flat tensor of `len` values of `file`, none below `least`, which must be what `state` was saved with.
fn read_tensor(
    tensors: &TensorFolder,
    name: &str,
    len: usize,
    least: f32,
    state: &State,
    file: &Path,
) -> Result<Vec<f32>, StateError> {
    let mut values = vec![0.0; len];
    tensors.read_into(name, &mut values)?;
    state.expect(name, fingerprint::of_weights(&values), file)?;
    sound(name, &values, least, file)?;
    Ok(values)
}

fn restore_versions(policy: &Policy, folder: &Path, state: &State, versions: &mut Versions) -> Result<(), StateError> {
    let file = folder.join(BEHAVIOR);
    if !state.signatures.keys().any(|name| name.starts_with(OLDER)) && !file.exists() {
        return Ok(());
    }
    let tensors = TensorFolder::open_file(&file)?;
    let names: Vec<String> = tensors.names().map(str::to_string).collect();
    for name in names {
        let version = name.strip_prefix(OLDER).and_then(|version| version.parse().ok());
        let version = version.ok_or_else(|| broken(&file)(format!("tensor `{name}` is none of {OLDER}N")))?;
        let weights = read_tensor(&tensors, &name, policy.parameters(), f32::MIN, state, &file)?;
        versions.restore(version, Model { config: policy.structure().clone(), weights });
    }
    Ok(())
}
