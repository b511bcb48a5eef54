//! The configuration of a run: TOML, one struct per stage, every default in one place.
//!
//! [`stages`] defines every key with its default, a sentence and a source; `docs/config.md` is generated from there.
//! [`Config::load`] reads a file and `--set` overrides, and reports every problem at once with file, line and the nearest
//! valid key, before anything else is loaded. [`Config::to_toml`] writes the resolved configuration back.

mod behavior;
mod build;
mod check;
pub mod choice;
mod differ;
pub mod document;
mod entry;
mod error;
mod load;
mod nearest;
mod preset;
pub use nearest::nearest;
pub mod objective;
mod size;
pub mod stages;
mod table;

use crate::ranks::launched;
use crate::shell;
use std::path::Path;

pub use behavior::{Correction, Server};
pub use check::MOST_THREADS;
pub use differ::Difference;
pub use entry::{Entry, Mismatch, Whole};
pub use error::{ConfigError, Origin, Problem, ProblemKind};
pub use objective::Objective;
pub use size::Size;
pub use stages::{
    Advantage, Checkpoint, Data, Eval, Log, Lora, Model, Optimizer, Prompt, Regularizer, Reward, Rollout, Sft, Stop,
    Train, Update,
};
pub use table::{KeyDoc, Stage};

/// What a configuration is for: it decides which sections are valid, which checks run, and a few defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `surefoot train`: reinforcement learning.
    Train,
    /// `surefoot sft`: supervised fine-tuning.
    Sft,
    /// `surefoot eval`: a configuration of `surefoot train` can be used as it is.
    Eval,
}

impl Purpose {
    /// Sections that a file for this purpose may hold, in the order of the pipeline.
    pub const fn sections(self) -> &'static [&'static str] {
        match self {
            Purpose::Train | Purpose::Eval => &[
                "train",
                "model",
                "lora",
                "data",
                "prompt",
                "rollout",
                "server",
                "correction",
                "reward",
                "advantage",
                "objective",
                "regularizer",
                "optimizer",
                "update",
                "eval",
                "checkpoint",
                "stop",
                "log",
            ],
            Purpose::Sft => {
                &["train", "model", "lora", "data", "prompt", "sft", "optimizer", "update", "checkpoint", "stop", "log"]
            }
        }
    }

    /// The command that reads such a configuration.
    pub const fn command(self) -> &'static str {
        match self {
            Purpose::Train => "train",
            Purpose::Sft => "sft",
            Purpose::Eval => "eval",
        }
    }

    /// What the run of the resolved configuration `file` was started for, which its first line says; `None` without such a line.
    pub fn of_run(file: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(file).ok()?;
        let first = text.lines().next()?;
        [Purpose::Train, Purpose::Sft].into_iter().find(|purpose| first == purpose.headline())
    }

    /// First line of a resolved configuration.
    fn headline(self) -> String {
        format!("# Resolved configuration of `surefoot {}`.", self.command())
    }
}

/// A resolved configuration: every key has a value.
///
/// ```
/// use surefoot_trainer::config::{Config, Purpose};
///
/// let text = "[model]\npath = \"smollm2\"\n[data]\ntrain = \"gsm8k.jsonl\"\n";
/// let sets = ["rollout.samples=4".to_string()];
/// let config = Config::from_text("run.toml".as_ref(), text, &sets, Purpose::Train)?;
/// assert_eq!(config.rollout.samples, 4);
/// assert_eq!(config.objective.name, "mhpo");
/// # Ok::<(), surefoot_trainer::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What the configuration is for.
    pub purpose: Purpose,
    /// `[train]`
    pub train: Train,
    /// `[model]`
    pub model: Model,
    /// `[lora]`
    pub lora: Lora,
    /// `[data]`
    pub data: Data,
    /// `[prompt]`
    pub prompt: Prompt,
    /// `[rollout]`
    pub rollout: Rollout,
    /// `[server]`
    pub server: Server,
    /// `[correction]`
    pub correction: Correction,
    /// `[reward]`
    pub reward: Reward,
    /// `[advantage]`
    pub advantage: Advantage,
    /// `[objective]`
    pub objective: Objective,
    /// `[regularizer]`
    pub regularizer: Regularizer,
    /// `[sft]`
    pub sft: Sft,
    /// `[optimizer]`
    pub optimizer: Optimizer,
    /// `[update]`
    pub update: Update,
    /// `[eval]`
    pub eval: Eval,
    /// `[checkpoint]`
    pub checkpoint: Checkpoint,
    /// `[stop]`
    pub stop: Stop,
    /// `[log]`
    pub log: Log,
}

impl Config {
    /// The command that goes on with the run in the folder `run`, with as many processes as there are now.
    pub fn resume_command(&self, run: &Path) -> String {
        let (program, purpose) = (shell::program(), self.purpose.command());
        let command = format!("{program} {purpose} --resume {}", shell::argument(run));
        match launched() {
            1 => command,
            ranks => format!("mpirun -n {ranks} {command}"),
        }
    }

    /// Whether a reward says of samples that they are right or wrong.
    pub fn gives_verdicts(&self) -> bool {
        self.reward.name.iter().any(|name| name.reads_answer())
    }

    /// Whether a regulariser or the reward asks for a divergence from the reference policy.
    pub fn needs_reference(&self) -> bool {
        self.regularizer.reference_coefficient > 0.0 || self.advantage.kl_coefficient > 0.0
    }

    /// Longest completion of an evaluation, in tokens.
    pub fn eval_tokens(&self) -> usize {
        self.eval.max_new_tokens.unwrap_or(self.rollout.max_new_tokens)
    }

    /// The defaults of `purpose`, with nothing set; `model.path` and `data.train` are empty and must be given.
    pub fn defaults(purpose: Purpose) -> Self {
        let mut config = Config {
            purpose,
            train: Train::default(),
            model: Model::default(),
            lora: Lora::default(),
            data: Data::default(),
            prompt: Prompt::default(),
            rollout: Rollout::default(),
            server: Server::default(),
            correction: Correction::default(),
            reward: Reward::default(),
            advantage: Advantage::default(),
            objective: Objective::default(),
            regularizer: Regularizer::default(),
            sft: Sft::default(),
            optimizer: Optimizer::default(),
            update: Update::default(),
            eval: Eval::default(),
            checkpoint: Checkpoint::default(),
            stop: Stop::default(),
            log: Log::default(),
        };
        if purpose == Purpose::Sft {
            config.optimizer.learning_rate = stages::SFT_LEARNING_RATE;
            config.update.mini_batches = 1;
        }
        config
    }

    /// Reads `path`, applies `sets` (each `section.key=value`) and checks the result.
    ///
    /// # Errors
    /// [`ConfigError::Read`] when the file cannot be read, [`ConfigError::Problems`] with everything that is wrong with it.
    pub fn load(path: &Path, sets: &[String], purpose: Purpose) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
        Self::from_text(path, &text, sets, purpose)
    }

    /// As [`Config::load`] for a text; `path` names it in messages and gives `log.run_dir` its default.
    ///
    /// # Errors
    /// [`ConfigError::Problems`] with everything that is wrong.
    pub fn from_text(path: &Path, text: &str, sets: &[String], purpose: Purpose) -> Result<Self, ConfigError> {
        load::resolve(path, text, sets, purpose)
    }

    /// The resolved configuration as TOML; reading it back gives an equal configuration.
    pub fn to_toml(&self) -> String {
        let mut text = self.purpose.headline() + "\n";
        for stage in self.stages() {
            text.push_str(&format!("\n[{}]\n", stage.section()));
            for (key, value) in stage.entries() {
                match value {
                    Some(value) => text.push_str(&format!("{key} = {value}\n")),
                    None => text.push_str(&format!("# {key} is not set\n")),
                }
            }
        }
        text
    }

    /// The sections of this purpose, in the order of [`Purpose::sections`].
    pub fn stages(&self) -> Vec<&dyn Stage> {
        let all: [&dyn Stage; 19] = [
            &self.train,
            &self.model,
            &self.lora,
            &self.data,
            &self.prompt,
            &self.rollout,
            &self.server,
            &self.correction,
            &self.reward,
            &self.advantage,
            &self.objective,
            &self.regularizer,
            &self.sft,
            &self.optimizer,
            &self.update,
            &self.eval,
            &self.checkpoint,
            &self.stop,
            &self.log,
        ];
        all.into_iter().filter(|stage| self.purpose.sections().contains(&stage.section())).collect()
    }

    fn stage_mut(&mut self, section: &str) -> Option<&mut dyn Stage> {
        let all: [&mut dyn Stage; 19] = [
            &mut self.train,
            &mut self.model,
            &mut self.lora,
            &mut self.data,
            &mut self.prompt,
            &mut self.rollout,
            &mut self.server,
            &mut self.correction,
            &mut self.reward,
            &mut self.advantage,
            &mut self.objective,
            &mut self.regularizer,
            &mut self.sft,
            &mut self.optimizer,
            &mut self.update,
            &mut self.eval,
            &mut self.checkpoint,
            &mut self.stop,
            &mut self.log,
        ];
        let known = self.purpose.sections();
        all.into_iter().find(|stage| stage.section() == section && known.contains(&section))
    }
}
