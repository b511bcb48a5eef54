//! `\boxed{…}` and `\fbox{…}`.

use super::spans;
use crate::parse::number_word;
use crate::verdict::Why;

/// An offer is no longer than this, in bytes.
const MAX_OFFER: usize = 400;

const COMMANDS: [&str; 3] = ["\\boxed", "\\fbox", "\\framebox"];

/// The contents of all outermost boxes that hold something, unwrapped where box stands in box.
pub(super) fn boxes(text: &str) -> Result<Vec<&str>, Why> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((content, behind)) = next(rest)? {
        let content = innermost(content)?;
        if !content.is_empty() {
            found.push(content);
        }
        rest = behind;
    }
    found.drain(..found.len().saturating_sub(super::MAX_ANSWERS));
    Ok(found)
}

/// Position behind the last box of a text.
pub(super) fn behind_last(text: &str) -> Option<&str> {
    let mut last = None;
    let mut rest = text;
    while let Ok(Some((_, behind))) = next(rest) {
        last = Some(behind);
        rest = behind;
    }
    last
}

/// Alternatives offered right behind a box: "\boxed{5} or 7".
pub(super) fn alternatives(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Ok(Some((_, behind))) = next(rest) {
        let tail =
            behind.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '$' | ',' | '*' | ')' | ']' | '\\'));
        let word = ["or ", "OR ", "Or "].iter().find_map(|or| tail.strip_prefix(or));
        if let Some(offer) = word {
            let offer = &offer[..spans::sentence_end(spans::at_most(offer, MAX_OFFER))];
            let offer = spans::unwrap(offer.split("; ").next().filter(|o| !o.ends_with('\\')).unwrap_or(offer));
            // "or in cents, 1800" is said in another unit.
            let converts = offer.starts_with("in ");
            if offer.split([' ', ',']).any(names_number) && !converts && !offer.contains("\\boxed") {
                found.push(offer);
            }
        }
        rest = behind;
    }
    found.drain(..found.len().saturating_sub(super::MAX_ANSWERS));
    found
}

fn names_number(word: &str) -> bool {
    word.bytes().any(|b| b.is_ascii_digit()) || number_word(word).is_some()
}

/// The next box: its content and what follows.
fn next(text: &str) -> Result<Option<(&str, &str)>, Why> {
    let mut from = 0;
    loop {
        let Some(at) = text[from..].find('\\').map(|at| from + at) else { return Ok(None) };
        let Some(command) = COMMANDS.iter().find(|command| text[at..].starts_with(*command)) else {
            from = at + 1;
            continue;
        };
        let behind = &text[at + command.len()..];
        if behind.starts_with(|c: char| c.is_ascii_alphabetic()) {
            from = at + 1;
            continue;
        }
        let argument = behind.trim_start();
        if let Some(open) = argument.strip_prefix('{') {
            let close = closing_brace(open).ok_or(Why::Unfinished("\\boxed{…}"))?;
            return Ok(Some((open[..close].trim(), &open[close + 1..])));
        }
        let end =
            argument.find(|c: char| c.is_whitespace() || matches!(c, '$' | ',' | '\\' | '{')).unwrap_or(argument.len());
        if end == 0 && argument.is_empty() {
            return Err(Why::Unfinished("\\boxed{…}"));
        }
        return Ok(Some((argument[..end].trim_end_matches('.'), &argument[end..])));
    }
}

/// Byte position of the brace that closes a group whose opening brace has been read.
pub(super) fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Unwraps `\boxed{\boxed{5}}` and the formula signs around a content.
fn innermost(mut content: &str) -> Result<&str, Why> {
    for _ in 0..8 {
        let trimmed = spans::unwrap(content);
        match next(trimmed)? {
            Some((inner, behind)) if behind.trim().is_empty() && COMMANDS.iter().any(|c| trimmed.starts_with(c)) => {
                content = inner
            }
            _ => return Ok(trimmed),
        }
    }
    Ok(content)
}
