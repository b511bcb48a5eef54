//! A reward that fell: from where, to what, and since when.

use std::fmt;

use super::short;
use super::warnings::window;
use crate::config::Config;
use crate::metrics::definition::{REWARD_MEAN, REWARD_STD};
use crate::metrics::{Metric, Record};

/// A reward below this share of the best one has fallen.
const FALLEN: f64 = 0.5;
/// A fall within so many standard errors of the two means may be chance.
const CHANCE: f64 = 2.0;

/// The greatest value that a metric had: in its first step, or as the mean of a window of steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Best {
    /// The mean.
    pub value: f64,
    /// First and last step.
    pub steps: (u64, u64),
}

impl Best {
    /// The first step counts by itself: a collapse can be faster than a window.
    pub fn of(records: &[Record], metric: Metric) -> Option<Self> {
        let known = |record: &Record| Some((record.step, record.get(metric).filter(|value| value.is_finite())?));
        let values: Vec<(u64, f64)> = records.iter().filter_map(known).collect();
        let first = values.iter().take(1).map(|(step, value)| Best { value: *value, steps: (*step, *step) });
        let windows = values.windows(window(records)).map(|part| Best {
            value: part.iter().map(|(_, value)| value).sum::<f64>() / part.len() as f64,
            steps: (part[0].0, part[part.len() - 1].0),
        });
        first.chain(windows).reduce(|best, next| if next.value > best.value { next } else { best })
    }
}

impl fmt::Display for Best {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.steps {
            (first, last) if first == last => write!(f, "{} (step {first})", short(self.value)),
            (first, last) => write!(f, "{} (steps {first}–{last})", short(self.value)),
        }
    }
}

/// A reward that fell and did not come back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fall {
    from: Best,
    to: f64,
    /// The first step of those at the end that are all below.
    since: u64,
}

impl Fall {
    /// `None` where the reward of the last steps is what it was, or differs by what chance may do.
    pub fn of(records: &[Record], config: &Config) -> Option<Self> {
        let from = Best::of(records, REWARD_MEAN).filter(|best| best.value > 0.0)?;
        let count = window(records);
        let to = super::warnings::mean_of_last(records, REWARD_MEAN, count)?;
        let limit = FALLEN * from.value;
        let spread = records.iter().filter_map(|record| record.get(REWARD_STD)).fold(0.0, f64::max);
        // Samples of a prompt are alike, so that its prompts are what a mean is of.
        let mean_of = |steps: usize| spread * spread / (config.rollout.prompts * steps) as f64;
        let steps = records.iter().filter(|record| (from.steps.0..=from.steps.1).contains(&record.step)).count();
        let error = (mean_of(steps.max(1)) + mean_of(count)).sqrt();
        if to >= limit || from.value - to <= CHANCE * error {
            return None;
        }
        let above = |record: &&Record| record.get(REWARD_MEAN).is_some_and(|value| value >= limit);
        let since = records.iter().rev().find(above).map_or(0, |record| record.step) + 1;
        Some(Self { from, to, since })
    }
}

/// The last step before the reward fell, whose updates are to blame; `None` where it did not.
pub fn fell_after(records: &[Record], config: &Config) -> Option<u64> {
    Fall::of(records, config).map(|fall| fall.since - 1)
}

impl fmt::Display for Fall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reward fell from {} to {}, since step {}", self.from, short(self.to), self.since)
    }
}
