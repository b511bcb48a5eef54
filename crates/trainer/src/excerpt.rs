//! Texts of others in our messages: a server's, a program's.

/// The beginning of a text, up to `most` characters, on one line and without what a terminal would obey; "nothing" where there is none.
pub(crate) fn excerpt(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut characters = text.split_whitespace().flat_map(|word| word.chars().chain([' ']));
    for character in characters.by_ref().take(most) {
        match character {
            character if character.is_control() => line.extend(character.escape_default()),
            character => line.push(character),
        }
    }
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
    use super::excerpt;

    #[test]
    fn a_terminal_is_not_spoken_to() {
        assert_eq!(excerpt("gone\n away", 80), "gone away");
        assert_eq!(excerpt("\x1b[2J\u{9b}31m", 80), "\\u{1b}[2J\\u{9b}31m");
        assert_eq!(excerpt("abcdef", 3), "abc …");
        assert_eq!(excerpt("abc \n", 3), "abc");
        assert_eq!(excerpt(" \n", 3), "nothing");
    }
}
