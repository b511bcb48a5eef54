//! One of the rewards whose weighted sum is a sample's reward.

use surefoot_objectives::advantage::overlong_penalty;
use surefoot_verifier::Format;

use super::builtin::{Builtin, Task};
use super::command::Pool;
use super::{Outcome, RewardError, Verdict};
use crate::config::Reward;
use crate::config::choice::{AnswerFormat, RewardName};

/// DAPO's share of the buffer: 4096 of 20480 tokens.
const BUFFER_SHARE: usize = 5;

/// What gives one reward a sample.
#[derive(Debug)]
pub(super) enum Term {
    /// Of gold answer and completion.
    Builtin(Builtin),
    /// Of the completion's length.
    Overlong(Overlong),
    /// A user's own program.
    Command(Pool),
}

impl Term {
    /// The reward of this name; `limit` is the greatest number of tokens of a completion.
    pub(super) fn new(name: RewardName, config: &Reward, limit: usize, threads: usize) -> Result<Self, RewardError> {
        let builtin = |task, wrong| Term::Builtin(Builtin::new(task, wrong, config));
        Ok(match name {
            RewardName::Math => builtin(Task::Math, 0.0),
            RewardName::MathPm1 => builtin(Task::Math, -1.0),
            RewardName::Exact => builtin(Task::Exact, 0.0),
            RewardName::Countdown => builtin(Task::Countdown, 0.0),
            RewardName::Format => builtin(Task::Format, 0.0),
            RewardName::Overlong => Term::Overlong(Overlong::new(limit, config.overlong_buffer)),
            RewardName::Command => Term::Command(Pool::start(config, threads)?),
        })
    }
}

/// 0, and over the last tokens before the limit down to -1 (DAPO's soft overlong punishment, eq. 13).
#[derive(Debug)]
pub(super) struct Overlong {
    limit: usize,
    buffer: usize,
}

impl Overlong {
    /// `buffer` = 0 is DAPO's share of the limit.
    fn new(limit: usize, buffer: usize) -> Self {
        Overlong { limit, buffer: if buffer == 0 { limit / BUFFER_SHARE } else { buffer } }
    }

    pub(super) fn judge(&self, tokens: usize) -> Outcome {
        let reward = overlong_penalty(tokens, self.limit, self.buffer, 1.0);
        Outcome::new(Some(reward), Verdict::Scored, String::new())
    }
}

/// The verifier's name of a form; `None` where none is asked for.
pub(super) fn form(format: AnswerFormat) -> Option<Format> {
    match format {
        AnswerFormat::Any => None,
        AnswerFormat::Boxed => Some(Format::Boxed),
        AnswerFormat::ThinkAnswer => Some(Format::ThinkAnswer),
        AnswerFormat::Answer => Some(Format::Answer),
        AnswerFormat::Hashes => Some(Format::Hashes),
    }
}
