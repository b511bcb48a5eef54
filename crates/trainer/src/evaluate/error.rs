//! What can go wrong in an evaluation.
use crate::data::DataError;
use crate::policy::PolicyError;
use crate::prompt::PromptError;
use crate::ranks::RanksError;
use crate::reward::RewardError;
use crate::rollout::RolloutError;
use crate::run_folder::RunFolderError;
use std::path::PathBuf;
use surefoot_engine::device::DeviceError;
use surefoot_engine::folder::FileError;

/// Why an evaluation cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A benchmark's file.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Prompts.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// Samples.
    #[error(transparent)]
    Rollout(#[from] RolloutError),
    /// The model.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The judge.
    #[error(transparent)]
    Reward(#[from] RewardError),
    /// Another rank.
    #[error(transparent)]
    Ranks(#[from] RanksError),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    /// Two benchmarks of one name, or a name that is no file name.
    #[error("eval.data: benchmarks need distinct names that can be file names, and one is `{name}`; write NAME=FILE")]
    Name {
        /// The name.
        name: String,
    },
    /// The file system's error.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file that holds something else.
    #[error("{}:{line}: not written by an evaluation: {source}; move the file away to do its problems again", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line (1-based).
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Lines in another order.
    #[error("{}:{line}: problem {found} stands where problem {} belongs; move the file away to do its problems again", path.display(), line - 1)]
    Order {
        /// The file.
        path: PathBuf,
        /// The line (1-based).
        line: usize,
        /// The problem that stands there.
        found: usize,
    },
    /// Numbers that contradict each other.
    #[error("{}:{line}: {message}; move the file away to do its problems again", path.display())]
    Counts {
        /// The file.
        path: PathBuf,
        /// The line (1-based).
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A folder that is no evaluation.
    #[error("{} holds no evaluation (no eval.json); name a folder that `surefoot eval --out` has written", path.display())]
    NoEvaluation {
        /// The folder.
        path: PathBuf,
    },
    /// The folder belongs to another model or other settings.
    #[error("{} holds an evaluation with other settings ({differs}); choose another --out, or remove it", path.display())]
    OtherSettings {
        /// The folder.
        path: PathBuf,
        /// What differs, with both values.
        differs: String,
    },
    /// Nothing to compare.
    #[error("{} and {} have no benchmark with the same problems in common", first.display(), second.display())]
    NothingInCommon {
        /// A folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
}
