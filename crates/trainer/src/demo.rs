//! The demo that comes with the program: a small model, warm-started on addition, and a run that makes it good at it.
//!
//! `configs/demo-sft.toml` is the command that trained the model.
use crate::config::{Config, ConfigError, Purpose};
use std::path::{Path, PathBuf};

/// The demo's configuration.
const CONFIG: &str = include_str!("../demo/demo.toml");

/// The model folder's files.
const FILES: [(&str, &[u8]); 5] = [
    ("config.json", include_bytes!("../demo/config.json")),
    ("generation_config.json", include_bytes!("../demo/generation_config.json")),
    ("tokenizer.json", include_bytes!("../demo/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../demo/tokenizer_config.json")),
    ("model.safetensors", include_bytes!("../demo/model.safetensors")),
];

/// Why the demo could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// An override that is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The model cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Writes the model to `run`-model, and gives the configuration of a run in the folder `run`.
///
/// # Errors
/// [`DemoError`] names key or file.
pub fn config(run: &Path, sets: &[String]) -> Result<Config, DemoError> {
    let model = PathBuf::from(format!("{}-model", run.display()));
    let mut all = vec![format!("model.path=\"{}\"", model.display()), format!("log.run_dir=\"{}\"", run.display())];
    all.extend_from_slice(sets);
    let config = Config::from_text("demo.toml".as_ref(), CONFIG, &all, Purpose::Train)?;
    if Path::new(&config.model.path) == model {
        std::fs::create_dir_all(&model).map_err(|source| DemoError::Write { path: model.clone(), source })?;
        for (name, bytes) in FILES {
            let path = model.join(name);
            std::fs::write(&path, bytes).map_err(|source| DemoError::Write { path: path.clone(), source })?;
        }
    }
    Ok(config)
}
