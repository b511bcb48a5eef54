//! Samples of another server (`[server]`): requests to `/v1/completions`, so many at a time, and new weights for it.
//!
//! A request is one completion with a seed of its own. What comes back are tokens and the server's log-probabilities of
//! them; `served/answer.rs` says how tokens are found where a server gives only texts. New weights are written as a Hugging Face
//! folder, whole or not at all (`served/weights.rs`), and the server is asked to load them, again when it may have lost them
//! (`served/held.rs`).
mod answer;
mod error;
mod held;
mod http;
mod weights;

use super::{Group, Plan, Stop, group, render};
use crate::config::{Config, choice::ServerPrompt};
use crate::data::Row;
use crate::prompt::{Prompt, Prompter};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use surefoot_engine::config::ModelConfig;
use surefoot_engine::folder::FolderError;
use surefoot_engine::generate::Sample;
use surefoot_engine::random::philox;

pub use error::ServerError;
use held::Held;
use http::Client;
use weights::Weights;

/// Time between two looks at whether the run is to stop.
const PATIENCE: Duration = Duration::from_millis(20);

/// What a server's answers were like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that had to be repeated.
    pub retries: u64,
    /// Samples whose tokens come from texts.
    pub retokenized: usize,
    /// Of those, samples whose log-probabilities do not fit the tokens.
    pub unaligned: usize,
}

impl Tally {
    /// Counts what another has counted.
    pub fn add(&mut self, other: Tally) {
        self.retries += other.retries;
        self.retokenized += other.retokenized;
        self.unaligned += other.unaligned;
    }
}

/// A server that samples.
pub struct Server {
    client: Arc<Client>,
    model: String,
    /// Tokens of the model.
    vocabulary: usize,
    config: Config,
    weights: Weights,
    /// The weights that it was given.
    held: Arc<Held>,
}

/// Requests that several threads work on.
struct Work {
    bodies: Vec<String>,
    next: AtomicUsize,
    stop: AtomicBool,
    retries: AtomicU64,
}

impl Server {
    /// Connects, and finds the model's name if none is set.
    ///
    /// # Errors
    /// [`ServerError`] names the address and what came from there; [`ServerError::Stopped`] if it was cancelled.
    pub fn open(
        config: &Config,
        notes: &mut Vec<String>,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, ServerError> {
        let client = Arc::new(Client::new(&config.server)?);
        let listed = client.get("/v1/models", cancelled)?;
        let name = listed["data"][0]["id"].as_str().map(str::to_string);
        let model = match (config.server.model.is_empty(), name) {
            (false, _) => config.server.model.clone(),
            (true, Some(name)) => name,
            (true, None) => {
                let hint = "set server.model to the model's name";
                return Err(client.unexpected("/v1/models", "a list of models", &listed.to_string(), hint));
            }
        };
        notes.push(format!("{}: sampling from {model}", config.server.url));
        if config.rollout.temperature != 1.0 || config.truncates() {
            notes.push(
                "logp_behavior is what the server reports: with temperature, top-p, top-k or min-p, see that it reports the \
                 distribution that it samples from (vLLM: --logprobs-mode processed_logprobs)"
                    .to_string(),
            );
        }
        let structure = ModelConfig::from_folder(Path::new(&config.model.path)).map_err(FolderError::from)?;
        let (weights, config, held) = (Weights::new(config), config.clone(), Arc::default());
        Ok(Self { client, model, vocabulary: structure.vocab_size, weights, config, held })
    }

    /// Sees that the server has `weights`, of `version`, for a model of `structure`; returns the version that it has. If it was
    /// cancelled, the server may have others, and nothing is to be sampled.
    ///
    /// # Errors
    /// [`ServerError`] where they cannot be written, or the server does not take them.
    pub fn publish(
        &self,
        version: u64,
        structure: &ModelConfig,
        weights: &[f32],
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<u64, ServerError> {
        if !self.weights.wanted() {
            return Ok(0);
        }
        if self.held.has(version) || cancelled() {
            return Ok(version);
        }
        let load = self.weights.write(version, structure, weights)?;
        let (client, held) = (self.client.clone(), self.held.clone());
        match self.client.apart("", cancelled, move |stop| held.load(&client, version, load, stop)) {
            Ok(()) => self.weights.prune()?,
            Err(ServerError::Stopped { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(version)
    }

    /// Samples the plan's completions for each row. `None` if it was cancelled: requests that are under way are left to
    /// themselves.
    ///
    /// # Errors
    /// [`ServerError`] names the address, what came from there and what to do.
    pub fn rollout(
        &self,
        prompter: &Prompter,
        plan: &Plan,
        rows: &[(usize, &Row)],
        first_sequence: u64,
        tally: &mut Tally,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Vec<Group>>, ServerError> {
        let prompts = render(prompter, rows)?;
        let mut bodies = Vec::with_capacity(prompts.len() * plan.samples);
        for prompt in &prompts {
            for _ in 0..plan.samples {
                bodies.push(self.body(plan, prompt, first_sequence + bodies.len() as u64).to_string());
            }
        }
        let work = Arc::new(Work {
            bodies,
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            retries: AtomicU64::new(0),
        });
        let sampled = self.collect(&work, prompter, plan, &prompts, tally, cancelled);
        work.stop.store(true, Ordering::Relaxed);
        tally.retries += work.retries.load(Ordering::Relaxed);
        match sampled? {
            Some(sampled) => Ok(Some(group(prompter, rows, prompts, sampled)?)),
            None => Ok(None),
        }
    }

    /// Starts as many threads as requests may be under way, and reads the answers as they come.
    fn collect(
        &self,
        work: &Arc<Work>,
        prompter: &Prompter,
        plan: &Plan,
        prompts: &[Prompt],
        tally: &mut Tally,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Vec<Vec<Sample>>>, ServerError> {
        let (tell, answers) = channel();
        let mut threads = Vec::new();
        for _ in 0..self.config.server.concurrency.min(work.bodies.len()) {
            let (client, held) = (self.client.clone(), self.held.clone());
            let (work, tell) = (work.clone(), tell.clone());
            let ask = move || loop {
                let number = work.next.fetch_add(1, Ordering::Relaxed);
                let Some(body) = work.bodies.get(number).filter(|_| !work.stop.load(Ordering::Relaxed)) else { return };
                let answer = held.complete(&client, body, &work.stop, &work.retries);
                if tell.send((number, answer)).is_err() {
                    return;
                }
            };
            let thread = std::thread::Builder::new().name("completion".to_string()).spawn(ask);
            threads.push(thread.map_err(ServerError::Thread)?);
        }
        drop(tell);
        let reading = answer::Reading {
            tokenizer: prompter.tokenizer(),
            stop: Stop { tokenizer: prompter.tokenizer(), texts: plan.stop },
            max_new_tokens: plan.max_new_tokens,
            complete: !self.config.decoupled(),
        };
        let mut sampled = vec![vec![Sample::default(); plan.samples]; prompts.len()];
        let mut missing = work.bodies.len();
        while missing > 0 {
            if cancelled() {
                return Ok(None);
            }
            match answers.recv_timeout(PATIENCE) {
                Ok((number, answer)) => {
                    let (p, g) = (number / plan.samples, number % plan.samples);
                    let refused = |(expected, got, hint): answer::Refusal| {
                        self.client.unexpected("/v1/completions", &expected, &got, &hint)
                    };
                    let read = reading.read(&answer?, &prompts[p], tally).map_err(refused)?;
                    sampled[p][g] = read;
                    missing -= 1;
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Every thread has ended and a request has no answer: a panic, and no stop.
                Err(RecvTimeoutError::Disconnected) => {
                    let panic = threads.drain(..).find_map(|thread| thread.join().err());
                    return panic.map_or(Ok(None), |panic| std::panic::resume_unwind(panic));
                }
            }
        }
        Ok(Some(sampled))
    }

    /// A request for one completion. Its seed has 31 bits, as some servers take 32 with a sign. Fields that are not OpenAI's
    /// ask for token ids and for the text that ended it, and turn off what servers apply where nothing is said: llama.cpp top-k
    /// 40 and min-p, vLLM what the model's `generation_config.json` holds.
    fn body(&self, plan: &Plan, prompt: &Prompt, sequence: u64) -> Value {
        let halves = |number: u64| [number as u32, (number >> 32) as u32];
        let [low, high] = halves(sequence);
        let seed = philox(halves(plan.seed), [low, high, 0, 0])[0] >> 1;
        let mut body = json!({
            "model": self.model,
            "prompt": match self.config.server.prompt {
                ServerPrompt::Tokens => json!(prompt.tokens),
                ServerPrompt::Text => json!(prompt.text),
            },
            "n": 1,
            "max_tokens": plan.max_new_tokens,
            "temperature": plan.sampling.temperature,
            "top_p": plan.sampling.top_p,
            // Off is -1 for some servers and 0 for others; all tokens are all tokens.
            "top_k": if plan.sampling.top_k > 0 { plan.sampling.top_k } else { self.vocabulary },
            "min_p": plan.sampling.min_p,
            "repetition_penalty": 1.0,
            "repeat_penalty": 1.0,
            "seed": seed,
            "logprobs": 1,
            "return_token_ids": true,
            "return_tokens_as_token_ids": true,
        });
        if !plan.stop.is_empty() {
            body["stop"] = json!(plan.stop);
            body["include_stop_str_in_output"] = json!(true);
        }
        body
    }
}
