//! From a completion to a reward: the weighted sum of what `reward.name` names.
//!
//! "Cannot judge" is a value: such a sample has no reward, is counted, and is left out of every comparison, so that it teaches nothing
//! and changes nothing of what the others teach.

mod builtin;
mod command;
mod error;
mod judged;
mod reply;
mod term;
mod worker;

use std::time::Instant;

use rayon::prelude::*;
use surefoot_verifier::{Mode, extract};

use crate::config::Reward;
use term::Term;

pub use error::RewardError;
pub use judged::{Counts, Judged, Outcome, Verdict};

/// What is to be rewarded.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The prompt as the model saw it, for a user's own program.
    pub problem: &'a str,
    /// The gold answer; empty where the row has none.
    pub gold: &'a str,
    /// Columns of the row as a JSON object, for a user's own program.
    pub columns: Option<&'a str>,
    /// What the model wrote.
    pub completion: &'a str,
    /// Tokens of the completion, the end token included.
    pub tokens: usize,
}

/// The reward function of a run.
///
/// ```
/// use surefoot_trainer::config::Reward;
/// use surefoot_trainer::config::choice::RewardName;
/// use surefoot_trainer::reward::{Rewarder, Sample};
///
/// let config = Reward { name: vec![RewardName::Exact], ..Reward::default() };
/// let rewarder = Rewarder::new(&config, 8, 2)?;
/// let sample = |completion| Sample { problem: "12+34=", gold: "46", columns: None, completion, tokens: 3 };
/// let judged = rewarder.score(&[sample("46"), sample("64")])?;
/// assert_eq!(judged.rewards(), [Some(1.0), Some(0.0)]);
/// # Ok::<(), surefoot_trainer::reward::RewardError>(())
/// ```
#[derive(Debug)]
pub struct Rewarder {
    terms: Vec<(f32, Term)>,
    /// The form whose share is a metric.
    form: Option<surefoot_verifier::Format>,
    max_error_share: f64,
}

impl Rewarder {
    /// The rewards that `[reward]` names; `limit` is the greatest number of tokens of a completion. A user's program is
    /// started once, so that a wrong path shows before work begins.
    ///
    /// # Errors
    /// [`RewardError`] when a program does not start.
    pub fn new(config: &Reward, limit: usize, threads: usize) -> Result<Self, RewardError> {
        let mut terms = Vec::with_capacity(config.name.len());
        for (&name, weight) in config.name.iter().zip(config.weight_of_each()) {
            terms.push((weight, Term::new(name, config, limit, threads)?));
        }
        Ok(Rewarder { terms, form: term::form(config.format), max_error_share: config.max_error_share })
    }

    /// Rewards `samples` on every thread of the current rayon pool, or in every process of the user's program.
    ///
    /// # Errors
    /// [`RewardError::TooManyErrors`] when more than `reward.max_error_share` of the rewards could not be had.
    pub fn score(&self, samples: &[Sample<'_>]) -> Result<Judged, RewardError> {
        let judged = self.judge(samples, samples.len());
        self.tolerate(&judged)?;
        Ok(judged)
    }

    /// As [`Rewarder::score`] for some of the `all` samples that belong together, whatever their rewards were;
    /// [`Rewarder::tolerate`] is to be asked of all.
    pub fn judge(&self, samples: &[Sample<'_>], all: usize) -> Judged {
        let started = Instant::now();
        let tolerated = self.tolerated(all);
        let form = self.form;
        let said = |sample: &Sample<'_>| Outcome {
            formatted: form.map(|form| extract(sample.completion, Mode::Strict(form)).is_ok()),
            ..Outcome::new(Some(0.0), Verdict::Scored, String::new())
        };
        let mut outcomes: Vec<Outcome> = samples.par_iter().map(said).collect();
        for (weight, term) in &self.terms {
            let parts: Vec<Outcome> = match term {
                Term::Command(pool) => pool.score(samples, tolerated),
                Term::Builtin(builtin) => {
                    samples.par_iter().zip(&outcomes).map(|(sample, so_far)| builtin.judge(sample, so_far)).collect()
                }
                Term::Overlong(overlong) => samples.iter().map(|sample| overlong.judge(sample.tokens)).collect(),
            };
            outcomes.iter_mut().zip(parts).for_each(|(outcome, part)| outcome.add(*weight, part));
        }
        Judged { outcomes, seconds: started.elapsed().as_secs_f64() }
    }

    /// Whether a run may go on with these.
    ///
    /// # Errors
    /// [`RewardError::TooManyErrors`] when more than `reward.max_error_share` of the rewards could not be had.
    pub fn tolerate(&self, judged: &Judged) -> Result<(), RewardError> {
        let (failed, samples) = (judged.counts().failed, judged.outcomes.len());
        if failed > self.tolerated(samples) {
            return Err(RewardError::TooManyErrors {
                failed,
                samples,
                limit: self.max_error_share,
                first: judged.first_failure().unwrap_or_default().to_string(),
            });
        }
        Ok(())
    }

    fn tolerated(&self, samples: usize) -> usize {
        (self.max_error_share * samples as f64) as usize
    }
}
