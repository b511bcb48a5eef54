//! `/v1/chat/completions`: a conversation, rendered with the model's chat template, and the message that continues it.
use super::Refused;
use super::api::{Asked, Limits, far_too_long, json};
use serde_json::{Value, json};
use surefoot_engine::chat::{ChatTemplate, Ending, Message};
use surefoot_engine::generate::Sample;
use surefoot_engine::tokenizer::Tokenizer;

/// What is not supported, and is refused where it is not null or empty.
const UNSUPPORTED: [&str; 5] = ["tools", "functions", "tool_choice", "audio", "top_logprobs"];

/// Reads a request: `messages`, `max_completion_tokens` or `max_tokens` (all that the model has room for), `chat_template_kwargs`
/// (variables of the template), and the other keys of [`Asked`].
///
/// # Errors
/// HTTP status and message.
pub(super) fn read(
    body: &str,
    template: Option<&ChatTemplate>,
    tokenizer: &Tokenizer,
    limits: Limits,
) -> Result<Asked, Refused> {
    let body = json(body)?;
    let refused = |message: String| (400, message);
    let template = template
        .ok_or_else(|| refused("the model has no chat template; send its prompt to /v1/completions".to_string()))?;
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        value => *value == json!(0) || *value == json!("none"),
    };
    if let Some(key) = UNSUPPORTED.iter().find(|key| !empty(&body[**key])) {
        return Err(refused(format!("`{key}` is not supported, found {}", body[*key])));
    }
    let messages: Vec<Message> = serde_json::from_value(body["messages"].clone())
        .map_err(|error| refused(format!("`messages` must be a list of messages with role and content: {error}")))?;
    let messages = messages.into_iter().map(of_text).collect::<Result<Vec<_>, _>>()?;
    let variables = body["chat_template_kwargs"].as_object().cloned().unwrap_or_default();
    let text = template.render_with(&messages, Ending::GenerationPrompt, &variables);
    let text = text.map_err(|error| refused(error.to_string()))?;
    let prompt = tokenizer.encode_within(&text, limits.positions).map_err(|error| refused(error.to_string()))?;
    let prompt = prompt.ok_or_else(|| far_too_long(&text, limits.positions))?;
    let longest = if body["max_completion_tokens"].is_null() { "max_tokens" } else { "max_completion_tokens" };
    let room = limits.positions.saturating_sub(prompt.len()).max(1);
    Asked::of(&body, vec![prompt], (longest, room), limits)
}

/// A message whose content is a text: clients may send it as a list of parts.
fn of_text(mut message: Message) -> Result<Message, Refused> {
    if let Value::Array(parts) = &message.content {
        let texts: Option<Vec<&str>> = parts.iter().map(|part| part["text"].as_str()).collect();
        let texts =
            texts.ok_or_else(|| (400, "`messages` must hold texts alone: no images, sound or files".to_string()))?;
        message.content = texts.concat().into();
    }
    Ok(message)
}

/// The answer with the completions `samples`.
///
/// # Errors
/// HTTP status and message, for tokens that have no text.
pub(super) fn answer(asked: &Asked, samples: &[Sample], tokenizer: &Tokenizer, model: &str) -> Result<Value, Refused> {
    let message = |sample: &Sample| Ok(json!({ "role": "assistant", "content": asked.text(sample, tokenizer)? }));
    let logprobs = |sample: &Sample, pieces: Vec<String>| {
        let content = pieces.into_iter().zip(&sample.logp_behavior).map(
            |(piece, logp)| json!({ "token": piece, "logprob": logp, "bytes": piece.as_bytes(), "top_logprobs": [] }),
        );
        json!({ "content": content.collect::<Vec<_>>() })
    };
    let choices = asked.choices(samples, tokenizer, ("message", message), &logprobs)?;
    Ok(asked.enclosed(("chatcmpl", "chat.completion"), model, choices, samples))
}
