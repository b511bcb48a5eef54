//! "the final answer is …", "Answer: …".

use super::{boxed, spans};
use crate::verdict::Why;

/// Between the word "answer" and its verb there may be this many bytes: "the answer to the question is".
const MAX_GAP: usize = 60;
/// Words after which a clause only argues for the answer.
const REASONS: [&str; 6] = [" because ", " since ", " which ", " where ", ", so ", " as required"];
/// Statements beyond this number are a repetition; the last ones count.
const MAX_STATEMENTS: usize = 32;

/// Answers that the text announces. Announcements of a *final* answer count before others.
pub(super) fn final_answers(text: &str) -> Result<Option<Vec<&str>>, Why> {
    let (mut last, mut finals) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(found) = next(text, at) {
        at = found.behind;
        match found.clause {
            Some("") if found.open_end => return Err(Why::Unfinished("the announcement of its answer")),
            Some("") | None => {}
            Some(clause) if found.is_final => finals.push(clause),
            Some(clause) => last.push(clause),
        }
    }
    let mut found = if finals.is_empty() { last } else { finals };
    if found.len() > MAX_STATEMENTS {
        found.drain(..found.len() - MAX_STATEMENTS);
    }
    Ok(if found.is_empty() { None } else { Some(found) })
}

/// An announcement that follows the last box, with digits in it: it must agree with the box.
pub(super) fn statement_after_last_box(text: &str) -> Option<&str> {
    let tail = boxed::behind_last(text)?;
    let mut at = 0;
    let mut last = None;
    while let Some(found) = next(tail, at) {
        at = found.behind;
        last = found.clause.filter(|clause| clause.bytes().any(|b| b.is_ascii_digit())).or(last);
    }
    last
}

struct Statement<'a> {
    /// What is announced; `None` where "answer" announces nothing.
    clause: Option<&'a str>,
    is_final: bool,
    /// Nothing follows the announcement: the text ended there.
    open_end: bool,
    behind: usize,
}

fn next(text: &str, from: usize) -> Option<Statement<'_>> {
    let bytes = text.as_bytes();
    let at = (from..bytes.len().saturating_sub(5))
        .find(|&i| bytes[i] | 32 == b'a' && bytes[i..i + 6].eq_ignore_ascii_case(b"answer"))?;
    let behind = at + 6;
    let is_final = bytes[..at].trim_ascii_end().to_ascii_lowercase_tail(5) == *b"final";
    let none = Statement { clause: None, is_final, open_end: false, behind };
    let Some(start) = verb_end(&text[behind..]).map(|gap| behind + gap) else { return Some(none) };
    let rest = &text[start..];
    if ["not ", "n't "].iter().any(|not| rest.trim_start().starts_with(not)) {
        return Some(none);
    }
    let skipped =
        rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '*' | '_' | '#')).len();
    let body = &rest[skipped..];
    let clause = clause(body);
    Some(Statement { clause: Some(clause), is_final, open_end: body.trim().is_empty(), behind: start })
}

/// Length of the gap up to and including "is", ":", "=", "be" or "would be", where only words stand between.
fn verb_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut word_start = 0;
    for at in 0..=bytes.len().min(MAX_GAP) {
        let byte = bytes.get(at).copied().unwrap_or(b' ');
        if byte.is_ascii_alphabetic() || byte == b'\'' || byte >= 0x80 {
            continue;
        }
        if matches!(&bytes[word_start..at], b"is" | b"be" | b"are" | b"Is" | b"IS" | b"equals") {
            return Some(at);
        }
        word_start = at + 1;
        match byte {
            b':' | b'=' => return Some(at + 1),
            b' ' | b'*' | b'_' | b'(' | b')' | b'-' | b',' => {}
            _ => return None,
        }
    }
    None
}

/// The announced answer: up to the end of the sentence or line, without the reasons that follow.
fn clause(body: &str) -> &str {
    let end = spans::sentence_end(body);
    let mut clause = &body[..end];
    for reason in REASONS {
        if let Some(at) = clause.find(reason) {
            clause = &clause[..at];
        }
    }
    spans::only_formula(spans::unwrap(clause))
}

trait AsciiTail {
    fn to_ascii_lowercase_tail(&self, n: usize) -> Vec<u8>;
}

impl AsciiTail for [u8] {
    fn to_ascii_lowercase_tail(&self, n: usize) -> Vec<u8> {
        self[self.len().saturating_sub(n)..].to_ascii_lowercase()
    }
}
