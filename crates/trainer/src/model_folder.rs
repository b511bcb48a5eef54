//! Whether a path is the folder of a model at all, before its files are opened one by one.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::fingerprint::Fnv;
use crate::run_folder::Checkpoints;
use crate::shell::argument;

/// Why a path is no model folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFolderError {
    /// There is nothing.
    #[error(
        "there is no folder {}; models are not downloaded from the Hugging Face Hub: download it, and name the folder that holds \
         its config.json",
        path.display()
    )]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A file.
    #[error(
        "{} is a file; a model is a folder with config.json (one is made from a GGUF file by: surefoot model import {} FOLDER)",
        path.display(),
        argument(path)
    )]
    File {
        /// The path.
        path: PathBuf,
    },
    /// A run, whose models are its checkpoints.
    #[error(
        "{} is a run; {}",
        path.display(),
        newest.as_ref().map_or_else(
            || "it has no checkpoint yet".to_string(),
            |newest| format!("its newest checkpoint is {}", newest.display())
        )
    )]
    Run {
        /// The path.
        path: PathBuf,
        /// Its newest checkpoint.
        newest: Option<PathBuf>,
    },
    /// Something that a new model would replace.
    #[error("{} {what}; name another folder", path.display())]
    Taken {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
}

/// That a model may be written to `path`: neither a model nor a run lies there.
///
/// # Errors
/// [`ModelFolderError::Taken`].
pub fn expect_free(path: &Path) -> Result<(), ModelFolderError> {
    let names = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.file_name());
    // Weights come last: without any, the folder is that of a model that was not finished.
    let weights = |name: &str| [".safetensors", ".safetensors.index.json"].iter().any(|ending| name.ends_with(ending));
    let what = if path.join("config.toml").is_file() {
        "is the folder of a run"
    } else if names.filter_map(|name| name.into_string().ok()).any(|name| weights(&name)) {
        "holds a model already"
    } else {
        return Ok(());
    };
    Err(ModelFolderError::Taken { path: path.to_path_buf(), what })
}

/// Bytes of a block, and blocks of a file, that a fingerprint reads: weights that were trained differ in every block, and a folder of
/// many gigabytes is read in no time.
const BLOCK: u64 = 4096;
const BLOCKS: u64 = 256;

/// A number that tells the weights of model folders apart: of names, lengths and blocks of the safetensors files.
///
/// # Errors
/// Those of the file system.
pub fn fingerprint(path: &Path) -> std::io::Result<u64> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    let mut hash = Fnv(files.len() as u64);
    for path in files {
        let mut file = File::open(&path)?;
        let length = file.metadata()?.len();
        hash.bytes(path.file_name().unwrap_or_default().as_encoded_bytes().iter().copied());
        hash.bytes(length.to_le_bytes());
        let stride = length.div_ceil(BLOCKS).max(BLOCK);
        let mut block = Vec::new();
        for at in (0..length).step_by(stride as usize) {
            block.clear();
            file.seek(SeekFrom::Start(at))?;
            (&mut file).take(BLOCK).read_to_end(&mut block)?;
            hash.bytes(block.iter().copied());
        }
    }
    Ok(hash.0)
}

/// That `path` is a folder, and none of a run.
///
/// # Errors
/// [`ModelFolderError`] says what it is instead.
pub fn expect(path: &Path) -> Result<(), ModelFolderError> {
    let path_buf = || path.to_path_buf();
    if path.is_file() {
        return Err(ModelFolderError::File { path: path_buf() });
    }
    // What cannot be looked at is told when it is opened.
    if path.try_exists().is_ok_and(|there| !there) {
        return Err(ModelFolderError::Missing { path: path_buf() });
    }
    if path.join("config.toml").is_file() && !path.join("config.json").exists() {
        let newest = Checkpoints::at(&path.join("checkpoints")).latest().ok().flatten().map(|(_, newest)| newest);
        return Err(ModelFolderError::Run { path: path_buf(), newest });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn equal_weights_have_equal_fingerprints_wherever_they_lie() {
        let at = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let folder = at.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("model.safetensors"), bytes).unwrap();
            fingerprint(&folder).unwrap()
        };
        let long: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
        let first = write("a", &long);
        assert_eq!(first, write("b", &long));
        std::fs::write(at.path().join("b/tokenizer.json"), "{}").unwrap();
        assert_eq!(first, fingerprint(&at.path().join("b")).unwrap());
        let trained: Vec<u8> = long.iter().map(|byte| byte ^ 1).collect();
        assert_ne!(first, write("c", &trained));
        assert_ne!(write("d", &[1, 2, 3]), write("e", &[1, 2, 4]));
        assert!(fingerprint(&at.path().join("absent")).is_err());
    }
}
