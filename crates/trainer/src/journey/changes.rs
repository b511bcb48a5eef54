//! What a resume finds: settings that are other ones now, which may be or not and are recorded, and steps without a checkpoint.
use crate::config::{Config, Difference, choice::Schedule};
use crate::metrics;
use crate::run_folder::{RunFolder, RunFolderError, atomic};
use crate::train::TrainError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The record, in the run folder: one JSON object a line.
const FILE: &str = "changes.jsonl";
/// What random numbers and the optimizer's state depend on.
const FIXED: [&str; 4] = ["train.seed", "lora.rank", "lora.alpha", "lora.targets"];
/// Where a run lies is said by the command.
const PLACE: &str = "log.run_dir";
/// Keys by which the objective of a step is known.
const LEARNED: [&str; 3] = ["objective.", "regularizer.", "correction."];

/// A setting that cannot change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The run so far depends on it.
    #[error(
        "{key} is {from} in this run and cannot become {to}: what the run has done so far depends on it. Leave it, or start a new run \
         (--set log.run_dir=…) from a checkpoint's folder"
    )]
    Fixed {
        /// The key.
        key: String,
        /// Its value in the run.
        from: String,
        /// The value that was asked for.
        to: String,
    },
    /// There are more steps already.
    #[error("train.steps is {asked}, and the run has made {made} steps already; ask for more of them")]
    Steps {
        /// Steps that were asked for.
        asked: u64,
        /// Steps that were made.
        made: u64,
    },
}

/// The settings in which a resume differs from the run so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The last step that was made with the old ones.
    pub after_step: u64,
    /// Key, old value, new value.
    pub settings: Vec<Difference>,
}

impl Changes {
    /// Those of `config` from the settings `before`; which step they come after is not known yet.
    ///
    /// # Errors
    /// [`ChangeError::Fixed`].
    pub(super) fn of(before: &Config, config: &Config) -> Result<Self, ChangeError> {
        let settings: Vec<Difference> =
            before.differences(config).into_iter().filter(|change| change.key != PLACE).collect();
        if let Some(fixed) = settings.iter().find(|change| FIXED.contains(&change.key.as_str())) {
            let (key, from, to) = (fixed.key.clone(), fixed.from().to_string(), fixed.to().to_string());
            return Err(ChangeError::Fixed { key, from, to });
        }
        Ok(Self { after_step: 0, settings })
    }

    /// What is to be said of a resume after [`Changes::after_step`], which has something left to do or not.
    ///
    /// # Errors
    /// [`ChangeError::Steps`].
    pub(super) fn note(&self, config: &Config, left: bool) -> Result<Option<String>, ChangeError> {
        let step = self.after_step;
        let (asked, steps) = (config.train.steps, self.settings.iter().any(|change| change.key == "train.steps"));
        if asked < step && steps {
            return Err(ChangeError::Steps { asked, made: step });
        }
        if self.settings.is_empty() {
            return Ok(None);
        }
        let mut changes = list(&self.settings);
        if left && steps && config.optimizer.schedule != Schedule::Constant {
            changes.push_str("; the learning rate goes on in the schedule of so many steps");
        }
        Ok(Some(match left {
            true => format!("from step {} on: {changes}", step + 1),
            false => format!("all {step} steps are made, so nothing changes: {changes} (train.steps asks for more)"),
        }))
    }

    /// Adds these to the record of `folder`.
    pub(super) fn keep(&self, folder: &RunFolder) -> Result<(), RunFolderError> {
        if self.settings.is_empty() {
            return Ok(());
        }
        let path = folder.path().join(FILE);
        let mut text = std::fs::read_to_string(&path).unwrap_or_default();
        text.push_str(&format!("{}\n", serde_json::json!(self)));
        atomic::write(&path, text.as_bytes()).map_err(RunFolderError::file("write", &path))
    }

    /// The changes of the run in `folder`, oldest first; lines that are none are passed over.
    pub fn read(folder: &Path) -> Vec<Self> {
        let text = std::fs::read_to_string(folder.join(FILE)).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Whether steps before and after have other objectives or corrections.
    pub fn are_of_the_objective(&self) -> bool {
        self.settings.iter().any(|change| LEARNED.iter().any(|section| change.key.starts_with(section)))
    }
}

impl std::fmt::Display for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "after step {}: {}", self.after_step, list(&self.settings))
    }
}

/// The settings that the run in `folder` has had so far, where they can be read by themselves; else `config`, which repairs them.
pub(super) fn stored(folder: &RunFolder, config: &Config) -> Config {
    Config::load(&folder.config(), &[], config.purpose).unwrap_or_else(|_| config.clone())
}

/// Steps that were recorded and have no checkpoint are made again, which is said; where a checkpoint must have been, the run is not
/// begun anew over what is left of it.
pub(super) fn nothing_is_lost(folder: &RunFolder, config: &Config, notes: &mut Vec<String>) -> Result<(), TrainError> {
    if folder.checkpoints().latest()?.is_some() {
        return Ok(());
    }
    let made = metrics::read(&folder.metrics())?.last().map_or(0, |record| record.step);
    // The line of a step is written before its checkpoint.
    let due = [config.checkpoint.every, config.train.steps].into_iter().filter(|every| *every > 0).min();
    if due.is_some_and(|due| made > due) || (made > 0 && made == config.train.steps) {
        return Err(TrainError::Gone { folder: folder.path().to_path_buf(), steps: made });
    }
    notes.push(match made {
        0 => "there is no checkpoint yet: beginning with the first step".to_string(),
        _ => format!("there is no checkpoint yet: beginning with the first step again; the records up to step {made} are discarded"),
    });
    Ok(())
}

fn list(settings: &[Difference]) -> String {
    settings.iter().map(Difference::to_string).collect::<Vec<_>>().join(", ")
}
