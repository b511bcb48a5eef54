//! A user's own reward: a program that reads JSON lines and writes JSON lines.
//!
//! `docs/rewards.md` is the protocol for those who write one. Each process gets one object a line, `{"id": 7, "problem": "…",
//! "answer": "…", "columns": {…}, "completion": "…", "tokens": 120}`, and answers with one line: `{"id": 7, "reward": 0.5}`, where
//! it cannot judge `{"id": 7, "error": "why"}`. A process that crashes, answers with anything else, or takes longer than
//! `reward.timeout_seconds` is ended and replaced; the sample is tried once more after a crash, and counts as failed after that.
//! The first answer of a process may take `reward.start_seconds` longer.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::reply::{failed, read, rubbish};
use super::worker::{Silence, Worker};
use super::{Outcome, RewardError, Sample};
use crate::config::Reward;

/// Tries of a sample whose process crashed under it.
const TRIES: usize = 2;

/// The processes of the program.
#[derive(Debug)]
pub(super) struct Pool {
    command: Vec<String>,
    timeout: Duration,
    /// What the first answer of a process may take.
    first_timeout: Duration,
    idle: Mutex<Vec<Option<Worker>>>,
}

impl Pool {
    pub(super) fn start(config: &Reward, threads: usize) -> Result<Self, RewardError> {
        let command = &config.command;
        let program = command.first().cloned().unwrap_or_default();
        let first = Worker::start(command).map_err(|source| RewardError::Start { program, source })?;
        let workers = if config.workers == 0 { threads.max(1) } else { config.workers };
        let idle = std::iter::once(Some(first)).chain((1..workers).map(|_| None)).collect();
        let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let timeout = seconds(config.timeout_seconds);
        let first_timeout = timeout.saturating_add(seconds(config.start_seconds));
        Ok(Pool { command: command.clone(), timeout, first_timeout, idle: Mutex::new(idle) })
    }

    /// Asks for the reward of every sample. After more than `tolerated` failures the rest is not asked for.
    pub(super) fn score(&self, samples: &[Sample<'_>], tolerated: usize) -> Vec<Outcome> {
        // Held to the end: whoever else asks meanwhile, as an evaluation while samples are drawn ahead, waits for all processes. A poisoned
        // lock only means that another thread panicked; the processes are as good as before.
        let mut workers = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = Batch { samples, tolerated, next: AtomicUsize::new(0), failed: AtomicUsize::new(0) };
        let indexed: Vec<(usize, Outcome)> = std::thread::scope(|scope| {
            let serve = |worker| scope.spawn(|| self.serve(worker, &batch));
            let threads: Vec<_> = workers.iter_mut().map(serve).collect();
            // A panic is none of the program's failures.
            let joined = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            joined.flatten().collect()
        });
        let mut outcomes = vec![failed("not asked for: too many rewards had failed".into()); samples.len()];
        indexed.into_iter().for_each(|(index, outcome)| outcomes[index] = outcome);
        outcomes
    }

    /// Takes samples until there is none left.
    fn serve(&self, worker: &mut Option<Worker>, batch: &Batch<'_>) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::new();
        while batch.failed.load(Ordering::Relaxed) <= batch.tolerated {
            let index = batch.next.fetch_add(1, Ordering::Relaxed);
            let Some(sample) = batch.samples.get(index) else { break };
            let outcome = self.judge(worker, index, sample);
            batch.failed.fetch_add(usize::from(outcome.reward.is_none()), Ordering::Relaxed);
            outcomes.push((index, outcome));
        }
        outcomes
    }

    fn judge(&self, slot: &mut Option<Worker>, index: usize, sample: &Sample<'_>) -> Outcome {
        let request = request(index, sample);
        let mut note = String::new();
        for _ in 0..TRIES {
            let worker = match slot {
                Some(worker) => worker,
                None => match Worker::start(&self.command) {
                    Ok(worker) => slot.insert(worker),
                    Err(error) => return failed(format!("the reward program does not start: {error}")),
                },
            };
            let timeout = if worker.is_fresh() { self.first_timeout } else { self.timeout };
            let reply = worker.ask(request.clone().into_bytes(), timeout);
            match reply {
                Ok(reply) => {
                    if let Some(outcome) = read(index, &reply) {
                        return outcome;
                    }
                    // Out of step: nobody knows which sample the next line would be about.
                    *slot = None;
                    return rubbish(index, &reply);
                }
                Err(Silence::Timeout) => {
                    *slot = None;
                    return failed(format!("the reward program gave no answer within {timeout:?}"));
                }
                Err(Silence::Ended) => {
                    note = format!("the reward program ended ({}) without an answer", worker.fate());
                    *slot = None;
                }
            }
        }
        failed(note)
    }
}

/// Samples that the processes share.
struct Batch<'a> {
    samples: &'a [Sample<'a>],
    tolerated: usize,
    next: AtomicUsize,
    failed: AtomicUsize,
}

/// The line that asks for a reward. The columns are JSON already.
fn request(index: usize, sample: &Sample<'_>) -> String {
    let answer = Some(sample.gold).filter(|gold| !gold.is_empty());
    let (problem, answer, completion) = (json!(sample.problem), json!(answer), json!(sample.completion));
    let (columns, tokens) = (sample.columns.unwrap_or("{}"), sample.tokens);
    format!(
        "{{\"id\":{index},\"problem\":{problem},\"answer\":{answer},\"columns\":{columns},\"completion\":{completion},\"tokens\":{tokens}}}\n"
    )
}
