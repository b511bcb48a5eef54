//! `/v1/completions`: what is asked, and how it is answered. What `/v1/chat/completions` has otherwise is in `chat.rs`.
use super::Refused;
use super::fields::Fields;
use serde_json::{Value, json};
use std::hash::{BuildHasher, RandomState};
use surefoot_engine::device::Sampling;
use surefoot_engine::generate::Sample;
use surefoot_engine::tokenizer::{Tokenizer, TokenizerError};

/// More completions of one prompt do not fit any memory.
const MOST_COMPLETIONS: u64 = 1 << 16;
/// Logits divided by less leave the range of f32.
const LOWEST_TEMPERATURE: f64 = 1e-3;

/// The greatest `min_p`.
const BELOW_ONE: f64 = 0.999_999;

/// A request for completions.
///
/// `prompt` (text, a list of token ids, or a list of several of either, whose completions come one prompt after the other), `max_tokens` (16), `n` (1), `temperature` (1), `top_p` (1), `top_k` (0, -1 or all tokens: off),
/// `min_p` (0),
/// `seed` (absent or -1: another one each time; completion `i` has the seed `seed + i`), `stop` (text or a list), `include_stop_str_in_output` (false),
/// `logprobs`, `return_token_ids` (false). Log-probabilities are those of the distribution that is sampled from.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Tokens of each prompt.
    pub prompts: Vec<Vec<u32>>,
    /// Number of completions of each.
    pub samples: usize,
    /// Longest completion, in tokens.
    pub max_new_tokens: usize,
    /// Distribution of a token.
    pub sampling: Sampling,
    /// Seed of the first completion.
    pub seed: u64,
    /// Texts that end a completion.
    pub stop: Vec<String>,
    pub(super) keep_stop: bool,
    pub(super) logprobs: bool,
    pub(super) token_ids: bool,
}

/// What the model that is served can take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Longest sequence, in tokens.
    pub positions: usize,
    /// Number of tokens.
    pub vocabulary: usize,
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
    /// Reads a request.
    ///
    /// # Errors
    /// HTTP status and message.
    pub fn read(body: &str, tokenizer: &Tokenizer, limits: Limits) -> Result<Self, Refused> {
        let body = json(body)?;
        let prompts = prompts(&body["prompt"], tokenizer, limits.positions)?;
        Self::of(&body, prompts, ("max_tokens", 16), limits)
    }

    /// What `body` asks for beside its prompts; the longest completion is said by the key `longest`, or is so long.
    ///
    /// # Errors
    /// HTTP status and message.
    pub(super) fn of(
        body: &Value,
        prompts: Vec<Vec<u32>>,
        (longest, default): (&str, usize),
        Limits { positions, vocabulary }: Limits,
    ) -> Result<Self, Refused> {
        let fields = Fields(body);
        fields.refuse_unsupported()?;
        let max_new_tokens = fields.whole(longest, default as u64, 1, u64::from(u32::MAX))? as usize;
        let samples = fields.whole("n", 1, 1, MOST_COMPLETIONS)? as usize;
        fit(&prompts, (longest, max_new_tokens), samples, positions)?;
        let sampling = sampling(&fields, vocabulary)?;
        Ok(Self {
            prompts,
            samples,
            max_new_tokens,
            sampling,
            // -1 draws one with vLLM, SGLang and llama.cpp.
            seed: match &body["seed"] {
                Value::Null => fresh_seed(),
                seed if *seed == json!(-1) => fresh_seed(),
                _ => fields.whole("seed", 0, 0, u64::MAX - MOST_COMPLETIONS)?,
            },
            stop: fields.texts("stop")?,
            keep_stop: fields.flag("include_stop_str_in_output"),
            logprobs: fields.flag("logprobs") || body["logprobs"].is_u64(),
            token_ids: fields.flag("return_token_ids"),
        })
    }

    /// Whether two requests can be decoded together.
    pub(super) fn goes_with(&self, other: &Self) -> bool {
        self.sampling == other.sampling && self.max_new_tokens == other.max_new_tokens && self.stop == other.stop
    }

    /// The text of a completion, without the text that ended it where that was not asked for.
    pub(super) fn text(&self, sample: &Sample, tokenizer: &Tokenizer) -> Result<String, Refused> {
        let mut text = tokenizer.decode(&sample.tokens).map_err(failed)?;
        if !self.keep_stop
            && let Some(end) = self.stop.iter().filter_map(|stop| text.find(stop.as_str())).min()
        {
            text.truncate(end);
        }
        Ok(text)
    }

    /// Tokens of prompts and completions.
    fn usage(&self, samples: &[Sample]) -> Value {
        let prompt: usize = self.prompts.iter().map(Vec::len).sum();
        let completion: usize = samples.iter().map(|sample| sample.tokens.len()).sum();
        json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion })
    }

    /// The answer with the completions `samples`.
    ///
    /// # Errors
    /// HTTP status and message, for tokens that have no text.
    pub fn answer(&self, samples: &[Sample], tokenizer: &Tokenizer, model: &str) -> Result<Value, Refused> {
        let text = |sample: &Sample| Ok(json!(self.text(sample, tokenizer)?));
        let logprobs =
            |sample: &Sample, pieces: Vec<String>| json!({ "tokens": pieces, "token_logprobs": sample.logp_behavior });
        let choices = self.choices(samples, tokenizer, ("text", text), &logprobs)?;
        Ok(self.enclosed(("cmpl", "text_completion"), model, choices, samples))
    }

    /// A choice for each sample: under which name, what it says, and its log-probabilities by the texts of its tokens.
    pub(super) fn choices(
        &self,
        samples: &[Sample],
        tokenizer: &Tokenizer,
        (name, said): (&str, impl Fn(&Sample) -> Result<Value, Refused>),
        logprobs: &dyn Fn(&Sample, Vec<String>) -> Value,
    ) -> Result<Vec<Value>, Refused> {
        let choice = |(index, sample): (usize, &Sample)| {
            let said = said(sample)?;
            let reason = if sample.finished { "stop" } else { "length" };
            let mut choice = json!({ "index": index, name: said, "finish_reason": reason, "logprobs": null });
            if self.logprobs {
                choice["logprobs"] = logprobs(sample, pieces(sample, tokenizer)?);
            }
            if self.token_ids {
                choice["token_ids"] = json!(sample.tokens);
            }
            Ok(choice)
        };
        samples.iter().enumerate().map(choice).collect()
    }

    /// The answer around its choices: `kind` is how its name begins, and what it is.
    pub(super) fn enclosed(&self, kind: (&str, &str), model: &str, choices: Vec<Value>, samples: &[Sample]) -> Value {
        let (id, created) = named(kind.0);
        json!({
            "id": id, "object": kind.1, "created": created, "model": model, "choices": choices,
            "usage": self.usage(samples)
        })
    }
}

/// Refuses prompts whose completions, `samples` of each and of up to `max_new_tokens` by the key `longest`, do not fit the model.
fn fit(
    prompts: &[Vec<u32>],
    (longest, max_new_tokens): (&str, usize),
    samples: usize,
    positions: usize,
) -> Result<(), Refused> {
    let fits = |tokens: usize| tokens > 0 && tokens.saturating_add(max_new_tokens) <= positions;
    if let Some(tokens) = prompts.iter().map(Vec::len).find(|tokens| !fits(*tokens)) {
        let message = format!(
            "{tokens} tokens of prompt and {longest} = {max_new_tokens}; the model has {positions} positions, and a prompt at least one token"
        );
        return Err((400, message));
    }
    if prompts.len().saturating_mul(samples) > MOST_COMPLETIONS as usize {
        let message = format!("{} prompts with n = {samples}: at most {MOST_COMPLETIONS} completions", prompts.len());
        return Err((400, message));
    }
    Ok(())
}

/// The distribution that is asked for.
fn sampling(fields: &Fields, vocabulary: usize) -> Result<Sampling, Refused> {
    let temperature = fields.number("temperature", 1.0, 0.0, 1e6)?;
    if temperature > 0.0 && temperature < LOWEST_TEMPERATURE {
        return Err(fields.refuse("temperature", &format!("0 or at least {LOWEST_TEMPERATURE}")));
    }
    // -1 is off with vLLM and SGLang.
    let top_k =
        if fields.0["top_k"] == json!(-1) { 0 } else { fields.whole("top_k", 0, 0, u64::from(u32::MAX))? as usize };
    Ok(Sampling {
        temperature: temperature as f32,
        top_p: fields.number("top_p", 1.0, 1e-6, 1.0)? as f32,
        top_k: if top_k < vocabulary { top_k } else { 0 },
        min_p: fields.number("min_p", 0.0, 0.0, BELOW_ONE)? as f32,
    })
}

/// What is said of a prompt whose tokens are too many to be counted.
pub(super) fn far_too_long(text: &str, positions: usize) -> Refused {
    let bytes = text.len();
    (
        400,
        format!("a prompt of {bytes} bytes has many more than {positions} tokens; the model has {positions} positions"),
    )
}

/// The prompts of a request: one, or a list of them.
fn prompts(asked: &Value, tokenizer: &Tokenizer, positions: usize) -> Result<Vec<Vec<u32>>, Refused> {
    let ids = |ids: &[Value]| {
        let id = |id: &Value| id.as_u64().filter(|id| *id < tokenizer.id_count() as u64).map(|id| id as u32);
        let found = ids.iter().map(id).collect::<Option<Vec<u32>>>();
        found.ok_or_else(|| (400, format!("`prompt` must be token ids below {}", tokenizer.id_count())))
    };
    let one = |prompt: &Value| match prompt {
        Value::String(text) => tokenizer
            .encode_document_within(text, positions)
            .map_err(|error| (400, error.to_string()))?
            .ok_or_else(|| far_too_long(text, positions)),
        Value::Array(tokens) => ids(tokens),
        _ => {
            let message = "`prompt` must be a text or a list of token ids, or a list of such prompts, found";
            Err((400, format!("{message} {prompt}")))
        }
    };
    match asked {
        Value::Array(several) if several.iter().any(|prompt| prompt.is_string() || prompt.is_array()) => {
            several.iter().map(one).collect()
        }
        asked => Ok(vec![one(asked)?]),
    }
}

fn failed(error: TokenizerError) -> Refused {
    (500, error.to_string())
}

/// The text of each token.
fn pieces(sample: &Sample, tokenizer: &Tokenizer) -> Result<Vec<String>, Refused> {
    let pieces = sample.tokens.iter().map(|id| tokenizer.decode_verbatim(&[*id]));
    pieces.collect::<Result<_, _>>().map_err(failed)
}

/// `id` and `created` of an answer: a name that no other has, but by chance, and the time in seconds since 1970.
fn named(kind: &str) -> (String, u64) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (format!("{kind}-{:016x}", RandomState::new().hash_one(())), now.as_secs())
}
