//! The policy that is trained: weights and optimizer on a device, and what samples from it and trains it.
//!
//! [`Policy`] knows no device: `Learner` (`policy/learner.rs`) is what one has to do, and `On` (`policy/on.rs`) does it over the
//! operators of any [`surefoot_engine::device::Device`].
mod at_once;
mod error;
mod finite;
mod fit;
mod learned;
mod learner;
mod load;
mod on;
mod place;
mod rate;
mod room;
mod sampler;

use crate::config::{
    Config,
    choice::{Precision, Recompute},
};
#[cfg(test)]
use crate::ranks::Ranks;
use crate::rollout::Generate;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use surefoot_engine::batch::Packed;
use surefoot_engine::config::ModelConfig;
use surefoot_engine::decoder::Predictions;
use surefoot_engine::device::{Chosen, DeviceError, Step, TargetGradients};
use surefoot_engine::folder::Dtype;
use surefoot_engine::generate::{Request, Sample, Settings};
use surefoot_engine::model::{self, Model};

use at_once::AtOnce;
use learned::Learning;
use learner::Learner;
use rate::clip_scale;

pub use error::PolicyError;
pub use learner::{BothMoments, Of, Pass};
pub use load::load_model;
pub use rate::learning_rate;
pub use sampler::Sampler;

/// The policy and its optimizer.
pub struct Policy {
    /// Folder that the model came from; its tokenizer is carried over into checkpoints.
    pub source: PathBuf,
    /// Updates so far, skipped ones included.
    pub updates: u64,
    /// Updates that moved the optimizer's moments.
    pub optimizer_steps: u64,
    structure: ModelConfig,
    positions: usize,
    place: Chosen,
    /// What the plan of a GPU's memory made of `update.recompute`.
    recompute: Option<Recompute>,
    at_once: AtOnce,
    learner: Box<dyn Learner>,
}

impl Policy {
    fn new(
        folder: &Path,
        model: Model,
        positions: usize,
        place: Chosen,
        learning: Learning,
    ) -> Result<Self, PolicyError> {
        let structure = model.config.clone();
        let learner = place::place(&place, model, positions, learning)?;
        let source = folder.to_path_buf();
        let at_once = AtOnce::on(&place);
        let (updates, optimizer_steps, recompute) = (0, 0, None);
        Ok(Self { source, updates, optimizer_steps, structure, positions, place, recompute, at_once, learner })
    }

    /// The device and why it was chosen, in one line, with what a plan of its memory came to.
    pub fn device(&self) -> String {
        let device = self.place.describe();
        match self.recompute {
            None => device,
            Some(recompute) => {
                let AtOnce { tokens, sequences } = self.at_once;
                let activations = if recompute == Recompute::Never { "kept" } else { "computed again" };
                format!(
                    "{device}; {tokens} tokens a micro-batch, activations {activations}, {sequences} sequences at once"
                )
            }
        }
    }

    /// Most tokens in one forward and backward pass.
    pub fn tokens_per_micro_batch(&self, config: &Config) -> usize {
        config.update.tokens_per_micro_batch.or(self.at_once.tokens)
    }

    /// The model's structure.
    pub fn structure(&self) -> &ModelConfig {
        &self.structure
    }

    /// Longest sequence, in tokens.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Elements of the model.
    pub fn parameters(&self) -> usize {
        self.learner.parameters()
    }

    /// Parameters that learn.
    pub fn learning(&self) -> usize {
        self.learner.learning()
    }

    /// Elements of [`Policy::values`].
    pub fn elements(&self) -> usize {
        self.learner.elements()
    }

    /// A sampler for weights of the host and for the threads of the pool that the caller is in.
    pub fn sampler(&self) -> Box<dyn Sampler> {
        self.learner.sampler()
    }

    /// Keeps the weights laid out for sampling, as long as they do not change.
    pub fn pack(&mut self) {
        self.learner.pack();
    }

    /// Keeps weights for passes of [`Of::Reference`].
    ///
    /// # Errors
    /// What the device failed with.
    pub fn set_reference(&mut self, weights: Vec<f32>) -> Result<(), DeviceError> {
        self.learner.set_reference(weights)
    }

    /// Log-probability and entropy of every target.
    ///
    /// # Errors
    /// What the device failed with.
    pub fn forward(&mut self, pass: &Pass) -> Result<Predictions, DeviceError> {
        self.learner.forward(&Pass { recompute: self.recompute.unwrap_or(pass.recompute), ..*pass })
    }

    /// Adds the gradient that `wanted` says for the targets of the last [`Policy::forward`], on `batch`.
    ///
    /// # Errors
    /// What the device failed with.
    pub fn backward(&mut self, batch: &Packed, wanted: TargetGradients) -> Result<(), DeviceError> {
        self.learner.backward(batch, wanted)
    }

    /// Sets the gradient to zero.
    pub fn begin_update(&mut self) {
        self.learner.begin_update();
    }

    /// Changes the gradient on the host, between the last micro-batch and [`Policy::finish_gradient`].
    ///
    /// # Errors
    /// What the device failed with.
    pub fn edit_gradient(&mut self, change: &mut dyn FnMut(&mut [f32])) -> Result<(), DeviceError> {
        self.learner.edit_gradient(change)
    }

    /// Takes the gradient of what has been summed so far; it is zero again when the next sum begins.
    ///
    /// # Errors
    /// What the device failed with.
    pub fn take_gradient(&mut self) -> Result<Vec<f32>, DeviceError> {
        self.learner.take_gradient()
    }

    /// Makes the gradient one that [`Policy::take_gradient`] gave, or a sum of such.
    ///
    /// # Errors
    /// What the device failed with.
    pub fn put_gradient(&mut self, gradient: Vec<f32>) -> Result<(), DeviceError> {
        self.learner.put_gradient(gradient)
    }

    /// A name for a group of devices that sum gradients by themselves (GPUs, by NCCL); none where the host has to.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`] says what such sums lack.
    pub fn name_group(&self) -> Result<Option<Vec<u8>>, DeviceError> {
        self.learner.name_group()
    }

    /// Joins the group of this name as `rank` of `size`; returns when all have.
    ///
    /// # Errors
    /// What kept it from that.
    pub fn join(&mut self, name: &[u8], rank: usize, size: usize) -> Result<(), DeviceError> {
        self.learner.join(name, rank, size)
    }

    /// Acts as if the devices had joined; the host sums in their place.
    #[cfg(test)]
    pub(crate) fn pretend(&mut self, ranks: &Ranks) {
        self.learner.pretend(ranks);
    }

    /// Whether the devices of all ranks sum by themselves.
    pub fn has_peers(&self) -> bool {
        self.learner.has_peers()
    }

    /// Makes the gradient the sum of that of all ranks, by their devices; every rank must call it.
    ///
    /// # Errors
    /// What the device failed with.
    pub fn sum_gradient(&mut self) -> Result<(), DeviceError> {
        self.learner.sum_gradient()
    }

    /// Ends the sum over micro-batches; returns the norm of the gradient.
    ///
    /// # Errors
    /// What the device failed with.
    pub fn finish_gradient(&mut self) -> Result<f64, DeviceError> {
        self.learner.finish_gradient();
        self.learner.gradient_norm()
    }

    /// The model's weights, in the layout of the engine; a copy where they are not in the host's memory.
    ///
    /// # Errors
    /// What the device failed with.
    pub fn weights(&self) -> Result<Cow<'_, [f32]>, DeviceError> {
        self.learner.weights()
    }

    /// A copy of the model.
    ///
    /// # Errors
    /// What the device failed with.
    pub fn model(&self) -> Result<Model, DeviceError> {
        Ok(Model { config: self.structure.clone(), weights: self.weights()?.into_owned() })
    }

    /// The values that a checkpoint has to hold exactly: the weights, or the adapters.
    ///
    /// # Errors
    /// What the device failed with.
    pub fn values(&self) -> Result<Cow<'_, [f32]>, DeviceError> {
        self.learner.values()
    }

    /// First and second moments of the optimizer.
    ///
    /// # Errors
    /// What the device failed with.
    pub fn moments(&self) -> Result<BothMoments<'_>, DeviceError> {
        self.learner.moments()
    }

    /// Takes over what [`Policy::values`] and the moments were.
    ///
    /// # Errors
    /// What the device failed with.
    pub fn restore(&mut self, values: Option<Vec<f32>>, moments: (Vec<f32>, Vec<f32>)) -> Result<(), DeviceError> {
        self.learner.restore(values, moments)
    }

    /// Whether the values are what the model's own folder holds, rather than adapters.
    pub fn values_are_weights(&self) -> bool {
        self.learner.values_are_weights()
    }

    /// Whether a gradient of this norm can be stepped on: it is finite, and so is its square in the second moment.
    pub fn can_step(&self, config: &Config, norm: f64) -> bool {
        (norm * clip_scale(config, norm)).powi(2) <= f64::from(f32::MAX)
    }

    /// One AdamW step on the gradient, whose norm is `norm`; returns the learning rate.
    ///
    /// # Errors
    /// What the device failed with.
    pub fn step(&mut self, config: &Config, norm: f64, total_updates: u64) -> Result<f64, DeviceError> {
        self.updates += 1;
        self.optimizer_steps += 1;
        let optimizer = &config.optimizer;
        let rate = learning_rate(config, self.peak_rate(config), self.updates, total_updates);
        let step = Step {
            learning_rate: rate as f32,
            betas: (optimizer.betas[0] as f32, optimizer.betas[1] as f32),
            eps: optimizer.eps as f32,
            weight_decay: optimizer.weight_decay as f32,
            gradient_scale: clip_scale(config, norm) as f32,
            update: self.optimizer_steps,
        };
        self.learner.step(step)?;
        Ok(rate)
    }

    /// Saves the model as a Hugging Face folder, and adapters in `adapter/` of it.
    ///
    /// # Errors
    /// [`PolicyError::Folder`].
    pub fn save(&self, folder: &Path, precision: Precision) -> Result<(), PolicyError> {
        let dtype = match precision {
            Precision::F32 => Dtype::F32,
            Precision::Bf16 => Dtype::BF16,
        };
        model::save(&self.structure, &self.weights()?, folder, Some(&self.source), dtype)?;
        self.learner.save_adapters(&self.source, folder)
    }
}

impl Generate for Policy {
    fn workers(&self) -> usize {
        self.learner.workers()
    }

    fn sequences(&self) -> usize {
        self.at_once.sequences
    }

    fn generate(&self, requests: &[Request], settings: &Settings) -> Result<Vec<Vec<Sample>>, DeviceError> {
        self.learner.generate(requests, settings)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::Purpose;

    /// The bias correction is of the moments, which a skipped update leaves as they are.
    #[test]
    fn skipped_updates_do_not_enlarge_the_next_step() {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
        let mut config = Config::defaults(Purpose::Train);
        config.model.path = demo.display().to_string();
        let stepped = |skipped: u64| {
            let (mut policy, _) = Policy::load(&demo, 32, "rollout.max_new_tokens", &config).unwrap();
            policy.updates += skipped;
            policy.put_gradient((0..policy.elements()).map(|i| (i % 7) as f32 - 3.0).collect()).unwrap();
            policy.step(&config, 1.0, 100).unwrap();
            (policy.updates, policy.values().unwrap().into_owned())
        };
        let (plain, after_three) = (stepped(0), stepped(3));
        assert_eq!((plain.0, after_three.0), (1, 4));
        assert!(plain.1 == after_three.1);
    }
}
