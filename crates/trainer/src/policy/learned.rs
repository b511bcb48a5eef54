//! What the updates of a run change: the model's parameters, but for frozen ones, or adapters.
use super::PolicyError;
use crate::config::{Config, choice::Precision};
use std::ops::Range;
use std::path::Path;
use surefoot_engine::config::ModelConfig;
use surefoot_engine::cpu::{Cpu, parallel::Threading};
use surefoot_engine::decoder::{Decoder, Frozen, Trained};
use surefoot_engine::device::Device;
use surefoot_engine::layout::Layout;
use surefoot_engine::lora::{Adapters, Base, Lora, MODULES, Scratch};
use surefoot_engine::model::Model;

/// Folder of the adapters in a checkpoint.
const ADAPTER: &str = "adapter";

/// What is to learn, before it is on a device.
pub(super) struct Learning {
    kind: Kind,
    /// Whether the optimizer's moments are stored as bfloat16.
    pub half: bool,
}

/// What learns, before it is on a device.
enum Kind {
    /// Nothing: the policy only samples.
    Nothing,
    /// The parameters that are not frozen.
    Parameters(Frozen),
    /// Adapters, the weights that they are added to, and their first values.
    Adapters(Box<(Adapters, Base, Vec<f32>)>),
}

impl Learning {
    /// A policy that only samples.
    pub fn nothing() -> Self {
        Self { kind: Kind::Nothing, half: false }
    }

    /// Whether the policy only samples.
    pub fn is_nothing(&self) -> bool {
        matches!(self.kind, Kind::Nothing)
    }

    /// What `config` lets learn of `model`, which is the base where there are adapters.
    pub fn of(config: &Config, model: &Model, folder: &Path) -> Result<Self, PolicyError> {
        let half = config.optimizer.state == Precision::Bf16;
        let layout = Layout::new(&model.config);
        let kind = match adapters(config, &layout) {
            None => Kind::Parameters(frozen(&layout, &config.model.frozen, folder)?),
            Some(adapters) => {
                let base = Base::of(&adapters, &model.weights);
                let values = adapters.initialise(config.train.seed);
                Kind::Adapters(Box::new((adapters, base, values)))
            }
        };
        Ok(Self { kind, half })
    }

    /// Elements of each moment.
    pub fn moments(&self, weights: &[f32]) -> usize {
        match &self.kind {
            Kind::Nothing => 0,
            Kind::Parameters(_) => weights.len(),
            Kind::Adapters(low) => low.2.len(),
        }
    }

    /// As [`Learning::moments`], of a model that has not been loaded.
    pub fn elements(config: &Config, structure: &ModelConfig) -> usize {
        let layout = Layout::new(structure);
        adapters(config, &layout).map_or(layout.len, |adapters| adapters.len())
    }
}

/// That the adapters of `[lora]` are narrower than the matrices of the model of `folder` that they are added to: wider ones would
/// learn more parameters than the matrices have, and say nothing that these could not.
pub(super) fn check_rank(config: &Config, structure: &ModelConfig, folder: &Path) -> Result<(), PolicyError> {
    let ModelConfig { hidden_size: hidden, intermediate_size: ffn, head_dim, .. } = *structure;
    let (queries, keys) = (structure.num_attention_heads * head_dim, structure.num_key_value_heads * head_dim);
    let sides = |module: &str| match module {
        "q_proj" => (queries, hidden),
        "k_proj" | "v_proj" => (keys, hidden),
        "o_proj" => (hidden, queries),
        "gate_proj" | "up_proj" => (ffn, hidden),
        _ => (hidden, ffn),
    };
    let targets = MODULES.into_iter().filter(|module| config.lora.targets.iter().any(|target| target == module));
    let sides = targets.map(|module| (module, sides(module)));
    match sides.min_by_key(|(_, (outputs, inputs))| *outputs.min(inputs)) {
        Some((module, (outputs, inputs))) if config.lora.rank > outputs.min(inputs) => {
            let folder = folder.display().to_string();
            Err(PolicyError::Rank { folder, rank: config.lora.rank, module, outputs, inputs })
        }
        _ => Ok(()),
    }
}

/// The adapters of `[lora]`, if there are any.
fn adapters(config: &Config, layout: &Layout) -> Option<Adapters> {
    let targets = config.lora.targets.clone();
    let lora = Lora { rank: config.lora.rank, alpha: config.lora.alpha, targets };
    (lora.rank > 0).then(|| Adapters::new(layout, &lora))
}

/// What learns.
pub(super) enum Learned<D: Device> {
    /// The parameters that are not frozen.
    Parameters(Frozen),
    /// Adapters of frozen matrices.
    Adapters(Box<LowRank<D>>),
}

/// Adapters, and the weights that they are added to.
pub(super) struct LowRank<D: Device> {
    adapters: Adapters,
    base: Base,
    values: D::Buffer,
    /// With the rows that it has room for.
    scratch: (usize, Scratch<D>),
}

impl<D: Device> Learned<D> {
    /// Puts what is to learn on a device.
    pub fn new(device: &D, learning: Learning) -> Self {
        match learning.kind {
            Kind::Nothing => Self::Parameters(Frozen::default()),
            Kind::Parameters(frozen) => Self::Parameters(frozen),
            Kind::Adapters(low) => {
                let (adapters, base, values) = *low;
                let scratch = (0, adapters.scratch(device, 0));
                Self::Adapters(Box::new(LowRank { adapters, base, values: device.parameters(values), scratch }))
            }
        }
    }

    /// Elements of the gradient, for a model of `weights` elements.
    pub fn len(&self, weights: usize) -> usize {
        match self {
            Self::Parameters(_) => weights,
            Self::Adapters(low) => low.adapters.len(),
        }
    }

    /// Parameters that learn.
    pub fn parameters(&self, weights: usize) -> usize {
        match self {
            Self::Parameters(frozen) => weights - frozen.ranges().iter().map(ExactSizeIterator::len).sum::<usize>(),
            Self::Adapters(low) => low.adapters.parameters(),
        }
    }

    /// The values that learn, in the layout of the gradient; frozen ones may be among them.
    pub fn values<'a>(&'a self, weights: &'a D::Buffer) -> &'a D::Buffer {
        match self {
            Self::Parameters(_) => weights,
            Self::Adapters(low) => &low.values,
        }
    }

    /// Takes over values that [`Learned::values`] gave.
    pub fn restore(&mut self, device: &D, values: Vec<f32>, weights: &mut D::Buffer) {
        match self {
            Self::Parameters(_) => *weights = device.parameters(values),
            Self::Adapters(low) => {
                low.values = device.parameters(values);
                low.merge(device, weights);
            }
        }
    }

    /// Where a backward pass over `rows` tokens adds its gradient.
    pub fn trained<'a>(&'a mut self, device: &D, rows: usize, grads: &'a mut D::Buffer) -> Trained<'a, D> {
        match self {
            Self::Parameters(frozen) => Trained::Parameters { grads, frozen },
            Self::Adapters(low) => {
                let LowRank { adapters, values, scratch, .. } = low.as_mut();
                if scratch.0 < rows {
                    *scratch = (rows, adapters.scratch(device, rows));
                }
                Trained::Adapters { adapters, weights: values, grads, scratch: &mut scratch.1 }
            }
        }
    }

    /// After the last micro-batch: the sums become the gradient.
    pub fn finish_gradient(&self, device: &D, grads: &mut D::Buffer) {
        match self {
            Self::Parameters(frozen) => {
                frozen.ranges().iter().for_each(|range| device.clear_range(grads, range.clone()));
            }
            Self::Adapters(low) => device.edit(grads, &mut |grads| low.adapters.finish_gradient(grads)),
        }
    }

    /// One step of the optimizer: `adamw` gets the ranges that decay, and the values.
    pub fn step(
        &mut self,
        decoder: &Decoder<D>,
        weights: &mut D::Buffer,
        adamw: impl FnOnce(&[Range<usize>], &mut D::Buffer),
    ) {
        match self {
            Self::Parameters(frozen) => {
                let decayed = decoder.layout().decayed();
                adamw(&decayed.into_iter().filter(|at| !frozen.covers(at)).collect::<Vec<_>>(), weights);
            }
            Self::Adapters(low) => {
                let all = 0..low.adapters.len();
                adamw(std::slice::from_ref(&all), &mut low.values);
                low.merge(decoder.device(), weights);
            }
        }
    }

    /// Writes adapters for `peft` into a checkpoint's folder.
    pub fn save(&self, device: &D, base: &Path, folder: &Path) -> Result<(), PolicyError> {
        if let Self::Adapters(low) = self {
            low.adapters.save(&device.host(&low.values), &base.to_string_lossy(), &folder.join(ADAPTER))?;
        }
        Ok(())
    }
}

impl<D: Device> LowRank<D> {
    /// On the host, whose f32 products keep what the sum would lose in a device's number format.
    fn merge(&self, device: &D, weights: &mut D::Buffer) {
        let (host, values) = (Cpu::new(Threading::Pool), device.host(&self.values).into_owned());
        device.edit(weights, &mut |weights| self.base.merge(&host, &self.adapters, &values, weights));
    }
}

/// The parameters whose names contain one of `texts`.
fn frozen(layout: &Layout, texts: &[String], folder: &Path) -> Result<Frozen, PolicyError> {
    let names = || layout.parameters().map(|(parameter, _)| parameter.name.as_str());
    let wrong = |message: String| Err(PolicyError::Frozen { folder: folder.display().to_string(), message });
    if let Some(text) = texts.iter().find(|text| text.is_empty() || !names().any(|name| name.contains(text.as_str()))) {
        let some: Vec<&str> = names().take(3).collect();
        return wrong(format!("{text:?} is in no parameter's name; names are like {}", some.join(", ")));
    }
    let found = Frozen::new(layout, |name| texts.iter().any(|text| name.contains(text.as_str())));
    if found.covers(&(0..layout.len)) {
        return wrong("every parameter is frozen, so nothing would learn".to_string());
    }
    Ok(found)
}
