//! What a reward function said of a batch, and the rewards that follow.

/// What was said of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right.
    Correct,
    /// Wrong.
    Wrong,
    /// No answer could be read in the completion; rewarded as wrong.
    Unparseable,
    /// The verifier's budget ended first: no reward, but that of a wrong answer where the gold answer is a plain number.
    OverBudget,
    /// The gold answer cannot be read: no reward.
    GoldUnparseable,
    /// There is a reward, but nobody judged the answer: a user's program, the form or the length gave it.
    Scored,
    /// The user's program gave none.
    Failed,
}

impl Verdict {
    /// As it stands in rollout files.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Correct => "correct",
            Verdict::Wrong => "wrong",
            Verdict::Unparseable => "unparseable",
            Verdict::OverBudget => "over-budget",
            Verdict::GoldUnparseable => "gold-unparseable",
            Verdict::Scored => "scored",
            Verdict::Failed => "failed",
        }
    }
}

/// Reward of one sample, with its ground.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The reward; `None` when it could not be judged.
    pub reward: Option<f32>,
    /// What was said.
    pub verdict: Verdict,
    /// Whether the completion has the form of `reward.format`; `None` when none is asked for.
    pub formatted: Option<bool>,
    /// Why, where there is something to say.
    pub note: String,
    /// Of a sum, what each of its rewards was before its weight, in the order of `reward.name`.
    pub parts: Vec<Option<f32>>,
}

impl Outcome {
    /// What one reward says.
    pub fn new(reward: Option<f32>, verdict: Verdict, note: String) -> Self {
        Self { reward, verdict, formatted: None, note, parts: Vec::new() }
    }

    /// Adds a reward that another term gave. What could not be judged stays so; the verdict is that of the first term that
    /// judged the answer, or that could not.
    pub(super) fn add(&mut self, weight: f32, part: Outcome) {
        self.parts.push(part.reward);
        let unjudged = part.reward.is_none() && self.reward.is_some();
        let judged = self.reward.is_some() && self.verdict == Verdict::Scored && part.verdict != Verdict::Scored;
        self.reward = self.reward.zip(part.reward).map(|(sum, reward)| sum + weight * reward);
        if unjudged || judged {
            self.verdict = part.verdict;
            self.note = part.note;
        } else if self.note.is_empty() {
            self.note = part.note;
        }
    }
}

/// The outcomes of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// One for each sample, in their order.
    pub outcomes: Vec<Outcome>,
    /// Seconds that it took.
    pub seconds: f64,
}

/// How often each verdict came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// [`Verdict::Correct`]
    pub correct: usize,
    /// [`Verdict::Wrong`]
    pub wrong: usize,
    /// [`Verdict::Unparseable`]
    pub unparseable: usize,
    /// [`Verdict::OverBudget`]
    pub over_budget: usize,
    /// [`Verdict::GoldUnparseable`]
    pub gold_unparseable: usize,
    /// [`Verdict::Scored`]
    pub scored: usize,
    /// [`Verdict::Failed`]
    pub failed: usize,
    /// Samples that have the form that is asked for.
    pub formatted: usize,
}

impl Judged {
    /// How often each verdict came.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for outcome in &self.outcomes {
            *match outcome.verdict {
                Verdict::Correct => &mut counts.correct,
                Verdict::Wrong => &mut counts.wrong,
                Verdict::Unparseable => &mut counts.unparseable,
                Verdict::OverBudget => &mut counts.over_budget,
                Verdict::GoldUnparseable => &mut counts.gold_unparseable,
                Verdict::Scored => &mut counts.scored,
                Verdict::Failed => &mut counts.failed,
            } += 1;
            counts.formatted += usize::from(outcome.formatted == Some(true));
        }
        counts
    }

    /// Why the first of the rewards that failed did so.
    pub fn first_failure(&self) -> Option<&str> {
        self.outcomes.iter().find(|outcome| outcome.verdict == Verdict::Failed).map(|outcome| outcome.note.as_str())
    }

    /// One reward for each sample; `None` where it could not be judged.
    pub fn rewards(&self) -> Vec<Option<f32>> {
        self.outcomes.iter().map(|outcome| outcome.reward).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_has_the_verdict_of_the_term_that_judged() {
        let part = |reward, verdict| Outcome::new(reward, verdict, format!("{verdict:?}"));
        let sum = |parts: &[(Option<f32>, Verdict)]| {
            let mut sum = part(Some(0.0), Verdict::Scored);
            sum.note.clear();
            parts.iter().for_each(|&(reward, verdict)| sum.add(0.5, part(reward, verdict)));
            (sum.reward, sum.verdict, sum.note)
        };
        let (one, none) = (Some(1.0), None);
        assert_eq!(sum(&[(one, Verdict::Correct), (one, Verdict::Scored)]), (one, Verdict::Correct, "Correct".into()));
        assert_eq!(
            sum(&[(one, Verdict::Scored), (Some(0.0), Verdict::Wrong)]),
            (Some(0.5), Verdict::Wrong, "Wrong".into())
        );
        assert_eq!(sum(&[(one, Verdict::Correct), (none, Verdict::Failed)]), (none, Verdict::Failed, "Failed".into()));
        let over = [(none, Verdict::OverBudget), (one, Verdict::Correct), (none, Verdict::Failed)];
        assert_eq!(sum(&over), (none, Verdict::OverBudget, "OverBudget".into()));
    }

    #[test]
    fn what_was_not_judged_has_no_reward() {
        let outcome = |reward| Outcome::new(reward, Verdict::Scored, String::new());
        let outcomes = [Some(1.0), None, Some(0.0), Some(0.5), None, None].map(outcome).to_vec();
        let judged = Judged { outcomes, seconds: 0.0 };
        assert_eq!(judged.rewards(), [Some(1.0), None, Some(0.0), Some(0.5), None, None]);
        assert_eq!(judged.counts(), Counts { scored: 6, ..Counts::default() });
    }
}
