//! Which weights a run started from, so that runs can be compared when paths of models say nothing.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model_folder;
use crate::run_folder::{RunFolder, RunFolderError, atomic};

/// The record, in the run folder.
const FILE: &str = "origin.json";

/// What a run started from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Fingerprint of the model's weights as they lie on the disk.
    pub weights: String,
}

impl Origin {
    /// Of the model in the folder `model`; `None` where it cannot be read.
    pub fn of(model: &Path) -> Option<Self> {
        let fingerprint = model_folder::fingerprint(model).ok()?;
        Some(Self { weights: format!("{fingerprint:016x}") })
    }

    /// Writes it into the run folder.
    pub(super) fn keep(&self, folder: &RunFolder) -> Result<(), RunFolderError> {
        let path = folder.path().join(FILE);
        atomic::write(&path, serde_json::json!(self).to_string().as_bytes())
            .map_err(RunFolderError::file("write", &path))
    }

    /// Of the run in `folder`, where it says so.
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_str(&std::fs::read_to_string(folder.join(FILE)).ok()?).ok()
    }
}
