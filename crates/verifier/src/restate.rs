//! What a text says, in texts that say it by themselves.

use crate::budget::{Budget, Outcome, Stop};
use crate::expr::Arena;
use crate::extract::{self, Extraction, Rule, extract};
use crate::form::Form;
use crate::options::{Mode, Options};
use crate::parse::parse_within;
use crate::show;
use crate::verdict::Why;

/// A longer reading is left out: the piece that was read says the same.
const MAX_READING: usize = 2_000;

/// How a text reads, and the piece of it that was read.
///
/// Each of the texts returned means what `text` does, both as a gold answer and as an answer, so they may be stored and given to [`verify`](crate::verify())
/// one by one. The reading is the preferred one, in the notation of reports, and the piece comes last. A text that gives several answers
/// is returned as it is, as no piece of it says that.
///
/// # Errors
/// [`Why`] nothing could be read, also in a text that only says that there is no answer ("I do not know", "N/A").
///
/// ```
/// use surefoot_verifier::{Options, restate};
/// let said = restate(r"Therefore it is $\boxed{\frac{\sqrt{8}}{2}}$.", &Options::default()).unwrap();
/// assert_eq!(said, ["sqrt(8)/2", r"\frac{\sqrt{8}}{2}"]);
/// ```
pub fn restate(text: &str, options: &Options) -> Result<Vec<String>, Why> {
    let mut reader =
        Reader { arena: Arena::default(), budget: Budget::new(options.max_steps, options.deadline), options };
    let (piece, forms) = reader.piece(text)?;
    let Some(piece) = piece else { return Ok(vec![text.to_owned()]) };
    let reading = forms.first().and_then(|form| reader.reading(form));
    let piece = alone(piece).unwrap_or_else(|| text.to_owned());
    Ok(vec![reading.unwrap_or_else(|| piece.clone()), piece])
}

struct Reader<'a> {
    arena: Arena,
    budget: Budget,
    options: &'a Options,
}

impl Reader<'_> {
    fn parse(&mut self, text: &str) -> Outcome<Vec<Form>> {
        parse_within(text, self.options.max_answer_bytes, &mut self.arena, &mut self.budget)
    }

    /// The piece that answers, and its readings; no piece where the text gives several answers.
    fn piece<'t>(&mut self, text: &'t str) -> Result<(Option<&'t str>, Vec<Form>), Why> {
        let gold = extract::gold(text);
        let found = extract(text, Mode::Lenient);
        let refused = |found: &Extraction<'_>| extract::is_refusal(found.answer());
        if extract::is_refusal(gold) || extract::is_placeholder(gold) || found.as_ref().is_ok_and(refused) {
            return Err(Why::NoAnswer);
        }
        if let Ok(found) = &found
            && (found.answers.iter().any(|answer| *answer != found.answer()) || !found.rivals.is_empty())
        {
            return Ok((None, Vec::new()));
        }
        // A long formula is no sentence of which the last number counts.
        let whole = found.as_ref().is_ok_and(|found| !is_explicit(found.rule) && !extract::is_wordy(gold));
        let why = match (self.parse(gold), found) {
            (Ok(forms), Ok(found)) if whole || found.answer() == gold => return Ok((Some(gold), forms)),
            // A long formula, or words that are a gold answer; a text that breaks off, or a question, says nothing.
            (Ok(forms), Err(Why::NoAnswer)) if !extract::is_wordy(gold) || matches!(forms[..], [Form::Text(_)]) => {
                return Ok((Some(gold), forms));
            }
            (_, Err(why)) => return Err(why),
            (as_gold, Ok(found)) => {
                if let Some(read) = self.found(text, found) {
                    return Ok(read);
                }
                match as_gold {
                    Ok(forms) => return Ok((Some(gold), forms)),
                    Err(why) => why,
                }
            }
        };
        Err(match why {
            Stop::Unreadable(why) => why,
            Stop::Budget => Why::Invalid("more steps than the budget allows"),
        })
    }

    /// The answer that was found, or that stands in a sentence which does not read as a whole.
    fn found<'t>(&mut self, text: &'t str, found: Extraction<'t>) -> Option<(Option<&'t str>, Vec<Form>)> {
        let answer = found.answer();
        if let Ok(forms) = self.parse(answer) {
            return Some((Some(answer), forms));
        }
        let statement = extract::in_prose(text).filter(|_| found.rule == Rule::Whole)?;
        let forms = self.parse(statement.answer()).ok()?;
        Some((Some(statement.answer()), forms))
    }

    /// One form as a text that was seen to read as the same.
    fn reading(&mut self, form: &Form) -> Option<String> {
        let shown = show::reading(form, &self.arena, MAX_READING)?;
        let again = self.parse(&shown).ok()?;
        let same = |again: &Form| show::reading(again, &self.arena, MAX_READING).as_deref() == Some(shown.as_str());
        if again.iter().any(same) { alone(&shown) } else { None }
    }
}

fn is_explicit(rule: Rule) -> bool {
    match rule {
        Rule::AnswerTag | Rule::Boxed | Rule::Hashes | Rule::FinalAnswer | Rule::Whole => true,
        Rule::MathSpan | Rule::LastNumber => false,
    }
}

/// A text in which `answer` is found, and nothing else: itself where that is so, or a box around it.
fn alone(answer: &str) -> Option<String> {
    let says = |text: &String| {
        let found = extract(text, Mode::Lenient);
        extract::gold(text) == answer && found.is_ok_and(|found| found.answers == [answer] && found.rivals.is_empty())
    };
    Some(answer.to_owned()).filter(says).or_else(|| Some(format!("\\boxed{{{answer}}}")).filter(says))
}
