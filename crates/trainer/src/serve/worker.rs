//! The one thread that samples for all requests.
use super::api::Asked;
use crate::fingerprint;
use crate::policy::{Policy, PolicyError};
use crate::rollout::{Generate, Stop};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use surefoot_engine::config::ModelConfig;
use surefoot_engine::device::DeviceError;
use surefoot_engine::generate::{Request, Sample, Settings};
use surefoot_engine::tokenizer::Tokenizer;

/// What a connection wants.
pub(super) enum Job {
    /// Completions.
    Complete(Asked, Asker),
    /// The weights of a folder; what comes back is their fingerprint.
    Reload(PathBuf, Sender<Result<Arc<str>, String>>),
}

/// Completions.
pub(super) struct Answered {
    pub samples: Vec<Sample>,
    /// Fingerprint of the weights that sampled them.
    pub weights: Arc<str>,
}

/// Who waits for completions.
pub(super) struct Asker {
    /// Where they go.
    pub tell: Sender<Result<Answered, PolicyError>>,
    /// Whether nobody waits any more.
    pub gone: Arc<AtomicBool>,
}

impl Asker {
    fn has_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

/// The model and the requests that wait for it.
pub(super) struct Worker {
    policy: Policy,
    /// Fingerprint of its weights.
    weights: Arc<str>,
    tokenizer: Arc<Tokenizer>,
    positions: usize,
    waiting: VecDeque<Job>,
}

impl Worker {
    pub fn new(mut policy: Policy, tokenizer: Arc<Tokenizer>, positions: usize) -> Result<Self, DeviceError> {
        let weights = name(&policy.weights()?);
        policy.pack();
        Ok(Self { policy, weights, tokenizer, positions, waiting: VecDeque::new() })
    }

    pub fn device(&self) -> String {
        self.policy.device()
    }

    pub fn tokenizer(&self) -> Arc<Tokenizer> {
        self.tokenizer.clone()
    }

    pub fn positions(&self) -> usize {
        self.positions
    }

    pub fn vocabulary(&self) -> usize {
        self.policy.structure().vocab_size
    }

    /// Does `job` and all that wait behind it.
    pub fn work(&mut self, job: Job, more: &Receiver<Job>, stop: &AtomicBool) {
        self.waiting.push_back(job);
        while let Some(job) = self.waiting.pop_front().filter(|_| !stop.load(Ordering::Relaxed)) {
            self.waiting.extend(more.try_iter());
            // Who asked may have gone.
            match job {
                Job::Complete(asked, asker) => self.complete(asked, asker, stop),
                Job::Reload(folder, tell) => {
                    let _gone = tell.send(self.reload(&folder));
                }
            }
            self.waiting.extend(more.try_iter());
        }
    }

    /// Answers a request, together with those behind it that want the same distribution; one for new weights ends the row.
    fn complete(&mut self, asked: Asked, asker: Asker, stop: &AtomicBool) {
        let mut together = vec![(asked, asker)];
        let row = self.waiting.iter().position(|job| matches!(job, Job::Reload(..))).unwrap_or(self.waiting.len());
        let mut others = self.waiting.split_off(row);
        for job in std::mem::take(&mut self.waiting) {
            match job {
                Job::Complete(asked, asker) if asked.goes_with(&together[0].0) => together.push((asked, asker)),
                other => self.waiting.push_back(other),
            }
        }
        self.waiting.append(&mut others);
        together.retain(|(_, asker)| !asker.has_gone());
        let Some((first, _)) = together.first() else { return };
        let cancelled = || stop.load(Ordering::Relaxed) || together.iter().all(|(_, asker)| asker.has_gone());
        let ends = Stop { tokenizer: &self.tokenizer, texts: &first.stop };
        let requests: Vec<Request> = together
            .iter()
            .flat_map(|(asked, _)| {
                let Asked { prompts, samples, seed, .. } = asked;
                let of = move |(p, prompt)| Request {
                    prompt,
                    samples: *samples,
                    first_sequence: seed + (p * samples) as u64,
                };
                prompts.iter().map(Vec::as_slice).enumerate().map(of)
            })
            .collect();
        let workers = self.policy.workers().min(requests.len()).max(1);
        let samples: usize = requests.iter().map(|request| request.samples).sum();
        let settings = Settings {
            sampling: first.sampling,
            // A request's seed is the number of its stream.
            seed: 0,
            max_new_tokens: first.max_new_tokens,
            batch: self.policy.sequences().min(samples).div_ceil(workers),
            workers,
            stop: &|tokens| ends.ends(tokens),
            progress: &|_| {},
            cancelled: &cancelled,
        };
        let sampled = self.policy.generate(&requests, &settings);
        if cancelled() {
            return;
        }
        let mut sampled = sampled.map(Vec::into_iter);
        for (asked, asker) in &together {
            let answer = match &mut sampled {
                Ok(sampled) => {
                    let samples: Vec<_> = sampled.by_ref().take(asked.prompts.len()).flatten().collect();
                    let weights = self.weights.clone();
                    self.policy.expect_finite(&samples).map(|()| Answered { samples, weights })
                }
                Err(error) => Err(error.clone().into()),
            };
            let _gone = asker.tell.send(answer);
        }
    }

    fn reload(&mut self, folder: &Path) -> Result<Arc<str>, String> {
        let mut policy = self.policy.another(folder).map_err(|error| error.to_string())?;
        let (served, new) = (self.policy.structure(), policy.structure());
        // The number format of the file and what does not concern the arithmetic may be others.
        if (ModelConfig { dtype: served.dtype, other: served.other.clone(), ..new.clone() }) != *served {
            let folder = folder.display();
            return Err(format!("{folder}: its config.json is of another structure than the model that is served"));
        }
        let weights = name(&policy.weights().map_err(|error| error.to_string())?);
        policy.pack();
        (self.policy, self.weights) = (policy, weights);
        Ok(self.weights.clone())
    }
}

/// What clients know weights by (`system_fingerprint`): another after they have changed.
fn name(weights: &[f32]) -> Arc<str> {
    format!("{:016x}", fingerprint::of_weights(weights)).into()
}
