//! The devices that a policy can be on.
use super::learned::Learning;
use super::learner::Learner;
use super::on::On;
use surefoot_engine::config::ModelConfig;
use surefoot_engine::cpu::{Cpu, parallel::Threading};
use surefoot_engine::cuda::Cuda;
use surefoot_engine::device::{Chosen, Device, DeviceError};
use surefoot_engine::layout::Layout;
use surefoot_engine::model::Model;

/// Weights up to this size are read by every thread on its own sequences; larger ones by all threads together.
const SIDE_BY_SIDE_BYTES: usize = 64 << 20;

/// A device that trains and samples.
pub(super) trait Place: Device + Sized + 'static {
    /// For training.
    fn for_training(&self) -> Self;
    /// For sampling from models of `structure`, with the number of workers that do so side by side.
    fn for_sampling(&self, structure: &ModelConfig) -> (Self, usize);
    /// As [`Place::for_sampling`], for a thread that samples while another one trains.
    fn for_sampling_beside(&self, structure: &ModelConfig) -> (Self, usize) {
        self.for_sampling(structure)
    }
}

impl Place for Cpu {
    fn for_training(&self) -> Self {
        Cpu::new(Threading::Pool)
    }

    fn for_sampling(&self, structure: &ModelConfig) -> (Self, usize) {
        let side_by_side = Layout::new(structure).len * size_of::<f32>() <= SIDE_BY_SIDE_BYTES;
        let threading = if side_by_side { Threading::Serial } else { Threading::Pool };
        (Cpu::new(threading), if side_by_side { rayon::current_num_threads() } else { 1 })
    }
}

impl Place for Cuda {
    fn for_training(&self) -> Self {
        self.clone()
    }

    fn for_sampling(&self, _: &ModelConfig) -> (Self, usize) {
        (self.clone(), 1)
    }

    fn for_sampling_beside(&self, _: &ModelConfig) -> (Self, usize) {
        (self.another_queue(), 1)
    }
}

/// Puts a model on a device.
pub(super) fn place(
    on: &Chosen,
    model: Model,
    positions: usize,
    learning: Learning,
) -> Result<Box<dyn Learner>, DeviceError> {
    match on {
        Chosen::Cpu(_) => {}
        Chosen::Cuda(cuda, _) => cuda.supports(&model.config)?,
    }
    Ok(match on {
        Chosen::Cpu(_) => Box::new(On::new(&Cpu::new(Threading::Pool), model, positions, learning)?),
        Chosen::Cuda(cuda, _) => Box::new(On::new(cuda, model, positions, learning)?),
    })
}
