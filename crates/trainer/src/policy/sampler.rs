//! Samplers for weights that lie on the host: those of earlier steps.
use super::place::Place;
use surefoot_engine::config::ModelConfig;
use surefoot_engine::decoder::Decoder;
use surefoot_engine::device::{DeviceError, Weights};
use surefoot_engine::generate::{Request, Sample, Settings, generate};

/// Samples with weights of the host.
pub trait Sampler: Send + Sync {
    /// Workers that sample side by side.
    fn workers(&self) -> usize;
    /// Continues every request with `weights`, which are laid out as [`surefoot_engine::layout::Layout`] says.
    ///
    /// # Errors
    /// What the device failed with.
    #[allow(clippy::ptr_arg, reason = "the CPU's buffers are vectors")]
    fn generate(
        &self,
        weights: &Vec<f32>,
        requests: &[Request],
        settings: &Settings,
    ) -> Result<Vec<Vec<Sample>>, DeviceError>;
}

/// [`Sampler`] on a device of type `D`.
pub(super) struct SamplerOn<D: Place> {
    decoder: Decoder<D>,
    workers: usize,
}

impl<D: Place> SamplerOn<D> {
    /// What samples from models of `structure`, with a device and its workers.
    pub fn new((device, workers): (D, usize), structure: &ModelConfig, positions: usize) -> Self {
        Self { decoder: Decoder::new(device, structure, positions), workers }
    }

    /// The decoder.
    pub fn decoder(&self) -> &Decoder<D> {
        &self.decoder
    }

    /// Workers that sample side by side.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Continues every request with `weights`.
    pub fn generate(
        &self,
        w: Weights<D>,
        requests: &[Request],
        settings: &Settings,
    ) -> Result<Vec<Vec<Sample>>, DeviceError> {
        let found = generate(&self.decoder, w, requests, settings);
        self.decoder.device().status().map(|()| found)
    }
}

impl<D: Place> Sampler for SamplerOn<D> {
    fn workers(&self) -> usize {
        self.workers
    }

    fn generate(
        &self,
        weights: &Vec<f32>,
        requests: &[Request],
        settings: &Settings,
    ) -> Result<Vec<Vec<Sample>>, DeviceError> {
        let arena = self.decoder.device().lend(weights);
        let packed = self.decoder.pack(&arena);
        self.generate(Weights { arena: &arena, packed: Some(&packed) }, requests, settings)
    }
}
