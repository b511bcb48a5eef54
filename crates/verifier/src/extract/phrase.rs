//! "the final answer is …", "Answer: …".

use super::{boxed, remark, spans};
use crate::verdict::Why;

/// Between the word "answer" and its verb there may be this many bytes: "the answer to the question is".
const MAX_GAP: usize = 60;
/// Words after which a clause only argues for the answer.
const REASONS: [&str; 10] = [
    " because ",
    " since ",
    " which ",
    " where ",
    ", so ",
    " as required",
    ", not ",
    ", rather than ",
    "; note ",
    " :)",
];
/// Statements beyond this number are a repetition; the last ones count.
const MAX_STATEMENTS: usize = 32;
/// An announced answer is no longer than this, in bytes.
const MAX_CLAUSE: usize = 24_000;
/// The word "answer" in other languages than English.
const WORDS: [&str; 12] = [
    "Antwort",
    "Lösung",
    "réponse",
    "Réponse",
    "respuesta",
    "Respuesta",
    "risposta",
    "Risposta",
    "resposta",
    "Resposta",
    "твет",
    "答案",
];

/// Answers that the text announces. Announcements of a *final* answer count before others.
pub(super) fn final_answers(text: &str) -> Result<Option<Vec<&str>>, Why> {
    let (mut plain, mut finals) = (Vec::new(), Vec::new());
    for place in places(text) {
        let Some(found) = statement(text, place) else { continue };
        match found.clause {
            "" if found.open_end => return Err(Why::Unfinished("the announcement of its answer")),
            "" => {}
            _ if found.is_final => finals.push(found),
            _ => plain.push(found),
        }
    }
    let mut found = if finals.is_empty() { plain } else { finals };
    // An answer that is said counts before remarks about it and before a solution that "Answer:" only heads.
    if found.iter().any(|one| !one.explains() && remark::is_answer(one.clause)) {
        found.retain(|one| !one.explains() && !remark::is_remark(one.clause));
    }
    match &found[..] {
        [] => Ok(None),
        [.., last] if found.iter().all(Statement::explains) => {
            super::last_statement(last.body).map(|last| Some(last.answers))
        }
        _ => Ok(Some(found.iter().filter(|one| !one.explains()).map(|one| one.clause).collect())),
    }
}

/// Values that the text announces behind its last box, and nothing else: they must agree with the box.
pub(super) fn statements_after_last_box(text: &str) -> Vec<&str> {
    let Some(tail) = boxed::behind_last(text) else { return Vec::new() };
    let clauses = places(tail).into_iter().filter_map(|place| {
        let found = statement(tail, place)?;
        Some(found.clause).filter(|clause| !found.explains() && found.is_direct() && remark::is_bare_value(clause))
    });
    clauses.collect()
}

/// Where the word "answer" stands, and how long it is; of very many, the last ones.
fn places(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut end = bytes.len();
    while let Some(at) = bytes[..end].iter().rposition(|b| *b | 32 == b'a') {
        if bytes.get(at..at + 6).is_some_and(|word| word.eq_ignore_ascii_case(b"answer")) {
            found.push((at, 6));
            if found.len() == MAX_STATEMENTS {
                break;
            }
        }
        end = at;
    }
    for word in WORDS {
        found.extend(text.rmatch_indices(word).take(MAX_STATEMENTS).map(|(at, word)| (at, word.len())));
    }
    found.sort_unstable();
    found.drain(..found.len().saturating_sub(MAX_STATEMENTS));
    found
}

struct Statement<'a> {
    /// What is announced.
    clause: &'a str,
    /// All that follows the announcement.
    body: &'a str,
    is_final: bool,
    /// Nothing follows the announcement: the text ended there.
    open_end: bool,
    /// Announced by a colon, not by a verb.
    by_colon: bool,
    /// What stands between the word "answer" and its verb or colon.
    gap: &'a str,
    /// More follows than the clause.
    goes_on: bool,
    /// It begins with a formula.
    in_formula: bool,
}

impl Statement<'_> {
    /// Whether a colon heads a solution and not an answer: several sentences, or several steps in one. A formula may be any answer,
    /// a step excepted.
    fn explains(&self) -> bool {
        let steps = spans::prose_words(self.clause) > 0 && self.clause.matches('=').count() > 1;
        let plain = if self.in_formula { !remark::is_step(self.clause) } else { remark::is_plain_answer(self.clause) };
        self.by_colon && (self.goes_on || steps) && !plain
    }

    /// "answer:", but not "answer check:".
    fn is_direct(&self) -> bool {
        !self.by_colon || !self.gap.chars().any(char::is_alphanumeric)
    }
}

/// What the word "answer" at this place announces, if anything.
fn statement(text: &str, (at, length): (usize, usize)) -> Option<Statement<'_>> {
    let before = text[..at].trim_end();
    let is_final = before.len() >= 5 && before.as_bytes()[before.len() - 5..].eq_ignore_ascii_case(b"final");
    let (gap, by_colon) = verb_end(&text[at + length..])?;
    if remark::is_verb(before) || by_colon && remark::is_object(before) {
        return None;
    }
    let start = at + length + gap;
    let rest = &text[start..];
    if ["not ", "n't "].iter().any(|not| rest.trim_start().starts_with(not)) {
        return None;
    }
    let body = behind_marks(rest);
    let line = text[..text.len() - body.len()].rsplit('\n').next().unwrap_or_default();
    let near = spans::at_most(body, MAX_CLAUSE);
    let end = spans::sentence_end(near);
    let goes_on = near[end..].chars().any(char::is_alphanumeric);
    let gap = &text[at + length..start];
    Some(Statement {
        clause: clause(line, &near[..end]),
        body,
        is_final,
        open_end: body.trim().is_empty(),
        by_colon,
        gap,
        goes_on,
        in_formula: spans::begins_formula(body),
    })
}

/// A text without colons, signs of headings and marks that close an emphasis at its beginning.
fn behind_marks(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '：' | '#'));
        let behind = rest.trim_start_matches(['*', '_']);
        let closes = behind.is_empty() || behind.starts_with(char::is_whitespace);
        if behind.len() == rest.len() || !closes {
            return rest;
        }
        rest = behind;
    }
}

/// Length of the gap up to and including "is", ":", "=", "be" or "would be", where only words stand between; and whether it ends
/// with a colon.
fn verb_end(text: &str) -> Option<(usize, bool)> {
    // Chinese has no spaces between its words.
    if let Some(verb) =
        ["是：", "是:", "是", "为", "為", "等于", "：", "＝"].iter().find(|verb| text.starts_with(**verb))
    {
        return Some((verb.len(), *verb == "："));
    }
    let bytes = text.as_bytes();
    let mut word_start = 0;
    for at in 0..=bytes.len().min(MAX_GAP) {
        let byte = bytes.get(at).copied().unwrap_or(b' ');
        if byte.is_ascii_alphabetic() || byte == b'\'' || byte >= 0x80 {
            continue;
        }
        match &text[word_start..at] {
            "is" | "be" | "are" | "Is" | "IS" | "equals" | "ist" | "lautet" | "est" | "es" | "è" | "é" => {
                return Some((at, false));
            }
            // "cannot be", "is no longer"
            "cannot" | "can't" | "can’t" | "not" | "never" => return None,
            _ => {}
        }
        word_start = at + 1;
        match byte {
            b':' => return Some((at + 1, true)),
            b'=' => return Some((at + 1, false)),
            b' ' | b'*' | b'_' | b'(' | b')' | b'-' | b',' => {}
            _ => return None,
        }
    }
    None
}

/// The announced answer, without the reasons that follow. `line` is what stands before it on its line.
fn clause<'t>(line: &str, sentence: &'t str) -> &'t str {
    let mut clause = sentence;
    for reason in REASONS {
        if let Some(at) = clause.find(reason) {
            // "half of 36, which is 18"
            let said = sentence[at..].strip_prefix(" which is ").filter(|_| remark::is_turned(&sentence[..at]));
            clause = said.unwrap_or(&clause[..at]);
        }
    }
    spans::only_formula(spans::unwrap(spans::without_closing_mark(Some(line), clause)))
}
