//! Formulas in a text, sentences, and the markup around an answer.

use crate::verdict::Why;

const PAIRS: [(&str, &str); 4] = [("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$")];
/// Environments that are formulas of their own; of these the signs belong to the formula.
const ENVIRONMENTS: [(&str, &str); 10] = [
    ("\\begin{equation}", "\\end{equation}"),
    ("\\begin{equation*}", "\\end{equation*}"),
    ("\\begin{align}", "\\end{align}"),
    ("\\begin{align*}", "\\end{align*}"),
    ("\\begin{gather}", "\\end{gather}"),
    ("\\begin{gather*}", "\\end{gather*}"),
    ("\\begin{multline}", "\\end{multline}"),
    ("\\begin{multline*}", "\\end{multline*}"),
    ("\\begin{eqnarray}", "\\end{eqnarray}"),
    ("\\begin{eqnarray*}", "\\end{eqnarray*}"),
];
/// A whole text this long or shorter, in one line, may be the answer itself.
const MAX_BARE: usize = 240;
/// ... and holds no more words than this, beside its mathematics.
pub(super) const MAX_BARE_WORDS: usize = 5;

/// Strips spaces, markdown emphasis, one pair of formula signs and a final full stop.
pub(super) fn unwrap(text: &str) -> &str {
    let mut text = text.trim();
    loop {
        let before = text;
        for mark in ["**", "__", "`", "*"] {
            if let Some(inner) = text.strip_prefix(mark).and_then(|t| t.strip_suffix(mark)) {
                text = inner.trim();
            }
        }
        text = text.trim_end_matches("**").trim_end();
        if let Some(inner) = text.strip_suffix('.')
            && !inner.ends_with('.')
        {
            text = inner.trim_end();
        }
        for (open, close) in PAIRS {
            if let Some(inner) = text.strip_prefix(open).and_then(|t| t.strip_suffix(close))
                && !inner.contains(close)
                && !inner.ends_with('\\')
            {
                text = inner.trim();
            }
        }
        if text == before {
            return text;
        }
    }
}

/// The beginning of a text, cut at a character.
pub(super) fn at_most(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}

/// Whether a text can be an answer by itself: one short line without sentences behind one another.
pub(super) fn is_bare(text: &str) -> bool {
    text.len() <= MAX_BARE
        && !text.contains('\n')
        && sentence_end(text) == text.len()
        && !text.ends_with('?')
        && prose_words(text) <= MAX_BARE_WORDS
}

/// Whether a text is a sentence in words, and no broken formula.
pub(super) fn is_prose(text: &str) -> bool {
    prose_words(text) >= 2 && !text.contains(['\\', '{', '}', '^', '_'])
}

/// Words outside of LaTeX commands and braces.
pub(super) fn prose_words(text: &str) -> usize {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
    words
        .filter(|word| word.len() >= 2 && word.chars().all(|c| c.is_alphabetic() || matches!(c, '.' | '\'' | ':')))
        .count()
}

/// Byte length of the first sentence or line; a stop inside a formula or a number does not end it.
pub(super) fn sentence_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let last_dollar = bytes.iter().rposition(|b| *b == b'$').unwrap_or(0);
    let mut dollar = false;
    let mut brackets = 0i32;
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'$' if at == 0 || bytes[at - 1] != b'\\' => dollar = !dollar && at < last_dollar,
            b'\\' if matches!(bytes.get(at + 1), Some(b'[' | b'(')) => brackets += 1,
            b'\\' if matches!(bytes.get(at + 1), Some(b']' | b')')) => brackets -= 1,
            b'\n' if !dollar && brackets <= 0 => return at,
            b'.' | b'!' if !dollar && brackets <= 0 => {
                let next = bytes.get(at + 1).copied();
                let abbreviation = is_abbreviation(&text[..at]);
                let factorial =
                    byte == b'!' && at > 0 && (bytes[at - 1].is_ascii_digit() || matches!(bytes[at - 1], b')' | b'\\'));
                if next.is_none_or(|b| b.is_ascii_whitespace()) && !abbreviation && !factorial {
                    // A stop that only spaces follow belongs to the sentence.
                    return if text[at + 1..].trim().is_empty() { text.len() } else { at };
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// Whether a full stop behind this text only shortens a word.
fn is_abbreviation(text: &str) -> bool {
    const SHORT: [&str; 16] = [
        "a.m", "p.m", "A.M", "P.M", "Jan", "Feb", "Mar", "Apr", "Aug", "Sept", "Sep", "Oct", "Nov", "Dec", "approx",
        "sq",
    ];
    SHORT.iter().any(|short| text.strip_suffix(short).is_some_and(|t| !t.ends_with(|c: char| c.is_alphanumeric())))
}

/// The one formula of a clause, where only words stand around it: "the point $(1,2)$ on the line".
pub(super) fn only_formula(clause: &str) -> &str {
    let spans = all(clause);
    match spans[..] {
        [(start, end, inner)] => {
            let outside = clause[..start].chars().chain(clause[end..].chars());
            if outside.clone().any(|c| c.is_ascii_digit()) || clause[end..].contains('%') { clause } else { inner }
        }
        _ => clause,
    }
}

/// The last formula of a text that ends outside of formulas.
pub(super) fn last(text: &str) -> Result<Option<&str>, Why> {
    let spans = all(text);
    let Some(&(_, end, inner)) = spans.last() else { return Ok(None) };
    let behind = &text[end..];
    // Numbers behind the last formula say more than the formula.
    if behind.bytes().any(|b| b.is_ascii_digit()) || inner.trim().is_empty() {
        return Ok(None);
    }
    if ends_open(behind) || behind.trim_end().ends_with('?') {
        return Err(Why::Unfinished("a sentence"));
    }
    Ok(Some(inner.trim()))
}

/// Whether a text breaks off: behind an operator, a verb or a comma.
pub(super) fn ends_open(text: &str) -> bool {
    let text = text.trim_end();
    let open = ['=', '+', '-', '*', '/', '(', '[', '{', '<', '>', '^', '_', '\\', ',', ':', ';'];
    let words = [" is", " are", " or", " and", " the", " of", " be", " to", " equals", " plus", " minus", " times"];
    text.ends_with(open) || words.iter().any(|word| text.ends_with(word))
}

/// All formulas: start and end with their signs, and the inside.
fn all(text: &str) -> Vec<(usize, usize, &str)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    // Signs that no further sign closes are not looked for again.
    let mut unclosed: Vec<&str> = Vec::new();
    while at < bytes.len() {
        let Some(step) = bytes[at..].iter().position(|&b| b == b'$' || b == b'\\') else { break };
        at += step;
        let opening = PAIRS
            .iter()
            .chain(&ENVIRONMENTS)
            .find(|(open, close)| text[at..].starts_with(open) && !unclosed.contains(close));
        match opening {
            Some((open, close)) => {
                let inside = at + open.len();
                let end = text[inside..].find(close).map(|e| inside + e);
                if end.is_none() {
                    unclosed.push(close);
                }
                match end {
                    // "$5 and $7" are prices: a formula does not end behind a space before a digit.
                    Some(end) if open.starts_with("\\begin") => {
                        found.push((at, end + close.len(), &text[at..end + close.len()]));
                        at = end + close.len();
                    }
                    Some(end) if *open != "$" || is_formula(&text[inside..end], &text[end + 1..]) => {
                        found.push((at, end + close.len(), &text[inside..end]));
                        at = end + close.len();
                    }
                    _ => at += open.len(),
                }
            }
            None => at += if bytes[at] == b'\\' { 2 } else { 1 },
        }
    }
    found
}

/// Whether `$inside$behind` is a formula and not two prices.
fn is_formula(inside: &str, behind: &str) -> bool {
    let prices = inside.ends_with(' ') && behind.starts_with(|c: char| c.is_ascii_digit());
    !prices && !inside.contains('\n')
}
