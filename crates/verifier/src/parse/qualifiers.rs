//! Words before or behind a value that make it another one: "half of 36", "at least 10", "10 or more".

/// Words that say what an answer is not.
pub(crate) fn denies(word: &str) -> bool {
    matches!(
        word.to_ascii_lowercase().as_str(),
        "not"
            | "neither"
            | "nor"
            | "never"
            | "between"
            | "cannot"
            | "can't"
            | "isn't"
            | "aren't"
            | "wasn't"
            | "won't"
            | "wouldn't"
            | "couldn't"
            | "shouldn't"
            | "doesn't"
            | "longer"
    )
}

/// Words that, right before a value, turn it into another value or into a bound. `previous` is the word before.
pub(crate) fn changes(previous: &str, word: &str) -> bool {
    match word.to_ascii_lowercase().as_str() {
        "least" | "most" => previous.eq_ignore_ascii_case("at"),
        "to" => previous.eq_ignore_ascii_case("up"),
        // "not 12 but 10" is 10.
        "but" => ["anything", "everything", "all", "any"].iter().any(|word| previous.eq_ignore_ascii_case(word)),
        "half" | "twice" | "thrice" | "double" | "triple" | "quadruple" | "quarter" | "square" | "cube" | "root"
        | "reciprocal" | "inverse" | "opposite" | "factorial" | "than" | "over" | "under" | "above" | "below"
        | "beyond" | "exceeding" | "except" | "excluding" => true,
        _ => false,
    }
}

/// "negative 10"
pub(crate) fn is_sign(word: &str) -> bool {
    matches!(word, "negative" | "minus" | "Negative" | "Minus")
}

/// Words that, right behind a value, turn it into another one: "10 squared".
pub(crate) fn is_power(word: &str) -> bool {
    matches!(word, "squared" | "cubed" | "factorial")
}

/// What follows "or" where a value is only a bound: "10 or more".
pub(crate) fn is_bound(word: &str) -> bool {
    matches!(
        word,
        "more"
            | "less"
            | "fewer"
            | "greater"
            | "larger"
            | "bigger"
            | "smaller"
            | "higher"
            | "lower"
            | "above"
            | "below"
            | "over"
            | "under"
            | "up"
            | "beyond"
            | "later"
            | "earlier"
            | "older"
            | "younger"
            | "longer"
            | "shorter"
    )
}

/// Whether the words of a text, which end right before a value, deny or change it. What stands before a verb or a comma is said of
/// something else: "half of the eggs is 18".
pub(crate) fn turned(before: &str) -> bool {
    /// Words among which a denial is looked for, and words so near to the value that they may change it.
    const NEAR: usize = 6;
    const NEXT: usize = 3;
    let clause = before.rsplit([',', ':', ';', '=', '\n', '!', '?']).next().unwrap_or(before);
    let clause = clause.rsplit(". ").next().unwrap_or(clause);
    let words = clause.split(|c: char| c.is_whitespace() || matches!(c, '*' | '_' | '$' | '(' | '{' | '}' | '~'));
    let words: Vec<&str> =
        words.map(|word| word.trim_matches(|c: char| !c.is_alphabetic())).filter(|word| !word.is_empty()).collect();
    let mut direct = true;
    for (distance, word) in words.iter().rev().take(NEAR).enumerate() {
        let previous = words.iter().rev().nth(distance + 1).copied().unwrap_or_default();
        let changes = changes(previous, word);
        if word.eq_ignore_ascii_case("but") && !changes {
            return false;
        }
        direct = direct && distance < NEXT && !separates(word);
        if denies(&word.replace('’', "'")) || direct && changes {
            return true;
        }
    }
    false
}

/// Verbs and prepositions behind which a new thing is said.
fn separates(word: &str) -> bool {
    matches!(
        word,
        "is" | "are"
            | "be"
            | "was"
            | "were"
            | "equals"
            | "equal"
            | "makes"
            | "gives"
            | "leaves"
            | "has"
            | "have"
            | "that"
            | "which"
            | "so"
            | "for"
            | "with"
            | "by"
            | "and"
    )
}
