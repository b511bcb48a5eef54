//! A user's own reward: a program that reads JSON lines and writes JSON lines.
//!
//! Each process gets one object a line, `{"id": 7, "problem": "…", "answer": "…", "completion": "…"}`, and answers with one
//! line: `{"id": 7, "reward": 0.5}`, where it cannot judge `{"id": 7, "error": "why"}`. A process that crashes, answers with
//! anything else, or takes longer than `reward.timeout_seconds` is ended and replaced; the sample is tried once more after a
//! crash, and counts as failed after that.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::worker::{Silence, Worker};
use super::{Outcome, RewardError, Sample, Verdict};

/// Tries of a sample whose process crashed under it.
const TRIES: usize = 2;
/// Characters of a reply that an error message shows.
const SHOWN: usize = 80;

/// The processes of the program.
#[derive(Debug)]
pub(super) struct Pool {
    command: Vec<String>,
    timeout: Duration,
    idle: Mutex<Vec<Option<Worker>>>,
}

impl Pool {
    pub(super) fn start(command: &[String], workers: usize, timeout_seconds: f64) -> Result<Self, RewardError> {
        let program = command.first().cloned().unwrap_or_default();
        let first = Worker::start(command).map_err(|source| RewardError::Start { program, source })?;
        let idle = std::iter::once(Some(first)).chain((1..workers).map(|_| None)).collect();
        let timeout = Duration::try_from_secs_f64(timeout_seconds).unwrap_or(Duration::MAX);
        Ok(Pool { command: command.to_vec(), timeout, idle: Mutex::new(idle) })
    }

    pub(super) fn score(&self, samples: &[Sample<'_>]) -> Vec<Outcome> {
        // A poisoned lock only means that another thread panicked; the processes are as good as before.
        let mut workers = std::mem::take(&mut *self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let next = AtomicUsize::new(0);
        let indexed: Vec<(usize, Outcome)> = std::thread::scope(|scope| {
            let serve = |worker| scope.spawn(|| self.serve(worker, samples, &next));
            let threads: Vec<_> = workers.iter_mut().map(serve).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        *self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = workers;
        let mut outcomes = vec![failed("the thread of the reward program ended".into()); samples.len()];
        indexed.into_iter().for_each(|(index, outcome)| outcomes[index] = outcome);
        outcomes
    }

    /// Takes samples until there is none left.
    fn serve(&self, worker: &mut Option<Worker>, samples: &[Sample<'_>], next: &AtomicUsize) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(sample) = samples.get(index) else { return outcomes };
            outcomes.push((index, self.judge(worker, index, sample)));
        }
    }

    fn judge(&self, slot: &mut Option<Worker>, index: usize, sample: &Sample<'_>) -> Outcome {
        let request = json!({
            "id": index, "problem": sample.problem, "answer": sample.gold, "completion": sample.completion,
        });
        let mut note = String::new();
        for _ in 0..TRIES {
            let worker = match slot {
                Some(worker) => worker,
                None => match Worker::start(&self.command) {
                    Ok(worker) => slot.insert(worker),
                    Err(error) => return failed(format!("the reward program does not start: {error}")),
                },
            };
            match worker.ask(format!("{request}\n").into_bytes(), self.timeout) {
                Ok(reply) => {
                    let outcome = read(index, &reply);
                    if outcome.is_none() {
                        *slot = None; // out of step: nobody knows which sample the next line would be about
                    }
                    return outcome.unwrap_or_else(|| {
                        failed(format!(
                            "the reward program answered {} instead of {{\"id\": {index}, \"reward\": …}}",
                            shown(&reply)
                        ))
                    });
                }
                Err(Silence::Timeout) => {
                    *slot = None;
                    return failed(format!("the reward program gave no answer within {:?}", self.timeout));
                }
                Err(Silence::Ended) => {
                    *slot = None;
                    note = "the reward program ended without an answer".to_string();
                }
            }
        }
        failed(note)
    }
}

/// Reads a reply; `None` when it is none.
fn read(index: usize, reply: &[u8]) -> Option<Outcome> {
    let reply: Value = serde_json::from_slice(reply).ok()?;
    if reply.get("id")?.as_u64()? != index as u64 {
        return None;
    }
    if let Some(error) = reply.get("error").and_then(Value::as_str) {
        return Some(failed(format!("the reward program says: {error}")));
    }
    let reward = reply.get("reward")?.as_f64()? as f32;
    reward.is_finite().then(|| Outcome {
        reward: Some(reward),
        verdict: Verdict::Scored,
        formatted: None,
        note: reply.get("note").and_then(Value::as_str).unwrap_or_default().to_string(),
    })
}

fn failed(note: String) -> Outcome {
    Outcome { reward: None, verdict: Verdict::Failed, formatted: None, note }
}

fn shown(reply: &[u8]) -> String {
    let text = String::from_utf8_lossy(reply);
    let short: String = text.trim_end().chars().take(SHOWN).collect();
    if short.len() < text.trim_end().len() { format!("{short:?}…") } else { format!("{short:?}") }
}
