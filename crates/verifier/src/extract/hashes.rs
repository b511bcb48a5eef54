//! Lines `#### 72`, and headings, which only look like them.

use super::{remark, spans};

/// Answers behind "####". A value counts wherever it stands; words only at the end of the text, because elsewhere they are a
/// heading ("#### Step 1").
pub(super) fn answers(text: &str) -> Vec<&str> {
    let mut found = values(text);
    if found.is_empty() {
        found.extend(pieces(text.trim_end()).last().filter(|last| is_last_line(text, last) && !announces(last)));
    }
    found.drain(..found.len().saturating_sub(super::MAX_ANSWERS));
    found
}

/// Values behind "####".
pub(super) fn values(text: &str) -> Vec<&str> {
    let mut found: Vec<_> = pieces(text).filter(|piece| is_value(piece)).collect();
    found.drain(..found.len().saturating_sub(super::MAX_ANSWERS));
    found
}

/// What follows four hash signs, and not more, on their line.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let marks = text.match_indices("####").filter(|(at, _)| {
        // Within a longer run this is a heading of a deeper level.
        !text[..*at].ends_with('#') && !text[at + 4..].starts_with('#')
    });
    let lines = marks.map(|(at, _)| {
        let line = text[at + 4..].lines().next().unwrap_or_default();
        spans::unwrap(line.split("####").next().unwrap_or(line))
    });
    lines.filter(|piece| !piece.is_empty())
}

/// Whether a piece is an answer without words around it but those behind a number: "72", "$18 a day"; not "1. Eggs", "Find $x$" or
/// "16 - 3 = 13".
fn is_value(piece: &str) -> bool {
    let words = spans::prose_words(piece);
    let numbering = piece.split_whitespace().next().is_some_and(|first| {
        first.len() > 1
            && first.ends_with(['.', ')', ':'])
            && first[..first.len() - 1].bytes().all(|b| b.is_ascii_digit())
    });
    let leads = piece.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '−' | '$' | '.' | '€' | '£' | '¥'));
    let plain = remark::is_plain_answer(piece) && !piece.ends_with([':', '?']);
    plain && (words == 0 || leads && words <= spans::MAX_BARE_WORDS && !numbering)
}

fn is_last_line(text: &str, piece: &str) -> bool {
    text.trim_end().lines().last().is_some_and(|line| line.contains("####") && line.contains(piece))
}

/// "Final Answer" announces what comes, and is none.
fn announces(piece: &str) -> bool {
    piece.to_ascii_lowercase().contains("answer") || piece.ends_with(':')
}
