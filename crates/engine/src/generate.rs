//! Sampling of many sequences: a prompt is prefilled once for its samples, finished sequences leave the batch and new
//! ones enter (continuous batching).
use crate::batch::Packed;
use crate::decoder::{Decoder, infer::Scratch};
use crate::device::{Choice, Device, Sampling, Weights};
use crate::random::Stream;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Most prompt tokens of one prefill; a longer prompt is prefilled alone.
pub(crate) const PREFILL_ROWS: usize = 1024;

/// A prompt and how often to continue it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The prompt's tokens, at least one.
    pub prompt: &'a [u32],
    /// Number of samples, G.
    pub samples: usize,
    /// Number of the first sample's random stream; the others follow.
    pub first_sequence: u64,
}

/// One completion.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Its tokens, the one that stopped it included.
    pub tokens: Vec<u32>,
    /// Log-probability of each under the tempered policy.
    pub logp: Vec<f32>,
    /// Log-probability of each under the distribution that it was drawn from (other than `logp` with top-p, top-k or min-p).
    pub logp_behavior: Vec<f32>,
    /// Entropy of the tempered policy at each, in nats.
    pub entropy: Vec<f32>,
    /// Whether it ended by itself, and not at the length limit.
    pub finished: bool,
}

impl Sample {
    fn push(&mut self, choice: Choice) {
        self.tokens.push(choice.token);
        self.logp.push(choice.logp);
        self.logp_behavior.push(choice.logp_behavior);
        self.entropy.push(choice.entropy);
    }
}

/// How to sample.
pub struct Settings<'a> {
    /// Distribution of a token.
    pub sampling: Sampling,
    /// Seed of all draws.
    pub seed: u64,
    /// Longest completion, in tokens.
    pub max_new_tokens: usize,
    /// Sequences decoded at once by one worker.
    pub batch: usize,
    /// Workers that decode side by side, each with its own sequences; the weights are read once a worker and step.
    pub workers: usize,
    /// Whether a completion has ended, asked after each token.
    pub stop: &'a (dyn Fn(&[u32]) -> bool + Sync),
    /// Called with the number of tokens of each decoding step.
    pub progress: &'a (dyn Fn(usize) + Sync),
    /// Asked before each decoding step; once it says yes, what has been sampled so far is returned unfinished.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// A completion that is being sampled.
struct Slot<D: Device> {
    request: usize,
    index: usize,
    stream: Stream,
    cache: D::Cache,
    sample: Sample,
}

/// Continues every request; `samples[r][g]` is sample `g` of request `r`. The result depends on the weights, the
/// requests, the sampling rule and the seed alone, not on `batch` or `workers`.
///
/// # Panics
/// If a prompt is empty or does not leave room for `max_new_tokens` in the decoder's positions.
pub fn generate<D: Device>(
    decoder: &Decoder<D>,
    w: Weights<D>,
    requests: &[Request],
    settings: &Settings,
) -> Vec<Vec<Sample>> {
    let results: Vec<Mutex<Vec<Sample>>> =
        requests.iter().map(|r| Mutex::new(vec![Sample::default(); r.samples])).collect();
    let next = AtomicUsize::new(0);
    let work = || Worker::new(decoder, w, requests, settings, &next, &results).run();
    if settings.workers <= 1 {
        work();
    } else {
        rayon::scope(|scope| (0..settings.workers).for_each(|_| scope.spawn(|_| work())));
    }
    results.into_iter().map(|r| r.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

struct Worker<'a, D: Device> {
    decoder: &'a Decoder<D>,
    w: Weights<'a, D>,
    requests: &'a [Request<'a>],
    settings: &'a Settings<'a>,
    next: &'a AtomicUsize,
    results: &'a [Mutex<Vec<Sample>>],
    waiting: VecDeque<Slot<D>>,
    active: Vec<Slot<D>>,
    scratch: Scratch<D>,
}

impl<'a, D: Device> Worker<'a, D> {
    fn new(
        decoder: &'a Decoder<D>,
        w: Weights<'a, D>,
        requests: &'a [Request<'a>],
        settings: &'a Settings<'a>,
        next: &'a AtomicUsize,
        results: &'a [Mutex<Vec<Sample>>],
    ) -> Self {
        let longest = requests.iter().map(|r| r.prompt.len()).max().unwrap_or(1);
        let total: usize = requests.iter().map(|r| r.prompt.len()).sum();
        let rows = longest.max(total.min(PREFILL_ROWS)).max(settings.batch);
        decoder.device().expect(settings.batch.max(1), longest + settings.max_new_tokens);
        let scratch = Scratch::new(decoder, rows, settings.batch.max(1));
        Self { decoder, w, requests, settings, next, results, waiting: VecDeque::new(), active: Vec::new(), scratch }
    }

    fn run(mut self) {
        loop {
            while self.active.len() < self.settings.batch {
                if self.waiting.is_empty() && !self.prefill() {
                    break;
                }
                self.active.extend(self.waiting.pop_front());
            }
            // What a device that has failed draws means nothing.
            if self.active.is_empty() || (self.settings.cancelled)() || self.decoder.device().status().is_err() {
                return;
            }
            self.step();
        }
    }

    /// Prefills the next prompts, as many as fill the batch, and queues their samples; false if none is left.
    fn prefill(&mut self) -> bool {
        let mut batch = Packed::default();
        let mut taken = Vec::new();
        let mut free = self.settings.batch.saturating_sub(self.active.len());
        while free > 0 && taken.len() < self.settings.batch {
            let room = PREFILL_ROWS.saturating_sub(batch.len());
            let claim =
                |r: usize| self.requests.get(r).filter(|q| taken.is_empty() || q.prompt.len() <= room).map(|_| r + 1);
            let Ok(r) = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim) else { break };
            let request = &self.requests[r];
            let needed = request.prompt.len() + self.settings.max_new_tokens;
            assert!(needed <= self.decoder.positions(), "{needed} positions of {}", self.decoder.positions());
            batch.push(request.prompt, None);
            free = free.saturating_sub(request.samples);
            taken.push(r);
        }
        if taken.is_empty() {
            return false;
        }
        let mut caches: Vec<D::Cache> = taken.iter().map(|_| self.decoder.cache(None)).collect();
        let logits = self.decoder.prefill(self.w, &batch, &mut caches, &mut self.scratch);
        let vocabulary = self.decoder.vocabulary();
        let device = self.decoder.device();
        for (row, (r, cache)) in taken.into_iter().zip(caches).enumerate() {
            let (request, prefix) = (&self.requests[r], Arc::new(cache));
            for index in 0..request.samples {
                let stream = Stream { seed: self.settings.seed, sequence: request.first_sequence + index as u64 };
                let choice = device.sample_row(logits, row, vocabulary, &self.settings.sampling, stream.uniform(0));
                let cache = self.decoder.cache(Some(prefix.clone()));
                let mut slot = Slot { request: r, index, stream, cache, sample: Sample::default() };
                slot.sample.push(choice);
                if !ended(self.settings, self.results, &mut slot) {
                    self.waiting.push_back(slot);
                }
            }
        }
        true
    }

    /// One token for every active sequence.
    fn step(&mut self) {
        let tokens: Vec<u32> = self.active.iter().map(|s| s.sample.tokens.last().copied().unwrap_or(0)).collect();
        let uniforms: Vec<f32> = self.active.iter().map(|s| s.stream.uniform(s.sample.tokens.len() as u32)).collect();
        let mut caches: Vec<&mut D::Cache> = self.active.iter_mut().map(|s| &mut s.cache).collect();
        let logits = self.decoder.decode(self.w, &tokens, &mut caches, &mut self.scratch);
        let choices =
            self.decoder.device().sample(logits, self.decoder.vocabulary(), &self.settings.sampling, &uniforms);
        (self.settings.progress)(choices.len());
        for (slot, choice) in self.active.iter_mut().zip(choices) {
            slot.sample.push(choice);
        }
        self.active.retain_mut(|slot| !ended(self.settings, self.results, slot));
    }
}

/// Files a sample that has ended.
fn ended<D: Device>(settings: &Settings, results: &[Mutex<Vec<Sample>>], slot: &mut Slot<D>) -> bool {
    slot.sample.finished = (settings.stop)(&slot.sample.tokens);
    let ended = slot.sample.finished || slot.sample.tokens.len() >= settings.max_new_tokens;
    if ended {
        let mut results = results[slot.request].lock().unwrap_or_else(PoisonError::into_inner);
        results[slot.index] = std::mem::take(&mut slot.sample);
    }
    ended
}
