//! What a run keeps, and when it ends early.

use super::{Found, within};
use crate::config::choice::Best;
use crate::config::{Config, Purpose};

pub(super) fn checkpoint(config: &Config, found: &mut Found) {
    let (best, checkpoint) = (config.checkpoint.best, &config.checkpoint);
    let wrong = match config.purpose {
        Purpose::Train if best.of_evaluation() && config.eval.every == 0 => {
            "is a metric of evaluations, and eval.every = 0 makes none"
        }
        Purpose::Train if best == Best::Reward && checkpoint.every == 0 => {
            "compares checkpoints, and checkpoint.every = 0 writes only the last"
        }
        Purpose::Sft if best != Best::Off => "is for `surefoot train`: fine-tuning has neither rewards nor evaluations",
        _ => return,
    };
    found.push(("checkpoint.best", format!("= \"{}\" {wrong}", best.name())));
}

pub(super) fn stop(config: &Config, found: &mut Found) {
    let stop = &config.stop;
    if config.purpose == Purpose::Sft {
        let of_training = [
            ("stop.entropy_min", stop.entropy_min),
            ("stop.entropy_max", stop.entropy_max),
            ("stop.ratio_max", stop.ratio_max),
            ("stop.length_min", stop.length_min),
            ("stop.length_max", stop.length_max),
            ("stop.reward_min", stop.reward_min),
            ("stop.reward_drop", stop.reward_drop),
        ];
        for (key, _) in of_training.iter().filter(|(_, limit)| limit.is_some()) {
            let wrong = "is for `surefoot train`: fine-tuning has neither samples nor rewards (it has stop.grad_norm_max and stop.skipped_max)";
            found.push((key, wrong.to_string()));
        }
    }
    for (low, high, metric) in [
        (stop.entropy_min, stop.entropy_max, "stop.entropy_max"),
        (stop.length_min, stop.length_max, "stop.length_max"),
    ] {
        if let (Some(low), Some(high)) = (low, high) {
            within(found, metric, high, high > low, &format!("greater than the least, {low}"));
        }
    }
    let longest = config.rollout.max_new_tokens;
    if let Some(low) = stop.length_min.filter(|low| config.purpose == Purpose::Train && *low > longest as f64) {
        found.push((
            "stop.length_min",
            format!("is {low}, more than rollout.max_new_tokens = {longest}: no completion is that long"),
        ));
    }
    for (key, limit) in [("stop.reward_drop", stop.reward_drop), ("stop.grad_norm_max", stop.grad_norm_max)] {
        if let Some(limit) = limit {
            within(found, key, limit, limit > 0.0, "greater than 0");
        }
    }
    if let Some(limit) = stop.ratio_max {
        within(found, "stop.ratio_max", limit, limit > 1.0, "greater than 1, the ratio of an unchanged policy");
    }
}
