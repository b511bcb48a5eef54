//! What was evaluated, and how: the identity of an evaluation's folder.
use super::{Benchmark, EvaluateError};
use crate::config::{Config, choice::AnswerFormat};
use crate::policy::Policy;
use crate::run_folder::{RunFolderError, atomic};
use serde::{Deserialize, Serialize};
use std::path::Path;
use surefoot_engine::device::DeviceError;

/// Name of the file in the folder.
const FILE: &str = "eval.json";

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
    /// Longest completion, in tokens.
    pub max_new_tokens: usize,
    /// Seed of the sampling.
    pub seed: u64,
    /// System message.
    pub system: String,
    /// The user's message.
    pub template: String,
    /// Names of the rewards.
    pub reward: String,
    /// The form of `reward.format`, and whether only an answer in it counts.
    #[serde(default)]
    pub form: String,
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
            weights: format!("{:016x}", fingerprint(&policy.weights()?)),
            samples: config.eval.samples,
            temperature: config.eval.temperature,
            top_p: config.eval.top_p,
            top_k: config.eval.top_k,
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
            benchmarks: benchmarks.iter().map(identity).collect(),
        })
    }

    /// Those of the evaluation in `folder`.
    ///
    /// # Errors
    /// [`EvaluateError`] when there is none.
    pub fn read(folder: &Path) -> Result<Self, EvaluateError> {
        let path = folder.join(FILE);
        let text =
            std::fs::read_to_string(&path).map_err(|_| EvaluateError::NoEvaluation { path: folder.to_path_buf() })?;
        serde_json::from_str(&text).map_err(|source| EvaluateError::Line { path, line: source.line(), source })
    }

    /// Makes `folder` the folder of this evaluation, or checks that it is.
    pub(super) fn claim(&self, folder: &Path) -> Result<(), EvaluateError> {
        atomic::clear_leftovers(folder).map_err(RunFolderError::file("clear", folder))?;
        let path = folder.join(FILE);
        if path.exists() {
            return self.matches(folder);
        }
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        Ok(atomic::write(&path, text.as_bytes()).map_err(RunFolderError::file("write", &path))?)
    }

    fn matches(&self, folder: &Path) -> Result<(), EvaluateError> {
        let there = Settings::read(folder)?;
        let value = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
        let (own, there) = (value(self), value(&there));
        let keys = own.as_object().into_iter().flat_map(|keys| keys.keys());
        let differ = keys.filter(|key| own[key.as_str()] != there[key.as_str()]);
        let differs: Vec<String> = differ
            .map(|key| match key.as_str() {
                // Lists of many values, and fingerprints, which nobody knows.
                "benchmarks" | "weights" => format!("the {key} are others"),
                key => format!("{key} is {} there and {} here", there[key], own[key]),
            })
            .collect();
        match differs.is_empty() {
            true => Ok(()),
            false => Err(EvaluateError::OtherSettings { path: folder.to_path_buf(), differs: differs.join("; ") }),
        }
    }
}

/// A number that changes when any weight does.
pub(crate) fn fingerprint(weights: &[f32]) -> u64 {
    let mix = |hash: u64, weight: &f32| {
        (hash.rotate_left(5) ^ u64::from(weight.to_bits())).wrapping_mul(0x517c_c1b7_2722_0a95)
    };
    weights.iter().fold(weights.len() as u64, mix)
}
