//! How far a run of a study is, from its folder alone.

use super::{Cell, StudyError};
use crate::collapse::{Collapse, Detectors};
use crate::config::{Config, Purpose};
use crate::metrics;
use crate::run_folder::{Checkpoints, RunFolder};

/// How far a run is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It has no folder yet.
    New,
    /// It was begun and can go on.
    Begun,
    /// A process writes to it.
    Running {
        /// The process.
        owner: String,
    },
    /// All its steps are done.
    Finished,
    /// A detector of `[stop]` ended it: there is nothing to do, and it is no success.
    Ended(Collapse),
}

impl State {
    /// Whether nothing of the run is left to do.
    pub fn is_over(&self) -> bool {
        matches!(self, State::Finished | State::Ended(_))
    }
}

/// Keys that change nothing about what a run learns.
const FREE: [&str; 6] =
    ["log.run_dir", "train.threads", "model.path", "checkpoint.every", "checkpoint.keep", "checkpoint.best"];

impl Cell {
    /// How far the run is.
    ///
    /// # Errors
    /// [`StudyError::OtherRun`] when its folder holds a run with other settings.
    pub fn state(&self) -> Result<State, StudyError> {
        let file = self.run.join("config.toml");
        if let Some(owner) = RunFolder::holder(&self.run) {
            return Ok(State::Running { owner });
        }
        if !file.is_file() {
            return Ok(State::New);
        }
        let there = Config::load(&file, &[], Purpose::Train)
            .map_err(|source| StudyError::Config { name: self.name.clone(), source })?;
        let differences = differences(&there, &self.config);
        if !differences.is_empty() {
            return Err(StudyError::OtherRun { path: self.run.clone(), differences: differences.join("; ") });
        }
        let readable = metrics::read_what_is_whole(&self.run.join("metrics.jsonl")).unwrap_or_default();
        let records = &readable.records;
        // Where a detector has its say after the last step too, so does a run.
        let collapse = Detectors::new(&there.stop, records).verdict();
        let over = |step| step >= self.config.train.steps || collapse.is_some();
        let last = records.last().map(|record| record.step).filter(|step| over(*step));
        // Checkpoints may have been removed to save room; what is there but not the last was left by a kill.
        let kept = Checkpoints::at(&self.run.join("checkpoints")).latest().ok().flatten();
        let whole = |last| kept.is_none_or(|(step, _)| step >= last);
        Ok(match (last.is_some_and(whole), collapse) {
            (false, _) => State::Begun,
            (true, None) => State::Finished,
            (true, Some(collapse)) => State::Ended(collapse),
        })
    }
}

/// Keys in which two configurations differ, with both values.
fn differences(there: &Config, here: &Config) -> Vec<String> {
    let differences = there.differences(here);
    // A run settles its date itself.
    let free = |key: &str| FREE.contains(&key) || (key == "prompt.date" && here.prompt.date.is_empty());
    let counted = differences.iter().filter(|difference| !free(&difference.key));
    counted.map(|d| format!("{} is {} there and {} here", d.key, d.from(), d.to())).collect()
}
