//! Numbers and texts as HTML.

/// The text with what HTML gives a meaning written out; control characters, which HTML cannot hold, are shown as `�`.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            _ if character.is_control() => safe.push('\u{fffd}'),
            _ => safe.push(character),
        }
    }
    safe
}

/// The first `most` characters, with what was left out told.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_string(),
        Some((end, _)) => format!("{} … ({} characters more)", &text[..end], text[end..].chars().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::{escape, shortened};

    #[test]
    fn texts_cannot_become_markup() {
        assert_eq!(escape("<script>\"&'\u{0}\n"), "&lt;script&gt;&quot;&amp;&#39;\u{fffd}\n");
        assert_eq!(shortened("naïve", 3), "naï … (2 characters more)");
        assert_eq!(shortened("naï", 3), "naï");
    }
}
