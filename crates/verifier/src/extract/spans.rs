//! Formulas in a text, sentences, and the markup around an answer.

use crate::parse::{is_bound, is_power, is_sign, turned};
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
            // `**1** or **2**` has no mark around the whole.
            if let Some(inner) = text.strip_prefix(mark).and_then(|t| t.strip_suffix(mark))
                && !inner.contains(mark)
            {
                text = inner.trim();
            }
        }
        if let Some(inner) = text.strip_suffix("**")
            && !inner.contains("**")
        {
            text = inner.trim_end();
        }
        if let Some(inner) = text.strip_suffix(['.', '。'])
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
    let words =
        prose_words(text) >= 2 || text.starts_with("I ") || text.chars().filter(|c| is_ideograph(*c)).count() >= 2;
    words && !text.contains(['\\', '{', '}', '^', '_'])
}

/// Letters of scripts without spaces between words: Chinese, Japanese.
pub(super) fn is_ideograph(letter: char) -> bool {
    letter >= '\u{3040}' && letter.is_alphabetic()
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
                if next.is_none_or(|b| b.is_ascii_whitespace()) && !abbreviation {
                    // A stop that only spaces follow belongs to the sentence.
                    if text[at + 1..].trim().is_empty() {
                        return text.len();
                    }
                    // "18! Let us check": the sign may be both.
                    if !factorial {
                        return at;
                    } else if begins_sentence(&text[at + 1..]) {
                        return at + 1;
                    }
                }
            }
            // The full stops of Chinese and Japanese.
            0xE3 if text[at..].starts_with('。') => {
                return if text[at + 3..].trim().is_empty() { text.len() } else { at };
            }
            _ => {}
        }
    }
    text.len()
}

/// Whether a text begins with a capital and goes on with words: no letter of a formula.
fn begins_sentence(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    let word = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_alphabetic() || matches!(c, '\'' | ',' | '’'));
    first.starts_with(char::is_uppercase) && (word(first) || words.next().is_some_and(word))
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
            if is_qualified(&clause[..start], &clause[end..]) {
                return clause;
            }
            if outside.clone().any(|c| c.is_ascii_digit()) || clause[end..].contains('%') { clause } else { inner }
        }
        _ => clause,
    }
}

/// Whether words around a value make it another one: "half of $36$", "negative $10$", "$10$ or more".
pub(super) fn is_qualified(before: &str, behind: &str) -> bool {
    let mut next = behind.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphabetic()));
    let (first, second) = (next.next().unwrap_or_default(), next.next().unwrap_or_default());
    turned(before)
        || before.split_whitespace().last().is_some_and(is_sign)
        || is_power(first)
        || first == "or" && is_bound(second)
}

/// Whether a text begins with a formula, in emphasis or not.
pub(super) fn begins_formula(text: &str) -> bool {
    let text = text.trim_start_matches(['*', '_', ' ']);
    PAIRS.iter().any(|(open, _)| text.starts_with(open) && all(text).first().is_some_and(|(start, ..)| *start == 0))
}

/// The last formula of a text that ends outside of formulas.
pub(super) fn last(text: &str) -> Result<Option<&str>, Why> {
    let spans = all(text);
    let Some(&(start, end, inner)) = spans.last() else { return Ok(None) };
    let behind = &text[end..];
    let sign = text[..start].split_whitespace().last().filter(|word| is_sign(word));
    if sign.is_none() && is_qualified(&text[..start], behind) {
        return Ok(None);
    }
    // Numbers behind the last formula say more than the formula.
    if behind.bytes().any(|b| b.is_ascii_digit()) || inner.trim().is_empty() {
        return Ok(None);
    }
    if ends_open(text) || behind.trim_end().ends_with('?') {
        return Err(Why::Unfinished("a sentence"));
    }
    match sign {
        Some(sign) => Ok(Some(&text[text[..start].trim_end().len() - sign.len()..end])),
        None => Ok(Some(inner.trim())),
    }
}

/// A text without the marks at its end that close an emphasis begun in `before`, or in the text itself: `**18**`.
pub(super) fn without_closing_mark<'t>(before: Option<&str>, text: &'t str) -> &'t str {
    /// Places at which an opening mark is looked for.
    const PLACES: usize = 8;
    let mut text = text.trim_end();
    while let Some(mark) = text.chars().last().filter(|c| matches!(c, '*' | '_' | '`')) {
        let inner = text.trim_end_matches(mark);
        let run = &text[inner.len()..];
        if before.is_some() && inner.contains(run) {
            break;
        }
        let openers = before.unwrap_or(inner);
        let opened = openers.rmatch_indices(run).take(PLACES).any(|(at, _)| {
            let outside = openers[..at].chars().last().is_none_or(|c| !c.is_alphanumeric() && c != mark);
            outside && openers[at + run.len()..].chars().next().is_some_and(|c| !c.is_whitespace())
        });
        if inner.ends_with(char::is_whitespace) || inner.is_empty() || !opened {
            break;
        }
        text = inner;
    }
    text
}

/// Whether a text breaks off: behind an operator, a verb, a comma or a heading.
pub(super) fn ends_open(text: &str) -> bool {
    let last_line = text.trim_end().lines().last().unwrap_or_default();
    if last_line.starts_with('#') && !last_line.bytes().any(|b| b.is_ascii_digit()) && text.contains('\n') {
        return true;
    }
    let text = without_closing_mark(None, text);
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
                let mut ends = text[inside..].match_indices(close).map(|(e, _)| inside + e);
                // `\$` in a formula is a price.
                let end = ends.find(|e| *close != "$" || bytes[e - 1] != b'\\');
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
