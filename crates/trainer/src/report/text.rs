//! Numbers and texts as a page shows them.

/// The first `most` characters, with what was left out told.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_string(),
        Some((end, _)) => format!("{} … ({} characters more)", &text[..end], text[end..].chars().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn what_is_left_out_is_told() {
        assert_eq!(shortened("naïve", 3), "naï … (2 characters more)");
        assert_eq!(shortened("naï", 3), "naï");
    }
}
