//! Which task, how many rows, from which seed, how hard.

use super::Task;
use crate::config::nearest;
use crate::random::Random;

/// A task with its options.
///
/// ```
/// use surefoot_trainer::tasks::TaskSpec;
///
/// let spec = TaskSpec::parse("addition,rows=2,seed=1,digits=2,style=plain")?;
/// let rows = spec.rows();
/// assert_eq!(rows.len(), 2);
/// assert!(rows[0].0.ends_with('='));
/// # Ok::<(), surefoot_trainer::tasks::TaskError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// The task.
    pub task: Task,
    /// Number of rows.
    pub rows: usize,
    /// Seed; the n-th row of a seed is always the same, however many are made.
    pub seed: u64,
    /// Fewest digits of a number.
    pub min_digits: u32,
    /// Most digits of a number.
    pub digits: u32,
    /// How many numbers `countdown` gives.
    pub numbers: usize,
    /// How a problem is written.
    pub style: Style,
}

/// How a problem is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As a question in words, for a language model.
    Words,
    /// As a bare formula that asks to be continued (`12+34=`), for a tiny model.
    Plain,
}

/// Why a task cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// No such task.
    #[error("unknown task `{name}`; {}tasks are {valid}", nearest.map(|name| format!("did you mean `{name}`? ")).unwrap_or_default())]
    Unknown {
        /// As it was written.
        name: String,
        /// The task nearest to it.
        nearest: Option<&'static str>,
        /// Every task.
        valid: String,
    },
    /// No such option.
    #[error("unknown option `{option}` of task `{task}`; options are rows, seed, min_digits, digits, numbers, style")]
    Option {
        /// The task.
        task: &'static str,
        /// As it was written.
        option: String,
    },
    /// A value that an option cannot have.
    #[error("option `{option}` of task `{task}` is `{value}`; it must be {expected}")]
    Value {
        /// The task.
        task: &'static str,
        /// The option.
        option: &'static str,
        /// As it was written.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
}

impl TaskSpec {
    /// A task by its name, with 1000 rows from seed 0, numbers of one to three digits, and words.
    ///
    /// # Errors
    /// [`TaskError::Unknown`] names the nearest task.
    pub fn new(name: &str) -> Result<Self, TaskError> {
        let Some((task, ..)) = Task::ALL.iter().find(|(_, known, _)| *known == name) else {
            let names = || Task::ALL.iter().map(|(_, name, _)| *name);
            let valid = names().collect::<Vec<_>>().join(", ");
            return Err(TaskError::Unknown { name: name.into(), nearest: nearest(name, names()), valid });
        };
        Ok(TaskSpec { task: *task, rows: 1000, seed: 0, min_digits: 1, digits: 3, numbers: 4, style: Style::Words })
    }

    /// Reads `NAME` or `NAME,option=value,…`, the form of `data.train = "task:…"`.
    ///
    /// # Errors
    /// [`TaskError`] when task, option or value is unknown.
    pub fn parse(text: &str) -> Result<Self, TaskError> {
        let mut parts = text.split(',').map(str::trim);
        let mut spec = Self::new(parts.next().unwrap_or_default())?;
        for part in parts.filter(|part| !part.is_empty()) {
            let (option, value) = part.split_once('=').unwrap_or((part, ""));
            spec.set(option.trim(), value.trim())?;
        }
        spec.check()?;
        Ok(spec)
    }

    /// The same with other options, checked.
    ///
    /// # Errors
    /// [`TaskError::Value`] when they make no sense.
    pub fn check(&self) -> Result<(), TaskError> {
        let wrong =
            |option, value: String, expected| Err(TaskError::Value { task: self.task.name(), option, value, expected });
        if self.rows == 0 {
            return wrong("rows", self.rows.to_string(), "at least 1");
        }
        if !(1..=9).contains(&self.digits) {
            return wrong("digits", self.digits.to_string(), "between 1 and 9");
        }
        if !(1..=self.digits).contains(&self.min_digits) {
            return wrong("min_digits", self.min_digits.to_string(), "between 1 and `digits`");
        }
        if !(2..=6).contains(&self.numbers) {
            return wrong("numbers", self.numbers.to_string(), "between 2 and 6");
        }
        Ok(())
    }

    /// Every row: problem and answer.
    pub fn rows(&self) -> Vec<(String, String)> {
        (0..self.rows as u64).map(|index| self.task.row(self, &mut Random::new(self.seed, index))).collect()
    }

    fn set(&mut self, option: &str, value: &str) -> Result<(), TaskError> {
        let task = self.task.name();
        let wrong = |option, expected| TaskError::Value { task, option, value: value.into(), expected };
        const WHOLE: &str = "a whole number";
        match option {
            "rows" => self.rows = value.parse().map_err(|_| wrong("rows", WHOLE))?,
            "seed" => self.seed = value.parse().map_err(|_| wrong("seed", WHOLE))?,
            "min_digits" => self.min_digits = value.parse().map_err(|_| wrong("min_digits", WHOLE))?,
            "digits" => self.digits = value.parse().map_err(|_| wrong("digits", WHOLE))?,
            "numbers" => self.numbers = value.parse().map_err(|_| wrong("numbers", WHOLE))?,
            "style" => {
                self.style = match value {
                    "words" => Style::Words,
                    "plain" => Style::Plain,
                    _ => return Err(wrong("style", "words or plain")),
                }
            }
            _ => return Err(TaskError::Option { task, option: option.into() }),
        }
        Ok(())
    }

    /// A number whose count of digits is even between `min_digits` and `digits`.
    pub(super) fn number(&self, random: &mut Random) -> i64 {
        let digits = random.between(i64::from(self.min_digits), i64::from(self.digits)) as u32;
        let low = if digits == 1 { 0 } else { 10i64.pow(digits - 1) };
        random.between(low, 10i64.pow(digits) - 1)
    }
}
