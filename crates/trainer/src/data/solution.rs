//! The final answer that a written solution marks.

/// Answers without a mark count as such up to this many characters, in one line: longer ones are solutions.
const BARE_ANSWER: usize = 64;

/// Commands around a final answer.
const MARKS: [&str; 2] = [r"\boxed", r"\fbox"];

/// The final answer of a solution: what follows the last `####` (GSM8K), what the last `\boxed` or `\fbox` holds (MATH), or the
/// text itself when it is one short line (DAPO-Math-17k's processed form).
///
/// ```
/// use surefoot_trainer::data::answer_in;
///
/// assert_eq!(answer_in("48/2 = 24\n#### 1,072"), Some("1,072".into()));
/// assert_eq!(answer_in(r"so it is $\boxed{\frac{1}{2}}$."), Some(r"\frac{1}{2}".into()));
/// assert_eq!(answer_in("first this,\nthen that"), None);
/// ```
pub fn answer_in(solution: &str) -> Option<String> {
    if let Some((_, after)) = solution.rsplit_once("####") {
        return Some(after.trim().to_string()).filter(|answer| !answer.is_empty());
    }
    if MARKS.iter().any(|mark| solution.contains(mark)) {
        return last_boxed(solution).map(|boxed| boxed.trim().to_string()).filter(|answer| !answer.is_empty());
    }
    let text = solution.trim();
    let bare = !text.is_empty() && text.chars().count() <= BARE_ANSWER && !text.contains('\n');
    bare.then(|| text.to_string())
}

/// What stands in the last `\boxed{…}`, `\fbox{…}` or, as MATH has it in places, `\boxed 2`.
fn last_boxed(text: &str) -> Option<&str> {
    let start = MARKS.iter().filter_map(|mark| Some(text.rfind(mark)? + mark.len())).max()?;
    let rest = text[start..].trim_start();
    let Some(inside) = rest.strip_prefix('{') else {
        return rest.split(|c: char| c.is_whitespace() || c == '$').next().filter(|word| !word.is_empty());
    };
    let mut depth = 1;
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&inside[..at]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::answer_in;

    #[test]
    fn marks_are_found() {
        for (solution, answer) in [
            (r"\boxed{3} then \boxed{4}", Some("4")),
            (r"thus $\fbox{ -2 }$", Some("-2")),
            (r"is \boxed 2$.", Some("2")),
            (r"set $\boxed{\{1, 2\}}$", Some(r"\{1, 2\}")),
            (r"\boxed{a_{b_{c}}} and more", Some("a_{b_{c}}")),
            (r"\boxed{1", None),
            ("a #### b #### 7 ", Some("7")),
            ("no answer ####", None),
            ("34", Some("34")),
            ("", None),
        ] {
            assert_eq!(answer_in(solution).as_deref(), answer, "{solution}");
        }
        assert_eq!(answer_in(&"words ".repeat(20)), None);
    }
}
