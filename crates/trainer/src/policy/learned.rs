//! What the updates of a run change: the model's parameters, but for frozen ones, or adapters.
use super::PolicyError;
use crate::config::Config;
use std::ops::Range;
use std::path::Path;
use surefoot_engine::cpu::Cpu;
use surefoot_engine::decoder::{Decoder, Frozen, Trained};
use surefoot_engine::layout::Layout;
use surefoot_engine::lora::{Adapters, Base, Lora, Scratch};

/// Folder of the adapters in a checkpoint.
const ADAPTER: &str = "adapter";

/// What learns.
pub(super) enum Learned {
    /// The parameters that are not frozen.
    Parameters(Frozen),
    /// Adapters of frozen matrices.
    Adapters(Box<LowRank>),
}

/// Adapters, and the weights that they are added to.
pub(super) struct LowRank {
    adapters: Adapters,
    base: Base,
    values: Vec<f32>,
    /// With the rows that it has room for.
    scratch: (usize, Scratch<Cpu>),
}

impl Learned {
    /// What `config` lets learn of `weights`, which are the base where there are adapters.
    pub fn of(config: &Config, decoder: &Decoder<Cpu>, weights: &[f32], folder: &Path) -> Result<Self, PolicyError> {
        let layout = decoder.layout();
        if config.lora.rank == 0 {
            return Ok(Self::Parameters(frozen(layout, &config.model.frozen, folder)?));
        }
        let targets = config.lora.targets.clone();
        let adapters = Adapters::new(layout, &Lora { rank: config.lora.rank, alpha: config.lora.alpha, targets });
        let scratch = (0, adapters.scratch(decoder.device(), 0));
        let (base, values) = (Base::of(&adapters, weights), adapters.initialise(config.train.seed));
        Ok(Self::Adapters(Box::new(LowRank { adapters, base, values, scratch })))
    }

    /// Elements of the gradient.
    pub fn len(&self, weights: &[f32]) -> usize {
        match self {
            Self::Parameters(_) => weights.len(),
            Self::Adapters(low) => low.values.len(),
        }
    }

    /// Parameters that learn.
    pub fn parameters(&self, weights: &[f32]) -> usize {
        match self {
            Self::Parameters(frozen) => {
                weights.len() - frozen.ranges().iter().map(ExactSizeIterator::len).sum::<usize>()
            }
            Self::Adapters(low) => low.adapters.parameters(),
        }
    }

    /// The values that learn, in the layout of the gradient; frozen ones may be among them.
    pub fn values<'a>(&'a self, weights: &'a [f32]) -> &'a [f32] {
        match self {
            Self::Parameters(_) => weights,
            Self::Adapters(low) => &low.values,
        }
    }

    /// Takes over values that [`Learned::values`] gave.
    pub fn restore(&mut self, device: &Cpu, values: Vec<f32>, weights: &mut Vec<f32>) {
        match self {
            Self::Parameters(_) => *weights = values,
            Self::Adapters(low) => {
                low.values = values;
                low.merge(device, weights);
            }
        }
    }

    /// Where a backward pass over `rows` tokens adds its gradient.
    pub fn trained<'a>(&'a mut self, device: &Cpu, rows: usize, grads: &'a mut Vec<f32>) -> Trained<'a, Cpu> {
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
    pub fn finish_gradient(&self, grads: &mut [f32]) {
        match self {
            Self::Parameters(frozen) => frozen.clear(grads),
            Self::Adapters(low) => low.adapters.finish_gradient(grads),
        }
    }

    /// One step of the optimizer: `adamw` gets the ranges that decay, and the values.
    pub fn step(
        &mut self,
        decoder: &Decoder<Cpu>,
        weights: &mut Vec<f32>,
        adamw: impl FnOnce(&[Range<usize>], &mut Vec<f32>),
    ) {
        match self {
            Self::Parameters(frozen) => {
                let decayed = decoder.layout().decayed();
                adamw(&decayed.into_iter().filter(|at| !frozen.covers(at)).collect::<Vec<_>>(), weights);
            }
            Self::Adapters(low) => {
                let all = 0..low.values.len();
                adamw(std::slice::from_ref(&all), &mut low.values);
                low.merge(decoder.device(), weights);
            }
        }
    }

    /// Writes adapters for `peft` into a checkpoint's folder.
    pub fn save(&self, base: &Path, folder: &Path) -> Result<(), PolicyError> {
        if let Self::Adapters(low) = self {
            low.adapters.save(&low.values, &base.to_string_lossy(), &folder.join(ADAPTER))?;
        }
        Ok(())
    }
}

impl LowRank {
    fn merge(&self, device: &Cpu, weights: &mut [f32]) {
        self.base.merge(device, &self.adapters, &self.values, weights);
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
