//! Rows of supervised fine-tuning: a problem and a text to learn, a conversation, or TRL's conversational pairs.

use serde_json::{Map, Value};

use super::error::{DataError, Place};
use super::row::{Columns, Message, Problem, Row, first, keys, list, messages, text};

/// Columns with the text to learn.
pub(super) const TARGET: &[&str] = &["completion", "response", "solution", "answer"];
/// A whole conversation whose last message is the text to learn.
pub(super) const MESSAGES: &str = "messages";

/// What one row of a file gives to learn from: one row for each turn of the assistant that is learned.
pub(super) fn rows(
    columns: &Columns<'_>,
    key: Option<&str>,
    row: &Map<String, Value>,
    place: &dyn Fn() -> Place,
) -> Result<Vec<Row>, DataError> {
    if let (None, None, Some(Value::Array(items))) = (key, columns.problem, row.get(MESSAGES)) {
        return conversation(messages(MESSAGES, items, place)?, place);
    }
    let problem = columns.find_problem(row, place)?;
    let names = key.map_or(TARGET.to_vec(), |key| vec![key]);
    let Some((key, value)) = first(row, &names) else {
        return Err(DataError::NoAnswer { place: place(), expected: list(&names), found: keys(row) });
    };
    match value {
        Value::Array(items) if items.iter().any(Value::is_object) => {
            turns(problem, key, messages(key, items, place)?, place)
        }
        value => Ok(vec![Row::new(problem, text(key, value, place)?)]),
    }
}

/// A `messages` row: the last message is the text to learn.
fn conversation(mut messages: Vec<Message>, place: &dyn Fn() -> Place) -> Result<Vec<Row>, DataError> {
    match messages.pop() {
        Some(last) if last.role == ASSISTANT && !messages.is_empty() => {
            Ok(vec![Row::new(Problem::Chat(messages), last.content)])
        }
        _ => Err(DataError::Shape {
            place: place(),
            key: MESSAGES.into(),
            expected: "a conversation that ends with an assistant message",
            found: "another".into(),
        }),
    }
}

/// Who says what is learned.
const ASSISTANT: &str = "assistant";

/// A completion of messages: each turn of the assistant is learned, after all that stands before it. A row for each, because
/// what a chat template makes of a turn depends on whether others follow.
fn turns(
    problem: Problem,
    key: &str,
    completion: Vec<Message>,
    place: &dyn Fn() -> Place,
) -> Result<Vec<Row>, DataError> {
    let wrong =
        |expected, found: &str| DataError::Shape { place: place(), key: key.into(), expected, found: found.into() };
    if completion.last().is_none_or(|last| last.role != ASSISTANT) {
        return Err(wrong(
            "a text, or messages of which the last is the assistant's",
            "messages that end with another",
        ));
    }
    let mut before = match problem {
        Problem::Chat(messages) => messages,
        Problem::Text(problem) => {
            let [only] = <[Message; 1]>::try_from(completion)
                .map_err(|_| wrong("a text or one message where the problem is a text", "several messages"))?;
            return Ok(vec![Row::new(Problem::Text(problem), only.content)]);
        }
    };
    let mut rows = Vec::new();
    for message in completion {
        if message.role == ASSISTANT {
            rows.push(Row::new(Problem::Chat(before.clone()), message.content.clone()));
        }
        before.push(message);
    }
    Ok(rows)
}
