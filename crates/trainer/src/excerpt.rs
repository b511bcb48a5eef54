//! Texts of others in our messages: a server's, a program's, a part of a file.

/// A text without what a terminal would obey: control characters other than line ends and tabs are escaped.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() && !matches!(character, '\n' | '\t') {
            true => plain.extend(character.escape_default()),
            false => plain.push(character),
        }
    }
    plain
}

/// The beginning of a text, up to `most` characters, on one line and without what a terminal would obey; "nothing" where there is none.
pub(crate) fn excerpt(text: &str, most: usize) -> String {
    let mut characters = text.split_whitespace().flat_map(|word| word.chars().chain([' ']));
    let line = plain(&characters.by_ref().take(most).collect::<String>());
    let more = characters.any(|character| character != ' ');
    let line = line.trim_end();
    match (line.is_empty(), more) {
        (true, _) => "nothing".to_string(),
        (false, true) => format!("{line} …"),
        (false, false) => line.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{excerpt, plain};

    #[test]
    fn a_message_moves_no_cursor() {
        assert_eq!(plain("two\nlines\t\x1b[2J é\u{9b}"), "two\nlines\t\\u{1b}[2J é\\u{9b}");
    }

    #[test]
    fn a_terminal_is_not_spoken_to() {
        assert_eq!(excerpt("gone\n away", 80), "gone away");
        assert_eq!(excerpt("\x1b[2J\u{9b}31m", 80), "\\u{1b}[2J\\u{9b}31m");
        assert_eq!(excerpt("abcdef", 3), "abc …");
        assert_eq!(excerpt("abc \n", 3), "abc");
        assert_eq!(excerpt(" \n", 3), "nothing");
    }
}
