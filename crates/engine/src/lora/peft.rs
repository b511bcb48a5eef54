//! Adapters in the format of the `peft` library: `adapter_config.json` and `adapter_model.safetensors`.
use super::{Adapters, Lora, MODULES};
use crate::folder::{Dtype, FileError, FolderError, TensorFolder, write_atomically, write_safetensors};
use crate::layout::Layout;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// Why adapters could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeftError {
    /// The tensors.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The configuration's file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A configuration that says something else than what is supported.
    #[error("{}: {message}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, what would be right.
        message: String,
    },
}

impl Adapters {
    /// Writes the adapters for `peft`, to be put on the model `base`.
    ///
    /// # Errors
    /// [`PeftError`] names the file.
    pub fn save(&self, values: &[f32], base: &str, folder: &Path) -> Result<(), PeftError> {
        std::fs::create_dir_all(folder).map_err(file("make", folder))?;
        let tensors = self.tensors(values);
        let tensors = tensors.iter().map(|(name, shape, values)| (name.as_str(), shape.as_slice(), values.as_slice()));
        write_safetensors(&folder.join(WEIGHTS), tensors, Dtype::F32)?;
        let config = json!({
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": base,
            "r": self.lora.rank,
            "lora_alpha": self.lora.alpha,
            "lora_dropout": 0.0,
            "target_modules": self.lora.targets,
            "bias": "none",
            "fan_in_fan_out": false,
            "use_rslora": false,
            "use_dora": false,
            "modules_to_save": null,
            "inference_mode": true,
        });
        let path = folder.join(CONFIG);
        write_atomically(&path, |out| out.write_all(format!("{config:#}\n").as_bytes())).map_err(file("write", &path))
    }

    /// Names, shapes and values as `peft` has them.
    fn tensors(&self, values: &[f32]) -> Vec<(String, [usize; 2], Vec<f32>)> {
        let mut tensors = Vec::new();
        self.each(|name, shape, places| {
            tensors.push((name, shape, places.iter().flat_map(|at| values[at.clone()].iter().copied()).collect()));
            Ok::<(), std::convert::Infallible>(())
        })
        .unwrap_or_else(|never| match never {});
        tensors
    }

    /// Calls `visit` for every tensor of `peft`'s format with its runs of elements in the adapters' arena.
    fn each<E>(
        &self,
        mut visit: impl FnMut(String, [usize; 2], &[std::ops::Range<usize>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let rank = self.lora.rank;
        for adapter in &self.list {
            for (number, part) in adapter.parts.iter().enumerate() {
                let name = |half: &str| format!("base_model.model.{}.lora_{half}.weight", part.module);
                let start = adapter.a.weight.start + number * rank * adapter.a.inputs;
                let a = start..start + rank * adapter.a.inputs;
                visit(name("A"), [rank, adapter.a.inputs], &[a])?;
                let at = |row| adapter.b.weight.start + row * adapter.b.inputs + number * rank;
                let b: Vec<_> = part.rows.clone().map(|row| at(row)..at(row) + rank).collect();
                visit(name("B"), [part.rows.len(), rank], &b)?;
            }
        }
        Ok(())
    }

    /// Reads adapters that `peft` or [`Adapters::save`] wrote, for the model of `layout`.
    ///
    /// # Errors
    /// [`PeftError`] names the file, and the key or tensor.
    pub fn load(layout: &Layout, folder: &Path) -> Result<(Self, Vec<f32>), PeftError> {
        let adapters = Self::new(layout, &Lora::read(folder)?);
        let path = folder.join(WEIGHTS);
        let tensors = TensorFolder::open_file(&path)?;
        let mut values = vec![0.0; adapters.len];
        let mut read = Vec::new();
        adapters.each(|name, shape, places| {
            let config = |message: String| PeftError::Config { path: path.clone(), message };
            match tensors.shape(&name) {
                None => return Err(config(format!("has no tensor {name}"))),
                Some(found) if found != shape => {
                    return Err(config(format!("{name} has shape {found:?}, and {shape:?} fits the model")));
                }
                Some(_) => {}
            }
            let mut all = vec![0.0; shape[0] * shape[1]];
            tensors.read_weights(&name, &mut all)?;
            let mut rest = all.as_slice();
            for at in places {
                let (now, later) = rest.split_at(at.len());
                values[at.clone()].copy_from_slice(now);
                rest = later;
            }
            read.push(name);
            Ok(())
        })?;
        match tensors.names().find(|name| !read.iter().any(|read| read == name)) {
            Some(name) => {
                let message = format!("{name} belongs to no matrix that can have adapters ({})", MODULES.join(", "));
                Err(PeftError::Config { path, message })
            }
            None => Ok((adapters, values)),
        }
    }
}

impl Lora {
    /// Reads rank, scale and targets of `adapter_config.json`.
    ///
    /// # Errors
    /// [`PeftError`], for a variant of LoRA that is not supported too.
    pub fn read(folder: &Path) -> Result<Self, PeftError> {
        let path = folder.join(CONFIG);
        let wrong = |message: String| PeftError::Config { path: path.clone(), message };
        let text = std::fs::read_to_string(&path).map_err(file("read", &path))?;
        let config: Value = serde_json::from_str(&text).map_err(|e| wrong(format!("is not JSON: {e}")))?;
        let plain = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Object(map) => map.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        if config["peft_type"] != "LORA" {
            return Err(wrong(format!("peft_type is {}, expected \"LORA\"", config["peft_type"])));
        }
        for key in VARIANTS {
            if !plain(&config[key]) {
                return Err(wrong(format!("{key} is {}, and only plain LoRA is supported", config[key])));
            }
        }
        if !matches!(config["bias"].as_str(), None | Some("none")) {
            return Err(wrong(format!("bias is {}, expected \"none\"", config["bias"])));
        }
        let rank = config["r"].as_u64().filter(|&r| r > 0).ok_or_else(|| wrong("r must be 1 or more".into()))?;
        let alpha = config["lora_alpha"].as_f64().ok_or_else(|| wrong("lora_alpha must be a number".into()))?;
        let targets = match &config["target_modules"] {
            Value::Array(list) => list.iter().map(|v| v.as_str().unwrap_or_default().to_string()).collect(),
            other => return Err(wrong(format!("target_modules is {other}, expected a list of names"))),
        };
        let lora = Lora { rank: rank as usize, alpha, targets };
        match lora.targets.iter().find(|target| !MODULES.contains(&target.as_str())) {
            Some(target) => Err(wrong(format!("target_modules has {target:?}; supported are {}", MODULES.join(", ")))),
            None => Ok(lora),
        }
    }
}

/// Keys of `peft` that make something else of LoRA.
const VARIANTS: [&str; 9] = [
    "use_rslora",
    "use_dora",
    "fan_in_fan_out",
    "rank_pattern",
    "alpha_pattern",
    "layers_to_transform",
    "modules_to_save",
    "lora_bias",
    "target_parameters",
];

fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PeftError {
    FileError::of(action, path)
}
