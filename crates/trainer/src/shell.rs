//! Arguments of commands that a person is told to type.

use std::path::Path;
use std::sync::OnceLock;

static PROGRAM: OnceLock<String> = OnceLock::new();

/// How this program is called in commands: `surefoot`, unless [`name_program`] was told otherwise.
pub fn program() -> &'static str {
    PROGRAM.get().map_or("surefoot", String::as_str)
}

/// Names the program as it was called, for one that holds surefoot and more. To be called once, before anything else.
pub fn name_program(path: &Path) {
    PROGRAM.get_or_init(|| argument(path));
}

/// Characters that no shell reads as anything else.
const PLAIN: &str = "_@%+=:,./-";

/// `path` as an argument: in single quotes where a shell would read it as something else.
pub fn argument(path: &Path) -> String {
    let text = path.display().to_string();
    // Behind a flag it would be taken for another one.
    let text = if text.starts_with('-') { format!("./{text}") } else { text };
    if !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || PLAIN.contains(c)) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::argument;

    #[test]
    fn what_a_shell_would_change_is_quoted() {
        for (path, wanted) in [
            ("runs/demo-2/checkpoints/step-1", "runs/demo-2/checkpoints/step-1"),
            ("runs/Läufe", "runs/Läufe"),
            ("my runs/a", "'my runs/a'"),
            ("$HOME;~`*\"", "'$HOME;~`*\"'"),
            ("it's", "'it'\\''s'"),
            ("-x", "./-x"),
            ("", "''"),
        ] {
            assert_eq!(argument(path.as_ref()), wanted);
        }
    }
}
