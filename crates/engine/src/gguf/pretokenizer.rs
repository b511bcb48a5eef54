//! How a text is cut into words before BPE, by the name in `tokenizer.ggml.pre`.
//!
//! The names and what they stand for are those of llama.cpp's vocabulary loader; the result is the `normalizer` and
//! `pre_tokenizer` of `tokenizer.json`.

use serde_json::{Value, json};

/// GPT-2's contractions, letters, digits, marks and white space.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Every supported name, for messages.
pub(super) const SUPPORTED: &str = "default, gpt-2, smollm, qwen2, deepseek-r1-qwen, llama-bpe, llama3, llama-v3";

/// A family of byte-level BPE tokenizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PreTokenizer {
    /// llama.cpp's fallback for files that name none.
    Default,
    Gpt2,
    SmolLm,
    Qwen2,
    Llama3,
}

impl PreTokenizer {
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "default" => PreTokenizer::Default,
            "gpt-2" => PreTokenizer::Gpt2,
            "smollm" => PreTokenizer::SmolLm,
            "qwen2" | "deepseek-r1-qwen" => PreTokenizer::Qwen2,
            "llama-bpe" | "llama3" | "llama-v3" => PreTokenizer::Llama3,
            _ => return None,
        })
    }

    pub fn normalizer(self) -> Value {
        match self {
            PreTokenizer::Qwen2 => json!({"type": "NFC"}),
            PreTokenizer::Default | PreTokenizer::Gpt2 | PreTokenizer::SmolLm | PreTokenizer::Llama3 => Value::Null,
        }
    }

    pub fn steps(self) -> Value {
        match self {
            PreTokenizer::Gpt2 => byte_level(true),
            PreTokenizer::SmolLm => {
                sequence(vec![json!({"type": "Digits", "individual_digits": true}), byte_level(true)])
            }
            PreTokenizer::Qwen2 => sequence(vec![split(QWEN2), byte_level(false)]),
            PreTokenizer::Llama3 => sequence(vec![split(LLAMA3), byte_level(false)]),
            PreTokenizer::Default => sequence(vec![
                split(r"[\p{P}\$\+<=>\^~\|]+"),
                split(GPT2),
                split(r"\p{N}+"),
                split("[0-9][0-9][0-9]"),
                byte_level(false),
            ]),
        }
    }

    /// Llama 3 takes a word that is in the vocabulary whole, without looking at merges.
    pub fn ignore_merges(self) -> bool {
        self == PreTokenizer::Llama3
    }

    /// Does the text begin with the beginning-of-text token where the file does not say?
    pub fn adds_bos(self) -> bool {
        self == PreTokenizer::Llama3
    }
}

fn sequence(steps: Vec<Value>) -> Value {
    json!({"type": "Sequence", "pretokenizers": steps})
}

fn split(pattern: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
}

/// Bytes to printable characters, after GPT-2's own split where `use_regex` is set.
pub(super) fn byte_level(use_regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex})
}
