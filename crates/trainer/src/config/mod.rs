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
mod elsewhere;
mod entry;
mod error;
mod load;
mod nearest;
mod preset;
pub use nearest::{Meant, nearest};
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
        Self::of_resolved(&std::fs::read_to_string(file).ok()?)
    }

    /// As [`Purpose::of_run`] for the file's text.
    fn of_resolved(text: &str) -> Option<Self> {
        let first = text.lines().next()?;
        [Purpose::Train, Purpose::Sft].into_iter().find(|purpose| first == purpose.headline())
    }

    /// First line of a resolved configuration.
    pub(crate) fn headline(self) -> String {
        format!("# Resolved configuration of `surefoot {}`.", self.command())
    }
}

/// Declares [`Config`]: a field for each section, in the order of the pipeline.
macro_rules! sections {
    ($(#[doc = $doc:literal])+ $( $section:ident: $stage:ident ),+ $(,)?) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            /// What the configuration is for.
            pub purpose: Purpose,
            $(
                #[doc = concat!("`[", stringify!($section), "]`")]
                pub $section: $stage,
            )+
        }

        impl Config {
            /// Every section with the defaults of its table.
            fn of_tables(purpose: Purpose) -> Self {
                Config { purpose, $( $section: $stage::default() ),+ }
            }

            fn every(&self) -> Vec<&dyn Stage> {
                vec![$( &self.$section ),+]
            }

            fn every_mut(&mut self) -> Vec<&mut dyn Stage> {
                vec![$( &mut self.$section ),+]
            }
        }
    };
}

sections! {
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
    train: Train,
    model: Model,
    lora: Lora,
    data: Data,
    prompt: Prompt,
    rollout: Rollout,
    server: Server,
    correction: Correction,
    reward: Reward,
    advantage: Advantage,
    objective: Objective,
    regularizer: Regularizer,
    sft: Sft,
    optimizer: Optimizer,
    update: Update,
    eval: Eval,
    checkpoint: Checkpoint,
    stop: Stop,
    log: Log,
}

/// Bytes of the longest file that is read as a configuration.
const LONGEST: u64 = 16 << 20;

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
        let mut config = Self::of_tables(purpose);
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
        let text = read(path).map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
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
        let known = self.purpose.sections();
        self.every().into_iter().filter(|stage| known.contains(&stage.section())).collect()
    }

    fn stage_mut(&mut self, section: &str) -> Option<&mut dyn Stage> {
        let known = self.purpose.sections();
        self.every_mut().into_iter().find(|stage| stage.section() == section && known.contains(&section))
    }
}

/// The text of a file, if it is not longer than any configuration.
fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    match text.len() as u64 > LONGEST {
        true => {
            Err(std::io::Error::other(format!("it holds more than {} MiB, which no configuration does", LONGEST >> 20)))
        }
        false => Ok(text),
    }
}
