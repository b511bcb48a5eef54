//! What was learned, and what to type next.

use super::fall::Fall;
use super::number::{seconds, short};
use super::warnings::{mean_of_first, mean_of_last, warnings, window};
use crate::collapse::Collapse;
use crate::config::{Config, Purpose};
use crate::journey::{Ending, Outcome};
use crate::metrics::Metric;
use crate::metrics::definition::{
    EVAL_AVG, REWARD_CORRECT, REWARD_MEAN, ROLLOUT_ENTROPY, ROLLOUT_LENGTH_MEAN, ROLLOUT_TOKENS, SFT_LOSS, TIME_STEP,
    UPDATE_TOKENS,
};
use crate::shell::{argument, program};
use std::path::Path;

/// By what a rate is divided at which the reward fell: about half a decade.
const LOWER: f64 = 3.0;

/// What a resume has to set to go on with a run that ended so.
fn sets(config: &Config, ending: &Ending) -> String {
    let steps = config.train.steps;
    let more = format!(" --set train.steps={}", steps.saturating_mul(2));
    match ending {
        // It would end at once: its detector has to look away from the steps that it has seen.
        Ending::Collapsed(Collapse { step, .. }) if *step < steps => format!(" --set stop.after={step}"),
        Ending::Collapsed(Collapse { step, .. }) => format!(" --set stop.after={step}{more}"),
        Ending::Finished | Ending::Stopped => more,
    }
}

/// The same run in another folder, with a lower rate.
fn anew(config: &Config, run: &Path) -> String {
    let rate = short(config.optimizer.learning_rate / LOWER);
    let folder = argument(Path::new(&format!("log.run_dir={}-lower", run.display())));
    let file = argument(&run.join("config.toml"));
    format!("{} train {file} --set {folder} --set optimizer.learning_rate={rate}", program())
}

/// The closing text of a run: metrics from beginning to end, warnings, and the next commands.
pub fn summary(config: &Config, outcome: &Outcome) -> String {
    let Outcome { records, run, checkpoint, best, .. } = outcome;
    let mut text = String::new();
    let count = window(records);
    let steps = records.last().map_or(0, |record| record.step);
    let sum = |metric| records.iter().filter_map(|record| record.get(metric)).sum::<f64>();
    let unit = if steps == 1 { "step" } else { "steps" };
    text.push_str(&format!("\n{steps} {unit} in {}", seconds(sum(TIME_STEP))));
    let tokens = [(ROLLOUT_TOKENS, "sampled"), (UPDATE_TOKENS, "trained")];
    for (metric, what) in tokens.into_iter().filter(|(metric, _)| sum(*metric) > 0.0) {
        text.push_str(&format!(", {} tokens {what}", short(sum(metric))));
    }
    text.push('\n');
    let shown: &[(&str, Metric, bool)] = match config.purpose {
        Purpose::Train => &[
            ("reward", REWARD_MEAN, false),
            ("correct", REWARD_CORRECT, true),
            ("length", ROLLOUT_LENGTH_MEAN, false),
            ("entropy", ROLLOUT_ENTROPY, false),
        ],
        Purpose::Sft => &[("loss", SFT_LOSS, false)],
        Purpose::Eval => &[],
    };
    for (name, metric, share) in shown {
        let ends = (mean_of_first(records, *metric, count), mean_of_last(records, *metric, count));
        if let (Some(first), Some(last)) = ends {
            let written = |value: f64| if *share { format!("{:.1}%", value * 100.0) } else { short(value) };
            text.push_str(&format!("  {name:<8} {:>8} → {:>8}\n", written(first), written(last)));
        }
    }
    if steps > 1 {
        let unit = if count == 1 { "step".to_string() } else { format!("{count} steps") };
        text.push_str(&format!("  (first {unit} → last {unit})\n"));
    }
    let evaluated: Vec<(u64, f64)> = records.iter().filter_map(|r| Some((r.step, r.get(EVAL_AVG)?))).collect();
    if let (Some((begin, first)), Some((end, last))) = (evaluated.first(), evaluated.last()) {
        let (first, last) = (100.0 * first, 100.0 * last);
        text.push_str(&match begin == end {
            true => format!("  {:<8} {last:>7.1}% (step {end})\n", EVAL_AVG.name),
            false => format!("  {:<8} {first:>7.1}% → {last:>7.1}% (step {begin} → step {end})\n", EVAL_AVG.name),
        });
    }
    for warning in warnings(records, config) {
        text.push_str(&format!("warning: {warning}\n"));
    }
    if let Some((path, score)) = best {
        let (metric, name) = (config.checkpoint.best.name(), path.file_name().unwrap_or_default());
        text.push_str(&format!("best checkpoint: {} ({metric} {})\n", name.display(), short(*score)));
    }
    text.push_str("\nnext:\n");
    if let Some(checkpoint) = best.as_ref().map(|(path, _)| path).or(checkpoint.as_ref()) {
        text.push_str(&format!("  {} generate --model {} --prompt \"…\"\n", program(), argument(checkpoint)));
    }
    text.push_str(&format!("  {} report {}\n", program(), argument(run)));
    // More steps would teach a model whose reward is gone nothing.
    let fell = config.purpose == Purpose::Train && Fall::of(records, config).is_some();
    text.push_str(&match fell && matches!(outcome.ending, Ending::Finished) {
        true => format!("  {}\n", anew(config, run)),
        false => format!("  {}{}\n", config.resume_command(run), sets(config, &outcome.ending)),
    });
    text
}
