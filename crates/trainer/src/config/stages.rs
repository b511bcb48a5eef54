//! Every key of the configuration with its default, its meaning and where the default comes from.
//!
//! Sources: MHPO = arXiv 2603.16929, DGPO = arXiv 2603.14389, CPGD = arXiv 2505.12504; TRL and verl as released in 2026. MHPO
//! prints its objective's parameters and its response lengths; "the remainder of the training pipeline follows standard
//! practices" (section 4.1), so the rest follows what the neighbouring papers print and the trainers in use do.

use surefoot_engine::device::Wanted;
use surefoot_engine::lora::MODULES;
use surefoot_objectives::ReferenceEstimator;
use surefoot_objectives::advantage::{Estimator, Scale, Std, Weight};

use super::choice::{
    AnswerFormat, Best, Chat, DataFormat, Duplicates, Incomplete, OnNonfinite, Overlong, Precision, Preset, Recompute,
    RewardName, Schedule, Truncated,
};
use super::size::Size;
use super::table::stage;

/// Learning rate of `surefoot sft` where the file sets none: TRL's `SFTConfig`.
pub const SFT_LEARNING_RATE: f64 = 2e-5;

stage! {
    /// The run as a whole.
    Train in "train" {
        /// Number of steps: rollouts with their updates for `train`, updates for `sft`.
        steps: u64 = 100, "ours", 1 or more;
        /// Seed of everything that is random: order of the data, sampling, fresh weights.
        seed: u64 = 42, "DGPO B.3";
        /// Threads, at most 1024; 0 takes every core. The result does not depend on it.
        threads: usize = 0, "ours";
        /// What computes: `cpu`, `cuda` or `cuda:1` (the GPU of that number), or `auto`: a GPU where there is one. `--device` goes before it.
        device: Wanted = Wanted::Auto, "ours";
    }
}

stage! {
    /// The model that is trained.
    Model in "model" {
        /// Folder of a Hugging Face model. Must be given.
        path: String = String::new(), "none";
        /// Parameters that keep their values: those whose names contain one of these texts, as `embed_tokens`, `layers.0.` or `norm`.
        frozen: Vec<String> = Vec::new(), "ours: every parameter learns";
    }
}

stage! {
    /// Low-rank adapters: what learns instead of the model's own weights.
    Lora in "lora" {
        /// Rank of the adapters, at most the smallest side of the matrices that get them; 0 is off. Checkpoints then hold the sum as a model, and the adapters for `peft` in `adapter/`.
        rank: usize = 0, "verl `model.lora_rank`";
        /// The product of the adapters is scaled by this over the rank.
        alpha: f64 = 16.0, "verl `model.lora_alpha`";
        /// Matrices of every layer that get adapters.
        targets: Vec<String> = MODULES.map(String::from).to_vec(), "verl `model.target_modules = \"all-linear\"`";
    }
}

stage! {
    /// The problems to train on.
    Data in "data" {
        /// One file or a list: JSON lines, parquet, or a built-in task as `task:NAME`, `task:NAME,rows=2000,seed=1`. Must be given.
        train: Vec<String> = Vec::new(), "none";
        /// How the files are read.
        format: DataFormat = DataFormat::Auto, "ours";
        /// Column that holds the problem, where it has none of the usual names.
        problem_key: Option<String> = None, "ours";
        /// Column that holds the answer, where it has none of the usual names.
        answer_key: Option<String> = None, "ours";
        /// What happens to a row without an answer (for `sft`, without a text to learn), where a reward reads it: all but `format`, `overlong` and `command` do, and `command` where `data.answer_key` is set.
        incomplete: Incomplete = Incomplete::Error, "ours: a wrong column name must not pass";
        /// What happens to a row that is equal to an earlier one (in problem and answer, and in the columns that a reward program gets). `drop` leaves it out and says how many there were. Evaluations always leave them out.
        duplicates: Duplicates = Duplicates::Drop, "ours: DAPO-Math-17k holds each of its rows a hundred times";
        /// Only the first so many rows of all files together.
        limit: Option<usize> = None, "verl `data.train_max_samples`", 1 or more;
        /// A new order in each epoch, drawn from `train.seed`; `false` keeps the order of the files.
        shuffle: bool = true, "verl `data.shuffle`";
        /// Weights of the files of `data.train`, one each: of any number of rows handed out, each file has given its share to within a few rows, and begins anew when it is through. Empty: the files are one, and each row comes once an epoch.
        weights: Vec<f64> = Vec::new(), "none";
        /// Curriculum: column with a number, or a text with one (`Level 3`). Rows come from the least to the greatest, in each epoch; equal ones shuffled, or in the order of the files.
        difficulty_key: Option<String> = None, "none";
    }
}

stage! {
    /// From a problem to the tokens that the model continues.
    Prompt in "prompt" {
        /// Values for `prompt.system`, `reward.format` and `reward.strict` where they are not set: `cpgd` is the prompt of CPGD's Table 3 with `think-answer`, `dgpo` asks for the form that DGPO's reward checks, `boxed` (the paper prints no prompt; the words are ours). `reward.strict` only with `math` or `math_pm1`.
        preset: Preset = Preset::None, "none";
        /// System message; empty for none. Without a chat template it stands before the problem.
        system: String = String::new(), "ours";
        /// The user's message; `{problem}` is replaced. Rows that are chats already are left as they are.
        template: String = "{problem}".to_string(), "ours";
        /// Whether the tokenizer's chat template is applied.
        chat: Chat = Chat::Auto, "TRL, which decides by the shape of the row";
        /// What day it is for chat templates that ask (`strftime_now`, Llama 3): `2026-11-28`, or with a time `2026-11-28T09:30:00`. Empty is the moment in which a run or an evaluation begins, which its `config.toml` or `eval.json` keeps, so that it goes on to the same prompts.
        date: String = String::new(), "transformers: the clock, at each rendering";
        /// Longest prompt, in tokens.
        max_tokens: usize = 1024, "verl `data.max_prompt_length` (its mathematics recipes)", 1 or more;
        /// What happens to longer ones.
        overlong: Overlong = Overlong::Drop, "verl `data.filter_overlong_prompts`";
    }
}

stage! {
    /// Sampling: G completions for each of P prompts.
    Rollout in "rollout" {
        /// Prompts a step (P).
        prompts: usize = 64, "with 8 samples, DGPO Table 12's 512 samples a rollout", 1 or more;
        /// Samples a prompt (G): the group.
        samples: usize = 8, "CPGD 5.1, TRL `num_generations`", 1 or more;
        /// Longest completion, in tokens.
        max_new_tokens: usize = 2048, "MHPO 4.1, Qwen2.5 models (4096 for Qwen3-4B)", 1 or more;
        /// Temperature; log-probabilities are those of the tempered distribution.
        temperature: f64 = 1.0, "CPGD 5.1, DGPO B.4";
        /// Nucleus: the smallest set of tokens with this probability; 1 is off.
        top_p: f64 = 1.0, "DGPO B.4";
        /// Only the so many most probable tokens; 0 is off.
        top_k: usize = 0, "TRL `top_k`";
        /// Only tokens with at least so many times the probability of the most probable one, after `top_k` and `top_p`; 0 is off.
        min_p: f64 = 0.0, "TRL `min_p`";
        /// Sequences that are decoded together. `auto`: 64 on the CPU; on a GPU as many, up to 256, as it has memory for. It changes no sample.
        batch: Size = Size::Auto, "ours: memory of the key and value cache", 1 or more;
        /// Dynamic sampling: most further rollouts of a step, each for as many new prompts as groups have no signal yet; 0 is off. What is still missing then is filled with groups without signal.
        resample_rounds: usize = 0, "MHPO Algorithm 1 has none; DAPO section 3.2, verl `filter_groups.max_num_gen_batches`";
        /// Asynchronous sampling: the samples of a step come from the weights of so many steps before, and are drawn while those steps make their updates. 0: from the present weights, one after the other.
        staleness: u64 = 0, "MHPO Algorithm 1 is on policy; TRL's AsyncGRPO `max_staleness`, prime-rl `max_off_policy_steps`";
        /// Texts that end a completion, beside the model's own end tokens.
        stop: Vec<String> = Vec::new(), "ours";
    }
}

stage! {
    /// From a completion to a reward.
    Reward in "reward" {
        /// What is rewarded, one or several, whose weighted sum is the reward: `math` (1 or 0), `math_pm1` (1 or -1), `exact` (equal text), `countdown` (the task of that name), `format` (1 or 0 for the form of `reward.format`), `overlong` (DAPO's soft penalty: 0, near `rollout.max_new_tokens` down to -1), `command` (your own program).
        name: Vec<RewardName> = vec![RewardName::Math], "CPGD 5.1 (0/1); DGPO B.2 uses `math_pm1`";
        /// Weight of each, in the same order; empty is 1 for each.
        weights: Vec<f64> = Vec::new(), "DAPO 3.4: overlong penalty with weight 1";
        /// Form of a completion; its share is a metric.
        format: AnswerFormat = AnswerFormat::Any, "ours";
        /// Only an answer in that form counts, not one elsewhere in the text.
        strict: bool = false, "ours";
        /// Last tokens of `rollout.max_new_tokens` over which `overlong` falls from 0 to -1; 0 is a fifth of them.
        overlong_buffer: usize = 0, "DAPO 3.4: 4096 of 20480";
        /// Program and arguments of the `command` reward: reads JSON lines, writes JSON lines, as [rewards.md](rewards.md) says.
        command: Vec<String> = Vec::new(), "none";
        /// Columns of the data that the program gets beside problem and answer; empty is all of them. They stay in memory, so name those that it needs where rows are large.
        columns: Vec<String> = Vec::new(), "TRL, verl: all";
        /// Processes of the `command` reward; 0 is one a thread.
        workers: usize = 0, "ours";
        /// Seconds after which one answer of the `command` reward counts as an error and its process is started anew.
        timeout_seconds: f64 = 30.0, "ours";
        /// Seconds that the first answer of a process may take longer, for what it loads.
        start_seconds: f64 = 60.0, "ours";
        /// The run stops when a greater share of a step's rewards than this could not be had.
        max_error_share: f64 = 0.1, "ours";
    }
}

stage! {
    /// From rewards to advantages.
    Advantage in "advantage" {
        /// The estimator. Not set: that of the objective's paper. `gdpo` compares each reward of `reward.name` by itself, and sums them with `reward.weights` after that.
        estimator: Option<Estimator> = None, "the objective's paper";
        /// Weight of a group, with `dr_grpo` only.
        weight: Weight = Weight::Equal, "MHPO eq. 3";
        /// Greatest weight of `clip-filter` (c_w).
        weight_bound: f64 = 3.0, "CPGD, released code";
        /// The standard deviation that `grpo` divides by.
        std: Std = Std::Sample, "TRL, verl";
        /// What that deviation is taken over: the samples of a prompt, or all samples of the step.
        scale: Scale = Scale::Group, "MHPO eq. 3; TRL `scale_rewards`";
        /// Weight of the divergence of a sample's tokens from the model that the run began with, as a part of the reward; 0 is off. `reinforce_plus_plus` and `rloo_normalized` take it token by token, from the returns; for the others it is summed and taken from the reward before that is compared; `gdpo` forms no such reward and takes none.
        kl_coefficient: f64 = 0.0, "MHPO Algorithm 1 has none; verl `algorithm.use_kl_in_reward`";
        /// Its estimator.
        kl_estimator: ReferenceEstimator = ReferenceEstimator::K1, "CPGD 3.2; verl `algorithm.kl_penalty`";
    }
}

stage! {
    /// Additive regularisers of any objective.
    Regularizer in "regularizer" {
        /// Weight of the policy drift; 0 is off.
        drift_coefficient: f64 = 0.0, "MHPO Algorithm 1 has none";
        /// Bound of the drift's `ratio - 1`.
        drift_bound: f64 = 2.0, "CPGD, released code";
        /// Weight of the KL divergence to the reference policy; 0 is off.
        reference_coefficient: f64 = 0.0, "MHPO Algorithm 1 has none; DGPO B.4";
        /// Its estimator.
        reference_estimator: ReferenceEstimator = ReferenceEstimator::K3, "TRL `beta`";
        /// Weight of the entropy bonus: the loss loses this much of the tokens' mean entropy (in nats, averaged as the objective averages);
        /// 0 is off.
        entropy_coefficient: f64 = 0.0, "MHPO Algorithm 1 has none; verl `entropy_coeff`";
    }
}

stage! {
    /// AdamW and its learning rate.
    Optimizer in "optimizer" {
        /// Peak learning rate.
        learning_rate: f64 = 1e-6, "CPGD 5.1, DGPO Table 12 (1.5B)";
        /// Parameters of the model that the rate is meant for: a model of N parameters, frozen or not and without adapters, gets `learning_rate · √(base_parameters / N)`, which keeps the variance of an update's length. Not set: the rate as it stands.
        base_parameters: Option<f64> = None, "DGPO A.4, eq. 45 (there 1.5e9)";
        /// Decay of the two moments.
        betas: [f64; 2] = [0.9, 0.95], "DGPO B.3";
        /// Added to the root of the second moment.
        eps: f64 = 1e-8, "PyTorch";
        /// Decoupled weight decay.
        weight_decay: f64 = 0.01, "verl `optim.weight_decay`; DGPO B.3 says small";
        /// How the rate moves after the warm-up.
        schedule: Schedule = Schedule::Constant, "DGPO B.3";
        /// Updates in which the rate rises from 0.
        warmup_steps: u64 = 0, "DGPO B.3";
        /// Share of the peak rate at which `cosine` and `linear` end.
        min_ratio: f64 = 0.0, "verl `optim.min_lr_ratio`";
        /// How the moments are stored.
        state: Precision = Precision::F32, "ours: exact";
    }
}

stage! {
    /// From a rollout to new weights.
    Update in "update" {
        /// Updates on one rollout: its samples are split into so many mini-batches, whole groups together.
        mini_batches: usize = 4, "ours; DGPO Table 12 has 16, TRL 1", 1 or more;
        /// Times that a rollout is gone through.
        epochs: usize = 1, "CPGD 5.1", 1 or more;
        /// Most tokens in one forward and backward pass; a longer sequence goes alone. The result depends on it by rounding only. `auto`: 1024 on the CPU, where more are no faster; on a GPU as many, up to 16384, as suit its size.
        tokens_per_micro_batch: Size = Size::Auto, "ours: memory; verl `ppo_max_token_len_per_gpu` has 16384", 1 or more;
        /// Parts that an update's samples are cut into, whose gradients are summed in a fixed order. Several processes (`mpirun`) share the parts out; the result depends on the number of parts, by rounding, and not on that of processes. Not set: one a process for a new run, and 1 for a run that one process began.
        shards: Option<usize> = None, "ours", 1 or more;
        /// Greatest norm of the gradient; 0 is off.
        clip_grad_norm: f64 = 1.0, "DGPO B.3";
        /// What happens when a gradient is not finite.
        on_nonfinite: OnNonfinite = OnNonfinite::Skip, "ours; verl skips as well";
        /// Whether completions that were cut at `rollout.max_new_tokens` are trained on. Their rewards count in the advantages in either case.
        truncated: Truncated = Truncated::Train, "MHPO 4.1 says nothing; DAPO section 3.4 masks them, TRL `mask_truncated_completions`";
        /// Whether activations are recomputed.
        recompute: Recompute = Recompute::Auto, "ours";
    }
}

stage! {
    /// Supervised fine-tuning (`surefoot sft` only).
    ///
    /// A row is one of three: a problem (as above, a text or messages) with a text to learn in `completion`, `response`, `solution` or `answer`; a conversational pair as TRL's, `prompt` and `completion` both lists of messages, where each turn of the assistant in the completion is learned after all that stands before it, as a row of its own; or `messages`, a conversation whose last message, the assistant's, is learned. Messages need a model with a chat template.
    Sft in "sft" {
        /// Rows an update.
        batch: usize = 16, "ours", 1 or more;
        /// Longest row, prompt and target together; longer ones are left out and counted.
        max_tokens: usize = 1024, "TRL `SFTConfig.max_length`", 1 or more;
        /// Column with the text to learn, where it is not `completion`, `response`, `solution` or `answer` (the first of these that is there).
        target_key: Option<String> = None, "ours";
    }
}

stage! {
    /// Evaluation, during training and by `surefoot eval`. Prompts, rewards and batches are those of the other sections.
    Eval in "eval" {
        /// One benchmark or a list, as in `data.train`; `NAME=FILE` gives a name, without it the file has it.
        data: Vec<String> = Vec::new(), "none";
        /// Completions a problem: the k of Avg@k and the greatest of Pass@k.
        samples: usize = 32, "MHPO 4.1, DGPO 4.1: Avg@32, Pass@32", 1 or more;
        /// Temperature; 0 takes the most probable token, with which `eval.samples` must be 1: all would be the same.
        temperature: f64 = 0.6, "DeepSeek-R1's evaluation, which DGPO's models come from";
        /// Nucleus: the smallest set of tokens with this probability; 1 is off.
        top_p: f64 = 0.95, "as `eval.temperature`";
        /// Only the so many most probable tokens; 0 is off.
        top_k: usize = 0, "as `eval.temperature`";
        /// Only tokens with at least so many times the probability of the most probable one, after `top_k` and `top_p`; 0 is off.
        min_p: f64 = 0.0, "as `eval.temperature`";
        /// Longest completion, in tokens; without it `rollout.max_new_tokens`.
        max_new_tokens: Option<usize> = None, "ours", 1 or more;
        /// Only the first so many problems of each benchmark.
        limit: Option<usize> = None, "ours", 1 or more;
        /// Steps of training between evaluations, beside which there is one after the last step; 0 makes none.
        every: u64 = 0, "ours";
        /// Whether the model that training starts from is evaluated too, where `eval.every` asks for evaluations: as step 0.
        before: bool = true, "verl `trainer.val_before_train`";
    }
}

stage! {
    /// What can be resumed, and what is left at the end.
    Checkpoint in "checkpoint" {
        /// Steps between checkpoints; the last step always has one. 0 writes only that.
        every: u64 = 20, "ours";
        /// Newest checkpoints that are kept.
        keep: usize = 2, "ours: the newest, and one in case", 1 or more;
        /// The checkpoint that is kept beside them, however old: the one with the greatest value. For `reward/mean` the value is the mean over the last `checkpoint.every` steps; for the others it is that of the step's evaluation, and steps with an evaluation have a checkpoint.
        best: Best = Best::Off, "none";
        /// Number format of the Hugging Face weights; a resume uses the exact ones in either case.
        dtype: Precision = Precision::F32, "ours: exact";
    }
}

stage! {
    /// What is written down.
    Log in "log" {
        /// Run folder. Empty: `runs/` and the configuration's file name without `.toml`.
        run_dir: String = String::new(), "ours";
        /// Whether the metrics are written for TensorBoard as well, to `tensorboard/` of the run folder.
        tensorboard: bool = true, "ours";
        /// Steps between files in `rollouts/` (prompts, completions, rewards, log-probabilities); 0 writes none.
        rollouts_every: u64 = 1, "ours";
    }
}

stage! {
    /// When a run ends early because it has collapsed: with exit code 5, the detector's name, step and value, and a checkpoint. A detector whose limit is not set is off. `surefoot sft` has `grad_norm_max` and `skipped_max` alone.
    Stop in "stop" {
        /// Steps in a row that must be beyond a limit. Steps without the metric count neither way; a value that is not finite is beyond every limit.
        patience: usize = 3, "ours", 1 or more;
        /// Steps at the beginning that are not looked at.
        after: u64 = 0, "ours";
        /// Least `rollout/entropy`, in nats: below it, samples hardly differ.
        entropy_min: Option<f64> = None, "none";
        /// Greatest `rollout/entropy`, in nats: above it, samples are noise.
        entropy_max: Option<f64> = None, "none";
        /// Greatest `update/ratio_max`.
        ratio_max: Option<f64> = None, "none";
        /// Least `rollout/length_mean`, in tokens.
        length_min: Option<f64> = None, "none";
        /// Greatest `rollout/length_mean`, in tokens.
        length_max: Option<f64> = None, "none";
        /// Least `reward/mean`.
        reward_min: Option<f64> = None, "none";
        /// Greatest fall of `reward/mean`: of its mean over the last `patience` steps below the greatest mean over so many steps in a row, or over fewer at the beginning of the run.
        reward_drop: Option<f64> = None, "none";
        /// Greatest `update/grad_norm_max`.
        grad_norm_max: Option<f64> = None, "none";
        /// Greatest `update/skipped_steps`: more of a step's updates were skipped because something was not finite.
        skipped_max: Option<f64> = None, "none";
        /// Most steps in a row whose `update/grad_norm_max` is 0, so that none of their samples taught anything; `stop.patience` does not count here.
        idle_max: Option<usize> = None, "none";
    }
}
