//! From a completion to a reward.
//!
//! "Cannot judge" is a value: such a sample has no reward of its own, is counted, and takes its group's mean, so that it
//! teaches nothing (see [`Judged::rewards`]).

mod builtin;
mod command;
mod error;
mod judged;
mod worker;

use std::time::Instant;

use rayon::prelude::*;

use crate::config::Reward;
use builtin::Builtin;
use command::Pool;

pub use error::RewardError;
pub use judged::{Counts, Judged, Outcome, Verdict};

/// Names that `reward.name` can have.
pub const NAMES: &[&str] = &["math", "math_pm1", "exact", "countdown", "command"];

/// What is to be rewarded.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The problem, for a user's own program.
    pub problem: &'a str,
    /// The gold answer.
    pub gold: &'a str,
    /// What the model wrote.
    pub completion: &'a str,
}

/// The reward function of a run.
///
/// ```
/// use surefoot_trainer::config::Reward;
/// use surefoot_trainer::reward::{Rewarder, Sample};
///
/// let rewarder = Rewarder::new(&Reward { name: "exact".into(), ..Reward::default() }, 2)?;
/// let sample = |completion| Sample { problem: "12+34=", gold: "46", completion };
/// let judged = rewarder.score(&[sample("46"), sample("64")])?;
/// assert_eq!(judged.rewards(2), [1.0, 0.0]);
/// # Ok::<(), surefoot_trainer::reward::RewardError>(())
/// ```
#[derive(Debug)]
pub struct Rewarder {
    kind: Kind,
    max_error_share: f64,
}

#[derive(Debug)]
enum Kind {
    Builtin(Builtin),
    Command(Pool),
}

impl Rewarder {
    /// The reward that `[reward]` names. A user's program is started once, so that a wrong path shows before work begins.
    ///
    /// # Errors
    /// [`RewardError`] when there is no such reward, or its program does not start.
    pub fn new(config: &Reward, threads: usize) -> Result<Self, RewardError> {
        let kind = if config.name == "command" {
            let workers = if config.workers == 0 { threads.max(1) } else { config.workers };
            Kind::Command(Pool::start(&config.command, workers, config.timeout_seconds)?)
        } else {
            let unknown = || RewardError::Unknown { name: config.name.clone() };
            Kind::Builtin(Builtin::named(config).ok_or_else(unknown)?)
        };
        Ok(Rewarder { kind, max_error_share: config.max_error_share })
    }

    /// Rewards `samples` on every thread of the current rayon pool, or in every process of the user's program.
    ///
    /// # Errors
    /// [`RewardError::TooManyErrors`] when more than `reward.max_error_share` of the rewards could not be had.
    pub fn score(&self, samples: &[Sample<'_>]) -> Result<Judged, RewardError> {
        let started = Instant::now();
        let outcomes: Vec<Outcome> = match &self.kind {
            Kind::Builtin(builtin) => samples.par_iter().map(|sample| builtin.judge(sample)).collect(),
            Kind::Command(pool) => pool.score(samples),
        };
        let judged = Judged { outcomes, seconds: started.elapsed().as_secs_f64() };
        let failed = judged.counts().failed;
        if failed as f64 > self.max_error_share * samples.len() as f64 {
            let first = judged.outcomes.iter().find(|outcome| outcome.verdict == Verdict::Failed);
            let first = first.map(|outcome| outcome.note.clone()).unwrap_or_default();
            return Err(RewardError::TooManyErrors {
                failed,
                samples: samples.len(),
                limit: self.max_error_share,
                first,
            });
        }
        Ok(judged)
    }
}
