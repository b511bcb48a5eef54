//! What an announcement says: an answer, a remark about the answer, or the beginning of a solution.

use super::spans;
use crate::parse::{number_word, turned};

/// Words that may stand before a value and say nothing.
const FILLERS: [&str; 24] = [
    "approximately",
    "about",
    "roughly",
    "around",
    "exactly",
    "simply",
    "just",
    "therefore",
    "thus",
    "then",
    "hence",
    "so",
    "only",
    "also",
    "actually",
    "really",
    "indeed",
    "clearly",
    "now",
    "the",
    "a",
    "an",
    "number",
    "option",
];
/// Words with which a remark begins.
const REMARKS: [&str; 18] = [
    "in",
    "as",
    "for",
    "rounded",
    "given",
    "correct",
    "reasonable",
    "consistent",
    "based",
    "obtained",
    "found",
    "expressed",
    "verified",
    "confirmed",
    "valid",
    "right",
    "simplified",
    "shown",
];
/// More words than this behind a value are not its unit.
const MAX_UNIT_WORDS: usize = 4;

/// A clause without the words before its value.
fn without_fillers(clause: &str) -> &str {
    let mut rest = clause.trim_start_matches(['*', '_', ' ']);
    while let Some((word, behind)) = rest.split_once(' ') {
        let word = word.trim_end_matches([',', ':']);
        if !FILLERS.iter().any(|filler| word.eq_ignore_ascii_case(filler)) {
            break;
        }
        rest = behind.trim_start_matches(['*', '_', ' ']);
    }
    rest
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphabetic() && c != '\'').next().unwrap_or_default()
}

/// Whether a clause begins with a number, a formula or the name of something.
pub(super) fn is_answer(clause: &str) -> bool {
    let rest = without_fillers(clause);
    let word = first_word(rest);
    match word.chars().count() {
        0 => !rest.is_empty(),
        1 => true,
        _ if number_word(word).is_some() || matches!(word, "negative" | "minus") => true,
        _ => {
            let digits = rest.bytes().any(|b| b.is_ascii_digit());
            word.starts_with(char::is_uppercase) && !digits && spans::prose_words(rest) <= spans::MAX_BARE_WORDS
        }
    }
}

/// Whether a clause is an answer and no step on the way to one, such as "16 - 3 = 13".
pub(super) fn is_plain_answer(clause: &str) -> bool {
    is_answer(clause)
        && !is_step(clause)
        // "5 apples are left over after she …"
        && spans::prose_words(without_fillers(clause)) <= 2 * spans::MAX_BARE_WORDS
}

/// Whether a clause works something out with numbers alone: "16 - 3 = 13", not "2x - 3 = 0" or "0.56 = 56\%".
pub(super) fn is_step(clause: &str) -> bool {
    let Some((left, _)) = without_fillers(clause).split_once('=') else { return false };
    let left = left.replace("\\times", "*").replace("\\cdot", "*").replace("\\div", "/").replace(" x ", "*");
    let left = left.trim_start_matches(['-', ' ']);
    left.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '$' | '('))
        && left.contains(['+', '-', '−', '*', '×', '/', '÷'])
        && !left.contains(char::is_alphabetic)
}

/// Whether a clause is one value with its unit, or one letter: something that an answer given before can contradict.
pub(super) fn is_bare_value(clause: &str) -> bool {
    let rest = without_fillers(clause);
    let word = first_word(rest);
    let begins = match word.chars().count() {
        0 => rest.bytes().any(|b| b.is_ascii_digit()) || is_choice(rest),
        1 => is_choice(rest) || rest.contains('=') && rest.bytes().any(|b| b.is_ascii_digit()),
        _ => number_word(word).is_some() || matches!(word, "negative" | "minus"),
    };
    begins && is_plain_answer(clause) && spans::prose_words(rest) <= MAX_UNIT_WORDS
}

fn is_choice(text: &str) -> bool {
    let text = text.trim_matches(|c: char| matches!(c, '(' | ')' | '.' | '*' | ' '));
    matches!(text.as_bytes(), [b'A'..=b'J'])
}

/// Whether a clause only says something about the answer: "rounded to 2 places", "reasonable".
pub(super) fn is_remark(clause: &str) -> bool {
    let word = first_word(clause);
    REMARKS.contains(&word) || !is_answer(clause) && !clause.bytes().any(|b| b.is_ascii_digit())
}

/// "half of 36": the value in the clause is not the one it speaks of.
pub(super) fn is_turned(clause: &str) -> bool {
    clause.find(|c: char| c.is_ascii_digit()).is_some_and(|at| turned(&clause[..at]))
}

/// Whether the word "answer" behind this text is a verb: "to answer this".
pub(super) fn is_verb(before: &str) -> bool {
    let last = last_word(before);
    ["to", "me", "us", "let's", "let’s"].iter().any(|word| last.eq_ignore_ascii_case(word))
}

/// Whether something is done to the answer behind this text: "to check the answer".
pub(super) fn is_object(before: &str) -> bool {
    const DONE: [&str; 22] = [
        "check",
        "checking",
        "double-check",
        "double-checking",
        "verify",
        "verifying",
        "verification",
        "confirm",
        "confirming",
        "find",
        "finding",
        "get",
        "getting",
        "estimate",
        "estimating",
        "compute",
        "computing",
        "calculate",
        "determine",
        "obtain",
        "derive",
        "of",
    ];
    let last = last_word(before);
    let article = ["the", "this", "our", "my", "that", "final"].iter().any(|word| last.eq_ignore_ascii_case(word));
    let before = if article { before[..before.len() - last.len()].trim_end() } else { before };
    let verb = last_word(before);
    article && DONE.iter().any(|done| verb.eq_ignore_ascii_case(done))
}

fn last_word(text: &str) -> &str {
    text.rsplit(|c: char| !c.is_alphabetic() && !matches!(c, '\'' | '’' | '-')).next().unwrap_or_default()
}
