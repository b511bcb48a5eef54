//! What keys of other trainers are called here.

/// What a user must know where on and off are one key there, and the value is a number here.
const ZERO_IS_OFF: &str = "a weight; 0 is off";
/// Keys that count samples there.
const PROMPTS: &str = "it counts prompts, each of which has rollout.samples completions";
/// Keys that say how an update's samples are divided.
const UPDATES: &str = "it counts the updates on a rollout, not their samples";
/// Keys that say how many samples are computed at once.
const TOKENS: &str = "it counts tokens, and changes no result";
/// Keys that say how often the data is gone through.
const STEPS: &str = "a step is one rollout with its updates, and update.epochs is of one rollout";
/// Keys that scale advantages or not.
const DEVIATION: &str = "\"grpo\" divides by the deviation of the group's rewards, \"dr_grpo\" does not";
/// Keys whose lower bound is another key.
const BOTH_BOUNDS: &str = "with objective.clip_high for the upper bound";
/// Keys of the dual clip.
const DUAL: &str = "of objective.name = \"ppo_dual_clip\", \"aspo\", \"dppo_tv\" or \"dppo_kl\"";
/// Keys of DPPO.
const DPPO: &str = "of objective.name = \"dppo_tv\"";
/// Keys of SAPO.
const SAPO: &str = "of objective.name = \"sapo\"";
/// Keys of CPGD.
const CPGD: &str = "of objective.name = \"cpgd\"";
/// Keys of DGPO.
const DGPO: &str = "of objective.name = \"dgpo\"";
/// Keys that name or switch a loss.
const SEQUENCE: &str = "\"gspo\" has the ratio of the whole sequence";
/// Keys of dynamic sampling.
const ROUNDS: &str = "it counts the rollouts of a step after the first; 0 is off";
/// Keys of the mixed form that sampling and training differ in.
const IMPORTANCE: &str = "\"token\" or \"sequence\", with correction.rollout_is_threshold";

/// Keys of TRL, verl, OpenRLHF, slime, NeMo-RL and prime-rl, in any section or in the one that is named; ours with the same meaning;
/// and what differs in the value, if anything does. The first that a purpose knows is taken.
#[rustfmt::skip] // a table: one line each
pub(super) const ELSEWHERE: &[(&str, &str, &str)] = &[
    // The run.
    ("train.epochs", "train.steps", STEPS),
    ("num_train_epochs", "train.steps", STEPS),
    ("total_epochs", "train.steps", STEPS),
    ("num_episodes", "train.steps", STEPS),
    ("max_steps", "train.steps", ""),
    ("total_training_steps", "train.steps", ""),
    ("num_rollout", "train.steps", ""),
    ("max_num_steps", "train.steps", ""),
    ("output_dir", "log.run_dir", ""),
    ("default_local_dir", "log.run_dir", ""),
    ("report_to", "log.tensorboard", "true or false; metrics.jsonl is written in any case"),
    ("logger", "log.tensorboard", "true or false; metrics.jsonl is written in any case"),
    ("log_completions", "log.rollouts_every", "steps between files of completions; 0 writes none"),
    ("rollout_data_dir", "log.rollouts_every", "steps between files in rollouts/ of the run folder; 0 writes none"),
    // The model.
    ("model_name_or_path", "model.path", "a folder on this machine"),
    ("hf_checkpoint", "model.path", "a folder on this machine"),
    ("partial_pretrain", "model.path", "a folder on this machine"),
    ("pretrain", "model.path", "a folder on this machine"),
    ("use_peft", "lora.rank", "0 is off"),
    ("lora_rank", "lora.rank", "0 is off"),
    ("lora_r", "lora.rank", "0 is off"),
    ("lora_alpha", "lora.alpha", ""),
    ("lora_target_modules", "lora.targets", ""),
    ("target_modules", "lora.targets", "a list of matrices; unset, all of a layer"),
    // Data and prompts.
    ("train_files", "data.train", ""),
    ("dataset_name", "data.train", "files, or a built-in task"),
    ("prompt_data", "data.train", ""),
    ("prompt_key", "data.problem_key", ""),
    ("input_key", "data.problem_key", ""),
    ("label_key", "data.answer_key", ""),
    ("response_key", "sft.target_key", ""),
    ("data_weights", "data.weights", ""),
    ("prompt_data_probs", "data.weights", ""),
    ("interleave_probs", "data.weights", ""),
    ("max_train_samples", "data.limit", ""),
    ("train_max_samples", "data.limit", ""),
    ("max_samples", "data.limit", ""),
    ("shuffle_dataset", "data.shuffle", ""),
    ("rollout_shuffle", "data.shuffle", ""),
    ("system_prompt", "prompt.system", ""),
    ("apply_chat_template", "prompt.chat", "\"auto\", \"always\" or \"never\""),
    ("sft.max_length", "sft.max_tokens", ""),
    ("max_prompt_length", "prompt.max_tokens", ""),
    ("prompt_length", "prompt.max_tokens", ""),
    ("prompt_max_len", "prompt.max_tokens", ""),
    ("filter_overlong_prompts", "prompt.overlong", "\"drop\" or \"error\""),
    // Evaluation; before the sampling of the training, whose names are the same.
    ("eval.n", "eval.samples", ""),
    ("eval.num_generations", "eval.samples", ""),
    ("num_generations_eval", "eval.samples", ""),
    ("val_num_generations_per_prompt", "eval.samples", ""),
    ("n_samples_per_eval_prompt", "eval.samples", ""),
    ("eval.interval", "eval.every", "0 makes none"),
    ("eval.max_completion_length", "eval.max_new_tokens", ""),
    ("eval.do_sample", "eval.temperature", "0 takes the most probable token"),
    ("val_files", "eval.data", ""),
    ("eval_prompt_data", "eval.data", "NAME=FILE, or a list of such"),
    ("eval_steps", "eval.every", "0 makes none"),
    ("eval_interval", "eval.every", "0 makes none"),
    ("test_freq", "eval.every", "0 makes none, not -1"),
    ("val_period", "eval.every", "0 makes none"),
    ("val_before_train", "eval.before", ""),
    ("val_at_start", "eval.before", ""),
    ("eval_on_start", "eval.before", ""),
    // Sampling.
    ("num_generations", "rollout.samples", ""),
    ("num_generations_per_prompt", "rollout.samples", ""),
    ("n_samples_per_prompt", "rollout.samples", ""),
    ("group_size", "rollout.samples", ""),
    ("n", "rollout.samples", ""),
    ("train_batch_size", "rollout.prompts", PROMPTS),
    ("rollout_batch_size", "rollout.prompts", PROMPTS),
    ("num_prompts_per_step", "rollout.prompts", PROMPTS),
    ("generation_batch_size", "rollout.prompts", PROMPTS),
    ("per_device_train_batch_size", "rollout.prompts", PROMPTS),
    ("per_device_train_batch_size", "sft.batch", "rows an update, of all devices together"),
    ("batch_size", "rollout.prompts", PROMPTS),
    ("train_batch_size", "sft.batch", ""),
    ("batch_size", "sft.batch", ""),
    ("max_completion_length", "rollout.max_new_tokens", ""),
    ("max_response_length", "rollout.max_new_tokens", ""),
    ("rollout_max_response_len", "rollout.max_new_tokens", ""),
    ("response_length", "rollout.max_new_tokens", ""),
    ("generate_max_len", "rollout.max_new_tokens", ""),
    ("stop_strings", "rollout.stop", ""),
    ("stop_sequences", "rollout.stop", ""),
    ("rollout_stop", "rollout.stop", ""),
    ("filter_groups", "rollout.resample_rounds", ROUNDS),
    ("max_num_gen_batches", "rollout.resample_rounds", "it counts the rollouts after the first, theirs all of them; 0 is off, not without end"),
    ("dynamic_sampling_max_gen_batches", "rollout.resample_rounds", "it counts the rollouts after the first, theirs all of them; 0 is off"),
    ("use_dynamic_sampling", "rollout.resample_rounds", ROUNDS),
    ("dynamic_filtering_enable", "rollout.resample_rounds", ROUNDS),
    ("filter_zero_advantages", "rollout.resample_rounds", ROUNDS),
    ("max_staleness", "rollout.staleness", ""),
    ("max_off_policy_steps", "rollout.staleness", ""),
    ("max_trajectory_age_steps", "rollout.staleness", ""),
    ("base_url", "server.url", ""),
    ("vllm_server_base_url", "server.url", ""),
    // Samples of another policy.
    ("bypass_mode", "correction.mode", "true is \"bypass\", false \"decoupled\""),
    ("use_rollout_logprobs", "correction.mode", "true is \"bypass\", false \"decoupled\""),
    ("vllm_importance_sampling_correction", "correction.rollout_is", IMPORTANCE),
    ("vllm_importance_sampling_mode", "correction.rollout_is", "theirs truncates or masks, which correction.rollout_is_threshold says here"),
    ("vllm_importance_sampling_clip_max", "correction.rollout_is_threshold", ""),
    ("use_importance_sampling_correction", "correction.rollout_is", IMPORTANCE),
    ("is_correction_enable", "correction.rollout_is", IMPORTANCE),
    ("use_tis", "correction.rollout_is", IMPORTANCE),
    ("tis_clip", "correction.rollout_is_threshold", ""),
    // Rewards.
    ("reward_funcs", "reward.name", "a program of your own is reward.command"),
    ("reward_weights", "reward.weights", ""),
    ("custom_reward_function", "reward.command", "a program that reads and writes JSON lines, with \"command\" in reward.name"),
    ("custom_rm_path", "reward.command", "a program that reads and writes JSON lines, with \"command\" in reward.name"),
    ("format_bonus", "reward.weights", "of \"format\" in reward.name"),
    ("penalty_factor", "reward.weights", "of \"overlong\" in reward.name"),
    ("overlong_penalty_factor", "reward.weights", "of \"overlong\" in reward.name"),
    ("overlong_buffer_len", "reward.overlong_buffer", "with \"overlong\" in reward.name"),
    ("reward_num_workers", "reward.workers", ""),
    // Advantages.
    ("adv_estimator", "advantage.estimator", ""),
    ("advantage_estimator", "advantage.estimator", "the loss is objective.name"),
    ("scale_rewards", "advantage.scale", "\"group\" or \"batch\"; \"none\" is advantage.estimator = \"dr_grpo\""),
    ("multi_objective_aggregation", "advantage.estimator", "\"normalize_then_sum\" is \"gdpo\"; rewards and weights are reward.name and reward.weights"),
    ("gdpo_reward_keys", "reward.name", "a list of rewards, with advantage.estimator = \"gdpo\""),
    ("gdpo_reward_weights", "reward.weights", "with advantage.estimator = \"gdpo\""),
    ("norm_adv_by_std_in_grpo", "advantage.estimator", DEVIATION),
    ("no_std_norm", "advantage.estimator", DEVIATION),
    ("disable_grpo_std_normalization", "advantage.estimator", DEVIATION),
    ("weight_factor_in_cpgd", "advantage.weight", "\"std\", \"clip-filter\" or \"equal\", with advantage.estimator = \"dr_grpo\""),
    ("clip_filter_like_weight_clip_eps", "advantage.weight_bound", ""),
    ("kl_penalty", "advantage.kl_estimator", "\"k3\" is their low_var_kl"),
    ("kl_coef", "advantage.kl_coefficient", ""),
    ("init_kl_coef", "advantage.kl_coefficient", "in the reward; in the loss it is regularizer.reference_coefficient"),
    ("use_kl_in_reward", "advantage.kl_coefficient", ZERO_IS_OFF),
    // Objectives.
    ("loss_type", "objective.name", ""),
    ("loss_mode", "objective.name", "their vanilla is \"ppo_dual_clip\", their geo_mean \"gmpo\""),
    ("policy_loss_type", "objective.name", "their ppo is \"grpo\""),
    ("importance_sampling_level", "objective.name", SEQUENCE),
    ("sequence_level_importance_ratios", "objective.name", SEQUENCE),
    ("use_cispo", "objective.name", "\"cispo\""),
    ("loss_agg_mode", "objective.aggregation", ""),
    ("off_policy_mask_threshold", "objective.off_policy_mask", "0 is off"),
    ("use_opsm", "objective.off_policy_mask", "the threshold itself; 0 is off"),
    ("opsm_delta", "objective.off_policy_mask", "0 is off"),
    ("token_level_loss", "objective.aggregation", "true is \"token-mean\""),
    ("loss_scale_factor", "objective.aggregation_length", ""),
    ("epsilon", "objective.clip_low", BOTH_BOUNDS),
    ("eps_clip", "objective.clip_low", BOTH_BOUNDS),
    ("clip_ratio", "objective.clip_low", BOTH_BOUNDS),
    ("clip_ratio_low", "objective.clip_low", ""),
    ("ratio_clip_min", "objective.clip_low", ""),
    ("epsilon_high", "objective.clip_high", "added to 1; for \"cispo\" theirs is the bound itself"),
    ("eps_clip_high", "objective.clip_high", ""),
    ("clip_ratio_high", "objective.clip_high", ""),
    ("ratio_clip_max", "objective.clip_high", ""),
    ("dppo_mask_low", "objective.divergence_low", DPPO),
    ("dppo_mask_high", "objective.divergence_high", DPPO),
    ("clip_ratio_c", "objective.dual_clip", DUAL),
    ("ratio_clip_c", "objective.dual_clip", DUAL),
    ("eps_clip_c", "objective.dual_clip", DUAL),
    ("delta", "objective.dual_clip", DUAL),
    ("tau_pos", "objective.temperature_positive", SAPO),
    ("tau_neg", "objective.temperature_negative", SAPO),
    ("sapo_temperature_pos", "objective.temperature_positive", SAPO),
    ("sapo_temperature_neg", "objective.temperature_negative", SAPO),
    ("dgpo_n", "objective.decay_low", DGPO),
    ("dgpo_m", "objective.decay_high", DGPO),
    ("policy_drift_coef", "objective.drift_coefficient", CPGD),
    ("policy_drift_coeff", "objective.drift_coefficient", CPGD),
    ("policy_drift_clip_eps", "objective.drift_bound", CPGD),
    // Regularisers.
    ("beta", "regularizer.reference_coefficient", ""),
    ("use_kl_loss", "regularizer.reference_coefficient", ZERO_IS_OFF),
    ("kl_loss_coef", "regularizer.reference_coefficient", ""),
    ("reference_policy_kl_penalty", "regularizer.reference_coefficient", ""),
    ("kl_loss_type", "regularizer.reference_estimator", "\"k3\" is their low_var_kl"),
    ("entropy_coeff", "regularizer.entropy_coefficient", ""),
    ("entropy_coef", "regularizer.entropy_coefficient", ""),
    // The optimizer.
    ("lr", "optimizer.learning_rate", ""),
    ("actor_learning_rate", "optimizer.learning_rate", ""),
    ("lr_scheduler_type", "optimizer.schedule", ""),
    ("lr_scheduler", "optimizer.schedule", ""),
    ("lr_decay_style", "optimizer.schedule", ""),
    ("warmup_style", "optimizer.schedule", ""),
    ("lr_warmup_steps", "optimizer.warmup_steps", ""),
    ("warmup_ratio", "optimizer.warmup_steps", "updates, not a share of them"),
    ("lr_warmup_ratio", "optimizer.warmup_steps", "updates, not a share of them"),
    ("lr_warmup_steps_ratio", "optimizer.warmup_steps", "updates, not a share of them"),
    ("min_lr_ratio", "optimizer.min_ratio", ""),
    ("adam_epsilon", "optimizer.eps", ""),
    ("adam_eps", "optimizer.eps", ""),
    ("adam_beta1", "optimizer.betas", "a list of both"),
    ("adam_beta2", "optimizer.betas", "a list of both"),
    ("adam_betas", "optimizer.betas", ""),
    ("max_grad_norm", "update.clip_grad_norm", "0 is off"),
    ("max_norm", "update.clip_grad_norm", "0 is off"),
    ("grad_clip", "update.clip_grad_norm", "0 is off"),
    ("clip_grad", "update.clip_grad_norm", "0 is off"),
    // Updates.
    ("ppo_mini_batch_size", "update.mini_batches", UPDATES),
    ("mini_batch_size", "update.mini_batches", UPDATES),
    ("train_global_batch_size", "update.mini_batches", UPDATES),
    ("global_batch_size", "update.mini_batches", UPDATES),
    ("steps_per_generation", "update.mini_batches", ""),
    ("num_steps_per_rollout", "update.mini_batches", ""),
    ("ppo_epochs", "update.epochs", ""),
    ("num_iterations", "update.epochs", ""),
    ("ppo_max_token_len_per_gpu", "update.tokens_per_micro_batch", ""),
    ("max_tokens_per_gpu", "update.tokens_per_micro_batch", ""),
    ("ppo_micro_batch_size_per_gpu", "update.tokens_per_micro_batch", TOKENS),
    ("micro_train_batch_size", "update.tokens_per_micro_batch", TOKENS),
    ("train_micro_batch_size", "update.tokens_per_micro_batch", TOKENS),
    ("micro_batch_size", "update.tokens_per_micro_batch", TOKENS),
    ("gradient_accumulation_steps", "update.tokens_per_micro_batch", TOKENS),
    ("mask_truncated_completions", "update.truncated", "true is \"mask\""),
    ("overlong_filtering", "update.truncated", "true is \"mask\""),
    ("gradient_checkpointing", "update.recompute", "\"auto\", \"always\" or \"never\""),
    ("enable_gradient_checkpointing", "update.recompute", "\"auto\", \"always\" or \"never\""),
    ("activation_checkpointing", "update.recompute", "\"auto\", \"always\" or \"never\""),
    // Checkpoints, and when a run ends.
    ("save_steps", "checkpoint.every", "0 writes only the last"),
    ("save_freq", "checkpoint.every", "0 writes only the last, not -1"),
    ("save_period", "checkpoint.every", "0 writes only the last"),
    ("save_interval", "checkpoint.every", "0 writes only the last"),
    ("checkpoint.interval", "checkpoint.every", "0 writes only the last"),
    ("save_total_limit", "checkpoint.keep", ""),
    ("max_actor_ckpt_to_keep", "checkpoint.keep", ""),
    ("max_ckpt_num", "checkpoint.keep", ""),
    ("keep_top_k", "checkpoint.keep", "the newest; checkpoint.best keeps the best one beside them"),
    ("keep_last", "checkpoint.keep", ""),
    ("metric_for_best_model", "checkpoint.best", ""),
    ("load_best_model_at_end", "checkpoint.best", "a metric, or \"off\""),
    ("early_stopping_patience", "stop.patience", "steps beyond a limit of [stop]"),
];

#[cfg(test)]
mod tests {
    use super::ELSEWHERE;
    use crate::config::{Config, Purpose};

    /// Whether a configuration for `purpose` has the key.
    fn exists(purpose: Purpose, key: &str) -> bool {
        let (section, name) = key.split_once('.').unwrap_or_default();
        let config = Config::defaults(purpose);
        config
            .stages()
            .iter()
            .any(|stage| stage.section() == section && stage.keys().iter().any(|key| key.name == name))
    }

    #[test]
    fn keys_of_other_trainers_lead_to_keys_that_there_are() {
        for (index, (theirs, ours, note)) in ELSEWHERE.iter().enumerate() {
            let purposes: Vec<Purpose> =
                [Purpose::Train, Purpose::Sft].into_iter().filter(|purpose| exists(*purpose, ours)).collect();
            assert!(!purposes.is_empty(), "{theirs} → {ours}");
            assert!(!purposes.iter().any(|purpose| exists(*purpose, theirs)), "{theirs} is a key of our own");
            let before = ELSEWHERE[..index]
                .iter()
                .find(|(other, ours, _)| other == theirs && purposes.iter().all(|purpose| exists(*purpose, ours)));
            assert!(before.is_none(), "{theirs} is there twice");
            // A note names keys that there are as well.
            for word in note.split(|c: char| !(c.is_ascii_lowercase() || "._".contains(c))) {
                if word.contains('.') && word.len() > 1 && !word.ends_with('.') && word != "metrics.jsonl" {
                    assert!(exists(Purpose::Train, word), "{theirs}: {note}");
                }
            }
        }
    }
}
