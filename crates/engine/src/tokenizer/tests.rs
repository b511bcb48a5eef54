use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// A folder with a byte-level tokenizer of every byte that is a printable ASCII character, two bytes of `é`, and `</s>`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut vocab: serde_json::Map<String, Value> =
        (33u8..127).enumerate().map(|(id, byte)| ((byte as char).to_string(), json!(id))).collect();
    for token in ["Ġ", "Ã", "©", "</s>", "Ġa"] {
        vocab.insert(token.into(), json!(vocab.len()));
    }
    let tokenizer = json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": null,
        "added_tokens": [{"id": 97, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocab, "merges": [["Ġ", "a"]]},
    });
    write(&folder, "tokenizer.json", &tokenizer);
    folder
}

fn write(folder: &TempDir, name: &str, value: &Value) {
    fs::write(folder.path().join(name), value.to_string()).unwrap();
}

#[test]
fn encodes_and_decodes_whole_texts() {
    let folder = folder();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    // The saved truncation to two tokens is switched off.
    let ids = tokenizer.encode("A é a</s>").unwrap();
    assert_eq!(ids, [32, 94, 95, 96, 98, 97]);
    assert_eq!(tokenizer.decode(&ids).unwrap(), "A é a");
    assert_eq!(tokenizer.decode_verbatim(&ids).unwrap(), "A é a</s>");
    assert_eq!((tokenizer.id_count(), tokenizer.token_id("</s>"), tokenizer.token_id("?!")), (99, Some(97), None));
}

#[test]
fn streams_whole_characters() {
    let folder = folder();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    let pieces = |ids: &[u32]| {
        let mut stream = tokenizer.stream();
        let mut pieces: Vec<String> = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
        pieces.push(stream.finish().unwrap());
        pieces
    };
    // A, then é in two bytes, a special token, " a".
    assert_eq!(pieces(&[32, 95, 96, 97, 98]), ["A", "", "é", "", " a", ""]);
    // A character that breaks off in the middle and at the end.
    assert_eq!(pieces(&[95, 32]), ["", "\u{fffd}A", ""]);
    assert_eq!(pieces(&[32, 95]), ["A", "", "\u{fffd}"]);
    for ids in [vec![95, 95, 96, 96, 32, 94, 98, 95], vec![], vec![97]] {
        assert_eq!(pieces(&ids).concat(), tokenizer.decode(&ids).unwrap(), "{ids:?}");
    }
}

#[test]
fn the_end_of_text_comes_from_three_files_in_turn() {
    let folder = folder();
    let eos = || Tokenizer::load(folder.path()).unwrap().eos_ids().to_vec();
    assert!(eos().is_empty());
    write(&folder, "special_tokens_map.json", &json!({"eos_token": "B"}));
    assert_eq!(eos(), [33]);
    write(&folder, "tokenizer_config.json", &json!({"eos_token": {"content": "</s>"}, "bos_token": "A"}));
    assert_eq!(eos(), [97]);
    assert_eq!(Tokenizer::load(folder.path()).unwrap().bos_id(), Some(32));
    write(&folder, "config.json", &json!({"eos_token_id": 5, "vocab_size": 99}));
    assert_eq!(eos(), [5]);
    write(&folder, "generation_config.json", &json!({"eos_token_id": [6, 7]}));
    assert_eq!(eos(), [6, 7]);
    // Answers end with the one that the template ends its turns with, where a list holds it.
    let end = || Tokenizer::load(folder.path()).unwrap().end_id();
    assert_eq!(end(), Some(6));
    write(&folder, "generation_config.json", &json!({"eos_token_id": [6, 7, 97]}));
    assert_eq!((eos(), end()), (vec![6, 7, 97], Some(97)));
    write(&folder, "generation_config.json", &json!({"eos_token_id": "</s>"}));
    let error = Tokenizer::load(folder.path()).unwrap_err();
    assert!(error.to_string().contains("generation_config.json: key `eos_token_id`"), "{error}");
}

#[test]
fn tokens_of_the_config_are_added_under_their_ids() {
    let folder = folder();
    let add = |id: &str| {
        let token = json!({"content": "<think>", "special": false});
        write(
            &folder,
            "tokenizer_config.json",
            &json!({"added_tokens_decoder": {"97": {"content": "</s>"}, id: token}}),
        );
        Tokenizer::load(folder.path())
    };
    assert_eq!(add("99").unwrap().encode("A<think>A").unwrap(), [32, 99, 32]);
    let error = add("120").unwrap_err();
    assert!(matches!(&error, TokenizerError::Broken { .. }) && error.to_string().contains("id 120"), "{error}");
    assert!(matches!(add("x"), Err(TokenizerError::Broken { .. })));
}

#[test]
fn a_vocabulary_larger_than_the_embedding_is_an_error() {
    let folder = folder();
    write(&folder, "config.json", &json!({"vocab_size": 98}));
    let error = Tokenizer::load(folder.path()).unwrap_err();
    assert!(matches!(error, TokenizerError::Vocabulary { ids: 99, vocab_size: 98, .. }));
    let expected = format!("{}: token ids go up to 98", folder.path().join("tokenizer.json").display());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn broken_files_are_named() {
    let folder = folder();
    assert!(matches!(Tokenizer::load(Path::new("no/such")), Err(TokenizerError::Read { .. })));
    fs::write(folder.path().join("tokenizer_config.json"), "[").unwrap();
    let error = Tokenizer::load(folder.path()).unwrap_err();
    assert!(matches!(&error, TokenizerError::Broken { file, .. } if file.ends_with("tokenizer_config.json")));
    fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    let error = Tokenizer::load(folder.path()).unwrap_err();
    assert!(matches!(&error, TokenizerError::Broken { file, .. } if file.ends_with("tokenizer.json")), "{error}");
}

/// A text that no token ends is cut at its longest, every time.
#[test]
fn end_tokens_without_a_row_are_refused() {
    let folder = folder();
    write(&folder, "config.json", &json!({"vocab_size": 99}));
    write(&folder, "generation_config.json", &json!({"eos_token_id": [200, 151645]}));
    let error = Tokenizer::load(folder.path()).unwrap_err();
    assert!(matches!(error, TokenizerError::End { id: 200, vocab_size: 99, .. }), "{error}");
    // One that can come is enough.
    write(&folder, "generation_config.json", &json!({"eos_token_id": [97, 151645]}));
    assert_eq!(Tokenizer::load(folder.path()).unwrap().eos_ids(), [97, 151645]);
}

/// The library panics on these, and its panic says nothing of the file.
#[test]
fn a_damaged_tokenizer_is_an_error_that_names_it() {
    let folder = folder();
    let file = folder.path().join("tokenizer.json");
    let whole = fs::read_to_string(&file).unwrap();
    let decoder = whole.find(r#""decoder":{"#).unwrap();
    let error = |text: &str| {
        fs::write(&file, text).unwrap();
        let error = Tokenizer::load(folder.path()).unwrap_err();
        assert!(matches!(&error, TokenizerError::Broken { file: found, .. } if *found == file), "{error}");
        error.to_string()
    };
    for cut in (1..40).map(|more| decoder + more).chain((0..whole.len()).step_by(97)) {
        assert!(error(&whole[..cut]).contains("not JSON"), "{cut}");
    }
    for at in ["ByteLevel", "Right", "Ġ"] {
        let control = whole.replace(at, &format!("\u{1}{at}"));
        assert!(error(&control).contains("control character"), "{at}");
    }
    let replaced = |name: &str, part: Value| {
        let mut json: Value = serde_json::from_str(&whole).unwrap();
        json[name] = part;
        error(&json.to_string())
    };
    let panics = replaced("normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}));
    assert!(panics.contains("key `normalizer` is damaged; download"), "{panics}");
    for part in ["normalizer", "pre_tokenizer", "post_processor", "decoder", "model"] {
        for wrong in [json!({"type": "None"}), json!({"type": 7}), json!([]), json!("x")] {
            replaced(part, wrong);
        }
    }
}

#[test]
fn a_text_without_tokens_names_the_tokenizer() {
    let folder = folder();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "post_processor": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "[UNK]"},
    });
    write(&folder, "tokenizer.json", &tokenizer);
    let error = Tokenizer::load(folder.path()).unwrap().encode("a b").unwrap_err().to_string();
    let file = folder.path().join("tokenizer.json");
    assert!(error.starts_with(&format!("{}: cannot encode a text: ", file.display())), "{error}");
}

#[test]
fn texts_that_are_far_too_long_are_not_encoded() {
    let folder = folder();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    let within = |text: &str, limit| {
        let found = tokenizer.encode_within(text, limit).unwrap();
        assert_eq!(found.is_some(), tokenizer.encode_document_within(text, limit).unwrap().is_some());
        found
    };
    assert_eq!(within("A a", 1), Some(vec![32, 98]), "short texts are encoded, whatever the limit");
    assert_eq!(within(&"A".repeat(1024), 16).unwrap().len(), 1024);
    for long in ["A", "A a ", "é", "</s>"] {
        assert_eq!(within(&long.repeat(5000), 16), None, "{long}");
        let tokens = tokenizer.encode(&long.repeat(5000)).unwrap();
        assert_eq!(within(&long.repeat(5000), tokens.len()), Some(tokens));
    }
    // Encoded, it would take some 20 GB.
    let began = std::time::Instant::now();
    assert_eq!(within(&"A".repeat(1 << 26), 16), None);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    // `中` has no byte that is a token here, and comes to nothing.
    let nothing = format!("{}A", "中".repeat(5000));
    assert_eq!(tokenizer.encode(&nothing).unwrap().len(), within(&nothing, 16).unwrap().len());
}

/// Where a long text may be few tokens, it is encoded.
#[test]
fn texts_of_few_tokens_are_never_too_long() {
    let folder = folder();
    let whole: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("tokenizer.json")).unwrap()).unwrap();
    let word_level = json!({"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"});
    let strip = json!({"type": "Strip", "strip_left": true, "strip_right": true});
    for (part, value, text) in [
        ("model", word_level, "ab".repeat(100_000)),
        ("normalizer", strip.clone(), format!("{}A", " ".repeat(100_000))),
        ("normalizer", strip, format!("A{}", " ".repeat(100_000))),
        ("normalizer", json!({"type": "Replace", "pattern": {"String": "é"}, "content": ""}), "é".repeat(100_000)),
    ] {
        let mut json = whole.clone();
        json[part] = value;
        if part == "model" {
            json["pre_tokenizer"] = json!({"type": "WhitespaceSplit"});
            json["added_tokens"] = json!([]);
        }
        write(&folder, "tokenizer.json", &json);
        let tokenizer = Tokenizer::load(folder.path()).unwrap();
        let tokens = tokenizer.encode(&text).unwrap();
        assert!(tokens.len() < 4, "{part}: {}", tokens.len());
        assert_eq!(tokenizer.encode_within(&text, 4).unwrap(), Some(tokens), "{part}");
    }
}
