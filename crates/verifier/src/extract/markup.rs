//! Spellings around mathematics that say nothing: Markdown's emphasis, backslashes doubled by JSON, a value repeated in brackets.

use std::borrow::Cow;

/// Words and signs that make a value in brackets a rounding of the one before.
const ABOUT: [&str; 9] = [
    "\\approx",
    "\\simeq",
    "≈",
    "\\text{approximately}",
    "\\text{approximately }",
    "\\text{about }",
    "approximately ",
    "approx. ",
    "about ",
];

/// The text of an answer as it is parsed.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for step in [halved_backslashes, without_emphasis, without_repetition] {
        if let Some(changed) = step(&text) {
            text = Cow::Owned(changed);
        }
    }
    text
}

/// `\\frac59` as `\frac59`: every backslash is doubled, and commands of two letters or more follow, so it is no line break.
fn halved_backslashes(text: &str) -> Option<String> {
    let mut rest = text;
    let mut commands = 0;
    while let Some(at) = rest.find('\\') {
        let run = rest[at..].bytes().take_while(|b| *b == b'\\').count();
        let behind = &rest[at + run..];
        let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        if run % 2 == 1 || run == 2 && letters == 1 {
            return None;
        }
        commands += usize::from(run == 2 && letters >= 2);
        rest = behind;
    }
    (commands > 0).then(|| text.replace("\\\\", "\\"))
}

/// Takes out the marks of `**18**` and `_18_`, where they stand around words and are no operators.
fn without_emphasis(text: &str) -> Option<String> {
    if !text.contains(['*', '_']) {
        return None;
    }
    let mut out = String::new();
    let (mut rest, mut done) = (text, 0);
    while let Some(at) = rest.find(['*', '_']) {
        let start = text.len() - rest.len() + at;
        let (mark, behind) = run(&text[start..]);
        let close = opens(&text[..start], behind).then(|| closing(behind, mark)).flatten();
        if let Some(close) = close {
            out.push_str(&text[done..start]);
            out.push_str(&behind[..close]);
            done = start + mark.len() + close + mark.len();
            rest = &text[done..];
        } else {
            rest = behind;
        }
    }
    (done > 0).then(|| out + &text[done..])
}

/// The run of one mark that a text begins with, and what follows.
fn run(text: &str) -> (&str, &str) {
    let mark = text.as_bytes()[0];
    text.split_at(text.bytes().take_while(|b| *b == mark).count())
}

/// Whether a mark between these begins an emphasis: behind a word or nothing, and right before what it emphasises.
fn opens(before: &str, behind: &str) -> bool {
    let spaced = before.is_empty() || before.ends_with(|c: char| c.is_whitespace() || c == '(');
    let last = before.trim_end().chars().last();
    spaced
        && last.is_none_or(|c| c.is_alphabetic() || matches!(c, '.' | ',' | ':' | ';' | '!' | '(' | '=' | '≈'))
        && behind.starts_with(|c: char| !c.is_whitespace())
}

/// Where the emphasis ends.
fn closing(text: &str, mark: &str) -> Option<usize> {
    let at = text.find(mark)?;
    let after = &text[at + mark.len()..];
    let ends = after.is_empty()
        || after.starts_with(|c: char| c.is_whitespace() || matches!(c, '.' | ',' | ';' | ':' | '!' | ')' | '%'));
    let content = &text[..at];
    // "a *b* 3" would be a product.
    let next = after.trim_start().chars().next();
    let product = mark.len() == 1 && next.is_some_and(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '=' | '('));
    (ends && !product && !content.is_empty() && !content.contains('\n') && !content.ends_with(char::is_whitespace))
        .then_some(at)
}

/// `\frac13\ (\approx 0.333)` as `\frac13 \approx 0.333`, and `0.5\ (50\%)`, which is no product, as two values.
fn without_repetition(text: &str) -> Option<String> {
    let inner = text.trim_end().strip_suffix(')')?;
    let open = inner.rfind('(')?;
    let head = inner[..open].strip_suffix("\\left").unwrap_or(&inner[..open]);
    let inner = inner[open + 1..].trim();
    let inner = inner.strip_suffix("\\right").unwrap_or(inner);
    let joined = head.trim_end().ends_with(['+', '-', '*', '/', '^', '_', '=', '{', '(', ',']);
    if joined || !head.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    if let Some(rounded) = ABOUT.iter().find_map(|about| inner.strip_prefix(about)) {
        return Some(format!("{head} \\approx {rounded}"));
    }
    let percent = inner.strip_suffix('%').map(|number| number.trim_end_matches('\\'))?;
    let number = !percent.is_empty() && percent.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    number.then(|| format!("{head}, {inner}"))
}
