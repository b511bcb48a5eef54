//! From a server's answer to a sample.
//!
//! Token ids are taken from the first of these that is there: `token_ids` of the choice (vLLM, SGLang, `surefoot serve`:
//! `return_token_ids`), `logprobs.content[].id` (llama.cpp's own server), `logprobs.tokens` of the form `token_id:N` (older
//! vLLM), or the texts in `logprobs.tokens` (llama-cpp-python), each of which must be the text of one token; where one is
//! not, the whole text is tokenized again. A log-probability that is not known is not a number here, and becomes `logp_old`.
use super::Tally;
use crate::prompt::Prompt;
use crate::rollout::Stop;
use serde_json::Value;
use surefoot_engine::generate::Sample;
use surefoot_engine::tokenizer::Tokenizer;

/// Log-probabilities may exceed 0 by rounding, and by so much at most.
const ROUNDING: f32 = 1e-3;

/// What was expected, what was found, and what to do.
pub(super) type Refusal = (String, String, String);

/// What answers are read with.
pub(super) struct Reading<'a> {
    pub tokenizer: &'a Tokenizer,
    pub stop: Stop<'a>,
    pub max_new_tokens: usize,
    /// Whether every token's log-probability must be known.
    pub complete: bool,
}

/// Tokens with the server's log-probabilities.
struct Tokens {
    ids: Vec<u32>,
    logp: Vec<f32>,
}

impl Reading<'_> {
    /// The sample that continues `prompt`.
    pub fn read(&self, answer: &Value, prompt: &Prompt, tally: &mut Tally) -> Result<Sample, Refusal> {
        let choice = &answer["choices"][0];
        let finished = match choice["finish_reason"].as_str() {
            Some("stop") => true,
            Some("length") => false,
            _ => {
                let expected = "a choice with finish_reason \"stop\" or \"length\"".to_string();
                return Err((expected, answer.to_string(), "see the server's log".to_string()));
            }
        };
        if let Some(counted) = answer["usage"]["prompt_tokens"].as_u64()
            && counted != prompt.tokens.len() as u64
        {
            return Err((
                format!("a prompt of {} tokens", prompt.tokens.len()),
                format!("usage.prompt_tokens = {counted}"),
                "the server's model must have the tokenizer of model.path; with server.prompt = \"text\" it may also add \
                 tokens, so use \"tokens\" if it takes them"
                    .to_string(),
            ));
        }
        let mut tokens = self.tokens(choice, tally)?;
        if finished && !self.stop.ends(&tokens.ids) {
            self.end(&mut tokens, choice)?;
        }
        self.check(&tokens, choice)?;
        let Tokens { ids, logp } = tokens;
        Ok(Sample { logp: logp.clone(), logp_behavior: logp, tokens: ids, entropy: Vec::new(), finished })
    }

    fn tokens(&self, choice: &Value, tally: &mut Tally) -> Result<Tokens, Refusal> {
        let logprobs = &choice["logprobs"];
        let number = |value: &Value| value.as_f64().map_or(f32::NAN, |value| value as f32);
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let list = |value: &Value| value.as_array().filter(|list| !list.is_empty()).cloned();
        let content = list(&logprobs["content"]);
        let logp: Vec<f32> = match (&content, list(&logprobs["token_logprobs"])) {
            (Some(content), _) => content.iter().map(|token| number(&token["logprob"])).collect(),
            (None, Some(logp)) => logp.iter().map(number).collect(),
            (None, None) => Vec::new(),
        };
        let text = choice["text"].as_str().unwrap_or_default();
        if logp.is_empty() && !text.is_empty() {
            let expected = "log-probabilities of the tokens in `logprobs`".to_string();
            let hint = "start the server so that it gives them (llama-cpp-python: --logits_all true)".to_string();
            return Err((expected, choice.to_string(), hint));
        }
        let given: Option<Vec<Option<u32>>> = list(&choice["token_ids"])
            .map(|ids| ids.iter().map(id).collect())
            .or_else(|| content.map(|tokens| tokens.iter().map(|token| id(&token["id"])).collect()));
        let pieces = list(&logprobs["tokens"]).unwrap_or_default();
        let pieces: Vec<&str> = pieces.iter().map(|piece| piece.as_str().unwrap_or_default()).collect();
        let named = || pieces.iter().map(|piece| piece.strip_prefix("token_id:")?.parse().ok()).collect();
        let ids: Option<Vec<u32>> = match given {
            Some(ids) => ids.into_iter().collect(),
            None => named(),
        };
        match ids {
            Some(ids) if ids.is_empty() => self.of_text(text, &pieces, logp, tally),
            None => self.of_text(text, &pieces, logp, tally),
            Some(ids) if ids.len() == logp.len() => Ok(Tokens { ids, logp }),
            Some(ids) => {
                let expected = format!("{} log-probabilities for {} tokens", ids.len(), ids.len());
                let hint = "see that the server is of a version that counts both alike".to_string();
                Err((expected, format!("{} in {choice}", logp.len()), hint))
            }
        }
    }

    fn of_text(&self, text: &str, pieces: &[&str], logp: Vec<f32>, tally: &mut Tally) -> Result<Tokens, Refusal> {
        tally.retokenized += 1;
        let whole = |piece: &&str| match self.tokenizer.encode(piece).ok()?.as_slice() {
            [id] if self.tokenizer.decode_verbatim(&[*id]).is_ok_and(|text| text == **piece) => Some(*id),
            _ => None,
        };
        let ids: Option<Vec<u32>> = pieces.iter().map(whole).collect();
        if let Some(ids) = ids.filter(|ids| ids.len() == logp.len()) {
            return Ok(Tokens { ids, logp });
        }
        let ids = self.tokenizer.encode(text).unwrap_or_default();
        let back = self.tokenizer.decode_verbatim(&ids).unwrap_or_default();
        if back != text {
            let expected = format!("a text that the tokenizer of model.path can give back ({back:?})");
            let hint = "use a server that gives token ids (vLLM, SGLang, surefoot serve)".to_string();
            return Err((expected, format!("{text:?}"), hint));
        }
        let aligned = ids.len() == logp.len();
        tally.unaligned += usize::from(!aligned);
        let logp = if aligned { logp } else { vec![f32::NAN; ids.len()] };
        Ok(Tokens { ids, logp })
    }

    /// Adds the end token, which servers leave out that give texts alone.
    fn end(&self, tokens: &mut Tokens, choice: &Value) -> Result<(), Refusal> {
        let Some(eos) = self.tokenizer.end_id().filter(|_| self.stop.texts.is_empty()) else {
            let expected = "a completion that ends with an end token or one of rollout.stop".to_string();
            let hint =
                "the server leaves out what ended it; leave rollout.stop empty, or use a server that gives token ids";
            return Err((expected, choice.to_string(), hint.to_string()));
        };
        tokens.ids.push(eos);
        tokens.logp.push(f32::NAN);
        Ok(())
    }

    fn check(&self, Tokens { ids, logp }: &Tokens, choice: &Value) -> Result<(), Refusal> {
        let refuse = |expected: String, hint: &str| Err((expected, choice.to_string(), hint.to_string()));
        if ids.is_empty() || ids.len() > self.max_new_tokens + 1 {
            return refuse(format!("1 to {} tokens, not {}", self.max_new_tokens, ids.len()), "see the server's log");
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.tokenizer.id_count()) {
            let expected = format!("token ids below {}, not {id}", self.tokenizer.id_count());
            return refuse(expected, "the server's model must have the tokenizer of model.path");
        }
        if let Some(above) = logp.iter().find(|logp| **logp > ROUNDING) {
            return refuse(format!("log-probabilities, not {above}"), "see that the server gives natural logarithms");
        }
        if let Some(infinite) = logp.iter().find(|logp| logp.is_infinite()) {
            let hint = "see the server's log: a token of probability 0 cannot have been sampled";
            return refuse(format!("finite log-probabilities in the range of f32, not {infinite}"), hint);
        }
        if self.complete && logp.iter().any(|logp| logp.is_nan()) {
            let expected = "a log-probability for every token, as correction.mode = \"bypass\" needs".to_string();
            return refuse(expected, "set correction.mode = \"decoupled\"");
        }
        Ok(())
    }
}
