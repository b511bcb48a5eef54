//! The policy that is trained: weights, optimizer, and the decoders that sample from it and train it.
mod learned;

use crate::config::{
    Config,
    choice::{Precision, Recompute, Schedule},
};
use std::path::{Path, PathBuf};
use surefoot_engine::config::{ConfigError, ModelConfig};
use surefoot_engine::cpu::{Cpu, adamw::Moments, parallel::Threading};
use surefoot_engine::decoder::{Activations, Decoder, Frozen, Tape, Trained};
use surefoot_engine::device::{Device, Step, Weights};
use surefoot_engine::folder::{Dtype, FolderError};
use surefoot_engine::lora::PeftError;
use surefoot_engine::model::Model;
use surefoot_objectives::bias::scaled_learning_rate;

use learned::Learned;

/// Weights up to this size are read by every thread on its own sequences; larger ones by all threads together.
const SIDE_BY_SIDE_BYTES: usize = 64 << 20;

/// Why a policy could not be loaded or stored.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// `config.json`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Adapters.
    #[error(transparent)]
    Adapters(#[from] PeftError),
    /// `model.frozen`.
    #[error("model.frozen, for {folder}: {message}")]
    Frozen {
        /// The model folder.
        folder: String,
        /// What is wrong.
        message: String,
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

/// The policy and its optimizer.
pub struct Policy {
    /// Folder that the model came from; its tokenizer is carried over into checkpoints.
    pub source: PathBuf,
    /// Configuration and weights.
    pub model: Model,
    /// Forward and backward over packed sequences.
    pub trainer: Decoder<Cpu>,
    /// Sampling.
    pub sampler: Decoder<Cpu>,
    /// Workers that sample side by side.
    pub workers: usize,
    /// Gradient of the present update.
    pub gradient: Vec<f32>,
    /// First and second moments.
    pub moments: Moments,
    /// Updates so far.
    pub updates: u64,
    learned: Learned,
    tape: Option<Tape<Cpu>>,
}

/// What a forward and backward pass is made with.
pub struct Workspace<'a> {
    /// The decoder.
    pub decoder: &'a Decoder<Cpu>,
    /// Its weights.
    pub weights: Weights<'a, Cpu>,
    /// With room for the rows that were asked for.
    pub tape: &'a mut Tape<Cpu>,
    /// Where the gradient goes.
    pub trained: Trained<'a, Cpu>,
}

impl Policy {
    /// Loads the model of `folder` for sequences of up to `positions` tokens; `keys` names what sets that length, `config`
    /// says what learns and how the optimizer's moments are stored. With `[lora]` the folder is that of the base.
    ///
    /// # Errors
    /// [`PolicyError`] names file and tensor or key. The second value lists tensors that were not used.
    pub fn load(
        folder: &Path,
        positions: usize,
        keys: &'static str,
        config: &Config,
    ) -> Result<(Self, Vec<String>), PolicyError> {
        let (mut policy, unused) = Self::for_sampling(folder, positions, keys)?;
        policy.learned = Learned::of(config, &policy.trainer, &policy.model.weights, folder)?;
        let half = config.optimizer.state == Precision::Bf16;
        policy.moments = Moments::zeros(policy.learned.len(&policy.model.weights), half);
        Ok((policy, unused))
    }

    /// As [`Policy::load`], for sampling alone: without the optimizer's state.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn for_sampling(
        folder: &Path,
        positions: usize,
        keys: &'static str,
    ) -> Result<(Self, Vec<String>), PolicyError> {
        let config = ModelConfig::from_folder(folder)?;
        if positions > config.max_position_embeddings {
            let limit = config.max_position_embeddings;
            return Err(PolicyError::Positions {
                folder: folder.display().to_string(),
                needed: positions,
                limit,
                keys,
            });
        }
        let (model, unused) = Model::load(folder, config)?;
        let (sampler, workers) = sampler(&model, positions);
        let policy = Self {
            source: folder.to_path_buf(),
            trainer: Decoder::new(Cpu::new(Threading::Pool), &model.config, positions),
            sampler,
            workers,
            gradient: Vec::new(),
            moments: Moments::zeros(0, false),
            updates: 0,
            learned: Learned::Parameters(Frozen::default()),
            model,
            tape: None,
        };
        Ok((policy, unused))
    }

    /// A sampler for the threads of the pool that the caller is in, with its number of workers.
    pub fn another_sampler(&self) -> (Decoder<Cpu>, usize) {
        sampler(&self.model, self.sampler.positions())
    }

    /// What a pass over `rows` tokens needs.
    pub fn workspace(&mut self, rows: usize, recompute: Recompute) -> Workspace<'_> {
        if self.tape.as_ref().is_none_or(|tape| tape.rows() < rows) {
            self.tape = None;
        }
        let Self { trainer, model, tape, gradient, learned, .. } = self;
        let tape = tape.get_or_insert_with(|| {
            let rows = rows.next_multiple_of(64);
            Tape::new(trainer, rows, activations(recompute, Tape::kept_bytes(trainer, rows)))
        });
        let trained = learned.trained(trainer.device(), tape.rows(), gradient);
        Workspace { decoder: trainer, weights: Weights { arena: &model.weights, packed: None }, tape, trained }
    }

    /// Sets the gradient to zero.
    pub fn begin_update(&mut self) {
        self.gradient.resize(self.learned.len(&self.model.weights), 0.0);
        self.trainer.device().clear(&mut self.gradient);
    }

    /// Ends the sum over micro-batches; returns the norm of the gradient.
    pub fn finish_gradient(&mut self) -> f64 {
        self.learned.finish_gradient(&mut self.gradient);
        self.trainer.device().norm_of(&self.gradient)
    }

    /// Parameters that learn.
    pub fn learning(&self) -> usize {
        self.learned.parameters(&self.model.weights)
    }

    /// The values that a checkpoint has to hold exactly: the weights, or the adapters.
    pub fn values(&self) -> &[f32] {
        self.learned.values(&self.model.weights)
    }

    /// Takes over what [`Policy::values`] and the moments were.
    pub fn restore(&mut self, values: Option<Vec<f32>>, moments: (Vec<f32>, Vec<f32>)) {
        if let Some(values) = values {
            self.learned.restore(self.trainer.device(), values, &mut self.model.weights);
        }
        self.moments.set(moments);
    }

    /// Whether the values are what the model's own folder holds, rather than adapters.
    pub fn values_are_weights(&self) -> bool {
        matches!(self.learned, Learned::Parameters(_))
    }

    /// Whether a gradient of this norm can be stepped on: it is finite, and so is its square in the second moment.
    pub fn can_step(&self, config: &Config, norm: f64) -> bool {
        (norm * clip_scale(config, norm)).powi(2) <= f64::from(f32::MAX)
    }

    /// One AdamW step on the gradient, whose norm is `norm`; returns the learning rate.
    pub fn step(&mut self, config: &Config, norm: f64, total_updates: u64) -> f64 {
        self.updates += 1;
        let optimizer = &config.optimizer;
        let rate = learning_rate(config, self.peak_rate(config), self.updates, total_updates);
        let step = Step {
            learning_rate: rate as f32,
            betas: (optimizer.betas[0] as f32, optimizer.betas[1] as f32),
            eps: optimizer.eps as f32,
            weight_decay: optimizer.weight_decay as f32,
            gradient_scale: clip_scale(config, norm) as f32,
            update: self.updates,
        };
        let Self { trainer, learned, model, gradient, moments, .. } = self;
        learned.step(trainer, &mut model.weights, |decayed, values| {
            trainer.device().adamw(step, decayed, values, gradient, moments);
        });
        rate
    }

    /// The peak learning rate: that of the configuration, scaled to the model's size where it says so (DGPO A.4, eq. 45).
    pub fn peak_rate(&self, config: &Config) -> f64 {
        let optimizer = &config.optimizer;
        let parameters = self.model.weights.len() as f64;
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
        self.model.save(folder, Some(&self.source), dtype)?;
        self.learned.save(&self.source, folder)
    }
}

/// What samples from `model`, and how many workers do so side by side.
fn sampler(model: &Model, positions: usize) -> (Decoder<Cpu>, usize) {
    let side_by_side = model.weights.len() * 4 <= SIDE_BY_SIDE_BYTES;
    let threading = if side_by_side { Threading::Serial } else { Threading::Pool };
    let workers = if side_by_side { rayon::current_num_threads() } else { 1 };
    (Decoder::new(Cpu::new(threading), &model.config, positions), workers)
}

/// Factor that brings a gradient of this norm down to `update.clip_grad_norm`.
fn clip_scale(config: &Config, norm: f64) -> f64 {
    let clip = config.update.clip_grad_norm;
    if clip > 0.0 && norm > clip { clip / norm } else { 1.0 }
}

/// `auto` recomputes activations that would take more than half of the memory that is free.
fn activations(recompute: Recompute, bytes: usize) -> Activations {
    let scarce = || free_memory().is_some_and(|free| bytes > free / 2);
    match recompute {
        Recompute::Always => Activations::Recompute,
        Recompute::Auto if scarce() => Activations::Recompute,
        Recompute::Auto | Recompute::Never => Activations::Keep,
    }
}

/// Bytes that the system can give out without swapping, where it says so (Linux).
fn free_memory() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok().map(|kib| kib << 10)
}

/// Learning rate of the 1-based update `update` of `total`: linear warm-up to `peak`, then the schedule.
pub fn learning_rate(config: &Config, peak: f64, update: u64, total: u64) -> f64 {
    let optimizer = &config.optimizer;
    let warmup = optimizer.warmup_steps;
    if update <= warmup {
        return peak * update as f64 / warmup as f64;
    }
    let span = total.saturating_sub(warmup).max(1) as f64;
    let passed = ((update - warmup) as f64 / span).min(1.0);
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

    /// DGPO A.4: a model of four times the parameters gets half of the rate.
    #[test]
    fn the_rate_is_scaled_to_the_models_size() {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
        let (policy, _) = Policy::for_sampling(&demo, 32, "rollout.max_new_tokens").unwrap();
        let mut config = Config::defaults(Purpose::Train);
        assert_eq!(policy.peak_rate(&config), 1e-6);
        config.optimizer.base_parameters = Some(policy.model.weights.len() as f64 / 4.0);
        assert!((policy.peak_rate(&config) - 0.5e-6).abs() < 1e-18);
        config.optimizer.warmup_steps = 4;
        assert_eq!(learning_rate(&config, policy.peak_rate(&config), 1, 10), policy.peak_rate(&config) / 4.0);
    }
}
