//! The run folder and the policy that a run begins with, or goes on with.
use super::{Changes, broken, changes, together};
use crate::config::Config;
use crate::data::Order;
use crate::policy::{Policy, PolicyError};
use crate::ranks::Ranks;
use crate::run_folder::RunFolder;
use crate::state::{self, Pending, StateError};
use crate::train::{TrainError, versions::Versions};
use std::path::{Path, PathBuf};

/// Tokens of the longest sequence, and the keys that set them.
pub(super) type Length = (usize, &'static str);

/// A folder with the policy in the state that its weights' files hold.
pub(super) struct Opened {
    pub folder: RunFolder,
    pub policy: Policy,
    /// The newest checkpoint, with its step.
    pub latest: Option<(u64, PathBuf)>,
    /// Settings that are not those of the run so far.
    pub changes: Changes,
}

/// How far a run has come.
#[derive(Default)]
pub(super) struct Restored {
    pub step: u64,
    pub pending: Option<Pending>,
    pub versions: Versions,
}

/// A new run's folder, and the model that it begins with.
pub(super) fn open_new(
    config: &Config,
    ranks: &Ranks,
    order: &Order,
    length: Length,
    notes: &mut Vec<String>,
) -> Result<Opened, TrainError> {
    // The model first: a run that cannot start leaves no folder.
    let mut policy = load(Path::new(&config.model.path), length, config, notes)?;
    together::agree_on_data(order, &policy, ranks)?;
    together::join_devices(&mut policy, ranks, notes)?;
    let run_dir = Path::new(&config.log.run_dir);
    let folder = match ranks.is_first() {
        true => RunFolder::create(run_dir)?,
        false => RunFolder::of_another(run_dir),
    };
    Ok(Opened { folder, policy, latest: None, changes: Changes::default() })
}

/// The folder of a run that goes on, and the model of its newest checkpoint.
pub(super) fn open_resumed(
    config: &Config,
    ranks: &Ranks,
    length: Length,
    notes: &mut Vec<String>,
) -> Result<Opened, TrainError> {
    let (source, run_dir) = (Path::new(&config.model.path), Path::new(&config.log.run_dir));
    let folder = match ranks.is_first() {
        true => RunFolder::resume(run_dir)?,
        false => RunFolder::of_another(run_dir),
    };
    let mut changes = Changes::default();
    if ranks.is_first() {
        let before = changes::stored(&folder, config);
        changes = Changes::of(&before, config)?;
        changes::nothing_is_lost(&folder, &before, notes)?;
    }
    let latest = together::latest(&folder, ranks)?;
    let from = match &latest {
        // Adapters are added to the base again: a checkpoint's model holds the sum.
        Some((_, path)) if config.lora.rank == 0 => path.as_path(),
        _ => source,
    };
    let mut policy = load(from, length, config, notes).map_err(|error| match &latest {
        Some((_, path)) if from == path => broken::named(error.into(), path),
        _ => error.into(),
    })?;
    together::join_devices(&mut policy, ranks, notes)?;
    Ok(Opened { folder, policy, latest, changes })
}

impl Opened {
    /// Takes over what the newest checkpoint holds beside the weights, the place in the data included.
    pub fn restore(
        &mut self,
        order: &mut Order,
        ranks: &Ranks,
        notes: &mut Vec<String>,
    ) -> Result<Restored, TrainError> {
        let Some((step, path)) = &self.latest else { return Ok(Restored::default()) };
        let named = |error: StateError| broken::named(error.into(), path);
        let mut versions = Versions::default();
        let state = state::restore(&mut self.policy, *step, path, &mut versions).map_err(named)?;
        order.restore(state.data)?;
        notes.push(format!("resuming after step {step}"));
        together::agree_on_data(order, &self.policy, ranks)?;
        Ok(Restored { step: state.step, pending: state.pending, versions })
    }
}

/// Loads the model in `folder`.
fn load(
    folder: &Path,
    (positions, keys): Length,
    config: &Config,
    notes: &mut Vec<String>,
) -> Result<Policy, PolicyError> {
    let (policy, unused) = Policy::load(folder, positions, keys, config)?;
    if !unused.is_empty() {
        notes.push(format!("tensors that the model does not use: {}", unused.join(", ")));
    }
    notes.push(policy.device());
    let (learning, all) = (policy.learning(), policy.parameters());
    if learning < all {
        let share = 100.0 * learning as f64 / all as f64;
        notes.push(format!("{learning} parameters learn, beside {all} of the model ({share:.2}%)"));
    }
    if let Some(base) = config.optimizer.base_parameters {
        let (rate, parameters) = (config.optimizer.learning_rate, policy.parameters());
        let scaled = policy.peak_rate(config);
        notes.push(format!(
            "learning rate {scaled:.3e} = {rate:e} · √({base:e} / {parameters}) (optimizer.base_parameters)"
        ));
        if scaled * config.optimizer.weight_decay > 1.0 {
            return Err(PolicyError::Rate { rate: scaled, decay: config.optimizer.weight_decay });
        }
    }
    Ok(policy)
}
