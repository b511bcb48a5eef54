//! What was evaluated, and how: the identity of an evaluation's folder.
use super::{Benchmark, EvaluateError, Other};
use crate::config::{Config, choice::AnswerFormat};
use crate::fingerprint::{self, Fnv};
use crate::policy::Policy;
use crate::run_folder::{RunFolderError, atomic};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use surefoot_engine::device::DeviceError;

/// Name of the file in the folder.
const FILE: &str = "eval.json";
/// Bytes of a file that are looked at: a script is shorter, and a model that a program loads need not be read for every evaluation.
const MOST_BYTES: u64 = 64 << 20;

/// Everything that the results depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Fingerprint of the weights.
    pub weights: String,
    /// Completions a problem.
    pub samples: usize,
    /// Temperature.
    pub temperature: f64,
    /// Nucleus.
    pub top_p: f64,
    /// Most probable tokens.
    pub top_k: usize,
    /// Least share of the most probable token's probability.
    #[serde(default)]
    pub min_p: f64,
    /// Longest completion, in tokens.
    pub max_new_tokens: usize,
    /// Seed of the sampling.
    pub seed: u64,
    /// System message.
    pub system: String,
    /// The user's message.
    pub template: String,
    /// What day the chat template was told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub date: String,
    /// Names of the rewards.
    pub reward: String,
    /// The form of `reward.format`, and whether only an answer in it counts.
    #[serde(default)]
    pub form: String,
    /// Weights of the rewards.
    #[serde(default)]
    pub reward_weights: Vec<f64>,
    /// The buffer of `overlong`.
    #[serde(default)]
    pub overlong_buffer: usize,
    /// The program of `command`.
    #[serde(default)]
    pub command: Vec<String>,
    /// Fingerprint of the files that the program's words name.
    #[serde(default)]
    pub command_files: String,
    /// Columns that the program gets.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Texts that end a completion.
    #[serde(default)]
    pub stop: Vec<String>,
    /// Fingerprint of the prompts' tokens, of each benchmark: of template, chat template and tokenizer.
    #[serde(default)]
    pub prompts: Vec<String>,
    /// The benchmarks.
    pub benchmarks: Vec<Identity>,
}

/// A benchmark as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its problems.
    pub problems: usize,
    /// Fingerprint of problems and answers.
    pub fingerprint: String,
}

impl Settings {
    pub(super) fn of(config: &Config, policy: &Policy, benchmarks: &[Benchmark]) -> Result<Self, DeviceError> {
        let identity = |benchmark: &Benchmark| Identity {
            name: benchmark.name.clone(),
            problems: benchmark.rows.len(),
            fingerprint: format!("{:016x}", benchmark.fingerprint),
        };
        Ok(Settings {
            weights: format!("{:016x}", fingerprint::of_weights(&policy.weights()?)),
            samples: config.eval.samples,
            temperature: config.eval.temperature,
            top_p: config.eval.top_p,
            top_k: config.eval.top_k,
            min_p: config.eval.min_p,
            max_new_tokens: config.eval_tokens(),
            seed: config.train.seed,
            system: config.prompt.system.clone(),
            template: config.prompt.template.clone(),
            reward: config.reward.name.iter().map(|name| name.name()).collect::<Vec<_>>().join(" + "),
            form: match (config.reward.format, config.reward.strict) {
                (AnswerFormat::Any, _) => String::new(),
                (format, true) => format!("{}, strict", format.name()),
                (format, false) => format.name().to_string(),
            },
            date: config.prompt.date.clone(),
            reward_weights: config.reward.weights.clone(),
            overlong_buffer: config.reward.overlong_buffer,
            command: config.reward.command.clone(),
            command_files: files(&config.reward.command),
            columns: config.reward.columns.clone(),
            stop: config.rollout.stop.clone(),
            prompts: benchmarks.iter().map(|benchmark| format!("{:016x}", benchmark.prompts)).collect(),
            benchmarks: benchmarks.iter().map(identity).collect(),
        })
    }

    /// Those of the evaluation in `folder`.
    ///
    /// # Errors
    /// [`EvaluateError`] when there is none.
    pub fn read(folder: &Path) -> Result<Self, EvaluateError> {
        read(folder)
    }

    /// Makes `folder` the folder of this evaluation, or checks that it is.
    pub(super) fn claim(&self, folder: &Path, other: Other) -> Result<(), EvaluateError> {
        atomic::clear_leftovers(folder).map_err(RunFolderError::file("clear", folder))?;
        let path = folder.join(FILE);
        if path.exists() {
            match (self.matches(folder), other) {
                (Err(EvaluateError::OtherSettings { .. }), Other::Replaced) => {
                    std::fs::remove_dir_all(folder).map_err(RunFolderError::file("clear", folder))?;
                    std::fs::create_dir_all(folder).map_err(RunFolderError::file("make", folder))?;
                }
                (matches, _) => return matches,
            }
        }
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        Ok(atomic::write(&path, text.as_bytes()).map_err(RunFolderError::file("write", &path))?)
    }

    /// Settings that an older version did not write down are taken as equal.
    fn matches(&self, folder: &Path) -> Result<(), EvaluateError> {
        let there: Value = read(folder)?;
        let differs = differences(&serde_json::to_value(self).unwrap_or_default(), &there, ["there", "here"]);
        match differs.is_empty() {
            true => Ok(()),
            false => Err(EvaluateError::OtherSettings { path: folder.to_path_buf(), differs: differs.join("; ") }),
        }
    }
}

/// The settings of `there` that `own` has otherwise, in words; `names` are what the two are called.
pub(super) fn differences(own: &Value, there: &Value, [other, this]: [&str; 2]) -> Vec<String> {
    let keys = own.as_object().into_iter().flat_map(|keys| keys.keys());
    let differ = keys.filter(|key| there.get(key).is_some_and(|there| own[key.as_str()] != *there));
    let say = |key: &String| match key.as_str() {
        // Lists of many values, and fingerprints, which nobody knows.
        "benchmarks" | "weights" | "prompts" => format!("the {key} are others"),
        "command_files" => "the files of reward.command are others".to_string(),
        key => format!("{key} is {} {other} and {} {this}", there[key], own[key]),
    };
    differ.map(say).collect()
}

/// What the settings' file of `folder` holds.
pub(super) fn read<T: DeserializeOwned>(folder: &Path) -> Result<T, EvaluateError> {
    let path = folder.join(FILE);
    let text =
        std::fs::read_to_string(&path).map_err(|_| EvaluateError::NoEvaluation { path: folder.to_path_buf() })?;
    serde_json::from_str(&text).map_err(|source| EvaluateError::Line { path, line: source.line(), source })
}

/// Fingerprint of the files that the words of a command name, as that of a script; empty where they name none.
fn files(command: &[String]) -> String {
    let mut hash = Fnv::EMPTY;
    for word in command {
        let Ok(file) = std::fs::File::open(word) else { continue };
        let Ok(about) = file.metadata() else { continue };
        let mut bytes = Vec::new();
        if !about.is_file() || file.take(MOST_BYTES).read_to_end(&mut bytes).is_err() {
            continue;
        }
        hash.bytes(about.len().to_le_bytes().into_iter().chain(bytes));
    }
    if hash.0 == Fnv::EMPTY.0 { String::new() } else { format!("{:016x}", hash.0) }
}
