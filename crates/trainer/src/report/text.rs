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

/// The first `most` characters, the last of them an ellipsis where something is left out.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_string(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{cut, short, shortened};

    #[test]
    fn what_is_left_out_is_told() {
        assert_eq!(shortened("naïve", 3), "naï … (2 characters more)");
        assert_eq!(shortened("naï", 3), "naï");
        assert_eq!((short(-1000.02), short(3.2e-7)), ("−1.0k".to_string(), "3.2e−7".to_string()));
        assert_eq!((cut("naïve", 3), cut("naï", 3)), ("na…".to_string(), "naï".to_string()));
    }
}
