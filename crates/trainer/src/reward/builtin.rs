//! The rewards that come with surefoot.

use surefoot_verifier::{Format, Mode, Options, Side, Verdict as Judgement, extract, verify};

use super::{Outcome, Sample, Verdict};
use crate::config::Reward;
use crate::config::choice::AnswerFormat;
use crate::tasks::countdown;

/// A reward function of one sample.
#[derive(Debug)]
pub(super) struct Builtin {
    task: Task,
    wrong: f32,
    form: Option<Format>,
    bonus: f32,
    options: Options,
}

#[derive(Debug)]
enum Task {
    /// Mathematical equality.
    Math,
    /// Equal text, but for space around it.
    Exact,
    /// An expression of the same numbers with the same value.
    Countdown,
}

impl Builtin {
    /// The reward of this name; `None` when there is none.
    pub(super) fn named(config: &Reward) -> Option<Self> {
        let (task, wrong) = match config.name.as_str() {
            "math" => (Task::Math, 0.0),
            "math_pm1" => (Task::Math, -1.0),
            "exact" => (Task::Exact, 0.0),
            "countdown" => (Task::Countdown, 0.0),
            _ => return None,
        };
        let form = match config.format {
            AnswerFormat::Any => None,
            AnswerFormat::Boxed => Some(Format::Boxed),
            AnswerFormat::ThinkAnswer => Some(Format::ThinkAnswer),
            AnswerFormat::Answer => Some(Format::Answer),
            AnswerFormat::Hashes => Some(Format::Hashes),
        };
        let mode = match form {
            Some(form) if config.strict => Mode::Strict(form),
            _ => Mode::Lenient,
        };
        // No deadline: a reward must not depend on how busy the machine is, or a resumed run would not be the same run. The
        // limit of steps ends every comparison as well.
        let options = Options { mode, deadline: None, ..Options::default() };
        Some(Builtin { task, wrong, form, bonus: config.format_bonus as f32, options })
    }

    pub(super) fn judge(&self, sample: &Sample<'_>) -> Outcome {
        let (verdict, note) = match self.task {
            Task::Math => self.math(sample),
            Task::Exact => (said(sample.gold.trim() == sample.completion.trim()), String::new()),
            Task::Countdown => match countdown::solves(sample.gold, sample.completion) {
                Some(right) => (said(right), String::new()),
                None => (Verdict::GoldUnparseable, format!("`{}` is no expression of numbers", sample.gold)),
            },
        };
        let formatted = self.form.map(|form| has_form(sample.completion, form));
        let base = match verdict {
            Verdict::Correct => Some(1.0),
            Verdict::Wrong | Verdict::Unparseable => Some(self.wrong),
            Verdict::OverBudget | Verdict::GoldUnparseable | Verdict::Scored | Verdict::Failed => None,
        };
        let bonus = if formatted == Some(true) { self.bonus } else { 0.0 };
        Outcome { reward: base.map(|base| base + bonus), verdict, formatted, note }
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

/// Whether the completion has the form, whatever its answer is worth.
fn has_form(completion: &str, form: Format) -> bool {
    extract(completion, Mode::Strict(form)).is_ok()
}
