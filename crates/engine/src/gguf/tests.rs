mod hostile;

use std::fs;
use std::path::{Path, PathBuf};

use super::blocks::Format;
use super::container::Container;
use super::*;
use crate::chat::{ChatTemplate, Ending, Message};
use crate::config::{ModelConfig, RopeScaling};
use crate::folder::{Dtype, TensorFolder};
use crate::tokenizer::Tokenizer;

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden").join(path)
}

fn values(folder: &TensorFolder, name: &str) -> Vec<f32> {
    let mut values = vec![f32::NAN; folder.shape(name).unwrap().iter().product()];
    folder.read_into(name, &mut values).unwrap();
    values
}

/// Two rows of random blocks for each format, against the `gguf` package's dequantisation: the same bits.
#[test]
fn every_format_gives_the_reference_values() {
    let container = Container::open(&golden("gguf/formats.gguf")).unwrap();
    let expected = TensorFolder::open_file(&golden("gguf/formats.safetensors")).unwrap();
    assert_eq!(container.tensors.len(), Format::ALL.len());
    for format in Format::ALL {
        let tensor = &container.tensors[format.name()];
        assert_eq!((tensor.format, tensor.shape.as_slice()), (Ok(format), [2, 256].as_slice()));
        let mut found = vec![f32::NAN; 512];
        format.dequantize(container.bytes(tensor), &mut found);
        let expected = values(&expected, format.name());
        for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
            // -0 and 0 differ by the order of a subtraction; everything else has to be equal.
            assert!(found == expected, "{}: {found} instead of {expected} at {place}", format.name());
        }
    }
}

/// The GGUF files hold the models of `golden/models`, so the import has to give those back, bit for bit.
#[test]
fn imported_models_are_the_ones_they_were_made_from() {
    for name in ["llama", "qwen2", "qwen3"] {
        let target = tempfile::tempdir().unwrap();
        let source = golden("models").join(name);
        let config = ModelConfig::from_folder(&source).unwrap();
        let summary = import(&golden(&format!("gguf/{name}.gguf")), target.path(), config.dtype).unwrap();
        assert_eq!((summary.architecture, summary.parameter_count), (config.architecture, config.parameter_count()));
        assert_eq!(summary.formats.values().sum::<usize>(), config.parameters().len());

        let imported = ModelConfig::from_folder(target.path()).unwrap();
        let same_where_gguf_says_it = ModelConfig {
            bos_token_id: Some(1),
            eos_token_ids: vec![2],
            pad_token_id: Some(0),
            other: imported.other.clone(),
            ..config.clone()
        };
        assert_eq!(imported, same_where_gguf_says_it);
        let (expected, found) = (TensorFolder::open(&source).unwrap(), TensorFolder::open(target.path()).unwrap());
        assert!(found.check(&imported).unwrap().is_empty());
        for parameter in config.parameters() {
            assert_eq!(values(&found, &parameter.name), values(&expected, &parameter.name), "{}", parameter.name);
        }
    }
}

/// Ids by a plain BPE over Python's `regex`, for every kind of pre-tokenizer.
#[test]
fn rebuilt_tokenizers_give_the_reference_ids() {
    let expected: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(golden("gguf/pre.json")).unwrap()).unwrap();
    let texts: Vec<&str> = expected["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    for (pre, ids) in expected["ids"].as_object().unwrap() {
        let target = tempfile::tempdir().unwrap();
        let summary = import(&golden(&format!("gguf/pre-{pre}.gguf")), target.path(), Dtype::F32).unwrap();
        assert_eq!(&summary.pre_tokenizer, pre);
        let tokenizer = Tokenizer::load(target.path()).unwrap();
        assert_eq!((tokenizer.bos_id(), tokenizer.eos_ids()), (Some(1), [2].as_slice()));
        for (text, ids) in texts.iter().zip(ids.as_array().unwrap()) {
            let ids: Vec<u32> = serde_json::from_value(ids.clone()).unwrap();
            assert_eq!(tokenizer.encode(text).unwrap(), ids, "{pre}: {text:?}");
            let document = tokenizer.encode_document(text).unwrap();
            // Only Llama 3 puts a token before a text where the file does not say.
            assert_eq!(document.len(), ids.len() + usize::from(pre == "llama-bpe"), "{pre}");
            if pre != "qwen2" {
                assert_eq!(tokenizer.decode_verbatim(&ids).unwrap(), **text, "{pre}");
            }
        }
        let template = ChatTemplate::load(target.path()).unwrap().unwrap();
        let rendered = template.render(&[Message::new("user", "hi")], Ending::LastMessage).unwrap();
        assert_eq!(rendered, "<|im_start|>user\nhi<|im_end|>\n");
    }
}

#[test]
fn llama_3s_table_of_factors_becomes_its_scaling() {
    // θ = 500000, head width 16, factor 8: frequency by scaled frequency.
    let scaling = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8192,
    };
    let factors: Vec<f32> = (0..8)
        .map(|i| 500_000f64.powf(-f64::from(i) / 8.0))
        .map(|frequency| (frequency / scaling.apply(frequency)) as f32)
        .collect();
    let table: Vec<u8> = factors.iter().flat_map(|factor| factor.to_le_bytes()).collect();
    let read = |table: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        fs::write(&path, hostile::Gguf::llama_with_rope_table(table).bytes()).unwrap();
        architecture::config(&Container::open(&path).unwrap(), Dtype::F32)
    };
    assert_eq!(read(&table).unwrap().rope_scaling, scaling);
    let mut other = table;
    other[4..8].copy_from_slice(&3.0f32.to_le_bytes());
    assert!(matches!(read(&other), Err(GgufError::Unsupported { key, .. }) if key == "rope_freqs.weight"));
}
