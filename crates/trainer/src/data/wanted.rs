//! What a row must hold beside its problem.

use crate::config::choice::RewardName;
use crate::config::{Data, Reward};

/// What a row must hold beside its problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// A gold answer.
    Answer,
    /// Nothing: an answer is read where there is one.
    Problem,
    /// Columns of the row, for a user's reward program.
    Columns {
        /// Whether there must be a gold answer too.
        answer: bool,
        /// Their names; empty is all.
        named: &'a [String],
    },
    /// A text to learn, from this column or from the first of the usual ones.
    Target(Option<&'a str>),
}

impl<'a> Wanted<'a> {
    /// What the rewards of `[reward]` read. A row without an answer is none only for a reward that reads it: for a user's program
    /// where `data.answer_key` says that there is one.
    pub fn of(reward: &'a Reward, data: &Data) -> Self {
        let program = reward.name.contains(&RewardName::Command);
        let answer = reward.name.iter().any(|name| name.reads_answer()) || (program && data.answer_key.is_some());
        match (program, answer) {
            (true, _) => Wanted::Columns { answer, named: &reward.columns },
            (false, true) => Wanted::Answer,
            (false, false) => Wanted::Problem,
        }
    }

    /// Whether a row without an answer cannot be used.
    pub(crate) fn needs_answer(self) -> bool {
        match self {
            Wanted::Answer | Wanted::Target(_) => true,
            Wanted::Columns { answer, .. } => answer,
            Wanted::Problem => false,
        }
    }
}
