//! Finding the answer in a model's text.

mod boxed;
mod hashes;
mod markup;
mod numbers;
mod phrase;
mod refusal;
mod remark;
mod spans;
mod tags;

use std::fmt;

pub(crate) use markup::plain;
pub(crate) use refusal::{is_placeholder, is_refusal};

use crate::options::{Format, Mode};
use crate::verdict::Why;

/// The rule by which an answer was found, the most explicit first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// `<answer>…</answer>`.
    AnswerTag,
    /// `\boxed{…}` or `\fbox{…}`.
    Boxed,
    /// A line `#### 72`.
    Hashes,
    /// "the final answer is …", "Answer: …".
    FinalAnswer,
    /// The whole text is the answer.
    Whole,
    /// The last formula: `$…$`, `\(…\)`, `\[…\]`.
    MathSpan,
    /// The last number of a finished sentence.
    LastNumber,
}

impl Rule {
    /// A short name for logs: `boxed`, `last-number` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Rule::AnswerTag => "answer-tag",
            Rule::Boxed => "boxed",
            Rule::Hashes => "hashes",
            Rule::FinalAnswer => "final-answer",
            Rule::Whole => "whole-text",
            Rule::MathSpan => "math-span",
            Rule::LastNumber => "last-number",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What [`extract`] found: borrowed pieces of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extraction<'a> {
    /// The rule that fired.
    pub rule: Rule,
    /// Every answer that the rule found, in the order of the text; never empty.
    pub answers: Vec<&'a str>,
    /// Later statements of the text that must not contradict the answers, such as "or 7" behind a box.
    pub rivals: Vec<&'a str>,
}

impl<'a> Extraction<'a> {
    fn new(rule: Rule, answers: Vec<&'a str>) -> Self {
        Extraction { rule, answers, rivals: Vec::new() }
    }

    /// The last answer, which counts where they agree.
    pub fn answer(&self) -> &'a str {
        self.answers.last().copied().unwrap_or_default()
    }
}

/// Finds the answer in `text`.
///
/// Lenient mode looks, after the last `</think>` and up to a token that ends the text (`<|im_end|>`), for `<answer>`, `\boxed`,
/// `####`, "answer is", and then takes the whole text if it is short, the last formula, or the last number of a finished sentence.
/// Strict mode accepts the required format alone.
///
/// # Errors
/// [`Why::NoAnswer`], [`Why::Unfinished`] where the text ends inside its answer, and [`Why::Format`] in strict mode.
///
/// ```
/// use surefoot_verifier::{Mode, Rule, extract};
/// let found = extract(r"Thus $x=4$ and the total is $\boxed{\frac{1}{2}}$.", Mode::Lenient).unwrap();
/// assert_eq!((found.rule, found.answer()), (Rule::Boxed, r"\frac{1}{2}"));
/// assert!(extract(r"Thus \boxed{\frac{1}", Mode::Lenient).is_err());
/// ```
pub fn extract(text: &str, mode: Mode) -> Result<Extraction<'_>, Why> {
    match mode {
        Mode::Lenient => lenient(text),
        Mode::Strict(format) => strict(text, format),
    }
}

/// Answers beyond this number are a repetition; the last ones count.
const MAX_ANSWERS: usize = 64;

fn strict(text: &str, format: Format) -> Result<Extraction<'_>, Why> {
    match format {
        Format::Boxed => match boxed::boxes(tags::after_think(text)?)? {
            boxes if boxes.is_empty() => Err(Why::Format("\\boxed{…}")),
            boxes => Ok(Extraction::new(Rule::Boxed, boxes)),
        },
        Format::Answer => inside_tag(tags::only_answer(text)?),
        Format::ThinkAnswer => inside_tag(tags::think_answer(text)?),
        Format::Hashes => {
            let last = text.trim_end().lines().last().unwrap_or_default();
            match last.trim_start().strip_prefix("####").map(str::trim) {
                Some(answer) if !answer.is_empty() => Ok(Extraction::new(Rule::Hashes, vec![answer])),
                _ => Err(Why::Format("a last line \"#### answer\"")),
            }
        }
    }
}

/// The content of an answer tag, unwrapped once more where it holds a box.
fn inside_tag(content: &str) -> Result<Extraction<'_>, Why> {
    let boxes = boxed::boxes(content)?;
    if !boxes.is_empty() {
        return Ok(Extraction { rule: Rule::AnswerTag, answers: boxes, rivals: boxed::alternatives(content) });
    }
    if let Some(found) = phrase::final_answers(content)? {
        return Ok(Extraction::new(Rule::AnswerTag, found));
    }
    let content = spans::unwrap(content);
    if content.is_empty() {
        return Err(Why::NoAnswer);
    }
    Ok(Extraction::new(Rule::AnswerTag, vec![content]))
}

fn lenient(text: &str) -> Result<Extraction<'_>, Why> {
    let text = tags::after_thoughts(text)?;
    let tagged = tags::answers(text)?;
    if !tagged.is_empty() {
        let mut all = Extraction::new(Rule::AnswerTag, Vec::new());
        for content in &tagged[tagged.len().saturating_sub(MAX_ANSWERS)..] {
            let mut one = inside_tag(content)?;
            // A solution in its tag, not an answer alone.
            if (is_wordy(content) || content.contains('\n') && spans::is_prose(content))
                && one.answer() == spans::unwrap(content)
                && let Ok(statement) = last_statement(content)
            {
                one.answers = statement.answers;
            }
            all.answers.extend(one.answers);
            all.rivals.extend(one.rivals);
        }
        // A box outside the tag is a second statement of the answer.
        all.rivals.extend(boxed::boxes(tags::outside_answers(text))?);
        return Ok(all);
    }
    let boxes = boxed::boxes(text)?;
    if !boxes.is_empty() {
        let mut rivals = boxed::alternatives(text);
        rivals.extend(hashes::values(text));
        rivals.extend(phrase::statements_after_last_box(text));
        return Ok(Extraction { rule: Rule::Boxed, answers: boxes, rivals });
    }
    let hashes = hashes::answers(text);
    if !hashes.is_empty() {
        return Ok(Extraction::new(Rule::Hashes, hashes));
    }
    if let Some(found) = phrase::final_answers(text)? {
        return Ok(Extraction::new(Rule::FinalAnswer, found));
    }
    let whole = spans::unwrap(text);
    if whole.is_empty() {
        return Err(Why::NoAnswer);
    }
    if spans::is_bare(whole) {
        return Ok(Extraction::new(Rule::Whole, vec![whole]));
    }
    last_statement(text)
}

/// The rules for prose: the last formula or number.
fn last_statement(text: &str) -> Result<Extraction<'_>, Why> {
    if let Some(span) = spans::last(text)? {
        return Ok(Extraction::new(Rule::MathSpan, vec![span]));
    }
    match numbers::last(text)? {
        Some(number) => Ok(Extraction::new(Rule::LastNumber, vec![number])),
        None => Err(Why::NoAnswer),
    }
}

/// The text before an exclamation mark in prose: "The answer is 18!" may say 18 and 18 factorial. A formula says the latter alone.
pub(crate) fn without_exclamation<'a>(text: &str, answer: &'a str) -> Option<&'a str> {
    let number = answer.strip_suffix('!')?.trim_end_matches(['*', '_']);
    let plain = number.ends_with(|c: char| c.is_ascii_digit()) && !number.contains(['\\', '^', '!', '(']);
    let alone = spans::unwrap(text).len() == answer.len() && !text.contains('*');
    // `answer` is a part of `text`.
    let end = (answer.as_ptr() as usize + answer.len()).checked_sub(text.as_ptr() as usize)?;
    let behind = text.get(end..)?.trim_start();
    let formula = behind.starts_with('$') || behind.starts_with("\\)") || behind.starts_with("\\]");
    (plain && !formula && !(alone && spans::prose_words(answer) == 0)).then_some(number)
}

/// What a short text states, where the whole of it could not be read: only prose has a last statement.
pub(crate) fn in_prose(text: &str) -> Option<Extraction<'_>> {
    let text = tags::after_thoughts(text).ok()?;
    if spans::is_prose(text) { last_statement(text).ok() } else { None }
}

/// Whether a text is a sentence of a script without spaces that has a number in it.
pub(crate) fn counts_in_ideographs(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit()) && text.chars().any(spans::is_ideograph)
}

/// Whether a text has more words than an answer that is no sentence.
pub(crate) fn is_wordy(text: &str) -> bool {
    spans::prose_words(text) > spans::MAX_BARE_WORDS
}

/// The answer in a gold text: behind `####`, in a box, or the text itself.
pub(crate) fn gold(text: &str) -> &str {
    if let Some(answer) = hashes::answers(text).last() {
        return answer;
    }
    match boxed::boxes(text) {
        Ok(boxes) if !boxes.is_empty() => boxes[boxes.len() - 1],
        _ => spans::unwrap(text),
    }
}
