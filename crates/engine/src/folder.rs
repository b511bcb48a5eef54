//! Hugging Face model folders: read and written.
//!
//! [`TensorFolder`] gives the weights of `model.safetensors`, or of the files that `model.safetensors.index.json` names,
//! as f32, out of a memory map. [`save_folder`] writes a folder that `transformers` loads. Every file is written by
//! [`write_atomically`]: a reader sees the old file or the new one.

mod atomic;
mod dtype;
mod error;
mod header;
mod save;
mod tensors;
mod write;

pub use atomic::{sync_directory, write_atomically};
pub use dtype::Dtype;
pub use error::FolderError;
pub use save::{CARRIED_FILES, save_folder};
pub(crate) use save::{save_configs, write_text};
pub use tensors::TensorFolder;
pub use write::{write_safetensors, write_safetensors_from};

#[cfg(test)]
mod tests;
