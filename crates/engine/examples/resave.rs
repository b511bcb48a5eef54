//! Reads a model folder and saves it again: `cargo run --example resave -- FROM TO [float32|float16|bfloat16]`.
//!
//! `golden/models/check_saved.py` compares the two folders with transformers.

use std::error::Error;
use std::path::PathBuf;

use surefoot_engine::config::ModelConfig;
use surefoot_engine::folder::{Dtype, TensorFolder, save_folder};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut path = || arguments.next().map(PathBuf::from).ok_or("two folders, please");
    let (from, to) = (path()?, path()?);
    let config = ModelConfig::from_folder(&from)?;
    let dtype = match arguments.next() {
        Some(name) => Dtype::from_torch(&name).ok_or("the format is float32, float16 or bfloat16")?,
        None => config.dtype,
    };
    let tensors = TensorFolder::open(&from)?;
    tensors.check(&config)?;
    let parameters = config.parameters();
    let mut weights = Vec::with_capacity(parameters.len());
    for parameter in &parameters {
        let mut values = vec![0.0; parameter.len()];
        tensors.read_into(&parameter.name, &mut values)?;
        weights.push(values);
    }
    let named = parameters.iter().zip(&weights);
    let named =
        named.map(|(parameter, values)| (parameter.name.as_str(), parameter.shape.as_slice(), values.as_slice()));
    save_folder(&to, &config, named, dtype, Some(&from))?;
    Ok(())
}
