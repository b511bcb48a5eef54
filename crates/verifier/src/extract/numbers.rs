//! The last number of a text.

use super::spans;
use crate::parse::is_sign;
use crate::verdict::Why;

/// The last number with its sign, currency, fraction and percent sign; joined with the one before it where "or" stands between.
pub(super) fn last(text: &str) -> Result<Option<&str>, Why> {
    let text = text.trim_end();
    let Some((mut start, end)) = number_before(text, text.len()) else { return Ok(None) };
    let behind = &text[end..];
    // "less than 10", "10 or more", "10 squared" are not 10.
    let sign = text[..start].trim_end_matches(['$', ' ']).split_whitespace().last().filter(|word| is_sign(word));
    if spans::is_qualified(text[..start].trim_end_matches('$'), behind.trim_start_matches('$')) && sign.is_none() {
        return Ok(None);
    }
    if let Some(word) = sign {
        start = text[..start].trim_end_matches(['$', ' ']).len() - word.len();
    }
    if spans::ends_open(text) || behind.contains('?') {
        return Err(Why::Unfinished("a sentence"));
    }
    // "5 or 7" offers two answers, and must be read as two.
    while let Some((before, before_end)) = number_before(text, start) {
        let between = text[before_end..start].trim();
        let range = between == "and" && text[..before].contains("etween ");
        if range || between == "or" || between.ends_with(" or") && !between.contains(['.', '\n']) {
            start = before;
        } else {
            break;
        }
    }
    Ok(Some(&text[start..end]))
}

/// Byte range of the last number that ends at or before `limit`.
fn number_before(text: &str, limit: usize) -> Option<(usize, usize)> {
    let bytes = &text.as_bytes()[..limit];
    let mut end = bytes.iter().rposition(u8::is_ascii_digit)? + 1;
    let mut start = end - 1;
    let inner = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'/');
    while start > 0 && inner(bytes[start - 1]) {
        start -= 1;
    }
    while matches!(bytes[start], b'.' | b',' | b'/') && !(bytes[start] == b'.' && bytes[start + 1].is_ascii_digit()) {
        start += 1;
    }
    if start > 0 && bytes[start - 1] == b'$' {
        start -= 1;
    }
    if start > 0 && bytes[start - 1] == b'-' && (start == 1 || !bytes[start - 2].is_ascii_alphanumeric()) {
        start -= 1;
    }
    if bytes.get(end) == Some(&b'%') {
        end += 1;
    }
    Some((start, end))
}
