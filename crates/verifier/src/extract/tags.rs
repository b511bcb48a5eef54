//! `<think>` and `<answer>` tags.

use crate::verdict::Why;

const THINK: (&str, &str) = ("<think>", "</think>");
const ANSWER: (&str, &str) = ("<answer>", "</answer>");

/// The text behind the last closed `<think>` block; a block that never closes holds no answer.
pub(super) fn after_think(text: &str) -> Result<&str, Why> {
    let rest = text.rfind(THINK.1).map_or(text, |at| &text[at + THINK.1.len()..]);
    if rest.contains(THINK.0) { Err(Why::Unfinished("<think>")) } else { Ok(rest) }
}

/// The contents of all `<answer>` blocks.
pub(super) fn answers(text: &str) -> Result<Vec<&str>, Why> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(ANSWER.0) {
        let inside = &rest[open + ANSWER.0.len()..];
        let close = inside.find(ANSWER.1).ok_or(Why::Unfinished("<answer>"))?;
        found.push(inside[..close].trim());
        rest = &inside[close + ANSWER.1.len()..];
    }
    Ok(found)
}

/// What follows the last `</answer>`.
pub(super) fn outside_answers(text: &str) -> &str {
    text.rfind(ANSWER.1).map_or("", |at| &text[at + ANSWER.1.len()..])
}

/// The one `<answer>` block of a text.
pub(super) fn only_answer(text: &str) -> Result<&str, Why> {
    if text.matches(ANSWER.0).count() != 1 || text.matches(ANSWER.1).count() != 1 {
        return Err(Why::Format("<answer>…</answer>, once"));
    }
    answers(text)?.first().copied().ok_or(Why::Format("<answer>…</answer>, once"))
}

/// The answer of a text that is exactly `<think>…</think><answer>…</answer>`.
pub(super) fn think_answer(text: &str) -> Result<&str, Why> {
    const WANTED: Why = Why::Format("<think>…</think><answer>…</answer> and nothing else");
    let inside = text.trim().strip_prefix(THINK.0).and_then(|t| t.strip_suffix(ANSWER.1)).ok_or(WANTED)?;
    let (thought, rest) = inside.split_once(THINK.1).ok_or(WANTED)?;
    let answer = rest.trim_start().strip_prefix(ANSWER.0).ok_or(WANTED)?;
    let tags = [THINK.0, THINK.1, ANSWER.0, ANSWER.1];
    if tags.iter().any(|tag| thought.contains(tag) || answer.contains(tag)) {
        return Err(WANTED);
    }
    Ok(answer.trim())
}
