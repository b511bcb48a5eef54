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
mod room;
mod sampler;

use crate::config::{
    Config,
    choice::{Precision, Recompute, Schedule},
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
use surefoot_objectives::bias::scaled_learning_rate;

use at_once::AtOnce;
use learned::Learning;
use learner::Learner;

pub use error::PolicyError;
pub use learner::{BothMoments, Of, Pass};
pub use load::load_model;
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

    /// The peak learning rate: that of the configuration, scaled to the model's size where it says so (DGPO A.4, eq. 45).
    pub fn peak_rate(&self, config: &Config) -> f64 {
        let optimizer = &config.optimizer;
        let parameters = self.parameters() as f64;
        let scaled = |base| scaled_learning_rate(optimizer.learning_rate, base, parameters);
        optimizer.base_parameters.map_or(optimizer.learning_rate, scaled)
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

/// Factor that brings a gradient of this norm down to `update.clip_grad_norm`.
fn clip_scale(config: &Config, norm: f64) -> f64 {
    let clip = config.update.clip_grad_norm;
    if clip > 0.0 && norm > clip { clip / norm } else { 1.0 }
}

/// Learning rate of the 1-based update `update` of `total`: linear warm-up to `peak`, then the schedule, which has its end behind the last
/// update, so that none is made at a rate of 0.
pub fn learning_rate(config: &Config, peak: f64, update: u64, total: u64) -> f64 {
    let optimizer = &config.optimizer;
    let warmup = optimizer.warmup_steps;
    if update <= warmup {
        return peak * update as f64 / warmup as f64;
    }
    let span = total.saturating_sub(warmup).max(1) as f64;
    let passed = ((update - warmup - 1) as f64 / span).min(1.0);
    let shape = match optimizer.schedule {
        Schedule::Constant => return peak,
        Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * passed).cos()),
        Schedule::Linear => 1.0 - passed,
    };
    peak * (optimizer.min_ratio + (1.0 - optimizer.min_ratio) * shape)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::Purpose;
    use surefoot_engine::device::Wanted;

    /// DGPO A.4: a model of four times the parameters gets half of the rate.
    #[test]
    fn the_rate_is_scaled_to_the_models_size() {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
        let (policy, _) = Policy::for_sampling(&demo, 32, "rollout.max_new_tokens", Wanted::Cpu).unwrap();
        let mut config = Config::defaults(Purpose::Train);
        assert_eq!(policy.peak_rate(&config), 1e-6);
        config.optimizer.base_parameters = Some(policy.parameters() as f64 / 4.0);
        assert!((policy.peak_rate(&config) - 0.5e-6).abs() < 1e-18);
        config.optimizer.warmup_steps = 4;
        assert_eq!(learning_rate(&config, policy.peak_rate(&config), 1, 10), policy.peak_rate(&config) / 4.0);
    }

    #[test]
    fn every_update_of_a_schedule_moves_the_weights() {
        let mut config = Config::defaults(Purpose::Train);
        for schedule in [Schedule::Constant, Schedule::Cosine, Schedule::Linear] {
            config.optimizer.schedule = schedule;
            for warmup in [0, 2, 9] {
                config.optimizer.warmup_steps = warmup;
                let rates: Vec<f64> = (1..=10).map(|update| learning_rate(&config, 1.0, update, 10)).collect();
                assert!(rates.iter().all(|rate| *rate > 0.0 && *rate <= 1.0), "{schedule:?}: {rates:?}");
                assert_eq!(rates[warmup.saturating_sub(1) as usize], 1.0, "{schedule:?}: {rates:?}");
                assert!(rates[warmup as usize..].is_sorted_by(|a, b| a >= b), "{schedule:?}: {rates:?}");
            }
        }
        assert_eq!(learning_rate(&config, 1.0, 1, 1), 1.0 / 9.0);
    }

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
