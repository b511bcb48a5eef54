//! [`Learner`] over the operators of any device.
use super::PolicyError;
use super::learned::{Learned, Learning};
use super::learner::{BothMoments, Learner, Of, Pass};
use super::place::Place;
use super::sampler::{Sampler, SamplerOn};
use crate::config::choice::Recompute;
#[cfg(test)]
use crate::ranks::Ranks;
use std::borrow::Cow;
use std::path::Path;
use surefoot_engine::batch::Packed;
use surefoot_engine::config::ModelConfig;
use surefoot_engine::decoder::{Activations, Decoder, Predictions, Tape};
use surefoot_engine::device::{DeviceError, Step, TargetGradients, Weights};
use surefoot_engine::generate::{Request, Sample, Settings};
use surefoot_engine::model::Model;

/// A policy on a device of type `D`.
pub(super) struct On<D: Place> {
    structure: ModelConfig,
    trainer: Decoder<D>,
    sampler: SamplerOn<D>,
    arena: D::Buffer,
    reference: Option<D::Buffer>,
    packed: Option<D::PackedWeights>,
    gradient: Option<D::Buffer>,
    learned: Learned<D>,
    moments: D::Moments,
    tape: Option<Tape<D>>,
    peers: Option<Peers<D>>,
}

/// What sums the gradients of all ranks where the host need not.
enum Peers<D: Place> {
    /// The devices by themselves.
    Devices(D::Group),
    /// The host in their place: tests have no two devices that could.
    #[cfg(test)]
    Pretended(Ranks),
}

impl<D: Place> On<D> {
    /// Puts `model` on `device`.
    pub fn new(device: &D, model: Model, positions: usize, learning: Learning) -> Result<Self, DeviceError> {
        let Model { config: structure, weights } = model;
        let trainer = Decoder::new(device.for_training(), &structure, positions);
        let sampler = SamplerOn::new(device.for_sampling(&structure), &structure, positions);
        let moments = trainer.device().moments(learning.moments(&weights), learning.half);
        let only_read = learning.is_nothing();
        let learned = Learned::new(trainer.device(), learning);
        let device = trainer.device();
        let arena = if only_read { device.constants(weights) } else { device.parameters(weights) };
        trainer.device().status()?;
        let (reference, packed, gradient, tape, peers) = (None, None, None, None, None);
        Ok(Self { structure, trainer, sampler, arena, reference, packed, gradient, learned, moments, tape, peers })
    }

    /// A tape with room for `rows` tokens.
    fn make_room(&mut self, rows: usize, recompute: Recompute) {
        if self.tape.as_ref().is_none_or(|tape| tape.rows() < rows) {
            // The old one goes before the new one is made.
            self.tape = None;
            let rows = rows.next_multiple_of(64);
            let kept =
                activations(recompute, Tape::kept_bytes(&self.trainer, rows), self.trainer.device().free_memory());
            self.tape = Some(Tape::new(&self.trainer, rows, kept));
        }
    }

    /// The gradient, of zeros where there was none yet.
    fn gradient(&mut self) -> &mut D::Buffer {
        let len = self.learned.len(self.trainer.layout().len);
        self.gradient.get_or_insert_with(|| self.trainer.device().zeros(len))
    }
}

/// `auto` recomputes activations that would take more than half of the memory that is free.
fn activations(recompute: Recompute, bytes: usize, free: Option<usize>) -> Activations {
    match recompute {
        Recompute::Always => Activations::Recompute,
        Recompute::Auto if free.is_some_and(|free| bytes > free / 2) => Activations::Recompute,
        Recompute::Auto | Recompute::Never => Activations::Keep,
    }
}

impl<D: Place> Learner for On<D> {
    fn forward(&mut self, pass: &Pass) -> Result<Predictions, DeviceError> {
        self.make_room(pass.batch.len(), pass.recompute);
        let Self { trainer, arena, reference, tape, .. } = self;
        let arena = match (pass.of, reference) {
            (Of::Reference, Some(reference)) => reference,
            _ => arena,
        };
        let w = Weights { arena, packed: None };
        let found = tape.as_mut().map(|tape| trainer.forward(w, pass.batch, pass.targets, pass.scale, tape));
        trainer.device().status().map(|()| found.unwrap_or_default())
    }

    fn backward(&mut self, batch: &Packed, wanted: TargetGradients) -> Result<(), DeviceError> {
        self.gradient();
        let Self { trainer, arena, tape, gradient, learned, .. } = self;
        if let (Some(tape), Some(gradient)) = (tape, gradient) {
            let trained = learned.trained(trainer.device(), tape.rows(), gradient);
            trainer.backward_to(Weights { arena, packed: None }, batch, wanted, tape, trained);
        }
        trainer.device().status()
    }

    fn begin_update(&mut self) {
        if let Some(gradient) = &mut self.gradient {
            self.trainer.device().clear(gradient);
        }
        self.gradient();
    }

    fn finish_gradient(&mut self) {
        if let Some(gradient) = &mut self.gradient {
            self.learned.finish_gradient(self.trainer.device(), gradient);
        }
    }

    fn edit_gradient(&mut self, change: &mut dyn FnMut(&mut [f32])) -> Result<(), DeviceError> {
        self.gradient();
        if let Some(gradient) = &mut self.gradient {
            self.trainer.device().edit(gradient, change);
        }
        self.trainer.device().status()
    }

    fn take_gradient(&mut self) -> Result<Vec<f32>, DeviceError> {
        self.gradient();
        let found = self.gradient.take().map(|gradient| self.trainer.device().retrieve(gradient));
        self.trainer.device().status().map(|()| found.unwrap_or_default())
    }

    fn put_gradient(&mut self, gradient: Vec<f32>) -> Result<(), DeviceError> {
        self.gradient = Some(self.trainer.device().parameters(gradient));
        self.trainer.device().status()
    }

    fn name_group(&self) -> Result<Option<Vec<u8>>, DeviceError> {
        self.trainer.device().name_group()
    }

    fn join(&mut self, name: &[u8], rank: usize, size: usize) -> Result<(), DeviceError> {
        self.peers = Some(Peers::Devices(self.trainer.device().join(name, rank, size)?));
        Ok(())
    }

    #[cfg(test)]
    fn pretend(&mut self, ranks: &Ranks) {
        self.peers = Some(Peers::Pretended(ranks.clone()));
    }

    fn has_peers(&self) -> bool {
        self.peers.is_some()
    }

    fn sum_gradient(&mut self) -> Result<(), DeviceError> {
        self.gradient();
        let Self { trainer, gradient, peers, .. } = self;
        match (gradient, peers) {
            (Some(gradient), Some(Peers::Devices(group))) => trainer.device().sum(group, gradient),
            #[cfg(test)]
            (Some(gradient), Some(Peers::Pretended(ranks))) => {
                trainer.device().edit(gradient, &mut |total| ranks.sum(total, &[], false).unwrap_or_default());
            }
            _ => {}
        }
        self.trainer.device().status()
    }

    fn gradient_norm(&self) -> Result<f64, DeviceError> {
        let norm = self.gradient.as_ref().map_or(0.0, |gradient| self.trainer.device().norm_of(gradient));
        self.trainer.device().status().map(|()| norm)
    }

    fn step(&mut self, step: Step) -> Result<(), DeviceError> {
        let Self { trainer, learned, arena, gradient, moments, packed, .. } = self;
        *packed = None;
        if let Some(gradient) = gradient {
            learned.step(trainer, arena, |decayed, values| {
                trainer.device().adamw(step, decayed, values, gradient, moments);
            });
        }
        trainer.device().status()
    }

    fn parameters(&self) -> usize {
        self.trainer.layout().len
    }

    fn learning(&self) -> usize {
        self.learned.parameters(self.parameters())
    }

    fn elements(&self) -> usize {
        self.learned.len(self.parameters())
    }

    fn values_are_weights(&self) -> bool {
        matches!(self.learned, Learned::Parameters(_))
    }

    fn weights(&self) -> Result<Cow<'_, [f32]>, DeviceError> {
        let found = self.trainer.device().host(&self.arena);
        self.trainer.device().status().map(|()| found)
    }

    fn values(&self) -> Result<Cow<'_, [f32]>, DeviceError> {
        let found = self.trainer.device().host(self.learned.values(&self.arena));
        self.trainer.device().status().map(|()| found)
    }

    fn moments(&self) -> Result<BothMoments<'_>, DeviceError> {
        let found = self.trainer.device().read_moments(&self.moments);
        self.trainer.device().status().map(|()| found)
    }

    fn restore(&mut self, values: Option<Vec<f32>>, moments: (Vec<f32>, Vec<f32>)) -> Result<(), DeviceError> {
        let device = self.trainer.device();
        self.packed = None;
        if let Some(values) = values {
            self.learned.restore(device, values, &mut self.arena);
        }
        device.write_moments(&mut self.moments, moments);
        device.status()
    }

    fn set_reference(&mut self, weights: Vec<f32>) -> Result<(), DeviceError> {
        self.reference = Some(self.trainer.device().constants(weights));
        self.trainer.device().status()
    }

    fn pack(&mut self) {
        self.packed = Some(self.sampler.decoder().pack(&self.arena));
    }

    fn generate(&self, requests: &[Request], settings: &Settings) -> Result<Vec<Vec<Sample>>, DeviceError> {
        self.trainer.device().status()?;
        let now = self.packed.is_none().then(|| self.sampler.decoder().pack(&self.arena));
        let w = Weights { arena: &self.arena, packed: now.as_ref().or(self.packed.as_ref()) };
        self.sampler.generate(w, requests, settings)
    }

    fn workers(&self) -> usize {
        self.sampler.workers()
    }

    fn sampler(&self) -> Box<dyn Sampler> {
        let device = self.trainer.device().for_sampling_beside(&self.structure);
        Box::new(SamplerOn::new(device, &self.structure, self.trainer.positions()))
    }

    fn save_adapters(&self, base: &Path, folder: &Path) -> Result<(), PolicyError> {
        self.learned.save(self.trainer.device(), base, folder)
    }
}
