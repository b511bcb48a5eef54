//! A model: its configuration and all parameters in one arena, loaded from and saved to a Hugging Face folder.
use crate::config::ModelConfig;
use crate::folder::{Dtype, FolderError, TensorFolder};
use crate::layout::Layout;
use crate::random::Stream;
use std::path::Path;

/// Configuration and weights.
#[derive(Clone, Debug)]
pub struct Model {
    /// Structure.
    pub config: ModelConfig,
    /// Every parameter, as [`Layout`] places them.
    pub weights: Vec<f32>,
}

/// Standard deviation of fresh matrices, as `initializer_range` of the supported families.
const INITIAL_DEVIATION: f32 = 0.02;

impl Model {
    /// Fresh random weights: matrices normal with standard deviation 0.02, norms 1, biases 0.
    pub fn initialise(config: ModelConfig, seed: u64) -> Self {
        let layout = Layout::new(&config);
        let mut weights = vec![0.0; layout.len];
        for (number, (parameter, range)) in layout.parameters().enumerate() {
            let stream = Stream { seed, sequence: number as u64 };
            match parameter.shape.len() {
                2 => weights[range]
                    .iter_mut()
                    .enumerate()
                    .for_each(|(i, w)| *w = stream.normal(i as u32) * INITIAL_DEVIATION),
                _ if parameter.name.ends_with("norm.weight") => weights[range].fill(1.0),
                _ => {}
            }
        }
        Self { config, weights }
    }

    /// Reads the weights of a folder whose configuration has been read.
    ///
    /// # Errors
    /// A missing, truncated or misshapen tensor, or a weight that is not finite, by file and name.
    pub fn load(folder: &Path, config: ModelConfig) -> Result<(Self, Vec<String>), FolderError> {
        let tensors = TensorFolder::open(folder)?;
        let extra = tensors.check(&config)?;
        let layout = Layout::new(&config);
        let mut weights = vec![0.0; layout.len];
        for (parameter, range) in layout.parameters() {
            tensors.read_weights(&parameter.name, &mut weights[range])?;
        }
        Ok((Self { config, weights }, extra))
    }

    /// Saves the folder: configuration, weights as `dtype`, and the tokenizer's files from `from` if given.
    ///
    /// # Errors
    /// What the file system reports, by file.
    pub fn save(&self, folder: &Path, from: Option<&Path>, dtype: Dtype) -> Result<(), FolderError> {
        save(&self.config, &self.weights, folder, from, dtype)
    }
}

/// Saves the model of `config` with `weights`, as [`Model::save`].
///
/// # Errors
/// What the file system reports, by file.
pub fn save(
    config: &ModelConfig,
    weights: &[f32],
    folder: &Path,
    from: Option<&Path>,
    dtype: Dtype,
) -> Result<(), FolderError> {
    let layout = Layout::new(config);
    let tensors = layout.parameters().map(|(p, range)| (p.name.as_str(), p.shape.as_slice(), &weights[range]));
    crate::folder::save_folder(folder, config, tensors, dtype, from)
}
