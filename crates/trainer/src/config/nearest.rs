//! The valid name nearest to a mistyped one.

use strsim::{jaro_winkler, osa_distance};

/// Similarity (Jaro-Winkler) from which a name with many edits still counts as meant.
const SIMILAR: f64 = 0.87;

/// The candidate nearest to `word`, if any is near enough to be what was meant: within a third of its letters, or with a
/// long common beginning.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let close = |candidate: &&str| {
        let edits = osa_distance(word, candidate);
        edits <= word.chars().count().max(candidate.chars().count()) / 3 || jaro_winkler(word, candidate) >= SIMILAR
    };
    candidates.into_iter().filter(close).min_by_key(|candidate| osa_distance(word, candidate))
}

/// The valid key nearest to `section.key`, as `section.key`: a name that other trainers use, the same key in another section,
/// a similar key in the same section, or a similar one elsewhere, in this order.
pub fn nearest_key(section: &str, key: &str, valid: &[(&str, String)]) -> Option<String> {
    if let Some((_, ours)) =
        ELSEWHERE.iter().find(|(theirs, _)| *theirs == key || *theirs == format!("{section}.{key}"))
    {
        let known = ours
            .split_once('.')
            .is_some_and(|(in_section, name)| valid.iter().any(|(section, key)| *section == in_section && key == name));
        if known {
            return Some((*ours).to_string());
        }
    }
    if let Some((home, _)) = valid.iter().find(|(_, name)| name == key) {
        return Some(format!("{home}.{key}"));
    }
    let in_section = valid.iter().filter(|(home, _)| *home == section).map(|(_, name)| name.as_str());
    if let Some(name) = nearest(key, in_section) {
        return Some(format!("{section}.{name}"));
    }
    let name = nearest(key, valid.iter().map(|(_, name)| name.as_str()))?;
    let (home, _) = valid.iter().find(|(_, candidate)| candidate == name)?;
    Some(format!("{home}.{name}"))
}

/// Keys of TRL and verl, in any section or in the one that is named, and ours with the same meaning.
const ELSEWHERE: &[(&str, &str)] = &[
    ("max_staleness", "rollout.staleness"),
    ("max_off_policy_steps", "rollout.staleness"),
    ("bypass_mode", "correction.mode"),
    ("base_url", "server.url"),
    ("num_generations", "rollout.samples"),
    ("group_size", "rollout.samples"),
    ("n", "rollout.samples"),
    ("train_batch_size", "rollout.prompts"),
    ("batch_size", "rollout.prompts"),
    ("max_completion_length", "rollout.max_new_tokens"),
    ("max_response_length", "rollout.max_new_tokens"),
    ("max_prompt_length", "prompt.max_tokens"),
    ("ppo_mini_batch_size", "update.mini_batches"),
    ("ppo_epochs", "update.epochs"),
    ("num_iterations", "update.epochs"),
    // Times that the data is gone through, which a number of steps says here; `update.epochs` is of one rollout.
    ("train.epochs", "train.steps"),
    ("num_train_epochs", "train.steps"),
    ("total_epochs", "train.steps"),
    ("ppo_max_token_len_per_gpu", "update.tokens_per_micro_batch"),
    ("gradient_checkpointing", "update.recompute"),
    ("max_grad_norm", "update.clip_grad_norm"),
    ("grad_clip", "update.clip_grad_norm"),
    ("reward_funcs", "reward.name"),
    ("reward_weights", "reward.weights"),
    ("format_bonus", "reward.weights"),
    ("overlong_buffer_len", "reward.overlong_buffer"),
    ("lr", "optimizer.learning_rate"),
    ("lr_scheduler_type", "optimizer.schedule"),
    ("lr_warmup_steps", "optimizer.warmup_steps"),
    ("adam_epsilon", "optimizer.eps"),
    ("loss_type", "objective.name"),
    ("loss_mode", "objective.name"),
    ("epsilon", "objective.clip_low"),
    ("epsilon_high", "objective.clip_high"),
    ("clip_ratio_low", "objective.clip_low"),
    ("clip_ratio_high", "objective.clip_high"),
    ("loss_agg_mode", "objective.aggregation"),
    ("beta", "regularizer.reference_coefficient"),
    ("entropy_coeff", "regularizer.entropy_coefficient"),
    ("entropy_coef", "regularizer.entropy_coefficient"),
    ("kl_loss_coef", "regularizer.reference_coefficient"),
    ("kl_loss_type", "regularizer.reference_estimator"),
    ("adv_estimator", "advantage.estimator"),
    ("save_steps", "checkpoint.every"),
    ("save_freq", "checkpoint.every"),
    ("test_freq", "eval.every"),
    ("val_before_train", "eval.before"),
    ("save_total_limit", "checkpoint.keep"),
    ("max_steps", "train.steps"),
    ("total_training_steps", "train.steps"),
    ("output_dir", "log.run_dir"),
    ("train_files", "data.train"),
    ("system_prompt", "prompt.system"),
    ("data_weights", "data.weights"),
    ("interleave_probs", "data.weights"),
    ("kl_penalty", "advantage.kl_estimator"),
    ("kl_coef", "advantage.kl_coefficient"),
    ("use_kl_in_reward", "advantage.kl_coefficient"),
    ("metric_for_best_model", "checkpoint.best"),
    ("load_best_model_at_end", "checkpoint.best"),
    ("early_stopping_patience", "stop.patience"),
];
