//! Values that make no sense, alone or together, found before anything is loaded.

use surefoot_engine::chat::check_time;
use surefoot_engine::lora::MODULES;
use surefoot_objectives::advantage::{Estimator, Scale, Weight};

use super::choice::{AnswerFormat, RewardName};
use super::{Config, Lora, Purpose, nearest};

mod behavior;
mod data;
mod lasting;
mod unread;

/// What `min_p` may be.
const MIN_P: &str = "0 (off) or more, and less than 1";
/// Beyond it nobody means a factor, and squares of what it multiplies, which groups and norms take, leave f32's range.
const MOST_WEIGHT: f64 = 1e6;
/// Learning rate from which a few updates take f32 weights beyond their range.
const LARGEST_RATE: f64 = 1e30;
/// Smallest number that f32 holds at full precision, about.
const SMALLEST: f64 = 1e-37;
/// Below it, samples do not differ, and logits divided by it leave the range of f32.
const LOWEST_TEMPERATURE: f64 = 1e-3;
/// Samples of a step; more do not fit any memory, and a slip of the keyboard is likelier.
const MOST_SAMPLES: usize = 1 << 24;

/// Threads of the machines that there are, and more; a slip of the keyboard is likelier.
pub const MOST_THREADS: usize = 1024;

/// Parts of an update; each has a gradient of its own.
const MOST_SHARDS: usize = 1 << 16;

/// What was found: `(section.key, what is wrong and what to do)`.
#[derive(Default)]
struct Found(Vec<(String, String)>);

impl Found {
    fn push(&mut self, (key, message): (&str, String)) {
        self.0.push((key.to_string(), message));
    }
}

/// Everything that is wrong with the values of `config`, of which a user gave those that `is_set` knows.
pub(super) fn check(config: &Config, is_set: &dyn Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut found = Found::default();
    for (key, number, least) in config.stages().iter().flat_map(|stage| stage.below_least()) {
        found.push((key, format!("is {number}; it must be at least {least}")));
    }
    shared(config, &mut found);
    match config.purpose {
        Purpose::Train => {
            rollout(config, &mut found);
            reward(config, &mut found);
            advantage(config, &mut found);
            update(config, &mut found);
            eval(config, &mut found);
            lasting::stop(config, &mut found);
            behavior::correction(config, &mut found);
            behavior::server(config, &mut found);
        }
        Purpose::Eval => {
            reward(config, &mut found);
            eval(config, &mut found);
            if config.eval.data.is_empty() {
                let wanted = "is not set: name a benchmark's file with --data FILE, or here";
                found.push(("eval.data", wanted.to_string()));
            }
        }
        Purpose::Sft => {
            let batch = config.sft.batch as f64;
            within(&mut found, "sft.batch", batch, batch <= MOST_SAMPLES as f64, &format!("at most {MOST_SAMPLES}"));
            lasting::stop(config, &mut found);
        }
    }
    unread::check(config, is_set, &mut found);
    found.0
}

fn within(found: &mut Found, key: &'static str, value: f64, allowed: bool, rule: &str) {
    if !allowed {
        found.push((key, format!("is {value}; it must be {rule}")));
    }
}

fn shared(config: &Config, found: &mut Found) {
    let Config { train, model, data, prompt, optimizer, update, .. } = config;
    let threads = train.threads;
    within(found, "train.threads", threads as f64, threads <= MOST_THREADS, &format!("at most {MOST_THREADS}"));
    if model.path.is_empty() {
        found.push(("model.path", "is not set: name the folder of a Hugging Face model".to_string()));
    }
    data::check(config, found);
    lasting::checkpoint(config, found);
    if config.purpose != Purpose::Eval && (data.train.is_empty() || data.train.iter().any(String::is_empty)) {
        found.push((
            "data.train",
            "is not set: name a JSONL or parquet file, or a built-in task as \"task:addition\"".to_string(),
        ));
    }
    lora(config, found);
    if !prompt.template.contains("{problem}") {
        found.push(("prompt.template", "must contain {problem}".to_string()));
    }
    if !prompt.date.is_empty()
        && let Err(error) = check_time(&prompt.date)
    {
        found.push(("prompt.date", format!("is wrong: {error}")));
    }
    let rate = optimizer.learning_rate;
    let rule = format!("greater than 0 and at most {LARGEST_RATE:e}");
    within(found, "optimizer.learning_rate", rate, rate > 0.0 && rate <= LARGEST_RATE, &rule);
    for beta in optimizer.betas {
        within(found, "optimizer.betas", beta, (0.0..1.0).contains(&beta), "at least 0 and less than 1");
    }
    let eps = optimizer.eps;
    within(found, "optimizer.eps", eps, eps >= SMALLEST && eps.is_finite(), &format!("at least {SMALLEST:e}"));
    if let Some(base) = optimizer.base_parameters {
        within(found, "optimizer.base_parameters", base, base >= 1.0, "at least 1");
    }
    let decay = optimizer.weight_decay;
    within(found, "optimizer.weight_decay", decay, decay >= 0.0, "0 or more");
    if rate > 0.0 && decay * rate > 1.0 {
        found.push((
            "optimizer.weight_decay",
            format!("is {decay}: times learning_rate = {rate:e} it exceeds 1, and every update would turn the weights' signs"),
        ));
    }
    let ratio = optimizer.min_ratio;
    within(found, "optimizer.min_ratio", ratio, (0.0..=1.0).contains(&ratio), "between 0 and 1");
    if let Some(shards) = update.shards {
        within(found, "update.shards", shards as f64, shards <= MOST_SHARDS, &format!("at most {MOST_SHARDS}"));
    }
    within(found, "update.clip_grad_norm", update.clip_grad_norm, update.clip_grad_norm >= 0.0, "0 (off) or more");
}

fn lora(config: &Config, found: &mut Found) {
    let Lora { rank, alpha, targets } = &config.lora;
    if *rank == 0 {
        return;
    }
    let hint = format!("greater than 0, and at most {MOST_WEIGHT:e}");
    within(found, "lora.alpha", *alpha, *alpha > 0.0 && *alpha <= MOST_WEIGHT, &hint);
    if targets.is_empty() {
        found.push(("lora.targets", "is empty, so nothing would learn".to_string()));
    }
    for target in targets.iter().filter(|target| !MODULES.contains(&target.as_str())) {
        let known = MODULES.join(", ");
        let near = nearest(target, MODULES).map_or(String::new(), |near| format!("did you mean {near}? "));
        found.push(("lora.targets", format!("has {target:?}; {near}there are {known}")));
    }
    if !config.model.frozen.is_empty() {
        found.push((
            "model.frozen",
            "has no meaning with lora.rank: the model's own weights keep their values".to_string(),
        ));
    }
}

fn rollout(config: &Config, found: &mut Found) {
    let rollout = &config.rollout;
    let temperature = rollout.temperature;
    let hint = format!("at least {LOWEST_TEMPERATURE} (training needs samples that differ)");
    let allowed = temperature >= LOWEST_TEMPERATURE && temperature.is_finite();
    within(found, "rollout.temperature", temperature, allowed, &hint);
    if rollout.prompts.saturating_mul(rollout.samples) > MOST_SAMPLES {
        let (prompts, samples) = (rollout.prompts, rollout.samples);
        found.push((
            "rollout.prompts",
            format!("is {prompts}, with rollout.samples = {samples}: a step can have at most {MOST_SAMPLES} samples"),
        ));
    }
    within(
        found,
        "rollout.top_p",
        rollout.top_p,
        rollout.top_p > 0.0 && rollout.top_p <= 1.0,
        "greater than 0 and at most 1 (1 is off)",
    );
    within(found, "rollout.min_p", rollout.min_p, (0.0..1.0).contains(&rollout.min_p), MIN_P);
    if rollout.top_k == 1 {
        found.push(("rollout.top_k", "is 1, so that every sample of a group is the same; 0 is off".to_string()));
    }
    if rollout.stop.iter().any(String::is_empty) {
        found.push(("rollout.stop", "holds an empty text, which would end every completion at once".to_string()));
    }
}

fn eval(config: &Config, found: &mut Found) {
    let eval = &config.eval;
    let (temperature, top_p) = (eval.temperature, eval.top_p);
    let allowed = temperature == 0.0 || (temperature >= LOWEST_TEMPERATURE && temperature.is_finite());
    let rule = format!("0 (the most probable token), or at least {LOWEST_TEMPERATURE}");
    within(found, "eval.temperature", temperature, allowed, &rule);
    within(found, "eval.top_p", top_p, top_p > 0.0 && top_p <= 1.0, "greater than 0 and at most 1 (1 is off)");
    within(found, "eval.min_p", eval.min_p, (0.0..1.0).contains(&eval.min_p), MIN_P);
    let evaluates = config.purpose == Purpose::Eval || eval.every > 0;
    if evaluates && temperature == 0.0 && eval.samples > 1 {
        let samples = eval.samples;
        let message = format!(
            "is {samples}: all {samples} samples of a problem are the same with eval.temperature = 0; take 1, or another temperature"
        );
        found.push(("eval.samples", message));
    }
    // `eval.data` alone is for `surefoot eval` with the same file.
    if config.purpose == Purpose::Train && eval.every > 0 && eval.data.is_empty() {
        let wanted = format!("is {}, and eval.data names no benchmark", eval.every);
        found.push(("eval.every", wanted));
    }
}

fn reward(config: &Config, found: &mut Found) {
    let reward = &config.reward;
    let named = |name: RewardName| reward.name.contains(&name);
    if reward.name.is_empty() {
        found.push(("reward.name", "names no reward; `math` judges mathematics".to_string()));
    }
    if let Some(twice) = reward.name.iter().enumerate().find(|(at, name)| reward.name[..*at].contains(name)) {
        found.push(("reward.name", format!("names `{}` twice; give it a weight", twice.1.name())));
    }
    let (names, weights) = (reward.name.len(), reward.weights.len());
    if weights > 0 && weights != names {
        found.push((
            "reward.weights",
            format!("holds {weights} where {names} rewards are named; leave it out for 1 each"),
        ));
    }
    if let Some(weight) = reward.weights.iter().find(|weight| weight.is_nan() || weight.abs() > MOST_WEIGHT) {
        found.push((
            "reward.weights",
            format!("holds {weight:e}; each must be within -{MOST_WEIGHT:e} and {MOST_WEIGHT:e}"),
        ));
    }
    if named(RewardName::Command) && reward.command.is_empty() {
        found.push(("reward.command", "is not set: name the program of the `command` reward".to_string()));
    }
    let formless = reward.format == AnswerFormat::Any;
    let math = named(RewardName::Math) || named(RewardName::MathPm1);
    if reward.strict && (formless || !math) {
        found.push((
            "reward.strict",
            "needs a reward.format other than \"any\", and \"math\" or \"math_pm1\" in reward.name".to_string(),
        ));
    }
    if named(RewardName::Format) && formless {
        found.push(("reward.name", "rewards the `format`: set reward.format to the form that is meant".to_string()));
    }
    let (buffer, limit) = (reward.overlong_buffer, config.rollout.max_new_tokens);
    if named(RewardName::Overlong) && buffer > limit {
        found.push(("reward.overlong_buffer", format!("is {buffer}, more than rollout.max_new_tokens = {limit}")));
    }
    within(found, "reward.start_seconds", reward.start_seconds, reward.start_seconds >= 0.0, "0 or more");
    within(found, "reward.timeout_seconds", reward.timeout_seconds, reward.timeout_seconds > 0.0, "greater than 0");
    let share = reward.max_error_share;
    within(found, "reward.max_error_share", share, (0.0..=1.0).contains(&share), "between 0 and 1");
}

fn advantage(config: &Config, found: &mut Found) {
    let (advantage, samples) = (&config.advantage, config.rollout.samples);
    let estimator = config.estimator();
    if estimator.compares() && samples == 1 {
        let name = estimator.key();
        found.push(("rollout.samples", format!(
            "is 1, but advantage.estimator = \"{name}\" compares the samples of a group: use at least 2, or \"reinforce_plus_plus\""
        )));
    }
    let kl = advantage.kl_coefficient;
    within(found, "advantage.kl_coefficient", kl, kl >= 0.0, "0 (off) or more");
    let bound = advantage.weight_bound;
    within(found, "advantage.weight_bound", bound, bound >= 1.0, "at least 1");
    let key = match (advantage.weight, advantage.scale) {
        (Weight::Std | Weight::ClipFilter, _) if estimator != Estimator::DrGrpo => "advantage.weight",
        (_, Scale::Batch) => "advantage.scale",
        _ if estimator == Estimator::Gdpo => "advantage.kl_coefficient",
        _ => "advantage.estimator",
    };
    if let Err(error) = config.advantage_estimator() {
        found.push((key, format!("does not fit: {error}")));
    }
    match config.try_objective() {
        Err((key, error)) => found.push((&key, format!("does not fit: {error}"))),
        Ok(objective)
            if objective.control.weighs_epochs() && config.update.epochs == 1 && config.begins_on_policy() =>
        {
            found.push((
                "objective.epoch_weight",
                "is \"truncated\", which has no effect with update.epochs = 1: the only epoch begins with the policy of \
                 logp_old; use more epochs, or \"off\""
                    .to_string(),
            ));
        }
        Ok(_) => {}
    }
}

/// Every divisor of `number`, in order.
fn divisors(number: usize) -> Vec<usize> {
    let small: Vec<usize> = (1..=number.isqrt()).filter(|n| number.is_multiple_of(*n)).collect();
    let large = small.iter().rev().map(|n| number / n).filter(|n| *n > number.isqrt());
    small.iter().copied().chain(large).collect()
}

fn update(config: &Config, found: &mut Found) {
    let (update, rollout) = (&config.update, &config.rollout);
    // More prompts than a step can have are told of already.
    let possible = (1..=MOST_SAMPLES).contains(&rollout.prompts);
    if update.mini_batches > 0 && possible && !rollout.prompts.is_multiple_of(update.mini_batches) {
        let divisors: Vec<String> = divisors(rollout.prompts).iter().map(usize::to_string).collect();
        found.push((
            "update.mini_batches",
            format!(
                "is {}, which does not divide the {} groups of rollout.prompts; possible are {}",
                update.mini_batches,
                rollout.prompts,
                divisors.join(", ")
            ),
        ));
    }
    let regularizer = &config.regularizer;
    within(
        found,
        "regularizer.drift_coefficient",
        regularizer.drift_coefficient,
        regularizer.drift_coefficient >= 0.0,
        "0 (off) or more",
    );
    within(found, "regularizer.drift_bound", regularizer.drift_bound, regularizer.drift_bound > 0.0, "greater than 0");
    within(
        found,
        "regularizer.reference_coefficient",
        regularizer.reference_coefficient,
        regularizer.reference_coefficient >= 0.0,
        "0 (off) or more",
    );
    within(
        found,
        "regularizer.entropy_coefficient",
        regularizer.entropy_coefficient,
        regularizer.entropy_coefficient >= 0.0,
        "0 (off) or more",
    );
}

#[cfg(test)]
mod tests {
    use super::divisors;

    #[test]
    fn divisors_are_all_and_in_order() {
        for number in [1, 2, 9, 12, 36, 97, 720] {
            assert_eq!(divisors(number), (1..=number).filter(|n| number % n == 0).collect::<Vec<_>>(), "{number}");
        }
    }
}
