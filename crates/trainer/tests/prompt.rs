//! Prompts that are longer than allowed.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use surefoot_engine::tokenizer::Tokenizer;
use surefoot_trainer::config::choice::{Chat, Overlong};
use surefoot_trainer::config::{Config, Data, Purpose};
use surefoot_trainer::data::{Dataset, Wanted};
use surefoot_trainer::demo;
use surefoot_trainer::prompt::{PromptError, Prompter, Rendered};
use surefoot_trainer::serve::api::{Asked, Limits};

/// Rows with these problems, without those that have more than 16 tokens.
fn short(folder: &Path, problems: &[&str], overlong: Overlong) -> Result<(Rendered, usize), PromptError> {
    let path = folder.join("rows.jsonl");
    let rows = problems.iter().map(|p| format!("{}\n", serde_json::json!({ "problem": p, "answer": "1" })));
    std::fs::write(&path, rows.collect::<String>()).unwrap();
    let data = Data { train: vec![path.to_string_lossy().into_owned()], ..Data::default() };
    let mut data = Dataset::load(&data, Wanted::Answer).unwrap();
    let mut config = Config::defaults(Purpose::Train);
    (config.prompt.chat, config.prompt.max_tokens, config.prompt.overlong) = (Chat::Never, 16, overlong);
    let rendered = Prompter::load(folder, &config)?.keep_short(&mut data)?;
    Ok((rendered, data.rows.len()))
}

#[test]
fn rows_that_are_too_long_are_left_out_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    demo::write_model(folder.path()).unwrap();
    let (long, far) = ("1".repeat(17), "1".repeat(1 << 26));
    let (rendered, rows) = short(folder.path(), &["1+1=", &long, &far, "2+2="], Overlong::Drop).unwrap();
    assert_eq!((rendered.left_out, rows, rendered.longest), (2, 2, 4));
    let error = short(folder.path(), &["1+1=", &long, &far], Overlong::Error).unwrap_err();
    assert!(error.to_string().ends_with("rows.jsonl:2: the prompt has 17 tokens, more than prompt.max_tokens = 16; raise that, or set prompt.overlong = \"drop\""), "{error}");
    let error = short(folder.path(), &["1+1=", &far], Overlong::Error).unwrap_err();
    assert!(
        error.to_string().contains("rows.jsonl:2: the prompt has many more tokens than prompt.max_tokens = 16"),
        "{error}"
    );
    let error = short(folder.path(), &[&far], Overlong::Drop).unwrap_err();
    assert!(matches!(error, PromptError::AllTooLong { rows: 1, limit: 16 }), "{error}");
}

#[test]
fn a_request_that_is_far_too_long_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    demo::write_model(folder.path()).unwrap();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    let limits = Limits { positions: 64, vocabulary: tokenizer.id_count() };
    let ask = |prompt: &str| {
        let body = serde_json::json!({ "prompt": ["1", prompt], "max_tokens": 1 });
        Asked::read(&body.to_string(), &tokenizer, limits)
    };
    assert!(ask("1+1=").is_ok());
    let (status, message) = ask(&"1".repeat(64)).unwrap_err();
    assert!(status == 400 && message.starts_with("64 tokens of prompt"), "{message}");
    let (status, message) = ask(&"1".repeat(1 << 26)).unwrap_err();
    assert!(status == 400 && message.contains("67108864 bytes has many more than 64 tokens"), "{message}");
}
