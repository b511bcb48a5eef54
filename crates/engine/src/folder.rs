//! Hugging Face model folders: read and written.
//!
//! [`TensorFolder`] gives the weights of `model.safetensors`, or of the files that `model.safetensors.index.json` names,
//! as f32, out of a memory map. [`save_folder`] writes a folder that `transformers` loads. Every file is written by
//! [`write_atomically`]: a reader sees the old file or the new one.
//!
//! ```
//! use surefoot_engine::folder::{Dtype, TensorFolder, write_safetensors};
//!
//! let folder = tempfile::tempdir()?;
//! let weight = ("w", [2, 2].as_slice(), [1.0, -2.0, 0.5, 0.0].as_slice());
//! write_safetensors(&folder.path().join("model.safetensors"), [weight], Dtype::BF16)?;
//! let tensors = TensorFolder::open(folder.path())?;
//! let mut values = [0.0; 4];
//! tensors.read_into("w", &mut values)?;
//! assert_eq!((tensors.shape("w"), values), (Some([2, 2].as_slice()), [1.0, -2.0, 0.5, 0.0]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod atomic;
mod dtype;
mod error;
mod header;
mod save;
mod tensors;
mod write;

pub use atomic::{PARTIAL, sync_directory, write_atomically};
pub use dtype::Dtype;
pub use error::{FileError, FolderError};
pub use save::{CARRIED_FILES, save_folder};
pub(crate) use save::{save_configs, write_text};
pub use tensors::TensorFolder;
pub use write::{write_safetensors, write_safetensors_from};

#[cfg(test)]
mod tests;
