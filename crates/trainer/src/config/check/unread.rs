//! Keys that were set and that nothing reads, because of what other keys say: the table of what each of them waits for.
//!
//! A key with its default value says nothing, so it may stand anywhere.

use surefoot_objectives::advantage::{Estimator, Weight};
use surefoot_objectives::control::{ClipSchedule, Control, Cpgd, Hazard};
use surefoot_objectives::{Aggregation, Objective};

use super::Found;
use crate::collapse::Detectors;
use crate::config::choice::{Chat, Reload, RewardName, Schedule};
use crate::config::{Config, Purpose};
use crate::data::Wanted;

/// Keys that are read on one condition.
struct Rule {
    /// `section.key`
    keys: &'static [&'static str],
    read: fn(&Config) -> bool,
    /// Why they are not, where they are not, and what to do.
    why: &'static str,
}

const fn rule(keys: &'static [&'static str], read: fn(&Config) -> bool, why: &'static str) -> Rule {
    Rule { keys, read, why }
}

/// A key that waits for several others stands in a rule for each, the first that is broken being told.
const RULES: &[Rule] = &[
    rule(&["lora.alpha", "lora.targets"], |c| c.lora.rank > 0, "lora.rank is 0, which makes no adapters"),
    rule(
        &["data.incomplete"],
        |c| c.purpose == Purpose::Sft || Wanted::of(&c.reward, &c.data).needs_answer(),
        "no reward of reward.name reads the answer; for `command`, data.answer_key says that it does",
    ),
    rule(&["data.answer_key"], trains, "what `surefoot sft` learns is in the column sft.target_key"),
    rule(&["prompt.date"], |c| c.prompt.chat != Chat::Never, "prompt.chat = \"never\" applies no chat template"),
    rule(
        &["prompt.max_tokens", "prompt.overlong"],
        trains,
        "`surefoot sft` leaves out rows that are longer than sft.max_tokens",
    ),
    rule(
        &[
            "server.model",
            "server.api_key_env",
            "server.prompt",
            "server.concurrency",
            "server.timeout_seconds",
            "server.retries",
            "server.backoff_seconds",
            "server.reload",
            "server.reload_every",
            "server.weights_dir",
            "server.reload_method",
            "server.reload_path",
            "server.reload_body",
        ],
        Config::remote,
        "the trainer samples itself without server.url",
    ),
    rule(&["server.backoff_seconds"], |c| c.server.retries > 0, "server.retries is 0"),
    rule(
        &["server.reload_every", "server.weights_dir"],
        |c| c.server.reload != Reload::None,
        "server.reload is \"none\"; say how the server gets new weights",
    ),
    rule(
        &["server.reload_method", "server.reload_path", "server.reload_body"],
        |c| c.server.reload == Reload::Custom,
        "it is for server.reload = \"custom\"",
    ),
    rule(
        &["correction.rollout_is", "correction.rollout_rs"],
        |c| c.decoupled() || c.truncates(),
        "logp_old is what the sampler said; set correction.mode = \"decoupled\"",
    ),
    rule(
        &[
            "reward.command",
            "reward.columns",
            "reward.workers",
            "reward.timeout_seconds",
            "reward.start_seconds",
            "reward.max_error_share",
        ],
        |c| c.reward.name.contains(&RewardName::Command),
        "reward.name does not name `command`",
    ),
    rule(
        &["reward.overlong_buffer"],
        |c| c.reward.name.contains(&RewardName::Overlong),
        "reward.name does not name `overlong`",
    ),
    rule(
        &["advantage.weight_bound"],
        |c| c.advantage.weight == Weight::ClipFilter,
        "it is for advantage.weight = \"clip-filter\"",
    ),
    rule(
        &["advantage.std"],
        |c| match c.estimator() {
            Estimator::Grpo
            | Estimator::GrpoPassk
            | Estimator::Gdpo
            | Estimator::ReinforcePlusPlus
            | Estimator::RlooNormalized => true,
            Estimator::DrGrpo => c.advantage.weight == Weight::Std,
            Estimator::Raw | Estimator::Rloo | Estimator::Opo => false,
        },
        "advantage.estimator divides by no standard deviation; \"grpo\" does, and \"dr_grpo\" with advantage.weight = \"std\"",
    ),
    rule(
        &["advantage.kl_estimator"],
        |c| c.advantage.kl_coefficient != 0.0,
        "advantage.kl_coefficient is 0; set the weight of the divergence",
    ),
    rule(
        &["objective.aggregation_length"],
        |c| objective(c, |objective| objective.aggregation == Aggregation::SeqMeanTokenSumNorm),
        "only objective.aggregation = \"seq-mean-token-sum-norm\" divides by it",
    ),
    rule(
        &[
            "objective.shape_positive",
            "objective.scale_positive",
            "objective.shape_negative",
            "objective.scale_negative",
            "objective.anchor",
        ],
        |c| objective(c, |objective| !matches!(&objective.control, Control::Mhpo(mhpo) if mhpo.hazard == Hazard::None)),
        "objective.hazard = \"none\" has no penalty that it could shape",
    ),
    rule(
        &["objective.schedule_weight"],
        |c| cpgd(c, |cpgd| cpgd.clip_schedule == ClipSchedule::TightToLoose),
        "it is for objective.clip_schedule = \"tight-to-loose\"",
    ),
    rule(
        &["objective.drift_bound"],
        |c| cpgd(c, |cpgd| cpgd.drift.is_some_and(|drift| drift.coefficient != 0.0)),
        "objective.drift_coefficient is 0",
    ),
    rule(
        &["objective.off_policy_mask"],
        |c| c.update.mini_batches.saturating_mul(c.update.epochs) > 1 || !c.begins_on_policy() || c.decoupled(),
        "with one update on a rollout the policy has not moved from the one that sampled; use more update.mini_batches or update.epochs",
    ),
    rule(
        &["regularizer.drift_bound"],
        |c| c.regularizer.drift_coefficient != 0.0,
        "regularizer.drift_coefficient is 0; set the weight of the drift",
    ),
    rule(
        &["regularizer.reference_estimator"],
        |c| c.regularizer.reference_coefficient != 0.0,
        "regularizer.reference_coefficient is 0; set the weight of the divergence",
    ),
    rule(
        &["optimizer.min_ratio"],
        |c| c.optimizer.schedule != Schedule::Constant,
        "optimizer.schedule is \"constant\"; leave it out or choose \"cosine\" or \"linear\"",
    ),
    rule(
        &["update.mini_batches", "update.epochs"],
        trains,
        "`surefoot sft` makes one update a step, of sft.batch rows; train.steps says how many",
    ),
    rule(&["update.truncated", "log.rollouts_every"], trains, "`surefoot sft` samples no completions"),
    rule(&["eval.before"], |c| c.eval.every > 0, "eval.every is 0, which makes no evaluations"),
    rule(
        &["eval.top_p", "eval.top_k", "eval.min_p"],
        |c| c.eval.temperature != 0.0,
        "eval.temperature is 0, which takes the most probable token",
    ),
    rule(
        &["stop.patience", "stop.after"],
        |c| Detectors::new(&c.stop, &[]).are_any(),
        "no detector of [stop] has a limit",
    ),
    rule(
        &["stop.patience"],
        |c| Detectors::new(&c.stop, &[]).are_patient(),
        "stop.idle_max is itself a number of steps, and no other detector of [stop] has a limit",
    ),
];

/// Adds those of the keys that `is_set` knows, have another value than by default, and are not read.
pub(super) fn check(config: &Config, is_set: &dyn Fn(&str) -> bool, found: &mut Found) {
    let defaults = Config::defaults(config.purpose);
    let mut told: Vec<&str> = Vec::new();
    for Rule { keys, read, why } in RULES {
        for &key in keys.iter().filter(|key| applies(config.purpose, key) && is_set(key)) {
            if !told.contains(&key) && !read(config) && !is_default(config, &defaults, key) {
                found.push((key, format!("has no effect: {why}")));
                told.push(key);
            }
        }
    }
}

/// `surefoot eval` takes a configuration of `surefoot train` as it is, and rewards are all that it shares with training.
fn applies(purpose: Purpose, key: &str) -> bool {
    let section = key.split_once('.').map_or(key, |(section, _)| section);
    purpose.sections().contains(&section) && (purpose != Purpose::Eval || section == "reward")
}

fn is_default(config: &Config, defaults: &Config, key: &str) -> bool {
    let Some(option) = key.strip_prefix("objective.") else { return config.value(key) == defaults.value(key) };
    // The defaults of options are the objective's own.
    let Ok(objective) = Objective::named(&config.objective.name) else { return true };
    let usual = objective.settings().into_iter().find(|setting| setting.key == option).map(|setting| setting.value);
    match (config.objective.options.get(option), usual) {
        (Some(set), Some(usual)) => *set == usual,
        (set, _) => set.is_none(),
    }
}

fn trains(config: &Config) -> bool {
    config.purpose != Purpose::Sft
}

/// What `reads` says of the objective; one that cannot be made is told of already.
fn objective(config: &Config, reads: impl Fn(&Objective) -> bool) -> bool {
    config.build_objective().map_or(true, |objective| reads(&objective))
}

fn cpgd(config: &Config, reads: impl Fn(&Cpgd) -> bool) -> bool {
    objective(config, |objective| match &objective.control {
        Control::Cpgd(cpgd) => reads(cpgd),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::RULES;
    use crate::config::{Config, Purpose};

    #[test]
    fn every_key_of_the_table_exists() {
        let keys: Vec<String> = [Purpose::Train, Purpose::Sft]
            .iter()
            .flat_map(|purpose| {
                let config = Config::defaults(*purpose);
                let stages = config.stages();
                let of = |stage: &&dyn crate::config::Stage| {
                    let section = stage.section();
                    stage.keys().into_iter().map(move |key| format!("{section}.{}", key.name)).collect::<Vec<_>>()
                };
                stages.iter().flat_map(of).collect::<Vec<_>>()
            })
            .collect();
        for key in RULES.iter().flat_map(|rule| rule.keys) {
            assert!(keys.iter().any(|known| known == key), "{key}");
        }
    }
}
