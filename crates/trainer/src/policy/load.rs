//! From a model folder to a policy on a device: what does not fit is refused before the weights are read, which takes a while.
use super::fit::{self, Planned};
use super::learned::{self, Learning};
use super::{Policy, PolicyError, room};
use crate::config::{Config, choice::Recompute};
use crate::model_folder;
use crate::ranks::local_rank;
use std::path::Path;
use surefoot_engine::config::ModelConfig;
use surefoot_engine::cpu::memory::HostMemory;
use surefoot_engine::device::{Chosen, DeviceError, Wanted, select};
use surefoot_engine::memory::Training;
use surefoot_engine::model::Model;

/// Loads the model of `folder` for sequences of up to `positions` tokens; `keys` names what sets that length. The second
/// value lists tensors that were not used.
///
/// # Errors
/// [`PolicyError`] names file and tensor or key.
pub fn load_model(folder: &Path, positions: usize, keys: &'static str) -> Result<(Model, Vec<String>), PolicyError> {
    let structure = structure(folder, positions, keys)?;
    Ok(Model::load(folder, structure)?)
}

/// The structure of the model of `folder`, if it bears sequences of `positions` tokens.
fn structure(folder: &Path, positions: usize, keys: &'static str) -> Result<ModelConfig, PolicyError> {
    model_folder::expect(folder)?;
    let structure = ModelConfig::from_folder(folder)?;
    let limit = structure.max_position_embeddings;
    if positions > limit {
        let folder = folder.display().to_string();
        return Err(PolicyError::Positions { folder, needed: positions, limit, keys });
    }
    Ok(structure)
}

/// Bytes that this machine has left and all of them, swap space included.
fn host() -> Option<(usize, usize)> {
    HostMemory::now().map(HostMemory::with_swap)
}

/// The plan of a GPU's memory, where the run is on one that says how much it has.
fn planned(
    place: &Chosen,
    config: &Config,
    structure: &ModelConfig,
    positions: usize,
) -> Result<Option<Planned>, DeviceError> {
    let Chosen::Cuda(cuda, _) = place else { return Ok(None) };
    let Some(memory) = cuda.memory() else { return Ok(None) };
    let planned = fit::plan(config, structure, positions, cuda.describe(), memory)?;
    if let Some(training) = planned.demand.training {
        cuda.keep_logits(training.logit_bytes);
    }
    Ok(Some(planned))
}

impl Policy {
    /// Loads the model of `folder` for sequences of up to `positions` tokens; `keys` names what sets that length, `config`
    /// says on which device, what learns and how the optimizer's moments are stored. With `[lora]` the folder is that of
    /// the base.
    ///
    /// # Errors
    /// [`PolicyError`] names file and tensor or key. The second value lists tensors that were not used.
    pub fn load(
        folder: &Path,
        positions: usize,
        keys: &'static str,
        config: &Config,
    ) -> Result<(Self, Vec<String>), PolicyError> {
        let place = select(config.train.device, local_rank())?;
        // Before the weights are read, which takes a while.
        let structure = structure(folder, positions, keys)?;
        learned::check_rank(config, &structure, folder)?;
        if let Chosen::Cpu(_) = &place {
            room::check(&room::training(config, &structure), host())?;
        }
        let planned = planned(&place, config, &structure, positions)?;
        let (model, unused) = Model::load(folder, structure)?;
        let learning = Learning::of(config, &model, folder)?;
        Ok((Self::new(folder, model, positions, place, learning)?.with(planned), unused))
    }

    /// As [`Policy::load`], for an evaluation by `config`.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn for_evaluation(
        folder: &Path,
        positions: usize,
        keys: &'static str,
        config: &Config,
    ) -> Result<(Self, Vec<String>), PolicyError> {
        Self::without_learning(folder, (positions, keys), config.train.device, Some(config))
    }

    fn with(self, planned: Option<Planned>) -> Self {
        let Some(Planned { demand, at_once }) = planned else { return self };
        let recompute = |training: Training| if training.recompute { Recompute::Always } else { Recompute::Never };
        Self { recompute: demand.training.map(recompute), at_once, ..self }
    }

    /// As [`Policy::load`], for sampling alone: without the optimizer's state.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn for_sampling(
        folder: &Path,
        positions: usize,
        keys: &'static str,
        device: Wanted,
    ) -> Result<(Self, Vec<String>), PolicyError> {
        Self::without_learning(folder, (positions, keys), device, None)
    }

    /// What only samples: as much at once as `config` and a GPU's memory have room for, where there is a `config`.
    fn without_learning(
        folder: &Path,
        (positions, keys): (usize, &'static str),
        device: Wanted,
        config: Option<&Config>,
    ) -> Result<(Self, Vec<String>), PolicyError> {
        let place = select(device, local_rank())?;
        let structure = structure(folder, positions, keys)?;
        if let Chosen::Cpu(_) = &place {
            room::check(&room::sampling(&structure), host())?;
        }
        let planned = config.map(|config| planned(&place, config, &structure, positions)).transpose()?.flatten();
        let (model, unused) = Model::load(folder, structure)?;
        Ok((Self::new(folder, model, positions, place, Learning::nothing())?.with(planned), unused))
    }

    /// The model of another folder on the device of this one, for sampling alone.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn another(&self, folder: &Path) -> Result<Self, PolicyError> {
        let (model, _) = load_model(folder, self.positions, "nothing")?;
        Self::new(folder, model, self.positions, self.place.clone(), Learning::nothing())
    }
}
