//! The class `Report`.

use pyo3::prelude::*;
use surefoot_verifier as core;
use surefoot_verifier::Verdict;

/// The account of one comparison. It is true where the answer is correct.
#[pyclass(frozen, eq, hash, get_all, module = "surefoot", from_py_object)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Report {
    /// `correct`, `wrong`, `unparseable` or `over-budget`.
    verdict: String,
    /// The side that could not be read, `gold` or `answer`.
    side: Option<String>,
    /// Why it could not be read.
    reason: Option<String>,
    /// The rule that found the answer, as `boxed`.
    rule: Option<String>,
    /// On what ground a verdict of `correct` or `wrong` stands.
    decision: Option<String>,
    /// The gold answer.
    gold: String,
    /// The answer that was found in the text.
    answer: String,
    /// The gold answer as it was understood.
    gold_form: String,
    /// The answer as it was understood.
    answer_form: String,
    /// Steps spent.
    steps: u64,
}

impl From<core::Report> for Report {
    fn from(report: core::Report) -> Self {
        let (side, reason) = match &report.verdict {
            Verdict::Unparseable { side, why } => (Some(side.to_string()), Some(why.to_string())),
            _ => (None, None),
        };
        Self {
            verdict: report.verdict.name().to_owned(),
            side,
            reason,
            rule: report.rule.map(|rule| rule.name().to_owned()),
            decision: report.decision.map(|decision| decision.to_string()),
            gold: report.gold_text,
            answer: report.answer_text,
            gold_form: report.gold_form,
            answer_form: report.answer_form,
            steps: report.steps,
        }
    }
}

type Fields =
    (String, Option<String>, Option<String>, Option<String>, Option<String>, String, String, String, String, u64);

#[pymethods]
impl Report {
    #[new]
    #[allow(clippy::too_many_arguments)] // what pickle hands back
    #[pyo3(signature = (verdict, side, reason, rule, decision, gold, answer, gold_form, answer_form, steps))]
    fn new(
        verdict: String,
        side: Option<String>,
        reason: Option<String>,
        rule: Option<String>,
        decision: Option<String>,
        gold: String,
        answer: String,
        gold_form: String,
        answer_form: String,
        steps: u64,
    ) -> Self {
        Self { verdict, side, reason, rule, decision, gold, answer, gold_form, answer_form, steps }
    }

    /// Whether the answer is correct.
    #[getter]
    fn correct(&self) -> bool {
        self.verdict == "correct"
    }

    /// Whether there is a verdict: the answer is correct or wrong, or gives nothing to read, or the budget ended against a
    /// plain number. Where it is not, the gold answer could not be read or the budget ended, and a reward of 0 would be a guess.
    #[getter]
    fn judged(&self) -> bool {
        if self.verdict == "over-budget" {
            return core::is_plain_number(&self.gold, &core::Options::default());
        }
        self.side.as_deref() != Some("gold")
    }

    fn __bool__(&self) -> bool {
        self.correct()
    }

    #[pyo3(signature = () -> "tuple[typing.Any, ...]")]
    fn __getnewargs__(&self) -> Fields {
        let Self { verdict, side, reason, rule, decision, gold, answer, gold_form, answer_form, steps } = self.clone();
        (verdict, side, reason, rule, decision, gold, answer, gold_form, answer_form, steps)
    }

    fn __repr__(&self) -> String {
        let because = match (&self.side, &self.reason, &self.decision) {
            (Some(side), Some(reason), _) => format!(", {side}: {reason}"),
            (_, _, Some(decision)) => format!(", by {decision}"),
            _ => String::new(),
        };
        format!("Report({}{because}; gold {:?}, answer {:?})", self.verdict, self.gold_form, self.answer_form)
    }
}
