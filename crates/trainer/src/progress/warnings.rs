//! What a person should know about a run, from its metrics and its configuration.

use super::fall::{Best, Fall};
use crate::config::{Config, Purpose};
use crate::metrics::definition::{
    REWARD_GROUPS_WITHOUT_SIGNAL, REWARD_OVER_BUDGET, REWARD_UNJUDGED, REWARD_UNPARSEABLE, ROLLOUT_DISCARDED,
    ROLLOUT_ENTROPY, ROLLOUT_TRUNCATED, UPDATE_SKIPPED_STEPS,
};
use crate::metrics::{Metric, Record};

/// Share of cut completions from which a warning is due.
const MANY_TRUNCATED: f64 = 0.3;
/// Share of groups without signal from which a warning is due.
const MANY_WITHOUT_SIGNAL: f64 = 0.6;
/// Share of completions without a readable answer from which a warning is due.
const MANY_UNPARSEABLE: f64 = 0.3;
/// Share of the greatest entropy below which it has collapsed.
const COLLAPSED: f64 = 0.1;

/// Mean of `metric` over the last `count` records that have it.
pub(super) fn mean_of_last(records: &[Record], metric: Metric, count: usize) -> Option<f64> {
    let values: Vec<f64> = records.iter().rev().filter_map(|record| record.get(metric)).take(count).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Mean of `metric` over the first `count` records that have it.
pub(super) fn mean_of_first(records: &[Record], metric: Metric, count: usize) -> Option<f64> {
    let values: Vec<f64> = records.iter().filter_map(|record| record.get(metric)).take(count).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Steps at either end of a run that stand for its beginning and its end: a tenth, 1 to 10.
pub(super) fn window(records: &[Record]) -> usize {
    let steps = records.iter().filter(|record| record.step > 0).count();
    (steps / 10).clamp(1, 10)
}

/// One sentence for each thing that looks wrong, with what to do about it.
pub fn warnings(records: &[Record], config: &Config) -> Vec<String> {
    if config.purpose == Purpose::Sft {
        return skipped(records).into_iter().collect();
    }
    let count = window(records);
    let last = |metric| mean_of_last(records, metric, count);
    let mut found = Vec::new();
    let fall = Fall::of(records, config);
    if let Some(fall) = fall {
        found.push(format!("{fall}; lower optimizer.learning_rate, and go on from before that step or begin anew"));
    }
    if let Some(share) = last(ROLLOUT_TRUNCATED).filter(|share| *share > MANY_TRUNCATED) {
        found.push(format!(
            "{:.0}% of the completions were cut at rollout.max_new_tokens = {}; raise it, or ask for shorter answers",
            share * 100.0,
            config.rollout.max_new_tokens
        ));
    }
    // Where the reward fell, groups are all wrong because of that, and not of their problems.
    let flat = last(REWARD_GROUPS_WITHOUT_SIGNAL).filter(|share| *share > MANY_WITHOUT_SIGNAL && fall.is_none());
    if let Some(share) = flat {
        found.push(format!(
            "{:.0}% of the groups have equal rewards and teach nothing; take harder or easier problems, or raise rollout.samples",
            share * 100.0
        ));
    }
    if let Some(share) = last(REWARD_UNPARSEABLE).filter(|share| *share > MANY_UNPARSEABLE) {
        found.push(format!(
            "in {:.0}% of the completions no answer could be read; say in prompt.system how to give it",
            share * 100.0
        ));
    }
    // Shares are of all samples of a step, those of groups that were discarded included.
    let samples = |record: &Record| {
        let kept = 1.0 - record.get(ROLLOUT_DISCARDED).unwrap_or(0.0);
        (config.rollout.prompts * config.rollout.samples) as f64 / kept.max(f64::MIN_POSITIVE)
    };
    let sum = |metric| records.iter().filter_map(|r| Some(r.get(metric)? * samples(r))).fold(0.0, |sum, n| sum + n);
    let kept = if config.rollout.resample_rounds > 0 { " of the groups that were kept" } else { "" };
    for (metric, what, instead) in [
        (
            REWARD_OVER_BUDGET,
            "were beyond the verifier's budget",
            "they count as wrong where the gold answer is a plain number, and else have",
        ),
        (REWARD_UNJUDGED, "could not be judged", "they have"),
    ] {
        let total = sum(metric).round();
        if total > 0.0 {
            found.push(format!(
                "{total:.0} completions {what}: {instead} no advantage, and are left out of their group's mean; rollouts/ tells which{kept}"
            ));
        }
    }
    if let (Some(best), Some(last)) = (Best::of(records, ROLLOUT_ENTROPY), last(ROLLOUT_ENTROPY))
        && last < COLLAPSED * best.value
    {
        found.push(format!(
            "entropy fell from {best} to {last:.3}: the samples of a group hardly differ any more; lower optimizer.learning_rate"
        ));
    }
    if config.truncates() {
        found.push(
            "top-p, top-k or min-p cut the sampled distribution; logp_old is that of the whole one, and rollouts/ has both"
                .to_string(),
        );
    }
    found.extend(skipped(records));
    found
}

fn skipped(records: &[Record]) -> Option<String> {
    let steps: Vec<u64> = records
        .iter()
        .filter(|record| record.get(UPDATE_SKIPPED_STEPS).is_some_and(|n| n > 0.0))
        .map(|r| r.step)
        .collect();
    let first = steps.first()?;
    Some(format!(
        "updates were skipped in {} steps (first in step {first}) because a gradient was not finite",
        steps.len()
    ))
}
