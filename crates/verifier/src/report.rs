//! The full account of one comparison.

use std::fmt;

use crate::extract::Rule;
use crate::verdict::{Decision, Verdict};

/// Verdict, with everything that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was found.
    pub verdict: Verdict,
    /// The rule that found the answer; absent where none fired.
    pub rule: Option<Rule>,
    /// The gold answer as it was parsed.
    pub gold_text: String,
    /// The extracted answer as it was parsed; several are joined with " | ".
    pub answer_text: String,
    /// The gold answer as it was understood.
    pub gold_form: String,
    /// The answer as it was understood.
    pub answer_form: String,
    /// The ground of a `correct` or `wrong` verdict.
    pub decision: Option<Decision>,
    /// Steps spent, out of [`crate::Options::max_steps`].
    pub steps: u64,
}

/// Several aligned lines, as `surefoot verify --explain` prints them.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule.map_or("none fired", Rule::name);
        writeln!(f, "verdict   {}", self.verdict)?;
        if let Some(decision) = self.decision {
            writeln!(f, "decision  {decision}")?;
        }
        writeln!(f, "rule      {rule}")?;
        writeln!(f, "gold      {}", self.gold_text)?;
        writeln!(f, "  read as {}", self.gold_form)?;
        writeln!(f, "answer    {}", self.answer_text)?;
        writeln!(f, "  read as {}", self.answer_form)?;
        write!(f, "steps     {}", self.steps)
    }
}
