//! The weights of a model folder, out of memory maps.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use serde_json::{Map, Value};

use super::header::{self, Entry};
use super::{Dtype, FolderError};
use crate::config::ModelConfig;

const SINGLE_FILE: &str = "model.safetensors";
const INDEX_FILE: &str = "model.safetensors.index.json";

/// The tensors of a model folder. Opening reads headers only; a tensor's pages are read when it is.
#[derive(Debug)]
pub struct TensorFolder {
    folder: PathBuf,
    files: Vec<MappedFile>,
    /// Name → file and place in it.
    tensors: BTreeMap<String, (usize, Entry)>,
}

#[derive(Debug)]
struct MappedFile {
    path: PathBuf,
    map: Mmap,
}

impl TensorFolder {
    /// Opens `model.safetensors`, or the files that `model.safetensors.index.json` names, in a folder.
    ///
    /// # Errors
    /// No weights, a missing or truncated file, a header that is not one of safetensors.
    pub fn open(folder: &Path) -> Result<Self, FolderError> {
        let single = folder.join(SINGLE_FILE);
        if single.exists() {
            return Self::open_file(&single);
        }
        let index = folder.join(INDEX_FILE);
        if index.exists() {
            return Self::open_index(folder, &index);
        }
        Err(FolderError::NoWeights { folder: folder.into() })
    }

    /// Opens one safetensors file of any name.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_file(path: &Path) -> Result<Self, FolderError> {
        let (file, entries) = MappedFile::open(path)?;
        let tensors = entries.into_iter().map(|(name, entry)| (name, (0, entry))).collect();
        let folder = path.parent().unwrap_or(Path::new("")).into();
        Ok(TensorFolder { folder, files: vec![file], tensors })
    }

    fn open_index(folder: &Path, index: &Path) -> Result<Self, FolderError> {
        let wrong = |message: String| FolderError::Index { file: index.into(), message };
        let text = std::fs::read_to_string(index).map_err(|source| FolderError::Read { file: index.into(), source })?;
        let object: Map<String, Value> = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let Some(Value::Object(weight_map)) = object.get("weight_map") else {
            return Err(wrong("expected an object `weight_map`".into()));
        };
        let mut shards: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for (tensor, file) in weight_map {
            let file = file.as_str().ok_or_else(|| wrong(format!("tensor `{tensor}`: expected a file name")))?;
            // A name that leads out of the folder is an attack, not a shard.
            if file.is_empty() || Path::new(file).file_name() != Some(file.as_ref()) {
                return Err(wrong(format!("tensor `{tensor}`: `{file}` is not the name of a file in the folder")));
            }
            shards.entry(file).or_default().push(tensor);
        }
        let mut opened = TensorFolder { folder: folder.into(), files: Vec::new(), tensors: BTreeMap::new() };
        for (name, tensors) in shards {
            let path = folder.join(name);
            let (file, mut entries) = MappedFile::open(&path)?;
            for tensor in tensors {
                let entry = entries.remove(tensor).ok_or_else(|| FolderError::MissingTensor {
                    file: path.clone(),
                    tensor: tensor.clone(),
                    expected: None,
                })?;
                opened.tensors.insert(tensor.clone(), (opened.files.len(), entry));
            }
            opened.files.push(file);
        }
        Ok(opened)
    }

    /// Every tensor's name, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor's shape, `None` if there is no such tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|(_, entry)| entry.shape.as_slice())
    }

    /// Reads a tensor as f32, row-major, into `out`.
    ///
    /// # Errors
    /// A missing tensor, numbers that are not F32, F16 or BF16, `out` of another length.
    pub fn read_into(&self, name: &str, out: &mut [f32]) -> Result<(), FolderError> {
        let (file, entry) = self.find(name, None)?;
        let dtype = self.dtype(name)?;
        if entry.bytes.len() != out.len() * dtype.size() {
            let expected = vec![out.len()];
            let found = entry.shape.clone();
            return Err(FolderError::Shape { file: file.path.clone(), tensor: name.into(), expected, found });
        }
        dtype.decode(&file.map[entry.bytes.clone()], out);
        Ok(())
    }

    /// As [`read_into`](Self::read_into), for weights: each must be a finite number.
    ///
    /// # Errors
    /// As [`read_into`](Self::read_into), and [`FolderError::NotFinite`].
    pub fn read_weights(&self, name: &str, out: &mut [f32]) -> Result<(), FolderError> {
        self.read_into(name, out)?;
        let (file, _) = self.find(name, None)?;
        match out.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(index) => {
                let (file, value) = (file.path.clone(), out[index]);
                Err(FolderError::NotFinite { file, tensor: name.into(), index, value })
            }
        }
    }

    /// A tensor's number format.
    ///
    /// # Errors
    /// A missing tensor, or one whose format is not of weights.
    pub fn dtype(&self, name: &str) -> Result<Dtype, FolderError> {
        let (file, entry) = self.find(name, None)?;
        Dtype::from_safetensors(&entry.dtype).ok_or_else(|| FolderError::Dtype {
            file: file.path.clone(),
            tensor: name.into(),
            found: entry.dtype.clone(),
        })
    }

    /// Checks that every parameter of `config` is there with its shape, before anything large is allocated.
    ///
    /// Returns the names of tensors that the configuration does not know, to warn about; a copy of a tied head and the
    /// rotary tables that old programs stored are known to be harmless and not among them.
    ///
    /// # Errors
    /// The first parameter that is missing, has another shape or a format that is not of weights.
    pub fn check(&self, config: &ModelConfig) -> Result<Vec<String>, FolderError> {
        let parameters = config.parameters();
        for parameter in &parameters {
            let (file, entry) = self.find(&parameter.name, Some(&parameter.shape))?;
            if entry.shape != parameter.shape {
                return Err(FolderError::Shape {
                    file: file.path.clone(),
                    tensor: parameter.name.clone(),
                    expected: parameter.shape.clone(),
                    found: entry.shape.clone(),
                });
            }
            self.dtype(&parameter.name)?;
        }
        let known: std::collections::HashSet<&str> =
            parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let harmless = |name: &str| name == "lm_head.weight" || name.ends_with(".rotary_emb.inv_freq");
        Ok(self.names().filter(|name| !known.contains(name) && !harmless(name)).map(str::to_owned).collect())
    }

    fn find(&self, name: &str, expected: Option<&[usize]>) -> Result<(&MappedFile, &Entry), FolderError> {
        let (file, entry) = self.tensors.get(name).ok_or_else(|| FolderError::MissingTensor {
            file: match self.files.as_slice() {
                [only] => only.path.clone(),
                _ => self.folder.clone(),
            },
            tensor: name.into(),
            expected: expected.map(<[usize]>::to_vec),
        })?;
        Ok((&self.files[*file], entry))
    }
}

impl MappedFile {
    fn open(path: &Path) -> Result<(Self, BTreeMap<String, Entry>), FolderError> {
        let read = |source| FolderError::Read { file: path.into(), source };
        let file = File::open(path).map_err(read)?;
        if file.metadata().map_err(read)?.len() == 0 {
            let what = "the header's length".into();
            return Err(FolderError::Truncated { file: path.into(), what, expected: 8, found: 0 });
        }
        // SAFETY: the map is read-only. Another program that shortens the file while we read could end this one by a
        // signal; our own writers replace files by rename and never change one in place.
        let map = unsafe { Mmap::map(&file) }.map_err(read)?;
        let entries = header::parse(&map, path)?;
        Ok((MappedFile { path: path.into(), map }, entries))
    }
}
