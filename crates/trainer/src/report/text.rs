//! Numbers and texts as a page shows them.

/// A number as in the terminal, with the minus sign of the axes.
pub(super) fn short(value: f64) -> String {
    crate::progress::short(value).replace('-', "−")
}

/// The first `most` characters, with what was left out told.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_string(),
        Some((end, _)) => format!("{} … ({} characters more)", &text[..end], text[end..].chars().count()),
    }
}

/// At most `most` characters; names of runs differ at their ends, so what is too long is cut in the middle.
pub(super) fn cut(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_string();
    }
    let kept = most.saturating_sub(1);
    let (begin, end) = (kept / 2, kept - kept / 2);
    text.chars().take(begin).chain(['…']).chain(text.chars().skip(count - end)).collect()
}

#[cfg(test)]
mod tests {
    use super::{cut, short, shortened};

    #[test]
    fn what_is_left_out_is_told() {
        assert_eq!(shortened("naïve", 3), "naï … (2 characters more)");
        assert_eq!(shortened("naï", 3), "naï");
        assert_eq!((short(-1000.02), short(3.2e-7)), ("−1.0k".to_string(), "3.2e−7".to_string()));
        assert_eq!((cut("naïvely", 4), cut("naï", 3)), ("n…ly".to_string(), "naï".to_string()));
    }
}
