//! The rewards of gold answer and completion that come with surefoot.

use surefoot_verifier::{Mode, Options, Side, Verdict as Judgement, is_plain_number, verify};

use super::{Outcome, Sample, Verdict, term};
use crate::config::Reward;
use crate::tasks::countdown;

/// A reward function of one sample.
#[derive(Debug)]
pub(super) struct Builtin {
    task: Task,
    wrong: f32,
    options: Options,
}

/// What is asked of a completion.
#[derive(Debug)]
pub(super) enum Task {
    /// Mathematical equality.
    Math,
    /// Equal text, but for space around it.
    Exact,
    /// An expression of the same numbers with the same value.
    Countdown,
    /// The form of `reward.format`, whatever the answer is worth.
    Format,
}

impl Builtin {
    pub(super) fn new(task: Task, wrong: f32, config: &Reward) -> Self {
        let mode = match term::form(config.format) {
            Some(form) if config.strict => Mode::Strict(form),
            _ => Mode::Lenient,
        };
        // No deadline: a reward must not depend on how busy the machine is, or a resumed run would not be the same run. The
        // limit of steps ends every comparison as well.
        Builtin { task, wrong, options: Options { mode, deadline: None, ..Options::default() } }
    }

    /// The reward before its weight; `so_far` knows whether the completion has the form.
    pub(super) fn judge(&self, sample: &Sample<'_>, so_far: &Outcome) -> Outcome {
        let (verdict, note) = match self.task {
            Task::Math => self.math(sample),
            Task::Exact => (said(sample.gold.trim() == sample.completion.trim()), String::new()),
            Task::Countdown => match countdown::solves(sample.gold, sample.completion) {
                Some(right) => (said(right), String::new()),
                None => (Verdict::GoldUnparseable, format!("`{}` is no expression of numbers", sample.gold)),
            },
            Task::Format => (Verdict::Scored, String::new()),
        };
        let reward = match verdict {
            Verdict::Correct => Some(1.0),
            Verdict::Wrong | Verdict::Unparseable => Some(self.wrong),
            Verdict::Scored => Some(f32::from(u8::from(so_far.formatted == Some(true)))),
            // Against a plain number it is the completion that cannot be worked out; left open, that would be worth more than an
            // honest mistake.
            Verdict::OverBudget if is_plain_number(sample.gold, &self.options) => Some(self.wrong),
            Verdict::OverBudget | Verdict::GoldUnparseable | Verdict::Failed => None,
        };
        Outcome::new(reward, verdict, note)
    }

    fn math(&self, sample: &Sample<'_>) -> (Verdict, String) {
        let judgement = verify(sample.gold, sample.completion, &self.options).verdict;
        let note = judgement.to_string();
        match judgement {
            Judgement::Correct => (Verdict::Correct, String::new()),
            Judgement::Wrong => (Verdict::Wrong, String::new()),
            Judgement::OverBudget => (Verdict::OverBudget, note),
            Judgement::Unparseable { side: Side::Answer, .. } => (Verdict::Unparseable, note),
            Judgement::Unparseable { side: Side::Gold, .. } => (Verdict::GoldUnparseable, note),
        }
    }
}

fn said(right: bool) -> Verdict {
    if right { Verdict::Correct } else { Verdict::Wrong }
}
