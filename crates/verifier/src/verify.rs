//! Gold and text in, report out.

use crate::budget::{Budget, Outcome, Stop};
use crate::equal::{Judge, Match};
use crate::expr::Arena;
use crate::extract::{self, Extraction, Rule, extract};
use crate::form::Form;
use crate::options::{Boxes, Options};
use crate::parse::parse_within;
use crate::report::Report;
use crate::show;
use crate::verdict::{Decision, Side, Verdict, Why};

/// Judges whether a model's whole text gives the gold answer.
///
/// The gold answer may be bare (`\frac{1}{2}`), boxed, or a GSM8K solution that ends in "#### 72". The answer is found in `answer`
/// by [`extract()`]. Both are parsed and compared: exactly where both are rational, else by normal forms and by evaluation with
/// error bounds; [`Report::decision`] says on what ground. The function always returns, within the budget of `options`.
///
/// ```
/// use surefoot_verifier::{Options, Verdict, verify};
/// let options = Options::default();
/// assert_eq!(verify("1/2", r"The answer is $\boxed{0.5}$.", &options).verdict, Verdict::Correct);
/// assert_eq!(verify("72", "5 or 72", &options).verdict, Verdict::Wrong);
/// assert!(matches!(verify("72", r"so \boxed{7", &options).verdict, Verdict::Unparseable { .. }));
/// ```
pub fn verify(gold: &str, answer: &str, options: &Options) -> Report {
    let mut case = Case { arena: Arena::default(), budget: Budget::new(options.max_steps, options.deadline), options };
    let mut report = Report {
        verdict: Verdict::OverBudget,
        rule: None,
        gold_text: String::new(),
        answer_text: String::new(),
        gold_form: String::new(),
        answer_form: String::new(),
        decision: None,
        steps: 0,
    };
    report.verdict = case.judge(gold, answer, &mut report).unwrap_or_else(|verdict| verdict);
    report.steps = case.budget.spent();
    report
}

/// Whether a gold answer can be read at all, and how.
///
/// # Errors
/// [`Why`] it cannot; a budget that ran out counts as [`Why::Invalid`].
///
/// ```
/// use surefoot_verifier::{Options, read_gold};
/// assert_eq!(read_gold(r"\frac{3}{6}", &Options::default()).unwrap(), "1/2");
/// ```
pub fn read_gold(gold: &str, options: &Options) -> Result<String, Why> {
    let mut case = Case { arena: Arena::default(), budget: Budget::new(options.max_steps, options.deadline), options };
    let gold = extract::gold(gold);
    if extract::is_placeholder(gold) {
        return Err(Why::NoAnswer);
    }
    match case.parse(gold) {
        Ok(forms) => Ok(show::readings(&forms, &case.arena)),
        Err(Stop::Unreadable(why)) => Err(why),
        Err(Stop::Budget) => Err(Why::Invalid("more steps than the budget allows")),
    }
}

/// Parts of a list that may be spellings of one value.
const MAX_SPELLINGS: usize = 4;

struct Case<'a> {
    arena: Arena,
    budget: Budget,
    options: &'a Options,
}

fn unreadable(side: Side) -> impl Fn(Stop) -> Verdict {
    move |stop| match stop {
        Stop::Budget => Verdict::OverBudget,
        Stop::Unreadable(why) => Verdict::Unparseable { side, why },
    }
}

impl Case<'_> {
    fn parse(&mut self, text: &str) -> Outcome<Vec<Form>> {
        parse_within(text, self.options.max_answer_bytes, &mut self.arena, &mut self.budget)
    }

    fn compare(&mut self, gold: &[Form], answer: &[Form]) -> Outcome<Match> {
        Judge { arena: &mut self.arena, budget: &mut self.budget, options: self.options }.readings(gold, answer)
    }

    fn judge(&mut self, gold: &str, answer: &str, report: &mut Report) -> Result<Verdict, Verdict> {
        let gold = extract::gold(gold);
        gold.clone_into(&mut report.gold_text);
        let placeholder = extract::is_placeholder(gold);
        let gold_forms = if placeholder { Err(Stop::Unreadable(Why::NoAnswer)) } else { self.parse(gold) };
        if let Ok(forms) = &gold_forms {
            report.gold_form = show::readings(forms, &self.arena);
        }
        // A gold answer that cannot be read makes every verdict a guess, also of a text without an answer.
        let nothing = |why: Why| match &gold_forms {
            Err(Stop::Unreadable(why)) => Verdict::Unparseable { side: Side::Gold, why: why.clone() },
            _ => Verdict::Unparseable { side: Side::Answer, why },
        };
        let mut found = extract(answer, self.options.mode).map_err(nothing)?;
        if found.rule == Rule::Whole
            && self.says_nothing(found.answer())
            && let Some(statement) = extract::in_prose(answer)
        {
            found = statement;
        }
        report.rule = Some(found.rule);
        report.answer_text = shown(&found, self.options.max_answer_bytes);
        if !extract::is_refusal(gold) && found.answers.iter().all(|answer| extract::is_refusal(answer)) {
            return Err(nothing(Why::NoAnswer));
        }
        let gold_forms = match gold_forms {
            Ok(forms) => forms,
            // What cannot be read can still be the same text.
            Err(_)
                if !placeholder
                    && found.answers.iter().all(|answer| same_text(gold, answer))
                    && found.rivals.is_empty() =>
            {
                report.decision = Some(Decision::Text);
                return Ok(Verdict::Correct);
            }
            Err(stop) => return Err(unreadable(Side::Gold)(stop)),
        };
        let outcome = self.judge_answers(&gold_forms, answer, &found, report)?;
        Ok(match outcome {
            Match::Yes(decision) => {
                report.decision = Some(decision);
                Verdict::Correct
            }
            Match::No(decision) => {
                report.decision = Some(decision);
                Verdict::Wrong
            }
            Match::Unknown => Verdict::OverBudget,
        })
    }

    /// Whether a text is no answer as a whole: unreadable, or words in which no other reading finds their number.
    fn says_nothing(&mut self, text: &str) -> bool {
        let is_text = |form: &Form| matches!(form, Form::Text(_));
        match self.parse(text).as_deref() {
            Err(Stop::Unreadable(_)) => true,
            Ok([form]) if extract::counts_in_ideographs(text) => match form {
                Form::List(items) => items.iter().all(is_text),
                form => is_text(form),
            },
            _ => false,
        }
    }

    /// The readings of an answer, with that of an exclamation mark as one.
    fn readings(&mut self, whole: &str, answer: &str, rule: Rule) -> Outcome<Vec<Form>> {
        let prose = matches!(rule, Rule::FinalAnswer | Rule::Whole | Rule::Hashes);
        let mut forms = match extract::without_exclamation(whole, answer).filter(|_| prose) {
            Some(number) => self.parse(number)?,
            None => Vec::new(),
        };
        forms.extend(self.parse(answer)?);
        Ok(forms)
    }

    /// The parts of a list that gives one value in several spellings, "1/2 or 0.5": every part must equal every other.
    fn spellings(&mut self, forms: &[Form]) -> Outcome<Option<Vec<Form>>> {
        let [Form::List(items)] = forms else { return Ok(None) };
        if items.len() > MAX_SPELLINGS || !items.iter().all(|item| matches!(item, Form::Value(_))) {
            return Ok(None);
        }
        for (at, a) in items.iter().enumerate() {
            for b in &items[at + 1..] {
                let (a, b) = (std::slice::from_ref(a), std::slice::from_ref(b));
                if !self.compare(a, b)?.is_yes() && !self.compare(b, a)?.is_yes() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(items.clone()))
    }

    fn judge_answers(
        &mut self,
        gold: &[Form],
        whole: &str,
        found: &Extraction<'_>,
        report: &mut Report,
    ) -> Result<Match, Verdict> {
        let side = unreadable(Side::Answer);
        let mut texts: Vec<&str> = Vec::new();
        for text in &found.answers {
            if !texts.contains(text) {
                texts.push(text);
            }
        }
        // The last answer leads.
        if let Some(last) = texts.iter().position(|t| *t == found.answer()) {
            let last = texts.remove(last);
            texts.push(last);
        }
        let boxes =
            if found.rule == Rule::Boxed || found.rule == Rule::AnswerTag { self.options.boxes } else { Boxes::Agree };
        if boxes == Boxes::Last {
            texts.drain(..texts.len() - 1);
        }
        let mut parsed = Vec::with_capacity(texts.len());
        for text in &texts {
            parsed.push(self.readings(whole, text, found.rule).map_err(&side)?);
        }
        let Some(last) = parsed.last().cloned() else {
            return Err(Verdict::Unparseable { side: Side::Answer, why: Why::NoAnswer });
        };
        report.answer_form = show::readings(&last, &self.arena);
        if parsed.len() > 1 {
            let joined = Form::List(parsed.iter().filter_map(|forms| forms.first().cloned()).collect());
            if boxes == Boxes::Joined {
                return self.compare(gold, &[joined]).map_err(&side);
            }
            let mut agree = true;
            for other in &parsed[..parsed.len() - 1] {
                agree = agree && self.compare(&last, other).map_err(&side)?.is_yes();
            }
            if !agree {
                let many = gold.iter().any(|form| matches!(form, Form::List(_) | Form::Set(_)));
                let together = if many {
                    self.compare(gold, &[joined]).map_err(&side)?
                } else {
                    Match::No(Decision::Contradiction)
                };
                return Ok(if together.is_yes() { together } else { Match::No(Decision::Contradiction) });
            }
        }
        for rival in &found.rivals {
            // A rival that cannot be read says nothing.
            let Ok(rival) = self.parse(rival) else { continue };
            // "The answer is B" behind a box with what B stands for.
            if matches!(rival[..], [Form::Choice(_)]) && !last.iter().any(|form| matches!(form, Form::Choice(_))) {
                continue;
            }
            let both_ways = self.compare(&last, &rival).map_err(&side)?.is_yes()
                || self.compare(&rival, &last).map_err(&side)?.is_yes();
            if !both_ways {
                return Ok(Match::No(Decision::Contradiction));
            }
        }
        let result = self.compare(gold, &last).map_err(&side)?;
        let many = gold.iter().any(|form| matches!(form, Form::List(_) | Form::Set(_)));
        if !result.is_yes()
            && !many
            && let Some(spellings) = self.spellings(&last).map_err(&side)?
        {
            return self.compare(gold, &spellings).map_err(&side);
        }
        Ok(result)
    }
}

fn same_text(a: &str, b: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '$').collect::<String>();
    !a.trim().is_empty() && letters(a) == letters(b)
}

fn shown(found: &Extraction<'_>, limit: usize) -> String {
    let mut text = String::new();
    for answer in &found.answers {
        if !text.is_empty() {
            text.push_str(" | ");
        }
        text.push_str(
            &answer[..answer
                .len()
                .min(limit)
                .min((0..=answer.len().min(limit)).rev().find(|&at| answer.is_char_boundary(at)).unwrap_or(0))],
        );
    }
    text
}
