//! `/v1/completions`: what is asked, and how it is answered.
use super::Refused;
use serde_json::{Value, json};
use std::hash::{BuildHasher, RandomState};
use surefoot_engine::device::Sampling;
use surefoot_engine::generate::Sample;
use surefoot_engine::tokenizer::Tokenizer;

/// More completions of one prompt do not fit any memory.
const MOST_COMPLETIONS: u64 = 1 << 16;
/// Logits divided by less leave the range of f32.
const LOWEST_TEMPERATURE: f64 = 1e-3;

/// A request for completions.
///
/// `prompt` (text, or a list of token ids), `max_tokens` (16), `n` (1), `temperature` (1), `top_p` (1), `top_k` (0, -1 or all tokens: off),
/// `seed` (absent or -1: another one each time; completion `i` has the seed `seed + i`), `stop` (text or a list), `include_stop_str_in_output` (false),
/// `logprobs`, `return_token_ids` (false). Log-probabilities are those of the distribution that is sampled from.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The prompt's tokens.
    pub prompt: Vec<u32>,
    /// Number of completions.
    pub samples: usize,
    /// Longest completion, in tokens.
    pub max_new_tokens: usize,
    /// Distribution of a token.
    pub sampling: Sampling,
    /// Seed of the first completion.
    pub seed: u64,
    /// Texts that end a completion.
    pub stop: Vec<String>,
    keep_stop: bool,
    logprobs: bool,
    token_ids: bool,
}

/// What is not supported, with the value that turns it off.
fn neutral() -> [(&'static str, Value); 13] {
    [
        ("stream", json!(false)),
        ("echo", json!(false)),
        ("best_of", json!(1)),
        ("suffix", json!("")),
        ("presence_penalty", json!(0)),
        ("frequency_penalty", json!(0)),
        ("repetition_penalty", json!(1)),
        ("repeat_penalty", json!(1)),
        ("min_p", json!(0)),
        ("min_tokens", json!(0)),
        ("ignore_eos", json!(false)),
        ("logit_bias", json!({})),
        ("response_format", json!({ "type": "text" })),
    ]
}

/// A seed that no earlier request had, but by chance: the standard library draws the keys of its hash maps at random.
fn fresh_seed() -> u64 {
    // Room for the seeds of all completions.
    RandomState::new().hash_one(()) >> 1
}

/// The body of a request.
pub(super) fn json(body: &str) -> Result<Value, Refused> {
    serde_json::from_str(body).map_err(|error| (400, format!("the body is no JSON: {error}")))
}

impl Asked {
    /// Reads a request for a model with so many `positions` and tokens (`vocabulary`).
    ///
    /// # Errors
    /// HTTP status and message.
    pub fn read(body: &str, tokenizer: &Tokenizer, positions: usize, vocabulary: usize) -> Result<Self, (u16, String)> {
        let body = json(body)?;
        let refuse = |key: &str, expected: &str| (400, format!("`{key}` must be {expected}, found {}", body[key]));
        let number = |key: &str, default: f64, least: f64, most: f64| match &body[key] {
            Value::Null => Ok(default),
            value => value
                .as_f64()
                .filter(|value| (least..=most).contains(value))
                .ok_or_else(|| refuse(key, &format!("a number from {least} to {most}"))),
        };
        let whole = |key: &str, default: u64, least: u64, most: u64| match &body[key] {
            Value::Null => Ok(default),
            value => value
                .as_u64()
                .filter(|value| (least..=most).contains(value))
                .ok_or_else(|| refuse(key, &format!("a whole number from {least} to {most}"))),
        };
        for (key, off) in neutral() {
            // 0 and 0.0 are one number.
            let same = match (body[key].as_f64(), off.as_f64()) {
                (Some(asked), Some(off)) => asked == off,
                _ => body[key] == off,
            };
            if !body[key].is_null() && !same {
                return Err(refuse(key, &format!("{off}: nothing else is supported")));
            }
        }
        let prompt = match &body["prompt"] {
            Value::String(text) => tokenizer.encode_document(text).map_err(|error| (400, error.to_string()))?,
            Value::Array(prompts) if prompts.iter().any(|prompt| prompt.is_string() || prompt.is_array()) => {
                let count = prompts.len();
                let message = format!(
                    "`prompt` is a list of {count}; this server takes one prompt a request: send each in a request of its own"
                );
                return Err((400, message));
            }
            Value::Array(ids) => ids
                .iter()
                .map(|id| id.as_u64().filter(|id| *id < tokenizer.id_count() as u64).map(|id| id as u32))
                .collect::<Option<_>>()
                .ok_or_else(|| refuse("prompt", &format!("token ids below {}", tokenizer.id_count())))?,
            _ => return Err(refuse("prompt", "a text or a list of token ids")),
        };
        let max_new_tokens = whole("max_tokens", 16, 1, u64::from(u32::MAX))? as usize;
        if prompt.is_empty() || prompt.len().saturating_add(max_new_tokens) > positions {
            let tokens = prompt.len();
            let message = format!(
                "{tokens} tokens of prompt and max_tokens = {max_new_tokens}; the model has {positions} positions, and a prompt at least one token"
            );
            return Err((400, message));
        }
        let stop = match &body["stop"] {
            Value::Null => Some(Vec::new()),
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(texts) => texts.iter().map(|text| text.as_str().map(str::to_string)).collect(),
            _ => None,
        };
        let stop = stop.filter(|texts| !texts.iter().any(String::is_empty));
        let temperature = number("temperature", 1.0, 0.0, 1e6)?;
        if temperature > 0.0 && temperature < LOWEST_TEMPERATURE {
            return Err(refuse("temperature", &format!("0 or at least {LOWEST_TEMPERATURE}")));
        }
        // -1 is off with vLLM and SGLang.
        let top_k = if body["top_k"] == json!(-1) { 0 } else { whole("top_k", 0, 0, u64::from(u32::MAX))? as usize };
        let flag = |key: &str| body[key] == Value::Bool(true);
        Ok(Self {
            prompt,
            samples: whole("n", 1, 1, MOST_COMPLETIONS)? as usize,
            max_new_tokens,
            sampling: Sampling {
                temperature: temperature as f32,
                top_p: number("top_p", 1.0, 1e-6, 1.0)? as f32,
                top_k: if top_k < vocabulary { top_k } else { 0 },
            },
            // -1 draws one with vLLM, SGLang and llama.cpp.
            seed: match &body["seed"] {
                Value::Null => fresh_seed(),
                seed if *seed == json!(-1) => fresh_seed(),
                _ => whole("seed", 0, 0, u64::MAX - MOST_COMPLETIONS)?,
            },
            stop: stop.ok_or_else(|| refuse("stop", "a text or a list of texts, none empty"))?,
            keep_stop: flag("include_stop_str_in_output"),
            logprobs: flag("logprobs") || body["logprobs"].is_u64(),
            token_ids: flag("return_token_ids"),
        })
    }

    /// Whether two requests can be decoded together.
    pub(super) fn goes_with(&self, other: &Self) -> bool {
        self.sampling == other.sampling && self.max_new_tokens == other.max_new_tokens && self.stop == other.stop
    }

    /// The answer with the completions `samples`.
    ///
    /// # Errors
    /// HTTP status and message, for tokens that have no text.
    pub fn answer(&self, samples: &[Sample], tokenizer: &Tokenizer, model: &str) -> Result<Value, (u16, String)> {
        let failed = |error: surefoot_engine::tokenizer::TokenizerError| (500, error.to_string());
        let mut choices = Vec::with_capacity(samples.len());
        for (index, sample) in samples.iter().enumerate() {
            let mut text = tokenizer.decode(&sample.tokens).map_err(failed)?;
            if !self.keep_stop
                && let Some(end) = self.stop.iter().filter_map(|stop| text.find(stop.as_str())).min()
            {
                text.truncate(end);
            }
            let reason = if sample.finished { "stop" } else { "length" };
            let mut choice = json!({ "index": index, "text": text, "finish_reason": reason, "logprobs": null });
            if self.logprobs {
                let pieces = sample.tokens.iter().map(|id| tokenizer.decode_verbatim(&[*id]));
                let pieces: Vec<String> = pieces.collect::<Result<_, _>>().map_err(failed)?;
                choice["logprobs"] = json!({ "tokens": pieces, "token_logprobs": sample.logp_behavior });
            }
            if self.token_ids {
                choice["token_ids"] = json!(sample.tokens);
            }
            choices.push(choice);
        }
        let (prompt, completion) = (self.prompt.len(), samples.iter().map(|s| s.tokens.len()).sum::<usize>());
        let usage =
            json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion });
        Ok(json!({ "object": "text_completion", "model": model, "choices": choices, "usage": usage }))
    }
}
