//! Names of variables and functions.

use crate::lex::is_greek;

/// How a name is written: `x_{12}`, `\alpha'`, and `\name{…}` where the parser put it together from something else.
pub(super) fn spelling(name: &str) -> Option<String> {
    let (plain, primes) = name.split_at(name.trim_end_matches('\'').len());
    let (letter, subscript) = plain.split_once('_').map_or((plain, None), |(letter, below)| (letter, Some(below)));
    let letter = match letter.as_bytes() {
        // These alone are constants.
        [b'e' | b'i'] => None,
        [letter] if letter.is_ascii_alphabetic() => Some(char::from(*letter).to_string()),
        _ if is_greek(letter) => Some(format!("\\{letter}")),
        _ => None,
    };
    let below = match subscript {
        Some(below) if !below.is_empty() && below.bytes().all(|b| b.is_ascii_alphanumeric()) => format!("_{{{below}}}"),
        None => String::new(),
        Some(_) => return escaped(name),
    };
    letter.map(|letter| format!("{letter}{below}{primes}")).or_else(|| escaped(name))
}

fn escaped(name: &str) -> Option<String> {
    let fits = !name.is_empty() && !name.contains(['{', '}']) && !name.ends_with('\\');
    fits.then(|| format!("\\name{{{name}}}"))
}
