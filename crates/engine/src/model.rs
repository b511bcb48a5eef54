//! A model: its configuration and all parameters in one arena, loaded from and saved to a Hugging Face folder.
use crate::config::ModelConfig;
use crate::folder::{Dtype, FolderError, TensorFolder};
use crate::layout::Layout;
use std::path::Path;

/// Configuration and weights.
#[derive(Clone, Debug)]
pub struct Model {
    /// Structure.
    pub config: ModelConfig,
    /// Every parameter, as [`Layout`] places them.
    pub weights: Vec<f32>,
}

impl Model {
    /// Reads the weights of a folder whose configuration has been read.
    ///
    /// # Errors
    /// A missing, truncated or misshapen tensor, by file and name.
    pub fn load(folder: &Path, config: ModelConfig) -> Result<(Self, Vec<String>), FolderError> {
        let tensors = TensorFolder::open(folder)?;
        let extra = tensors.check(&config)?;
        let layout = Layout::new(&config);
        let mut weights = vec![0.0; layout.len];
        for (parameter, range) in layout.parameters() {
            tensors.read_into(&parameter.name, &mut weights[range])?;
        }
        Ok((Self { config, weights }, extra))
    }

    /// Saves the folder: configuration, weights as `dtype`, and the tokenizer's files from `from` if given.
    ///
    /// # Errors
    /// What the file system reports, by file.
    pub fn save(&self, folder: &Path, from: Option<&Path>, dtype: Dtype) -> Result<(), FolderError> {
        let layout = Layout::new(&self.config);
        let tensors = layout.parameters().map(|(p, range)| (p.name.as_str(), p.shape.as_slice(), &self.weights[range]));
        crate::folder::save_folder(folder, &self.config, tensors, dtype, from)
    }
}
