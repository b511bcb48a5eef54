use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;

fn golden(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/models").join(model)
}

/// A small valid Llama configuration with some keys replaced.
fn llama_with(changes: Value) -> Result<ModelConfig, ConfigError> {
    let mut object = json!({
        "architectures": ["LlamaForCausalLM"], "vocab_size": 97, "hidden_size": 32, "intermediate_size": 48,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    });
    for (key, value) in changes.as_object().unwrap() {
        object[key] = value.clone();
    }
    ModelConfig::from_json(&object.to_string(), Path::new("some/config.json"))
}

fn message(changes: Value) -> String {
    let message = llama_with(changes).unwrap_err().to_string();
    assert!(message.starts_with("some/config.json: "), "{message}");
    message
}

#[test]
fn reads_what_transformers_5_writes() {
    let llama = ModelConfig::from_folder(&golden("llama")).unwrap();
    assert_eq!(llama.architecture, Architecture::Llama);
    assert_eq!((llama.vocab_size, llama.hidden_size, llama.head_dim, llama.group_size()), (97, 32, 8, 2));
    assert_eq!((llama.rope_theta, llama.rms_norm_eps, llama.dtype), (10_000.0, 1e-5, Dtype::F32));
    assert_eq!((llama.bos_token_id, llama.eos_token_ids.as_slice()), (Some(1), [2].as_slice()));
    assert!(!llama.tie_word_embeddings && !llama.qk_norm && llama.attention_bias == AttentionBias::None);

    let qwen2 = ModelConfig::from_folder(&golden("qwen2")).unwrap();
    assert_eq!((qwen2.architecture, qwen2.attention_bias), (Architecture::Qwen2, AttentionBias::Qkv));
    assert_eq!((qwen2.rope_theta, qwen2.dtype, qwen2.tie_word_embeddings), (1e6, Dtype::BF16, true));

    let qwen3 = ModelConfig::from_folder(&golden("qwen3")).unwrap();
    assert_eq!((qwen3.head_dim, qwen3.qk_norm, qwen3.dtype), (16, true, Dtype::F16));
    assert_eq!(qwen3.eos_token_ids, [2, 3]);
}

#[test]
fn reads_the_spelling_of_transformers_4() {
    let config = llama_with(json!({
        "rope_theta": 500000, "torch_dtype": "bfloat16", "max_position_embeddings": 131072,
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192},
    }))
    .unwrap();
    assert_eq!((config.rope_theta, config.dtype), (500_000.0, Dtype::BF16));
    let expected = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8192,
    };
    assert_eq!(config.rope_scaling, expected);
    // The oldest spelling of the type.
    let linear = llama_with(json!({"rope_scaling": {"type": "linear", "factor": 2}})).unwrap();
    assert_eq!(linear.rope_scaling, RopeScaling::Linear { factor: 2.0 });
}

#[test]
fn absent_keys_have_the_defaults_of_transformers() {
    let llama = llama_with(json!({"num_key_value_heads": null})).unwrap();
    assert_eq!((llama.num_key_value_heads, llama.rms_norm_eps, llama.rope_theta), (4, 1e-6, 10_000.0));
    assert_eq!((llama.max_position_embeddings, llama.bos_token_id, &*llama.eos_token_ids), (2048, Some(1), &[2][..]));
    let none = llama_with(json!({"eos_token_id": null, "bos_token_id": null, "pad_token_id": -1})).unwrap();
    assert_eq!((none.bos_token_id, none.eos_token_ids.len(), none.pad_token_id), (None, 0, None));
    let qwen3 = llama_with(json!({"architectures": null, "model_type": "qwen3"})).unwrap();
    assert_eq!((qwen3.architecture, qwen3.head_dim, qwen3.max_position_embeddings), (Architecture::Qwen3, 128, 32768));
}

#[test]
fn unknown_keys_are_written_back_and_nothing_is_lost() {
    for model in ["llama", "qwen2", "qwen3"] {
        let config = ModelConfig::from_folder(&golden(model)).unwrap();
        let again = ModelConfig::from_json(&config.to_json(), Path::new("again")).unwrap();
        assert_eq!(config, again, "{model}");
        let before: Value =
            serde_json::from_str(&std::fs::read_to_string(golden(model).join("config.json")).unwrap()).unwrap();
        let after: Value = serde_json::from_str(&config.to_json()).unwrap();
        for (key, value) in before.as_object().unwrap() {
            assert_eq!(&after[key], value, "{model}: {key}");
        }
    }
    let config = llama_with(json!({"my_own": {"a": [1]}, "rope_theta": 5e5, "attention_bias": true})).unwrap();
    let written: Value = serde_json::from_str(&config.to_json()).unwrap();
    assert_eq!(written["my_own"], json!({"a": [1]}));
    assert_eq!((&written["rope_theta"], &written["rope_parameters"]["rope_theta"]), (&json!(5e5), &json!(5e5)));
    assert_eq!(written["attention_bias"], json!(true));
}

/// Values of transformers' `ROPE_INIT_FUNCTIONS` (version 5.23.0), which evaluates in f32.
#[test]
fn inverse_frequencies_are_those_of_transformers() {
    let close = |found: &[f32], expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().map(|&found| f64::from(found)).zip(expected) {
            assert!((found - expected).abs() <= 1e-6 * expected.abs(), "{found} instead of {expected}");
        }
    };
    let llama3 = json!({"hidden_size": 64, "rope_theta": 500000, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
        "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}});
    close(&llama_with(llama3).unwrap().inverse_frequencies(), &LLAMA3_FREQUENCIES);
    let linear = json!({"hidden_size": 64, "rope_scaling": {"rope_type": "linear", "factor": 2.5}});
    close(&llama_with(linear).unwrap().inverse_frequencies(), &LINEAR_FREQUENCIES);
}

#[test]
fn parameters_are_those_that_transformers_saves() {
    for model in ["llama", "qwen2", "qwen3"] {
        let config = ModelConfig::from_folder(&golden(model)).unwrap();
        let folder = crate::folder::TensorFolder::open(&golden(model)).unwrap();
        assert_eq!(folder.check(&config).unwrap(), Vec::<String>::new(), "{model}");
        assert_eq!(folder.names().count(), config.parameters().len(), "{model}");
    }
    let biased = llama_with(json!({"attention_bias": true, "mlp_bias": true})).unwrap();
    let names: Vec<_> = biased.parameters().into_iter().map(|parameter| parameter.name).collect();
    assert!(names.contains(&"model.layers.1.self_attn.o_proj.bias".to_owned()));
    assert!(names.contains(&"model.layers.1.mlp.down_proj.bias".to_owned()));
}

#[test]
fn unsupported_is_named_with_what_is_supported() {
    let architecture = message(json!({"architectures": ["MambaForCausalLM"]}));
    assert!(architecture.contains("`MambaForCausalLM` is not supported"), "{architecture}");
    assert!(architecture.contains("LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM"), "{architecture}");
    for (changes, part) in [
        (json!({"model_type": "gemma2"}), "`model_type`: gemma2 is not supported; supported: llama"),
        (json!({"model_type": "qwen3"}), "`model_type`: qwen3 is not supported; supported: llama"),
        (json!({"hidden_act": "gelu"}), "`hidden_act`: gelu is not supported; supported: silu"),
        (json!({"use_sliding_window": true, "sliding_window": 4096}), "`use_sliding_window`"),
        (json!({"layer_types": ["full_attention", "sliding_attention"]}), "sliding_attention"),
        (json!({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}), "`rope_scaling.rope_type`: yarn"),
        (json!({"rope_parameters": {"full_attention": {"rope_type": "default"}}}), "`rope_parameters.full_attention`"),
        (json!({"partial_rotary_factor": 0.5}), "partial_rotary_factor"),
        (json!({"quantization_config": {"bits": 4}}), "quantization_config"),
        (json!({"dtype": "float8_e4m3fn"}), "`dtype`: float8_e4m3fn is not supported; supported: float32"),
    ] {
        let found = message(changes);
        assert!(found.contains(part) && found.contains("supported"), "{found}");
    }
    // A window that is switched off is none.
    llama_with(json!({"use_sliding_window": false, "sliding_window": 4096})).unwrap();
}

#[test]
fn impossible_values_are_refused() {
    for (changes, part) in [
        (json!({"hidden_size": 0, "head_dim": 8}), "`hidden_size` is 0"),
        (json!({"num_hidden_layers": 0}), "`num_hidden_layers` is 0"),
        (json!({"num_key_value_heads": 3}), "`num_attention_heads` 4 is not a multiple of `num_key_value_heads` 3"),
        (json!({"num_attention_heads": 5, "num_key_value_heads": 5}), "not a multiple of `num_attention_heads` 5"),
        (json!({"head_dim": 7}), "`head_dim` is 7"),
        (json!({"rms_norm_eps": 0.0}), "`rms_norm_eps`"),
        (json!({"rope_theta": -1.0}), "`rope_theta`"),
        (json!({"rope_scaling": {"rope_type": "linear", "factor": 0.0}}), "`factor` is 0"),
        (
            json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0,
            "high_freq_factor": 1.0}}),
            "`low_freq_factor` < `high_freq_factor`",
        ),
        (json!({"eos_token_id": [2, 97]}), "`eos_token_id` 97 is not below `vocab_size` 97"),
        (json!({"vocab_size": 1u64 << 33}), "32 bits"),
        (json!({"num_hidden_layers": 1u64 << 41}), "`num_hidden_layers`"),
        (json!({"num_hidden_layers": 4097}), "the most is 4096"),
        (json!({"hidden_size": 1u64 << 41, "head_dim": 8}), "parameters"),
        (json!({"head_dim": u64::MAX - 1}), "`head_dim`"),
    ] {
        let found = message(changes);
        assert!(found.contains("impossible configuration") && found.contains(part), "{found}");
    }
}

#[test]
fn what_the_file_cannot_say_is_refused() {
    let llama = llama_with(json!({})).unwrap();
    let refused = |config: ModelConfig| config.validate(Path::new("c.json")).unwrap_err().to_string();
    assert!(refused(ModelConfig { qk_norm: true, ..llama.clone() }).contains("`qk_norm` is true in LlamaForCausalLM"));
    assert!(refused(ModelConfig { attention_bias: AttentionBias::Qkv, ..llama.clone() }).contains("biases on Qkv"));
    let qwen2 = ModelConfig { architecture: Architecture::Qwen2, ..llama };
    assert!(refused(qwen2.clone()).contains("biases on None in Qwen2ForCausalLM"));
    let biased = ModelConfig { attention_bias: AttentionBias::Qkv, mlp_bias: true, ..qwen2 };
    assert!(refused(biased).contains("`mlp_bias` in Qwen2ForCausalLM"));
}

#[test]
fn broken_files_are_named() {
    let parse = |text: &str| ModelConfig::from_json(text, Path::new("c.json")).unwrap_err();
    assert!(matches!(parse("{\n  \"a\": }"), ConfigError::Json { message, .. } if message.contains("line 2")));
    assert!(matches!(parse("[]"), ConfigError::Json { .. }));
    assert!(matches!(parse("{}"), ConfigError::Missing { key, .. } if key == "architectures"));
    let missing = llama_with(json!({"vocab_size": null})).unwrap_err();
    assert!(matches!(missing, ConfigError::Missing { key, .. } if key == "vocab_size"));
    let text = message(json!({"hidden_size": "wide"}));
    assert!(text.contains("key `hidden_size`: expected a non-negative integer, found \"wide\""), "{text}");
    assert!(message(json!({"rope_scaling": {"rope_type": "llama3"}})).contains("`rope_scaling.factor` is missing"));
    let absent = ModelConfig::from_folder(Path::new("no/such/folder")).unwrap_err();
    assert!(matches!(absent, ConfigError::Read { .. }));
}

const LLAMA3_FREQUENCIES: [f64; 8] = [
    1.0,
    1.939227581e-01,
    3.760603070e-02,
    7.292665076e-03,
    5.248460220e-04,
    3.428102355e-05,
    6.647869668e-06,
    1.289173156e-06,
];
const LINEAR_FREQUENCIES: [f64; 8] = [
    4.000000060e-01,
    1.264910996e-01,
    3.999999911e-02,
    1.264911145e-02,
    3.999999724e-03,
    1.264911145e-03,
    4.000000190e-04,
    1.264911116e-04,
];
