//! What plots and reports show of a replay.
use super::Outcome;

/// A number of an [`Outcome`] that is drawn over the steps.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// Short name, without blanks.
    pub id: &'static str,
    /// Title of its plot.
    pub title: &'static str,
    /// Label of its axis.
    pub axis: &'static str,
    /// What it says.
    pub about: &'static str,
    /// The number; `None` where it is not defined.
    pub of: fn(&Outcome) -> Option<f64>,
}

/// The four that are shown.
pub const QUANTITIES: [Quantity; 4] = [
    Quantity {
        id: "cosine",
        title: "Cosine with the run's own gradient",
        axis: "cosine",
        about: "Cosine between the objective's gradient and that of the run's own objective, by the log-probabilities of the \
                recorded tokens, with the recorded advantages: 1 is the same direction.",
        of: |outcome| outcome.gradient.cosine(),
    },
    Quantity {
        id: "norm",
        title: "Norm of the gradient over the run's own",
        axis: "norm, in units of the run's own",
        about: "Length of the objective's gradient by the log-probabilities, in units of that of the run's own objective.",
        of: |outcome| outcome.gradient.relative_norm(),
    },
    Quantity {
        id: "zeroed",
        title: "Tokens without a gradient",
        axis: "share of tokens",
        about: "Share of the trained tokens whose gradient the objective sets to zero.",
        of: |outcome| outcome.statistic("gradient/zeroed"),
    },
    Quantity {
        id: "spread",
        title: "Spread of the multiplier",
        axis: "p95 − p05 of F",
        about: "Distance between the 95% and the 5% quantile of the gradient multiplier F: how unequally tokens are weighted.",
        of: |outcome| Some(outcome.statistic("multiplier/p95")? - outcome.statistic("multiplier/p05")?),
    },
];

impl Outcome {
    /// A statistic by the name that docs/statistics.md gives it.
    pub fn statistic(&self, name: &str) -> Option<f64> {
        self.stats.metrics().into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}
