//! A step's numbers, under the names of [`crate::metrics`].
use super::gather::{Gathered, signals};
use crate::config::Config;
use crate::data::Position;
use crate::evaluate::Score;
use crate::metrics::{Metric, Record, definition as m};
use crate::reward::Judged;
use crate::rollout::Group;
use crate::update::Updated;
use std::time::Duration;
use surefoot_objectives::correction::CorrectionStats;

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count();
    if count == 0 { 0.0 } else { values.sum::<f64>() / count as f64 }
}

/// Lengths, entropy and speed of a rollout.
pub(super) fn rollout(record: &mut Record, groups: &[Group], data: Position, took: Duration) {
    let samples = || groups.iter().flat_map(|g| &g.samples);
    let lengths = samples().map(|s| s.tokens.len() as f64);
    let tokens: f64 = lengths.clone().sum();
    record.set(m::ROLLOUT_LENGTH_MEAN, mean(lengths.clone()));
    record.set(m::ROLLOUT_LENGTH_MAX, lengths.fold(0.0, f64::max));
    record.set(m::ROLLOUT_TRUNCATED, mean(samples().map(|s| f64::from(u8::from(!s.finished)))));
    entropy(record, groups);
    record.set(m::ROLLOUT_TOKENS, tokens);
    record.set(m::ROLLOUT_TOKENS_PER_SECOND, tokens / took.as_secs_f64());
    record.set(m::ROLLOUT_EPOCH, data.epoch as f64 + data.offset as f64 / data.rows.max(1) as f64);
    record.set(m::TIME_ROLLOUT, took.as_secs_f64());
}

/// Which weights sampled and, of a server, what its answers were like; `waited` is how long the updates waited for them.
pub(super) fn source(record: &mut Record, config: &Config, sampled: &Gathered, waited: Duration) {
    if config.rollout.staleness > 0 || config.remote() {
        let staleness = (record.step - 1 - sampled.version) as f64;
        record.set(m::ROLLOUT_STALENESS_MEAN, staleness);
        record.set(m::ROLLOUT_STALENESS_MAX, staleness);
        record.set(m::TIME_WAIT, waited.as_secs_f64());
    }
    if config.remote() {
        let samples = sampled.groups.iter().map(|group| group.samples.len()).sum::<usize>().max(1) as f64;
        record.set(m::ROLLOUT_RETRIES, sampled.tally.retries as f64);
        record.set(m::ROLLOUT_RETOKENIZED, sampled.tally.retokenized as f64 / samples);
        record.set(m::ROLLOUT_UNALIGNED, sampled.tally.unaligned as f64 / samples);
    }
}

/// How far the policy that sampled is from that of the update.
pub(super) fn corrections(record: &mut Record, stats: &CorrectionStats) {
    for (name, value) in stats.metrics() {
        if let Some(metric) = m::of_statistic(name) {
            record.set(metric, value);
        }
    }
}

/// Entropy of a rollout, where it is known: servers do not tell theirs.
pub(super) fn entropy(record: &mut Record, groups: &[Group]) {
    let entropies = groups.iter().flat_map(|group| &group.samples).flat_map(|s| &s.entropy).map(|&h| f64::from(h));
    if entropies.clone().next().is_some() {
        record.set(m::ROLLOUT_ENTROPY, mean(entropies));
    }
}

/// Of the rewards that could be had, if any could.
fn mean_and_deviation(
    record: &mut Record,
    (average, deviation): (Metric, Metric),
    rewards: impl Iterator<Item = Option<f32>> + Clone,
) {
    let values = rewards.flatten().map(f64::from);
    if values.clone().next().is_some() {
        let center = mean(values.clone());
        record.set(average, center);
        record.set(deviation, mean(values.map(|r| (r - center) * (r - center))).sqrt());
    }
}

/// Rewards and verdicts.
pub(super) fn rewards(record: &mut Record, judged: &Judged, rewards: &[Option<f32>], config: &Config) {
    mean_and_deviation(record, (m::REWARD_MEAN, m::REWARD_STD), rewards.iter().copied());
    if config.reward.name.len() > 1 {
        for (term, name) in config.reward.name.iter().enumerate() {
            let parts = judged.outcomes.iter().map(|outcome| outcome.parts.get(term).copied().flatten());
            mean_and_deviation(record, name.metrics(), parts);
        }
    }
    let flat = signals(config, judged).into_iter().map(|signal| f64::from(u8::from(!signal)));
    record.set(m::REWARD_GROUPS_WITHOUT_SIGNAL, mean(flat));
    let (counts, n) = (judged.counts(), rewards.len().max(1) as f64);
    if config.gives_verdicts() {
        record.set(m::REWARD_CORRECT, counts.correct as f64 / n);
        record.set(m::REWARD_WRONG, counts.wrong as f64 / n);
        record.set(m::REWARD_UNPARSEABLE, counts.unparseable as f64 / n);
    }
    record.set(m::REWARD_OVER_BUDGET, counts.over_budget as f64 / n);
    record.set(m::REWARD_UNJUDGED, (counts.gold_unparseable + counts.failed) as f64 / n);
    record.set(m::REWARD_FAILED, counts.failed as f64 / n);
    if judged.outcomes.iter().any(|o| o.formatted.is_some()) {
        record.set(m::REWARD_FORMAT, counts.formatted as f64 / n);
    }
    record.set(m::TIME_REWARD, judged.seconds);
}

/// Means over benchmarks.
pub(super) fn evaluation(record: &mut Record, scores: &[Score], took: Duration) {
    record.set(m::EVAL_AVG, mean(scores.iter().map(|score| score.avg.value)));
    record.set(m::EVAL_PASS, mean(scores.iter().filter_map(|score| score.pass.last()).map(|pass| pass.rate.value)));
    record.set(m::EVAL_MAJORITY, mean(scores.iter().map(|score| score.majority.value)));
    record.set(m::EVAL_LENGTH_MEAN, mean(scores.iter().map(|score| score.length_mean)));
    record.set(m::EVAL_TRUNCATED, mean(scores.iter().map(|score| score.truncated)));
    record.set(m::TIME_EVAL, took.as_secs_f64());
}

/// Losses, gradients and the objective's statistics of the step's updates.
pub(super) fn updates(record: &mut Record, updated: &Updated, took: Duration) {
    // A step whose updates were all skipped has neither.
    if !updated.losses.is_empty() {
        record.set(m::UPDATE_LOSS, mean(updated.losses.iter().copied()));
        record.set(m::UPDATE_GRAD_NORM, mean(updated.norms.iter().copied()));
        record.set(m::UPDATE_GRAD_NORM_MAX, updated.norms.iter().copied().fold(0.0, f64::max));
    }
    for (name, value) in updated.stats.metrics() {
        if let Some(metric) = m::of_statistic(name) {
            record.set(metric, value);
        }
    }
    if let Some(rate) = updated.learning_rate {
        record.set(m::UPDATE_LEARNING_RATE, rate);
    }
    record.set(m::UPDATE_SKIPPED_STEPS, updated.skipped as f64);
    record.set(m::UPDATE_TOKENS, updated.tokens as f64);
    record.set(m::UPDATE_TOKENS_PER_SECOND, updated.tokens as f64 / took.as_secs_f64());
    record.set(m::TIME_UPDATE, took.as_secs_f64());
}
