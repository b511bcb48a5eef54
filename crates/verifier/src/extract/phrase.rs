//! "the final answer is …", "Answer: …".

use super::{boxed, spans};
use crate::verdict::Why;

/// Between the word "answer" and its verb there may be this many bytes: "the answer to the question is".
const MAX_GAP: usize = 60;
/// Words after which a clause only argues for the answer.
const REASONS: [&str; 6] = [" because ", " since ", " which ", " where ", ", so ", " as required"];
/// Statements beyond this number are a repetition; the last ones count.
const MAX_STATEMENTS: usize = 32;
/// An announced answer is no longer than this, in bytes.
const MAX_CLAUSE: usize = 24_000;

/// Answers that the text announces. Announcements of a *final* answer count before others.
pub(super) fn final_answers(text: &str) -> Result<Option<Vec<&str>>, Why> {
    let (mut plain, mut finals) = (Vec::new(), Vec::new());
    for at in places(text) {
        let Some(found) = statement(text, at) else { continue };
        match found.clause {
            "" if found.open_end => return Err(Why::Unfinished("the announcement of its answer")),
            "" => {}
            clause if found.is_final => finals.push(clause),
            clause => plain.push(clause),
        }
    }
    let found = if finals.is_empty() { plain } else { finals };
    Ok(if found.is_empty() { None } else { Some(found) })
}

/// An announcement that follows the last box, with digits in it: it must agree with the box.
pub(super) fn statement_after_last_box(text: &str) -> Option<&str> {
    let tail = boxed::behind_last(text)?;
    let mut clauses = places(tail).into_iter().filter_map(|at| Some(statement(tail, at)?.clause));
    clauses.rfind(|clause| clause.bytes().any(|b| b.is_ascii_digit()))
}

/// Where the word "answer" stands; of very many, the last ones.
fn places(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut end = bytes.len();
    while let Some(at) = bytes[..end].iter().rposition(|b| *b | 32 == b'a') {
        if bytes.get(at..at + 6).is_some_and(|word| word.eq_ignore_ascii_case(b"answer")) {
            found.push(at);
            if found.len() == MAX_STATEMENTS {
                break;
            }
        }
        end = at;
    }
    found.reverse();
    found
}

struct Statement<'a> {
    /// What is announced.
    clause: &'a str,
    is_final: bool,
    /// Nothing follows the announcement: the text ended there.
    open_end: bool,
}

/// What the word "answer" at this place announces, if anything.
fn statement(text: &str, at: usize) -> Option<Statement<'_>> {
    let before = text.as_bytes()[..at].trim_ascii_end();
    let is_final = before.len() >= 5 && before[before.len() - 5..].eq_ignore_ascii_case(b"final");
    let start = at + 6 + verb_end(&text[at + 6..])?;
    let rest = &text[start..];
    if ["not ", "n't "].iter().any(|not| rest.trim_start().starts_with(not)) {
        return None;
    }
    let body = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '*' | '_' | '#'));
    Some(Statement { clause: clause(spans::at_most(body, MAX_CLAUSE)), is_final, open_end: body.trim().is_empty() })
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
