//! Tags and tokens around thoughts and answers, and where a text ends.

use super::boxed;
use crate::verdict::Why;

const THINK: (&str, &str) = ("<think>", "</think>");
const ANSWER: (&str, &str) = ("<answer>", "</answer>");
/// What models put around their thoughts beside `<think>`.
const THOUGHTS: [(&str, &str); 7] = [
    THINK,
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),
];
/// What models put around their answers, in lower case. Texts that leave one of these open are cut off inside the answer …
const ANSWERS: [(&str, &str); 2] = [ANSWER, ("<final_answer>", "</final_answer>")];
/// … but not with these, which may hold the whole text.
const SOLUTIONS: [(&str, &str); 3] =
    [("<solution>", "</solution>"), ("<result>", "</result>"), ("<|begin_of_solution|>", "<|end_of_solution|>")];
/// Tokens that end a text: what follows is no longer its own.
const ENDS: [&str; 10] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<|return|>",
    "</s>",
    "<eos>",
    "<end_of_turn>",
    "<｜end▁of▁sentence｜>",
];
/// The message of a chat with channels that holds the answer.
const FINAL: &str = "<|channel|>final<|message|>";

/// The text behind the last closed `<think>` block; a block that never closes holds no answer.
pub(super) fn after_think(text: &str) -> Result<&str, Why> {
    after(text, THINK)
}

fn after<'t>(text: &'t str, (open, close): (&'static str, &'static str)) -> Result<&'t str, Why> {
    let rest = text.rfind(close).map_or(text, |at| &text[at + close.len()..]);
    if rest.contains(open) { Err(Why::Unfinished(open)) } else { Ok(rest) }
}

/// The text behind all thoughts, up to the token that ends it.
pub(super) fn after_thoughts(text: &str) -> Result<&str, Why> {
    let mut text = match text.rfind(FINAL) {
        Some(at) => &text[at + FINAL.len()..],
        None if text.contains("<|channel|>analysis") => return Err(Why::Unfinished("<|channel|>analysis")),
        None => text,
    };
    if text.contains('<') {
        while let Some(end) = ENDS.iter().find(|end| text.trim_start().starts_with(**end)) {
            text = &text.trim_start()[end.len()..];
        }
        let end = ENDS.iter().filter_map(|end| text.find(end)).min();
        text = &text[..end.unwrap_or(text.len())];
    }
    if !text.contains(['<', '◁', '[']) {
        return Ok(text);
    }
    THOUGHTS.iter().try_fold(text, |text, thought| after(text, *thought))
}

/// The contents of all blocks that hold an answer.
pub(super) fn answers(text: &str) -> Result<Vec<&str>, Why> {
    let mut found = Vec::new();
    if !text.contains('<') {
        return Ok(found);
    }
    // The same length in bytes.
    let lower = text.to_ascii_lowercase();
    let mut met_empty = false;
    for (open, close) in ANSWERS.into_iter().chain(SOLUTIONS) {
        let mut from = 0;
        while let Some(start) = lower[from..].find(open).map(|at| from + at + open.len()) {
            let Some(end) = lower[start..].find(close).map(|at| start + at) else {
                let finished = SOLUTIONS.contains(&(open, close)) || has_box(&text[start..]);
                if finished && found.is_empty() {
                    break;
                }
                return Err(Why::Unfinished("<answer>"));
            };
            // A tag that is only mentioned ("use <answer> tags") opens nothing; a value behind it is an answer all the same.
            let mut piece = start;
            while let Some(again) = lower[piece..end].find(open).map(|at| piece + at) {
                found.extend(Some(text[piece..again].trim()).filter(|t| t.bytes().any(|b| b.is_ascii_digit())));
                piece = again + open.len();
            }
            let content = text[piece..end].trim();
            if content.chars().any(char::is_alphanumeric) {
                found.push(content);
            } else {
                met_empty = true;
            }
            from = end + close.len();
        }
        if !found.is_empty() {
            break;
        }
    }
    if met_empty && found.is_empty() && !has_box(text) { Err(Why::NoAnswer) } else { Ok(found) }
}

fn has_box(text: &str) -> bool {
    boxed::boxes(text).is_ok_and(|boxes| !boxes.is_empty())
}

/// What follows the last block with an answer.
pub(super) fn outside_answers(text: &str) -> &str {
    let lower = text.to_ascii_lowercase();
    let ends = ANSWERS.into_iter().chain(SOLUTIONS).filter_map(|(_, close)| Some(lower.rfind(close)? + close.len()));
    ends.max().map_or("", |end| &text[end..])
}

/// The one `<answer>` block of a text.
pub(super) fn only_answer(text: &str) -> Result<&str, Why> {
    const WANTED: Why = Why::Format("<answer>…</answer>, once");
    if text.matches(ANSWER.0).count() != 1 || text.matches(ANSWER.1).count() != 1 {
        return Err(WANTED);
    }
    let (_, inside) = text.split_once(ANSWER.0).ok_or(WANTED)?;
    let (content, _) = inside.split_once(ANSWER.1).ok_or(Why::Unfinished("<answer>"))?;
    Ok(content.trim())
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
