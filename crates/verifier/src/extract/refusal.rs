//! Texts that say that they have no answer.

/// Beginnings of such a text, in lower case and without apostrophes.
const BEGINNINGS: [&str; 24] = [
    "i do not know",
    "i dont know",
    "do not know",
    "dont know",
    "idk",
    "i have no idea",
    "no idea",
    "not sure",
    "unsure",
    "i am not sure",
    "im not sure",
    "i am unsure",
    "im unsure",
    "i cannot",
    "i can not",
    "i cant",
    "i could not",
    "i couldnt",
    "i am unable",
    "im unable",
    "unable to",
    "i give up",
    "i am not able",
    "im not able",
];
/// A text of more bytes says more than that.
const MAX_BYTES: usize = 240;

/// Whether a text only says that its writer has no answer: "I do not know". "Cannot be determined" is an answer.
pub(crate) fn is_refusal(text: &str) -> bool {
    if text.len() > MAX_BYTES || text.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let text = text.trim_start_matches(|c: char| !c.is_alphabetic() && c != '\\');
    let text =
        ["\\text{", "\\textbf{", "\\mathrm{"].iter().find_map(|command| text.strip_prefix(command)).unwrap_or(text);
    let plain: String =
        text.trim_start().chars().filter(|c| !matches!(c, '\'' | '’')).flat_map(char::to_lowercase).collect();
    let words = plain.strip_prefix("sorry").map_or(plain.as_str(), |rest| rest.trim_start_matches([',', ' ', '.']));
    BEGINNINGS.iter().any(|beginning| {
        words.strip_prefix(beginning).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
    })
}

/// Whether a gold answer says that there is none, as tables do: "N/A", "unknown", "[invalid]". "None" is an answer, the empty set.
pub(crate) fn is_placeholder(gold: &str) -> bool {
    let plain = gold.trim().strip_prefix("\\text{").and_then(|inner| inner.strip_suffix('}')).unwrap_or(gold).trim();
    if plain.len() > 12 {
        return false;
    }
    let plain = plain.to_lowercase();
    let bracketed = plain.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    match bracketed {
        Some(inner) => matches!(inner, "invalid" | "unknown" | "missing" | "none" | "null" | "nan" | "n/a"),
        None => matches!(plain.as_str(), "n/a" | "unknown" | "null" | "nan" | "<na>" | "tbd"),
    }
}
