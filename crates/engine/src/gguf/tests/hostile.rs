//! Files that are truncated, damaged or made to harm: each an error, none a panic or a large allocation.

use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::config::ConfigError;

/// A GGUF file under construction, a valid one-layer llama at first.
#[derive(Clone)]
pub(super) struct Gguf {
    keys: BTreeMap<String, Vec<u8>>,
    tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

/// Bytes of the valid file's tensors, no padding among them.
const DATA: usize = 4 * 32 * (4 + 1 + 7 * 32 + 2);

fn text(value: &str) -> Vec<u8> {
    [&(value.len() as u64).to_le_bytes(), value.as_bytes()].concat()
}

fn typed(kind: u32, value: Vec<u8>) -> Vec<u8> {
    [kind.to_le_bytes().to_vec(), value].concat()
}

fn number(value: u32) -> Vec<u8> {
    typed(4, value.to_le_bytes().to_vec())
}

fn float(value: f32) -> Vec<u8> {
    typed(6, value.to_le_bytes().to_vec())
}

fn word(value: &str) -> Vec<u8> {
    typed(8, text(value))
}

fn list(kind: u32, items: Vec<Vec<u8>>) -> Vec<u8> {
    let count = (items.len() as u64).to_le_bytes().to_vec();
    typed(9, [kind.to_le_bytes().to_vec(), count, items.concat()].concat())
}

fn words(items: &[&str]) -> Vec<u8> {
    list(8, items.iter().map(|item| text(item)).collect())
}

impl Gguf {
    fn llama() -> Self {
        let keys = [
            ("general.architecture", word("llama")),
            ("llama.context_length", number(64)),
            ("llama.embedding_length", number(32)),
            ("llama.feed_forward_length", number(32)),
            ("llama.block_count", number(1)),
            ("llama.attention.head_count", number(2)),
            ("llama.attention.layer_norm_rms_epsilon", float(1e-5)),
            ("llama.rope.freq_base", float(500_000.0)),
            ("tokenizer.ggml.model", word("gpt2")),
            ("tokenizer.ggml.pre", word("gpt-2")),
            ("tokenizer.ggml.tokens", words(&["a", "b", "ab", "<s>"])),
            ("tokenizer.ggml.token_type", list(5, [1u32, 1, 1, 3].map(|kind| kind.to_le_bytes().to_vec()).to_vec())),
            ("tokenizer.ggml.merges", words(&["a b"])),
            ("tokenizer.ggml.eos_token_id", number(3)),
        ];
        let mut tensors = Vec::new();
        let mut add = |name: &str, shape: &[u64]| {
            let bytes = 4 * shape.iter().product::<u64>() as usize;
            tensors.push((format!("{name}.weight"), shape.to_vec(), 0, vec![0; bytes]));
        };
        add("token_embd", &[32, 4]);
        add("output_norm", &[32]);
        for part in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"] {
            add(&format!("blk.0.{part}"), &[32, 32]);
        }
        add("blk.0.attn_norm", &[32]);
        add("blk.0.ffn_norm", &[32]);
        Gguf { keys: keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(), tensors }
    }

    pub fn llama_with_rope_table(table: &[u8]) -> Self {
        let mut file = Self::llama();
        file.tensors.push(("rope_freqs.weight".into(), vec![8], 0, table.to_vec()));
        file
    }

    fn key(mut self, key: &str, value: Vec<u8>) -> Self {
        self.keys.insert(key.into(), value);
        self
    }

    fn without_key(mut self, key: &str) -> Self {
        self.keys.remove(key).unwrap();
        self
    }

    fn tensor(mut self, name: &str, change: impl Fn(&mut Vec<u64>, &mut u32)) -> Self {
        let tensor = self.tensors.iter_mut().find(|tensor| tensor.0 == name).unwrap();
        change(&mut tensor.1, &mut tensor.2);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            bytes.extend([text(key), value.clone()].concat());
        }
        let mut data = Vec::new();
        for (name, shape, format, values) in &self.tensors {
            bytes.extend(text(name));
            bytes.extend((shape.len() as u32).to_le_bytes());
            bytes.extend(shape.iter().flat_map(|extent| extent.to_le_bytes()));
            bytes.extend(format.to_le_bytes());
            bytes.extend((data.len() as u64).to_le_bytes());
            data.extend(values);
            data.resize(data.len().next_multiple_of(32), 0);
        }
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(data);
        bytes
    }

    fn values(mut self, name: &str, format: u32, bytes: Vec<u8>) -> Self {
        let tensor = self.tensors.iter_mut().find(|tensor| tensor.0 == name).unwrap();
        (tensor.2, tensor.3) = (format, bytes);
        self
    }

    fn error(&self) -> GgufError {
        import_bytes(&self.bytes()).unwrap_err()
    }
}

fn import_bytes(bytes: &[u8]) -> Result<ImportSummary, GgufError> {
    import_as(bytes, Dtype::BF16)
}

fn import_as(bytes: &[u8], dtype: Dtype) -> Result<ImportSummary, GgufError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::write(&path, bytes).unwrap();
    let result = import(&path, &folder.path().join("out"), dtype);
    if let Err(error) = &result {
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        assert!(!folder.path().join("out").exists(), "files were written before the error: {error}");
    }
    result
}

#[test]
fn the_file_that_is_damaged_below_is_whole() {
    let summary = import_bytes(&Gguf::llama().bytes()).unwrap();
    assert_eq!((summary.token_count, summary.has_chat_template), (4, false));
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = Gguf::llama().bytes();
    let tensors = bytes.len() - DATA;
    // Every place of the first entries, then some.
    for length in (1..200).chain((200..tensors + 40).step_by(7)).chain([bytes.len() - 1]) {
        let error = import_bytes(&bytes[..length]).unwrap_err();
        assert!(matches!(error, GgufError::Truncated { found, .. } if found == length as u64), "{length}: {error}");
    }
    assert!(matches!(import_bytes(b""), Err(GgufError::NotGguf { .. })));
    let absent = import(Path::new("no/such.gguf"), Path::new("out"), Dtype::F32).unwrap_err();
    assert!(matches!(absent, GgufError::Read { .. }));
}

/// Any byte may be wrong: everything before the first write gives an error or some model, and comes back.
#[test]
fn flipped_bytes_never_panic() {
    let bytes = Gguf::llama().bytes();
    let header = bytes.len() - DATA;
    let mut state = 1u64;
    let mut whole = 0;
    for round in 0..5000 {
        let mut map = memmap2::MmapMut::map_anon(bytes.len()).unwrap();
        map.copy_from_slice(&bytes);
        for _ in 0..1 + round % 3 {
            // Knuth's MMIX generator.
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            map[(state >> 33) as usize % header] = (state >> 24) as u8;
        }
        let read = || {
            let container = Container::from_map(map.make_read_only().unwrap(), Path::new("f"))?;
            let mut config = architecture::config(&container, Dtype::F32)?;
            import::check(&container, &config)?;
            tokenizer::rebuild(&container.metadata, &mut config)
        };
        whole += usize::from(read().is_ok());
    }
    // Names, texts and numbers may change and leave a valid file.
    assert!((10..4000).contains(&whole), "{whole} of 5000 damaged files were read");
}

#[test]
fn headers_that_are_not_gguf() {
    let valid = Gguf::llama().bytes();
    let with = |at: usize, new: &[u8]| {
        let mut bytes = valid.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        import_bytes(&bytes).unwrap_err()
    };
    assert!(matches!(with(0, b"GGML"), GgufError::NotGguf { .. }));
    assert!(with(4, &1u32.to_le_bytes()).to_string().contains("version 1, expected 2 or 3"));
    assert!(with(4, &3u32.to_be_bytes()).to_string().contains("big-endian"));
    // Counts far beyond the file.
    for at in [8, 16] {
        for count in [u64::MAX, 1 << 40] {
            let error = with(at, &count.to_le_bytes());
            assert!(matches!(error, GgufError::Truncated { .. } | GgufError::Damaged { .. }), "{error}");
        }
    }
}

#[test]
fn hostile_metadata() {
    let huge = |kind: u32| typed(9, [kind.to_le_bytes().to_vec(), u64::MAX.to_le_bytes().to_vec()].concat());
    for kind in [0, 6, 8, 12] {
        let error = Gguf::llama().key("x", huge(kind)).error();
        assert!(matches!(error, GgufError::Truncated { .. }), "{kind}: {error}");
    }
    let long_text = typed(8, u64::MAX.to_le_bytes().to_vec());
    assert!(matches!(Gguf::llama().key("x", long_text).error(), GgufError::Truncated { .. }));
    let not_utf8 = typed(8, [1u64.to_le_bytes().to_vec(), vec![0xff]].concat());
    for (value, part) in [
        (typed(99, Vec::new()), "type 99"),
        (list(9, Vec::new()), "a list of type 9"),
        (not_utf8, "UTF-8"),
        (list(10, vec![u64::MAX.to_le_bytes().to_vec()]), "too large"),
    ] {
        let error = Gguf::llama().key("x", value).error();
        assert!(matches!(&error, GgufError::Damaged { message, .. } if message.contains(part)), "{error}");
    }
    for alignment in [0, u32::MAX] {
        let error = Gguf::llama().key("general.alignment", number(alignment)).error();
        assert!(error.to_string().contains("general.alignment"), "{error}");
    }
}

#[test]
fn metadata_that_is_missing_or_of_another_type() {
    for key in ["general.architecture", "llama.block_count", "tokenizer.ggml.tokens", "tokenizer.ggml.merges"] {
        let error = Gguf::llama().without_key(key).error();
        assert!(matches!(&error, GgufError::MissingKey { key: found, .. } if found == key), "{error}");
        let error = Gguf::llama().key(key, typed(7, vec![1])).error();
        assert!(matches!(&error, GgufError::KeyType { key: found, .. } if found == key), "{error}");
    }
    let negative = Gguf::llama().key("llama.block_count", typed(5, (-1i32).to_le_bytes().to_vec())).error();
    assert!(negative.to_string().contains("expected a non-negative integer"), "{negative}");
}

#[test]
fn what_cannot_be_followed_is_named() {
    let error = Gguf::llama().key("general.architecture", word("mamba")).error();
    assert!(matches!(&error, GgufError::Architecture { found, .. } if found == "mamba"));
    assert!(error.to_string().contains("llama, qwen2, qwen3"));
    for (key, value) in [
        ("tokenizer.ggml.model", word("llama")),
        ("tokenizer.ggml.pre", word("tekken")),
        ("llama.rope.scaling.type", word("yarn")),
        ("llama.rope.dimension_count", number(8)),
        ("llama.attention.value_length", number(8)),
    ] {
        let error = Gguf::llama().key(key, value).error();
        assert!(matches!(&error, GgufError::Unsupported { key: found, .. } if found == key), "{error}");
    }
    let impossible = Gguf::llama().key("llama.attention.head_count_kv", number(3)).error();
    assert!(matches!(impossible, GgufError::Config(ConfigError::Impossible { .. })));
    let zero = Gguf::llama().key("llama.attention.head_count", number(0)).error();
    assert!(matches!(zero, GgufError::Config(ConfigError::Impossible { .. })));
    let layers = Gguf::llama().key("llama.block_count", number(u32::MAX)).error();
    assert!(matches!(&layers, GgufError::Config(ConfigError::Impossible { .. })), "{layers}");
}

#[test]
fn tensors_that_do_not_fit() {
    let name = "blk.0.attn_k.weight";
    let format = Gguf::llama().tensor(name, |_, format| *format = 10).error();
    assert!(matches!(&format, GgufError::Format { found, .. } if found == "Q2_K"), "{format}");
    assert!(format.to_string().contains("Q4_K"), "{format}");
    let shape = Gguf::llama().tensor(name, |shape, _| shape[1] = 16).error();
    assert!(matches!(&shape, GgufError::Shape { expected, found, .. } if expected == &[32, 32] && found == &[16, 32]));
    let blocks = Gguf::llama().tensor(name, |_, format| *format = 12).error();
    assert!(blocks.to_string().contains("not whole Q4_K blocks of 256"), "{blocks}");
    let huge = Gguf::llama().tensor(name, |shape, _| *shape = vec![1 << 40, 1 << 40]).error();
    assert!(matches!(huge, GgufError::Damaged { .. }), "{huge}");
    let beyond = Gguf::llama().tensor(name, |shape, _| *shape = vec![1 << 40]).error();
    assert!(matches!(beyond, GgufError::Truncated { .. }), "{beyond}");
    let deep = Gguf::llama().tensor(name, |shape, _| *shape = vec![1; 5]).error();
    assert!(matches!(deep, GgufError::Damaged { .. }), "{deep}");

    let mut missing = Gguf::llama();
    missing.tensors.retain(|tensor| tensor.0 != name);
    assert!(matches!(missing.error(), GgufError::MissingTensor { tensor, .. } if tensor == name));
    missing.tensors.retain(|tensor| tensor.0 != "token_embd.weight");
    assert!(matches!(missing.error(), GgufError::MissingTensor { tensor, .. } if tensor == "token_embd.weight"));
    let mut extra = Gguf::llama();
    extra.tensors.push(("blk.0.ffn_gate_exps.weight".into(), vec![1], 0, vec![0; 4]));
    assert!(matches!(extra.error(), GgufError::ExtraTensor { tensor, .. } if tensor == "blk.0.ffn_gate_exps.weight"));
    // A bias on q asks for the others.
    let mut biased = Gguf::llama();
    biased.tensors.push(("blk.0.attn_q.bias".into(), vec![32], 0, vec![0; 128]));
    assert!(matches!(biased.error(), GgufError::MissingTensor { tensor, .. } if tensor == "blk.0.attn_k.bias"));
    let mut twice = Gguf::llama();
    twice.tensors.push(twice.tensors[0].clone());
    assert!(matches!(twice.error(), GgufError::Damaged { .. }));
}

/// Where a tensor's bytes lie is the file's to say, but not anywhere.
#[test]
fn tensors_that_are_not_where_they_may_be() {
    let (first, second) = ("output_norm.weight", "blk.0.attn_q.weight");
    let bytes = Gguf::llama().bytes();
    let moved = |name: &str, to: fn(u64) -> u64| {
        let mut bytes = bytes.clone();
        let entry = text(name);
        let at = bytes.windows(entry.len()).position(|window| window == entry).unwrap() + entry.len();
        let dimensions = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let at = at + 4 + 8 * dimensions + 4;
        let offset = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        bytes[at..at + 8].copy_from_slice(&to(offset).to_le_bytes());
        import_bytes(&bytes).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(moved(second, |offset| offset), Ok(()));
    let unaligned = moved(second, |offset| offset - 4).unwrap_err();
    assert!(unaligned.contains("tensor `blk.0.attn_q.weight`: offset 636 is no multiple of 32"), "{unaligned}");
    let shared = moved(second, |offset| offset - 32).unwrap_err();
    assert!(shared.contains(&format!("tensors `{first}` and `{second}` share bytes")), "{shared}");
}

#[test]
fn weights_that_are_no_numbers() {
    let name = "blk.0.ffn_up.weight";
    let with = |value: f32| {
        let mut bytes = vec![0; 4 * 32 * 32];
        bytes[4 * 1000..4 * 1001].copy_from_slice(&value.to_le_bytes());
        Gguf::llama().values(name, 0, bytes)
    };
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for dtype in Dtype::ALL {
            let error = import_as(&with(value).bytes(), dtype).unwrap_err();
            assert!(matches!(&error, GgufError::NotFinite { tensor, .. } if tensor == name), "{error}");
            assert!(error.to_string().contains(&format!("`{name}` holds {value}")), "{error}");
        }
    }
    // Q8_0, whose only scale of the last block is an infinity.
    let mut blocks = vec![0; 32 * 34];
    blocks[31 * 34..31 * 34 + 2].copy_from_slice(&0x7c00u16.to_le_bytes());
    let scale = Gguf::llama().values(name, 8, blocks).error();
    assert!(matches!(&scale, GgufError::NotFinite { tensor, .. } if tensor == name), "{scale}");

    for (value, dtype, advice) in [
        (1e5, Dtype::F16, "beyond the range of f16; import it with --dtype bf16 or --dtype f32"),
        (-65520.0, Dtype::F16, "beyond the range of f16"),
        (f32::MAX, Dtype::BF16, "beyond the range of bf16; import it with --dtype f32"),
    ] {
        let error = import_as(&with(value).bytes(), dtype).unwrap_err().to_string();
        assert!(error.contains(&format!("tensor `{name}` holds {value}")) && error.contains(advice), "{error}");
    }
    for (value, dtype) in [(65519.0, Dtype::F16), (1e5, Dtype::BF16), (f32::MAX, Dtype::F32)] {
        import_as(&with(value).bytes(), dtype).unwrap();
    }
}

/// A name is only told, but what cannot be read is found before anything is written.
#[test]
fn a_name_that_is_none() {
    let error = Gguf::llama().key("general.name", number(7)).error();
    assert!(matches!(&error, GgufError::KeyType { key, .. } if key == "general.name"), "{error}");
}

#[test]
fn tokenizers_that_contradict_themselves() {
    for (key, value, part) in [
        ("tokenizer.ggml.tokens", words(&["a", "b", "ab", "<s>", "c"]), "5 tokens, but the embedding has 4 rows"),
        ("tokenizer.ggml.tokens", words(&["a", "b", "ab", "a"]), "`a` stands there twice"),
        ("tokenizer.ggml.token_type", list(5, vec![1u32.to_le_bytes().to_vec()]), "4 tokens, but 1 token types"),
        ("tokenizer.ggml.merges", words(&["ab"]), "expected two tokens"),
        ("tokenizer.ggml.merges", words(&["b a"]), "`ba` is not a token"),
        ("tokenizer.ggml.eos_token_id", number(4), "`tokenizer.ggml.eos_token_id` is 4, but there are 4 tokens"),
    ] {
        let error = Gguf::llama().key(key, value).error();
        assert!(matches!(&error, GgufError::Tokenizer { message, .. } if message.contains(part)), "{error}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::write(&path, Gguf::llama().bytes()).unwrap();
    let error = import(&path, &path.join("out"), Dtype::F32).unwrap_err();
    assert!(matches!(error, GgufError::Folder(_)) && error.to_string().contains("cannot write"), "{error}");
}
