//! Every metric: its name, unit, meaning and, where it has one, its equation. `docs/metrics.md` is generated from here.
//!
//! Notation: P prompts, G samples a prompt, `R` a reward, `l = logp - logp_old`, `ratio = exp(l)`; means over tokens are over
//! the tokens that are trained, of all updates of the step.

/// One metric. The constants of this module are the only ones there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    /// `stage/name`, as in `metrics.jsonl`.
    pub name: &'static str,
    /// Unit of the value; `1` for pure numbers.
    pub unit: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// Its equation, or an empty text.
    pub equation: &'static str,
}

macro_rules! metrics {
    ($( $constant:ident = $name:literal, $unit:literal, $meaning:literal, $equation:literal; )+) => {
        $(
            #[doc = concat!("`", $name, "`: ", $meaning, ".")]
            pub const $constant: Metric = Metric { name: $name, unit: $unit, meaning: $meaning, equation: $equation };
        )+

        /// Every metric, by stage.
        pub const METRICS: &[Metric] = &[$($constant),+];
    };
}

metrics! {
    REWARD_MEAN = "reward/mean", "reward", "mean reward of the step's samples that could be judged", "Σ R / #R";
    REWARD_STD = "reward/std", "reward", "standard deviation of the step's rewards", "√(Σ (R − mean)² / (P·G))";
    REWARD_GROUPS_WITHOUT_SIGNAL = "reward/groups_without_signal", "share", "groups whose rewards are all equal, so that they teach nothing", "#{groups with std = 0} / P";
    REWARD_CORRECT = "reward/correct", "share", "samples with a correct answer, where a reward compares answers", "";
    REWARD_WRONG = "reward/wrong", "share", "samples with a wrong answer, where a reward compares answers", "";
    REWARD_UNPARSEABLE = "reward/unparseable", "share", "samples in which no answer could be read, where a reward compares answers; rewarded as wrong", "";
    REWARD_OVER_BUDGET = "reward/over_budget", "share", "samples that could not be judged within the verifier's budget; rewarded as wrong where the gold answer is a plain number, else they have no advantage, and are left out of their group's mean", "";
    REWARD_UNJUDGED = "reward/unjudged", "share", "samples whose gold answer cannot be read or whose reward program failed; they have no advantage, and are left out of their group's mean", "";
    REWARD_FAILED = "reward/failed", "share", "samples whose reward program gave no reward: crash, timeout, or an answer that is none; part of `reward/unjudged`", "";
    REWARD_KL = "reward/kl", "nats", "mean divergence of the trained samples from the reference policy, summed over their tokens, with `advantage.kl_coefficient`", "mean Σ_j k(logp_old − logp_ref)";
    REWARD_FORMAT = "reward/format", "share", "samples that have the form of `reward.format`", "";
    REWARD_MATH_MEAN = "reward/math_mean", "reward", "mean of the reward `math` before its weight, where `reward.name` names several", "Σ r / #r";
    REWARD_MATH_STD = "reward/math_std", "reward", "its standard deviation", "√(Σ (r − mean)² / #r)";
    REWARD_MATH_PM1_MEAN = "reward/math_pm1_mean", "reward", "mean of the reward `math_pm1` before its weight, where `reward.name` names several", "Σ r / #r";
    REWARD_MATH_PM1_STD = "reward/math_pm1_std", "reward", "its standard deviation", "√(Σ (r − mean)² / #r)";
    REWARD_EXACT_MEAN = "reward/exact_mean", "reward", "mean of the reward `exact` before its weight, where `reward.name` names several", "Σ r / #r";
    REWARD_EXACT_STD = "reward/exact_std", "reward", "its standard deviation", "√(Σ (r − mean)² / #r)";
    REWARD_COUNTDOWN_MEAN = "reward/countdown_mean", "reward", "mean of the reward `countdown` before its weight, where `reward.name` names several", "Σ r / #r";
    REWARD_COUNTDOWN_STD = "reward/countdown_std", "reward", "its standard deviation", "√(Σ (r − mean)² / #r)";
    REWARD_FORMAT_MEAN = "reward/format_mean", "reward", "mean of the reward `format` before its weight, where `reward.name` names several", "Σ r / #r";
    REWARD_FORMAT_STD = "reward/format_std", "reward", "its standard deviation", "√(Σ (r − mean)² / #r)";
    REWARD_OVERLONG_MEAN = "reward/overlong_mean", "reward", "mean of the reward `overlong` before its weight, where `reward.name` names several", "Σ r / #r";
    REWARD_OVERLONG_STD = "reward/overlong_std", "reward", "its standard deviation", "√(Σ (r − mean)² / #r)";
    REWARD_COMMAND_MEAN = "reward/command_mean", "reward", "mean of the reward `command` before its weight, where `reward.name` names several", "Σ r / #r";
    REWARD_COMMAND_STD = "reward/command_std", "reward", "its standard deviation", "√(Σ (r − mean)² / #r)";

    ROLLOUT_LENGTH_MEAN = "rollout/length_mean", "tokens", "mean length of the completions, end token included", "";
    ROLLOUT_LENGTH_MAX = "rollout/length_max", "tokens", "length of the longest completion", "";
    ROLLOUT_TRUNCATED = "rollout/truncated", "share", "completions that were cut at `rollout.max_new_tokens`", "";
    ROLLOUT_ENTROPY = "rollout/entropy", "nats", "mean entropy of the distributions that tokens were sampled from", "mean_t −Σ_v π(v) ln π(v)";
    ROLLOUT_TOKENS = "rollout/tokens", "tokens", "tokens that were sampled", "";
    ROLLOUT_TOKENS_PER_SECOND = "rollout/tokens_per_second", "tokens/s", "sampled tokens by the seconds of the rollout", "";
    ROLLOUT_ROUNDS = "rollout/rounds", "rollouts", "rollouts of the step, with `rollout.resample_rounds`", "";
    ROLLOUT_DISCARDED = "rollout/discarded", "share", "sampled groups that were left out of the updates for others with a signal, with `rollout.resample_rounds`", "";
    ROLLOUT_STALENESS_MEAN = "rollout/staleness_mean", "steps", "mean over the samples of the steps between the weights that sampled and those that the updates began with, with `rollout.staleness` or `server.url`", "mean (step − 1 − policy_version)";
    ROLLOUT_STALENESS_MAX = "rollout/staleness_max", "steps", "the greatest of them", "";
    ROLLOUT_RETRIES = "rollout/retries", "requests", "requests to the server that had to be repeated", "";
    ROLLOUT_RETOKENIZED = "rollout/retokenized", "share", "samples of a server that gave no token ids, so that they come from its texts", "";
    ROLLOUT_UNALIGNED = "rollout/unaligned", "share", "samples of a server whose log-probabilities do not fit the tokens, so that `logp_old` stands for them", "";
    ROLLOUT_UNKNOWN = "rollout/unknown", "share", "tokens whose log-probability the server did not tell, so that `logp_old` stands for it; they are not in `update/behavior_*`", "";
    ROLLOUT_EPOCH = "rollout/epoch", "epochs", "how often the data was gone through", "rows handed out / rows";

    UPDATE_LOSS = "update/loss", "1", "mean loss of the step's updates (minimised)", "";
    UPDATE_GRAD_NORM = "update/grad_norm", "1", "mean norm of the gradient before clipping", "‖∇L‖₂";
    UPDATE_GRAD_NORM_MAX = "update/grad_norm_max", "1", "greatest norm of the gradient before clipping", "";
    UPDATE_RATIO_MEAN = "update/ratio_mean", "1", "mean importance ratio", "mean_t exp(l)";
    UPDATE_RATIO_MAX = "update/ratio_max", "1", "greatest importance ratio", "max_t exp(l)";
    UPDATE_RATIO_MIN = "update/ratio_min", "1", "least importance ratio", "min_t exp(l)";
    UPDATE_RATIO_P01 = "update/ratio_p01", "1", "importance ratio below which 1% of the tokens are", "";
    UPDATE_RATIO_P05 = "update/ratio_p05", "1", "importance ratio below which 5% of the tokens are", "";
    UPDATE_RATIO_P50 = "update/ratio_p50", "1", "median importance ratio", "";
    UPDATE_RATIO_P95 = "update/ratio_p95", "1", "importance ratio below which 95% of the tokens are", "";
    UPDATE_RATIO_P99 = "update/ratio_p99", "1", "importance ratio below which 99% of the tokens are", "";
    UPDATE_RATIO_ESS = "update/ratio_ess", "share", "effective sample size: the share of tokens that the ratios are worth as weights", "(Σ ratio)² / (T·Σ ratio²)";
    UPDATE_KL_K1 = "update/kl_k1", "nats", "divergence from the policy of `logp_old`, k1 estimator", "mean_t −l";
    UPDATE_KL_K2 = "update/kl_k2", "nats", "divergence from the policy of `logp_old`, k2 estimator", "mean_t l²/2";
    UPDATE_KL_K3 = "update/kl_k3", "nats", "divergence from the policy of `logp_old`, k3 estimator", "mean_t (exp(l) − 1 − l)";
    UPDATE_REGION_LN = "update/region_ln", "share", "trained tokens with a low ratio and a negative advantage", "ratio < 1 − clip_low, A < 0";
    UPDATE_REGION_HP = "update/region_hp", "share", "trained tokens with a high ratio and a positive advantage", "ratio > 1 + clip_high, A > 0";
    UPDATE_REGION_LP = "update/region_lp", "share", "trained tokens with a low ratio and a positive advantage", "ratio < 1 − clip_low, A > 0";
    UPDATE_REGION_HN = "update/region_hn", "share", "trained tokens with a high ratio and a negative advantage", "ratio > 1 + clip_high, A < 0";
    UPDATE_REGION_M = "update/region_m", "share", "all other trained tokens", "";
    UPDATE_CLIP_LOW = "update/clip_low", "share", "trained tokens on which the objective's lower bound acts, where it has one", "";
    UPDATE_CLIP_HIGH = "update/clip_high", "share", "trained tokens on which the objective's upper bound acts, where it has one", "";
    UPDATE_CLIP_DUAL = "update/clip_dual", "share", "trained tokens beyond `objective.dual_clip`", "";
    UPDATE_GRADIENT_ZEROED = "update/gradient_zeroed", "share", "trained tokens that the update does not learn from", "A ≠ 0, g = 0";
    UPDATE_MULTIPLIER_MEAN = "update/multiplier_mean", "1", "mean of the objective's gradient multiplier", "mean_t |g / A|, g = ∂J/∂logp";
    UPDATE_MULTIPLIER_MAX = "update/multiplier_max", "1", "greatest gradient multiplier", "max_t |g / A|";
    UPDATE_MULTIPLIER_P05 = "update/multiplier_p05", "1", "gradient multiplier below which 5% of the tokens are", "";
    UPDATE_MULTIPLIER_P50 = "update/multiplier_p50", "1", "median gradient multiplier", "";
    UPDATE_MULTIPLIER_P95 = "update/multiplier_p95", "1", "gradient multiplier below which 95% of the tokens are", "";
    UPDATE_MULTIPLIER_BOUND = "update/multiplier_bound", "1", "what the multiplier cannot exceed, where the objective has a bound", "MHPO: sup_r exp(ψ − ζ)·sech²(l/c)";
    UPDATE_MULTIPLIER_HEADROOM = "update/multiplier_headroom", "1", "distance of the greatest multiplier to its bound", "bound − max";
    UPDATE_MHPO_PSI_MEAN = "update/mhpo_psi_mean", "1", "MHPO: mean modulated log-ratio", "ψ = c·tanh(l/c)";
    UPDATE_MHPO_PSI_MAX = "update/mhpo_psi_max", "1", "MHPO: greatest modulated log-ratio; near `objective.bound` it saturates", "max_t |ψ|";
    UPDATE_MHPO_ZETA_MEAN = "update/mhpo_zeta_mean", "1", "MHPO: mean hazard penalty", "ζ = (s(ψ)/λ₊)^k₊ + (s(−ψ)/λ₋)^k₋";
    UPDATE_MHPO_ZETA_MAX = "update/mhpo_zeta_max", "1", "MHPO: greatest hazard penalty", "max_t ζ";
    UPDATE_MHPO_SURVIVAL_MEAN = "update/mhpo_survival_mean", "1", "MHPO: mean survival weight", "mean_t exp(−ζ)";
    UPDATE_MHPO_SURVIVAL_MIN = "update/mhpo_survival_min", "1", "MHPO: least survival weight", "min_t exp(−ζ)";
    UPDATE_KL_REF_K1 = "update/kl_ref_k1", "nats", "divergence from the reference policy, k1 estimator, where there is one", "mean_t d, d = logp − logp_ref";
    UPDATE_KL_REF_K2 = "update/kl_ref_k2", "nats", "divergence from the reference policy, k2 estimator", "mean_t d²/2";
    UPDATE_KL_REF_K3 = "update/kl_ref_k3", "nats", "divergence from the reference policy, k3 estimator", "mean_t (exp(−d) − 1 + d)";
    UPDATE_BEHAVIOR_K1 = "update/behavior_k1", "nats", "divergence of the policy that sampled from that of `logp_old`, k1 estimator, with `correction.mode = \"decoupled\"` or a correction", "mean_t −b, b = logp_old − logp_behavior";
    UPDATE_BEHAVIOR_K3 = "update/behavior_k3", "nats", "the same, k3 estimator", "mean_t (exp(b) − 1 − b)";
    UPDATE_BEHAVIOR_GAP_MAX = "update/behavior_gap_max", "nats", "greatest difference of the two log-probabilities", "max_t |b|";
    UPDATE_BEHAVIOR_BOUNDED = "update/behavior_bounded", "share", "tokens whose weight is at the bound of `correction.rollout_is_threshold`", "";
    UPDATE_BEHAVIOR_REJECTED = "update/behavior_rejected", "share", "tokens rejected by `correction.rollout_rs`", "";
    UPDATE_BEHAVIOR_REJECTED_SEQUENCES = "update/behavior_rejected_sequences", "share", "samples of which no token is left", "";
    UPDATE_WEIGHT_MEAN = "update/weight_mean", "1", "mean importance weight of `correction.rollout_is`", "mean_t w";
    UPDATE_WEIGHT_MAX = "update/weight_max", "1", "greatest importance weight", "";
    UPDATE_WEIGHT_ZERO = "update/weight_zero", "share", "tokens of weight 0", "";
    UPDATE_WEIGHT_ESS = "update/weight_ess", "share", "share of tokens that the weights are worth", "(Σ w)² / (T·Σ w²)";
    UPDATE_OFF_POLICY_MASKED = "update/off_policy_masked", "share", "evaluated sequences with a negative advantage that `objective.off_policy_mask` left alone", "mean_t (logp_behavior − logp) > off_policy_mask";
    UPDATE_LEARNING_RATE = "update/learning_rate", "1", "learning rate of the step's last update, in steps that had one", "";
    UPDATE_SKIPPED_STEPS = "update/skipped_steps", "updates", "updates of this step that were skipped because a loss or gradient was not finite", "";
    UPDATE_TOKENS = "update/tokens", "tokens", "tokens that went forward and backward, prompts included once a group", "";
    UPDATE_TOKENS_PER_SECOND = "update/tokens_per_second", "tokens/s", "those tokens by the seconds of the updates", "";

    EVAL_AVG = "eval/avg", "share", "right completions on the benchmarks, mean over problems and then over benchmarks", "mean_b mean_p c_p / k";
    EVAL_PASS = "eval/pass", "share", "problems with at least one right completion of `eval.samples`, mean over benchmarks", "mean_b mean_p [c_p > 0]";
    EVAL_MAJORITY = "eval/majority", "share", "problems whose most frequent answer is right, mean over benchmarks", "";
    EVAL_LENGTH_MEAN = "eval/length_mean", "tokens", "mean length of the evaluation's completions", "";
    EVAL_TRUNCATED = "eval/truncated", "share", "completions of the evaluation that were cut", "";

    SFT_LOSS = "sft/loss", "nats", "mean negative log-likelihood of the tokens to learn", "mean_t −logp";
    SFT_TOKENS = "sft/tokens", "tokens", "tokens to learn", "";

    TIME_ROLLOUT = "time/rollout", "s", "seconds of sampling", "";
    TIME_REWARD = "time/reward", "s", "seconds of rewarding", "";
    TIME_UPDATE = "time/update", "s", "seconds of the updates", "";
    TIME_EVAL = "time/eval", "s", "seconds of the evaluation after this step; step 0 is the evaluation of the model that the run starts from", "";
    TIME_CHECKPOINT = "time/checkpoint", "s", "seconds of writing the checkpoint before this step, in the steps that follow one", "";
    TIME_WAIT = "time/wait", "s", "seconds that the step waited for its samples and their rewards, with `rollout.staleness` or `server.url`", "";
    TIME_STEP = "time/step", "s", "seconds of the whole step", "";
}

/// The metric of this name.
pub fn by_name(name: &str) -> Option<Metric> {
    METRICS.iter().copied().find(|metric| metric.name == name)
}

/// The metric of an objective's statistic (`docs/statistics.md`): `ratio/mean` is `update/ratio_mean`.
pub fn of_statistic(name: &str) -> Option<Metric> {
    by_name(&format!("update/{}", name.replace('/', "_")))
}

/// Whether a metric depends on the clock, so that two equal runs differ in it.
pub fn depends_on_the_clock(name: &str) -> bool {
    name.starts_with("time/") || name.ends_with("tokens_per_second") || name == ROLLOUT_RETRIES.name
}

#[cfg(test)]
mod tests {
    use super::METRICS;

    #[test]
    fn names_are_distinct_and_have_a_stage() {
        let mut names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
        assert!(names.iter().all(|name| name.split('/').count() == 2));
    }
}
