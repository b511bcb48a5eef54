//! New weights for a server: a folder of their own, and the requests that make the server load it.
use super::ServerError;
use super::http::{Call, Client};
use crate::config::{Config, choice::Precision, choice::Reload};
use crate::run_folder::{Checkpoints, RunFolderError};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use surefoot_engine::config::ModelConfig;
use surefoot_engine::folder::Dtype;
use surefoot_engine::model;

/// Versions that stay: the present one, and the one before for a server that is still reading.
const KEPT: usize = 2;
/// Stands for the folder of the weights in a request.
const PATH: &str = "{path}";

/// How weights are handed over.
pub(super) struct Weights {
    folder: PathBuf,
    /// Model folder whose tokenizer goes with them.
    source: PathBuf,
    dtype: Dtype,
    requests: Vec<Command>,
}

/// One request of a reload.
#[derive(Clone)]
pub(super) struct Command {
    method: String,
    path: String,
    body: String,
}

/// A version that was written, and the requests that make a server load it.
#[derive(Clone)]
pub(super) struct Load {
    commands: Vec<Command>,
    folder: PathBuf,
}

impl Load {
    /// The requests, in their order.
    pub fn calls<'a>(&'a self, stop: &'a AtomicBool, retries: &'a AtomicU64) -> impl Iterator<Item = Call<'a>> {
        self.commands.iter().map(move |Command { method, path, body }| Call { method, path, body, stop, retries })
    }

    /// Reads what the server says to one of them: the fingerprint of the weights that it has now, where it tells that.
    pub fn read(&self, client: &Client, path: &str, answer: &str) -> Result<Option<String>, ServerError> {
        let Ok(said) = serde_json::from_str::<Value>(answer) else { return Ok(None) };
        if said["success"] == Value::Bool(false) {
            let hint = format!("see that the server can read {}", self.folder.display());
            return Err(client.unexpected(path, "the new weights to be loaded", answer, &hint));
        }
        Ok(fingerprint(&said).map(str::to_string))
    }
}

/// What an answer says of the weights behind it.
pub(super) fn fingerprint(answer: &Value) -> Option<&str> {
    answer["system_fingerprint"].as_str()
}

impl Command {
    fn post(path: &str, body: &str) -> Self {
        Self { method: "POST".to_string(), path: path.to_string(), body: body.to_string() }
    }
}

impl Weights {
    pub fn new(config: &Config) -> Self {
        let server = &config.server;
        let folder = match server.weights_dir.as_str() {
            "" => Path::new(&config.log.run_dir).join("served"),
            folder => PathBuf::from(folder),
        };
        let requests = match server.reload {
            Reload::None => Vec::new(),
            Reload::Surefoot => vec![Command::post("/reload", r#"{"path": "{path}"}"#)],
            // https://docs.vllm.ai, sleep mode and RLHF: endpoints of VLLM_SERVER_DEV_MODE=1. Cached prefixes are of the
            // old weights.
            Reload::Vllm => vec![
                Command::post(
                    "/collective_rpc",
                    r#"{"method": "reload_weights", "kwargs": {"weights_path": "{path}"}}"#,
                ),
                Command::post("/reset_prefix_cache", ""),
            ],
            // https://docs.sglang.io, "SGLang for RL Systems".
            Reload::Sglang => {
                vec![Command::post("/update_weights_from_disk", r#"{"model_path": "{path}", "flush_cache": true}"#)]
            }
            Reload::Custom => vec![Command {
                method: server.reload_method.clone(),
                path: server.reload_path.clone(),
                body: server.reload_body.clone(),
            }],
        };
        let dtype = match config.checkpoint.dtype {
            Precision::F32 => Dtype::F32,
            Precision::Bf16 => Dtype::BF16,
        };
        Self { folder, source: PathBuf::from(&config.model.path), dtype, requests }
    }

    /// Whether the server gets new weights at all.
    pub fn wanted(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Writes a model to a folder of its own.
    pub fn write(&self, version: u64, structure: &ModelConfig, weights: &[f32]) -> Result<Load, ServerError> {
        let versions = Checkpoints::at(&self.folder);
        let partial = versions.begin(version)?;
        model::save(structure, weights, partial.path(), Some(&self.source), self.dtype)?;
        let path = partial.commit()?;
        // A server need not have this process's working directory.
        let folder = std::path::absolute(&path).map_err(RunFolderError::file("find", &path))?;
        let quoted = Value::from(folder.to_string_lossy()).to_string();
        let command = |command: &Command| Command {
            body: command.body.replace(PATH, quoted.trim_matches('"')),
            ..command.clone()
        };
        Ok(Load { commands: self.requests.iter().map(command).collect(), folder })
    }

    /// Removes versions that no server reads any more.
    pub fn prune(&self) -> Result<(), ServerError> {
        Ok(Checkpoints::at(&self.folder).prune(KEPT, None)?)
    }
}
