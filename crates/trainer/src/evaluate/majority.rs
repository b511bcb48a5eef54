//! Majority vote: the answer that most samples of a problem give.
use surefoot_verifier::{Mode, Options, Verdict, extract, verify};

/// Share of the most frequent answers that is right: 1 or 0, or in between when several answers are equally frequent.
/// `samples` are completions and whether each is right; those without an answer do not vote.
///
/// ```
/// use surefoot_trainer::evaluate::majority;
///
/// let samples = [("The answer is 1/2.", true), ("\\boxed{0.5}", true), ("\\boxed{3}", false)];
/// assert_eq!(majority(samples.into_iter()), 1.0);
/// ```
pub fn majority<'a>(samples: impl Iterator<Item = (&'a str, bool)>) -> f64 {
    // No deadline: the vote must not depend on how busy the machine is.
    let options = Options { deadline: None, ..Options::default() };
    let mut votes: Vec<(String, usize, bool)> = Vec::new();
    for (text, right) in samples {
        let Ok(found) = extract(text, Mode::Lenient) else { continue };
        let answer = found.answer().trim();
        let same = votes.iter_mut().find(|(known, _, _)| {
            known == answer || verify(known, &format!("\\boxed{{{answer}}}"), &options).verdict == Verdict::Correct
        });
        match same {
            Some((_, count, any_right)) => {
                *count += 1;
                *any_right |= right;
            }
            None => votes.push((answer.to_string(), 1, right)),
        }
    }
    let most = votes.iter().map(|vote| vote.1).max().unwrap_or(0);
    let winners: Vec<bool> = votes.iter().filter(|vote| vote.1 == most).map(|vote| vote.2).collect();
    winners.iter().filter(|right| **right).count() as f64 / winners.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::majority;

    #[test]
    fn equal_answers_vote_together_and_ties_share() {
        let votes = |samples: &[(&str, bool)]| majority(samples.iter().copied());
        assert_eq!(votes(&[("#### 2", false), ("\\boxed{4}", true), ("\\boxed{2.0}", false)]), 0.0);
        assert_eq!(votes(&[("#### 2", true), ("\\boxed{4}", false)]), 0.5);
        assert_eq!(votes(&[("", false), ("\\boxed{4}", true)]), 1.0);
        assert_eq!(votes(&[("", false)]), 0.0);
    }
}
