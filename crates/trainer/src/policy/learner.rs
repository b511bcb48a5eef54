//! A policy on a device, behind one interface: what is above it does not know which device it is.
use super::PolicyError;
use super::sampler::Sampler;
use crate::config::choice::Recompute;
#[cfg(test)]
use crate::ranks::Ranks;
use std::borrow::Cow;
use std::path::Path;
use surefoot_engine::batch::{Packed, Target};
use surefoot_engine::decoder::Predictions;
use surefoot_engine::device::{DeviceError, Step, TargetGradients};
use surefoot_engine::generate::{Request, Sample, Settings};

/// Whose weights a pass is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The policy's.
    Policy,
    /// Those of [`super::Policy::set_reference`].
    Reference,
}

/// A forward pass over packed sequences.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// The tokens.
    pub batch: &'a Packed,
    /// What is predicted.
    pub targets: &'a [Target],
    /// One over the temperature.
    pub scale: f32,
    /// With which weights.
    pub of: Of,
    /// Whether activations are kept for [`super::Policy::backward`].
    pub recompute: Recompute,
}

/// First and second moments of the optimizer.
pub type BothMoments<'a> = (Cow<'a, [f32]>, Cow<'a, [f32]>);

/// Weights, gradient and optimizer on a device.
pub(super) trait Learner: Send + Sync {
    /// Log-probability and entropy of every target of `pass`.
    fn forward(&mut self, pass: &Pass) -> Result<Predictions, DeviceError>;
    /// Adds the gradient of the last forward pass.
    fn backward(&mut self, batch: &Packed, wanted: TargetGradients) -> Result<(), DeviceError>;
    /// Sets the gradient to zero.
    fn begin_update(&mut self);
    /// Ends the sum over micro-batches.
    fn finish_gradient(&mut self);
    /// Changes the gradient on the host.
    fn edit_gradient(&mut self, change: &mut dyn FnMut(&mut [f32])) -> Result<(), DeviceError>;
    /// The gradient, which is gone then.
    fn take_gradient(&mut self) -> Result<Vec<f32>, DeviceError>;
    /// Makes this the gradient.
    fn put_gradient(&mut self, gradient: Vec<f32>) -> Result<(), DeviceError>;
    /// A name for a group of devices that sum by themselves; none where the host has to.
    fn name_group(&self) -> Result<Option<Vec<u8>>, DeviceError>;
    /// Joins the group of this name as `rank` of `size`.
    fn join(&mut self, name: &[u8], rank: usize, size: usize) -> Result<(), DeviceError>;
    /// Acts as if devices had joined.
    #[cfg(test)]
    fn pretend(&mut self, ranks: &Ranks);
    /// Whether [`Learner::join`] has joined.
    fn has_peers(&self) -> bool;
    /// Makes the gradient the sum of that of all that joined; every one must call it.
    fn sum_gradient(&mut self) -> Result<(), DeviceError>;
    /// Euclidean norm of the gradient.
    fn gradient_norm(&self) -> Result<f64, DeviceError>;
    /// One step of the optimizer.
    fn step(&mut self, step: Step) -> Result<(), DeviceError>;
    /// Elements of the model.
    fn parameters(&self) -> usize;
    /// Parameters that learn.
    fn learning(&self) -> usize;
    /// Elements of [`Learner::values`].
    fn elements(&self) -> usize;
    /// Whether [`Learner::values`] are the model's weights.
    fn values_are_weights(&self) -> bool;
    /// The model's weights.
    fn weights(&self) -> Result<Cow<'_, [f32]>, DeviceError>;
    /// What learns.
    fn values(&self) -> Result<Cow<'_, [f32]>, DeviceError>;
    /// First and second moments of what learns.
    fn moments(&self) -> Result<BothMoments<'_>, DeviceError>;
    /// Takes over what [`Learner::values`] and [`Learner::moments`] were.
    fn restore(&mut self, values: Option<Vec<f32>>, moments: (Vec<f32>, Vec<f32>)) -> Result<(), DeviceError>;
    /// Keeps weights for passes of [`Of::Reference`].
    fn set_reference(&mut self, weights: Vec<f32>) -> Result<(), DeviceError>;
    /// Keeps the weights laid out for sampling, as long as they do not change.
    fn pack(&mut self);
    /// Samples with the weights.
    fn generate(&self, requests: &[Request], settings: &Settings) -> Result<Vec<Vec<Sample>>, DeviceError>;
    /// Workers that sample side by side.
    fn workers(&self) -> usize;
    /// A sampler for weights of the host and for the pool that the caller is in.
    fn sampler(&self) -> Box<dyn Sampler>;
    /// Saves adapters into a checkpoint's folder, if they are what learns.
    fn save_adapters(&self, base: &Path, folder: &Path) -> Result<(), PolicyError>;
}
