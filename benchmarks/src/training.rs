//! One training step: forward, log-probabilities, MHPO's loss, backward, clip, AdamW.
use crate::{Lcg, Shape};
use anyhow::Result;
use surefoot_engine::batch::{Packed, Target};
use surefoot_engine::cpu::Cpu;
use surefoot_engine::decoder::{Activations, Decoder, Tape};
use surefoot_engine::device::{Device, Step, Weights};
use surefoot_objectives::{Advantages, Counts, Denominators, Objective, TokenBatch};

/// Samples of a prompt, as far as the objective is concerned.
const GROUP: usize = 8;

/// Tokens that go through the model together.
struct MicroBatch {
    packed: Packed,
    targets: Vec<Target>,
    offsets: Vec<usize>,
    groups: Vec<u32>,
    advantages: Vec<f32>,
    logp_old: Vec<f32>,
}

/// A model in training on random tokens, old log-probabilities a little off, random advantages.
pub struct Training<D: Device = Cpu> {
    decoder: Decoder<D>,
    batches: Vec<MicroBatch>,
    objective: Objective,
    denominators: Denominators,
    tape: Tape<D>,
    weights: D::Buffer,
    grads: D::Buffer,
    moments: D::Moments,
    updates: u64,
}

impl<D: Device> Training<D> {
    /// Sets up the step of `shape` on `device`, in micro-batches of at most `micro_batch` tokens (at least one sequence); moments
    /// are stored as bfloat16 if `half`.
    pub fn new(device: D, shape: Shape, micro_batch: usize, activations: Activations, half: bool) -> Result<Self> {
        let Shape { model, sequences, tokens } = shape;
        let decoder = Decoder::new(device, &model.config, tokens);
        let len = model.weights.len();
        let weights = decoder.device().parameters(model.weights);
        let per_batch = (micro_batch / tokens).max(1);
        let mut random = Lcg(1);
        let numbers: Vec<usize> = (0..sequences).collect();
        let mut batches: Vec<MicroBatch> =
            numbers.chunks(per_batch).map(|s| batch(s, tokens, decoder.vocabulary(), &mut random)).collect();
        let objective = Objective::named("mhpo")?;
        let offsets: Vec<usize> = (0..=sequences).map(|s| s * tokens).collect();
        let groups: Vec<u32> = (0..sequences).map(|s| (s / GROUP) as u32).collect();
        let denominators = objective.denominators_from(Counts::of(&offsets, None, &groups)?)?;
        let mut tape = Tape::new(&decoder, per_batch * tokens, activations);
        for b in &mut batches {
            let w = Weights { arena: &weights, packed: None };
            let found = decoder.forward(w, &b.packed, &b.targets, 1.0, &mut tape);
            b.logp_old = found.logp.iter().map(|logp| logp + 0.3 * (2.0 * random.uniform() - 1.0)).collect();
        }
        let (grads, moments) = (decoder.device().zeros(len), decoder.device().moments(len, half));
        decoder.device().status()?;
        Ok(Self { decoder, batches, objective, denominators, tape, weights, grads, moments, updates: 0 })
    }

    /// One step; returns the loss.
    pub fn step(&mut self) -> Result<f64> {
        let device = self.decoder.device();
        device.clear(&mut self.grads);
        let mut loss = 0.0;
        for b in &self.batches {
            let w = Weights { arena: &self.weights, packed: None };
            let found = self.decoder.forward(w, &b.packed, &b.targets, 1.0, &mut self.tape);
            let advantages = Advantages::PerSequence(&b.advantages);
            let tokens = TokenBatch::new(&found.logp, &b.logp_old, advantages, &b.offsets, &b.groups)?;
            let evaluated = self.objective.evaluate(&tokens, &self.denominators)?;
            loss += evaluated.loss;
            self.decoder.backward(w, &b.packed, &evaluated.grad_logp, &mut self.tape, &mut self.grads);
        }
        let norm = device.norm_of(&self.grads) as f32;
        self.updates += 1;
        let step = Step {
            learning_rate: 1e-4,
            betas: (0.9, 0.95),
            eps: 1e-8,
            weight_decay: 0.01,
            gradient_scale: 1f32.min(1.0 / norm),
            update: self.updates,
        };
        let decayed = self.decoder.layout().decayed();
        device.adamw(step, &decayed, &mut self.weights, &self.grads, &mut self.moments);
        device.status()?;
        Ok(loss)
    }
}

impl<D: Device> Training<D> {
    /// The device.
    pub fn device(&self) -> &D {
        self.decoder.device()
    }
}

fn batch(sequences: &[usize], tokens: usize, vocabulary: usize, random: &mut Lcg) -> MicroBatch {
    let mut batch = MicroBatch {
        packed: Packed::default(),
        targets: Vec::new(),
        offsets: vec![0],
        groups: Vec::new(),
        advantages: Vec::new(),
        logp_old: Vec::new(),
    };
    for s in sequences {
        let first = batch.packed.len() as u32;
        let inputs: Vec<u32> = (0..tokens).map(|_| random.token(vocabulary)).collect();
        batch.packed.push(&inputs, None);
        batch.targets.extend((0..tokens as u32).map(|i| Target { row: first + i, token: random.token(vocabulary) }));
        batch.offsets.push(batch.targets.len());
        batch.groups.push((s / GROUP) as u32);
        batch.advantages.push(2.0 * random.uniform() - 1.0);
    }
    batch
}
