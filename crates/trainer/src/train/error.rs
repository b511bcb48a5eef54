//! Why a run could not start or go on.
use crate::data::DataError;
use crate::evaluate::EvaluateError;
use crate::journey::ChangeError;
use crate::metrics::MetricsError;
use crate::policy::PolicyError;
use crate::prompt::PromptError;
use crate::ranks::RanksError;
use crate::reward::RewardError;
use crate::rollout::RolloutError;
use crate::rollout::served::ServerError;
use crate::run_folder::RunFolderError;
use crate::state::StateError;
use crate::update::UpdateError;
use std::path::PathBuf;
use surefoot_engine::device::DeviceError;
use surefoot_objectives::OptionError;
use surefoot_objectives::advantage::AdvantageError;

/// Why a run could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Run folder, checkpoints, rollout files.
    #[error(transparent)]
    Run(#[from] RunFolderError),
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Prompts.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// Rewards.
    #[error(transparent)]
    Reward(#[from] RewardError),
    /// Samples.
    #[error(transparent)]
    Rollout(#[from] RolloutError),
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// An evaluation.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// An option of objective or advantage.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// Advantages.
    #[error(transparent)]
    Advantage(#[from] AdvantageError),
    /// An update.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// A checkpoint that cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file of the newest checkpoint.
    #[error(
        "{reason}; the checkpoint is broken, {}",
        if *before {
            "remove its folder to resume from the one before".to_string()
        } else {
            format!("and there is none before it: begin anew in another folder, or put {} back", path.display())
        }
    )]
    BrokenCheckpoint {
        /// What is wrong.
        reason: String,
        /// The checkpoint's folder.
        path: PathBuf,
        /// Whether there is another one.
        before: bool,
    },
    /// The model that the run began with is not where it was.
    #[error(
        "there is no folder {} in {}: give the command in the working directory in which the run began, or say where the model is with \
         --set model.path=FOLDER{}",
        path.display(), directory.display(),
        checkpoint.as_ref().map_or_else(String::new, |path| format!("; the run's checkpoint will do: {}", path.display()))
    )]
    Moved {
        /// `model.path`.
        path: PathBuf,
        /// The working directory.
        directory: PathBuf,
        /// A checkpoint that can stand for the model, where the run needs no more of it than its tokenizer.
        checkpoint: Option<PathBuf>,
    },
    /// A checkpoint that cannot be written.
    #[error(
        "the checkpoint of step {step} could not be written: {reason}; {}: {resume}",
        kept.as_ref().map_or_else(
            || "there is no earlier one. Make room, then begin anew with".to_string(),
            |path| format!("{} is whole. Make room, then go on from there with", path.display())
        )
    )]
    Checkpoint {
        /// The step.
        step: u64,
        /// Why.
        reason: Box<TrainError>,
        /// The newest checkpoint that is whole.
        kept: Option<PathBuf>,
        /// The command that resumes the run.
        resume: String,
    },
    /// The metrics file.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A setting that a resume cannot change.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The checkpoints of a run are not there any more.
    #[error(
        "{} has recorded {steps} steps, but holds none of its checkpoints: put them back, or remove its metrics.jsonl to begin anew in this \
         folder",
        folder.display()
    )]
    Gone {
        /// The run's folder.
        folder: PathBuf,
        /// Steps that were recorded.
        steps: u64,
    },
    /// A server that samples.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A server that tells nothing of what a correction is computed from.
    #[error(
        "step {step}: {url} gave no log-probability of any token, which {key} is computed from; start the server so that it gives them, or \
         set {key} = \"none\""
    )]
    Silent {
        /// The address.
        url: String,
        /// The step.
        step: u64,
        /// The setting.
        key: &'static str,
    },
    /// Another rank.
    #[error(transparent)]
    Ranks(#[from] RanksError),
    /// A setting that several ranks cannot share.
    #[error("{key} cannot be used with several processes yet: {instead}")]
    Several {
        /// The key with its value.
        key: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// The threads that sample ahead.
    #[error("cannot start the threads that sample ahead: {0}; set rollout.staleness = 0, or allow more threads")]
    Thread(std::io::Error),
}

impl TrainError {
    /// Whether it only says that the run was asked to stop.
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Server(ServerError::Stopped { .. }))
    }
}
