//! The demo that comes with the program: a small model, warm-started on addition, and a run that makes it good at it.
//!
//! `configs/demo-sft.toml` trains a model like it.
use crate::config::{Config, ConfigError, Purpose};
use crate::run_folder::atomic;
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
#[non_exhaustive]
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

/// Gives the configuration of a run in the folder `run`, or in the one that `sets` name, and writes the model beside that folder.
///
/// # Errors
/// [`DemoError`] names key or file.
pub fn config(run: &Path, sets: &[String]) -> Result<Config, DemoError> {
    let mut all = vec![format!("log.run_dir=\"{}\"", run.display())];
    all.extend_from_slice(sets);
    let mut config = resolve(&beside(run), &all)?;
    if Path::new(&config.model.path) == beside(run) {
        let model = beside(Path::new(&config.log.run_dir));
        write_model(&model)?;
        config.model.path = model.display().to_string();
    }
    Ok(config)
}

/// Where the model of the run in the folder `run` lies.
fn beside(run: &Path) -> PathBuf {
    PathBuf::from(format!("{}-model", run.display()))
}

/// Removes the model that [`config`] wrote for a run that could not start: one that has no folder. What else lies beside the
/// model's files stays.
pub fn forget(config: &Config) {
    let (run, model) = (Path::new(&config.log.run_dir), Path::new(&config.model.path));
    if run.exists() || model != beside(run) {
        return;
    }
    for (name, bytes) in FILES {
        let path = model.join(name);
        if std::fs::read(&path).is_ok_and(|there| there == bytes) {
            // What cannot be removed does no harm.
            let _left = std::fs::remove_file(&path);
        }
    }
    let _left = std::fs::remove_dir(model);
    // `runs`, where the model was all that it held.
    let _left = model.parent().map(std::fs::remove_dir);
}

/// The demo's configuration for a model in the folder `model`, which is not written.
///
/// # Errors
/// [`ConfigError`] names the override that is wrong.
pub fn resolve(model: &Path, sets: &[String]) -> Result<Config, ConfigError> {
    let mut all = vec![format!("model.path=\"{}\"", model.display())];
    all.extend_from_slice(sets);
    Config::from_text("demo.toml".as_ref(), CONFIG, &all, Purpose::Train)
}

/// Writes the model to a folder; files that are there as they should be are left alone.
///
/// # Errors
/// [`DemoError::Write`] names the file.
pub fn write_model(model: &Path) -> Result<(), DemoError> {
    std::fs::create_dir_all(model).map_err(|source| DemoError::Write { path: model.to_path_buf(), source })?;
    for (name, bytes) in FILES {
        let path = model.join(name);
        if std::fs::read(&path).is_ok_and(|there| there == bytes) {
            continue;
        }
        atomic::write(&path, bytes).map_err(|source| DemoError::Write { path: path.clone(), source })?;
    }
    Ok(())
}
