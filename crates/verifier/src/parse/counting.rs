//! Numbers in words: "twenty five", "two thirds".

use dashu_ratio::RBig;

use super::Parser;
use crate::lex::token::Tok;

/// Small numbers in English.
pub(crate) fn number_word(word: &str) -> Option<i64> {
    const WORDS: [&str; 21] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let word = word.to_ascii_lowercase();
    if let Some(at) = WORDS.iter().position(|w| *w == word) {
        return Some(at as i64);
    }
    TENS.iter().position(|w| *w == word).map(|at| 10 * (at as i64 + 2)).or(if word == "hundred" {
        Some(100)
    } else {
        None
    })
}

/// "million" and its like.
pub(super) fn scale(word: &str) -> Option<RBig> {
    Some(RBig::from(match word {
        "hundred" => 100i64,
        "thousand" => 1_000,
        "million" => 1_000_000,
        "billion" => 1_000_000_000,
        "trillion" => 1_000_000_000_000,
        "dozen" => 12,
        _ => return None,
    }))
}

/// "half", "thirds", "fifths": into how many parts one is cut.
fn parts_of_one(word: &str, single: bool) -> Option<i64> {
    let part = match (word, single) {
        ("half", true) | ("halves", false) => return Some(2),
        (_, true) => word,
        (_, false) => word.strip_suffix('s')?,
    };
    Some(match part {
        "third" => 3,
        "quarter" | "fourth" => 4,
        "fifth" => 5,
        "sixth" => 6,
        "seventh" => 7,
        "eighth" => 8,
        "ninth" => 9,
        "tenth" => 10,
        "twelfth" => 12,
        _ => return None,
    })
}

impl Parser<'_> {
    /// "twenty five", "three hundred", "two thirds".
    pub(super) fn number_in_words(&mut self, words: &[&str]) -> Option<u32> {
        if let Some((parts, count)) = words.split_last()
            && let Some(parts) = parts_of_one(parts, matches!(count, [] | ["one"]))
        {
            let count = if count.is_empty() { self.arena.integer(1) } else { self.number_in_words(count)? };
            let parts = self.arena.integer(parts);
            return self.arena.div(count, parts, self.budget).ok();
        }
        let mut total = 0i64;
        let mut current = 0i64;
        let mut last = 0;
        for (at, word) in words.iter().enumerate() {
            if *word == "and" {
                continue;
            }
            if let Some(n) = number_word(word).filter(|n| *n != 100) {
                if at > 0 && (last == 1 && (n >= 10 || current % 10 != 0)) {
                    return None;
                }
                current += n;
                last = 1;
            } else if *word == "hundred" && current > 0 {
                current *= 100;
                last = 2;
            } else if let Some(scale) = scale(word).filter(|_| current > 0 && *word != "dozen") {
                total += current.checked_mul(crate::expr::build_small(&scale)?)?;
                current = 0;
                last = 2;
            } else if at > 0 && at + 1 == words.len() {
                // A counted noun: "four apples".
                break;
            } else {
                return None;
            }
        }
        (last > 0).then(|| self.arena.integer(total + current))
    }

    /// Whether the "and" here stands within a number: "one hundred and five".
    pub(super) fn counts_on(&self, ahead: usize, words: &[String]) -> bool {
        let scaled = words.last().is_some_and(|word| scale(word).is_some());
        scaled && words.len() > 1 && self.token(ahead + 1).tok == Tok::Word && {
            let next = self.token(ahead + 1);
            number_word(&self.text[next.start as usize..next.end as usize]).is_some()
        }
    }
}
