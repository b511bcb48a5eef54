//! Keys with a fixed set of values.

use surefoot_engine::device::Wanted;
use surefoot_objectives::ReferenceEstimator;
use surefoot_objectives::advantage::{Estimator, Scale, Std, Weight};
use toml::Value;

use super::entry::{Entry, Mismatch};
use super::nearest::nearest;
use crate::metrics::{Metric, definition};

/// Declares an enum whose variants have names in the configuration.
macro_rules! choice {
    ($(#[$meta:meta])* $name:ident { $( $(#[$doc:meta])+ $variant:ident = $text:literal ),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $( $(#[$doc])+ $variant, )+ }

        impl $name {
            /// Every value with its name in the configuration.
            pub const ALL: &'static [($name, &'static str)] = &[ $( ($name::$variant, $text) ),+ ];

            /// Name in the configuration.
            pub const fn name(self) -> &'static str {
                match self { $( $name::$variant => $text ),+ }
            }
        }

        impl Entry for $name {
            fn expects() -> String {
                let names: Vec<String> = Self::ALL.iter().map(|(_, name)| format!("\"{name}\"")).collect();
                names.join(" or ")
            }
            fn read(value: &Value) -> Result<Self, Mismatch> {
                let Some(text) = value.as_str() else { return Err(super::entry::mismatch::<Self>(value)) };
                if let Some((choice, _)) = Self::ALL.iter().find(|(_, name)| *name == text) {
                    return Ok(*choice);
                }
                let hint = nearest(text, Self::ALL.iter().map(|(_, name)| *name))
                    .map(|name| format!(" (did you mean \"{name}\"?)"))
                    .unwrap_or_default();
                Err(Mismatch { expected: Self::expects(), found: format!("\"{text}\"{hint}") })
            }
            fn to_toml(&self) -> Option<String> {
                Some(format!("\"{}\"", self.name()))
            }
        }
    };
}

choice! {
    /// How a data file is read.
    DataFormat {
        /// By the file's extension: `.parquet` is parquet, all else JSON lines.
        Auto = "auto",
        /// One JSON object a line.
        Jsonl = "jsonl",
        /// Apache Parquet.
        Parquet = "parquet",
    }
}

choice! {
    /// A prompt with the form of the answer that it asks for.
    Preset {
        /// Nothing but what is set.
        None = "none",
        /// CPGD, appendix B, Table 3.
        Cpgd = "cpgd",
        /// DGPO, appendix B.2.
        Dgpo = "dgpo",
    }
}

choice! {
    /// By which metric the best checkpoint is chosen.
    Best {
        /// None is kept for its worth.
        Off = "off",
        /// Mean reward of the steps since the checkpoint before.
        Reward = "reward/mean",
        /// Right completions of the evaluation.
        EvalAvg = "eval/avg",
        /// Problems that the evaluation solved at least once.
        EvalPass = "eval/pass",
        /// Problems of the evaluation whose most frequent answer is right.
        EvalMajority = "eval/majority",
    }
}

choice! {
    /// What happens to a row without an answer.
    Incomplete {
        /// The run does not start.
        Error = "error",
        /// It is left out, and the number left out is reported.
        Drop = "drop",
    }
}

choice! {
    /// What happens to a row that is equal to an earlier one.
    Duplicates {
        /// It is left out, and the number left out is reported.
        Drop = "drop",
        /// It is trained on as often as it is there.
        Keep = "keep",
    }
}

choice! {
    /// Whether the tokenizer's chat template is applied to a problem.
    Chat {
        /// When the tokenizer has a template.
        Auto = "auto",
        /// Always; a tokenizer without a template is an error.
        Always = "always",
        /// Never: the prompt is the plain text.
        Never = "never",
    }
}

choice! {
    /// What happens to a prompt that is too long.
    Overlong {
        /// It is left out, and the number left out is reported.
        Drop = "drop",
        /// The run does not start.
        Error = "error",
    }
}

choice! {
    /// What happens to a completion that was cut at the longest length.
    Truncated {
        /// It is trained on like any other.
        Train = "train",
        /// None of its tokens is trained on, and none counts in the loss's mean.
        Mask = "mask",
    }
}

choice! {
    /// How the learning rate moves over the run.
    Schedule {
        /// It stays.
        Constant = "constant",
        /// It falls along half a cosine.
        Cosine = "cosine",
        /// It falls along a line.
        Linear = "linear",
    }
}

choice! {
    /// Number format of stored values.
    Precision {
        /// 32-bit floats.
        F32 = "f32",
        /// bfloat16.
        Bf16 = "bf16",
    }
}

choice! {
    /// What happens when a loss or a gradient is not finite.
    OnNonfinite {
        /// The update is skipped and counted; the weights stay as they were.
        Skip = "skip",
        /// The run stops with an error that names the step.
        Stop = "stop",
    }
}

choice! {
    /// Whether activations are recomputed in the backward pass.
    Recompute {
        /// When they would not fit in memory.
        Auto = "auto",
        /// Always: less memory, about a third more time.
        Always = "always",
        /// Never.
        Never = "never",
    }
}

choice! {
    /// A reward of one sample.
    RewardName {
        /// 1 where the verifier finds the gold answer, else 0.
        Math = "math",
        /// 1 where the verifier finds the gold answer, else -1.
        MathPm1 = "math_pm1",
        /// 1 for equal text, else 0.
        Exact = "exact",
        /// 1 for an expression that solves the task of this name, else 0.
        Countdown = "countdown",
        /// 1 for the form of `reward.format`, else 0.
        Format = "format",
        /// 0, and near `rollout.max_new_tokens` down to -1.
        Overlong = "overlong",
        /// What the user's own program says.
        Command = "command",
    }
}

choice! {
    /// Form of a completion: what the reward `format` is for, and with `reward.strict` the only place where an answer counts.
    AnswerFormat {
        /// None is asked for.
        Any = "any",
        /// The answer stands in `\boxed{}`.
        Boxed = "boxed",
        /// `<think>...</think>` followed by `<answer>...</answer>` and nothing else.
        ThinkAnswer = "think-answer",
        /// `<answer>...</answer>` once.
        Answer = "answer",
        /// A last line `#### 72`.
        Hashes = "hashes",
    }
}

impl RewardName {
    /// Whether it compares a completion with the gold answer.
    pub const fn reads_answer(self) -> bool {
        match self {
            RewardName::Math | RewardName::MathPm1 | RewardName::Exact | RewardName::Countdown => true,
            RewardName::Format | RewardName::Overlong | RewardName::Command => false,
        }
    }

    /// The metrics of this reward beside others: its mean and its standard deviation.
    pub const fn metrics(self) -> (Metric, Metric) {
        match self {
            RewardName::Math => (definition::REWARD_MATH_MEAN, definition::REWARD_MATH_STD),
            RewardName::MathPm1 => (definition::REWARD_MATH_PM1_MEAN, definition::REWARD_MATH_PM1_STD),
            RewardName::Exact => (definition::REWARD_EXACT_MEAN, definition::REWARD_EXACT_STD),
            RewardName::Countdown => (definition::REWARD_COUNTDOWN_MEAN, definition::REWARD_COUNTDOWN_STD),
            RewardName::Format => (definition::REWARD_FORMAT_MEAN, definition::REWARD_FORMAT_STD),
            RewardName::Overlong => (definition::REWARD_OVERLONG_MEAN, definition::REWARD_OVERLONG_STD),
            RewardName::Command => (definition::REWARD_COMMAND_MEAN, definition::REWARD_COMMAND_STD),
        }
    }
}

impl Best {
    /// The metric; `None` when it is off.
    pub fn metric(self) -> Option<Metric> {
        match self {
            Best::Off => None,
            Best::Reward => Some(definition::REWARD_MEAN),
            Best::EvalAvg => Some(definition::EVAL_AVG),
            Best::EvalPass => Some(definition::EVAL_PASS),
            Best::EvalMajority => Some(definition::EVAL_MAJORITY),
        }
    }

    /// Whether an evaluation gives it.
    pub fn of_evaluation(self) -> bool {
        matches!(self, Best::EvalAvg | Best::EvalPass | Best::EvalMajority)
    }
}

choice! {
    /// Where the importance ratio of a sample starts.
    CorrectionMode {
        /// `decoupled` with `server.url`, else `bypass`.
        Auto = "auto",
        /// At the policy that sampled.
        Bypass = "bypass",
        /// At the policy that the step begins with.
        Decoupled = "decoupled",
    }
}

choice! {
    /// Importance weights of samples that another policy drew.
    Importance {
        /// None.
        None = "none",
        /// One a token.
        Token = "token",
        /// One a sequence, the product of its tokens'.
        Sequence = "sequence",
    }
}

choice! {
    /// How a server gets prompts.
    ServerPrompt {
        /// As token ids.
        Tokens = "tokens",
        /// As text.
        Text = "text",
    }
}

choice! {
    /// How a server gets new weights.
    Reload {
        /// It keeps those that it began with.
        None = "none",
        /// `surefoot serve`.
        Surefoot = "surefoot",
        /// vLLM.
        Vllm = "vllm",
        /// SGLang.
        Sglang = "sglang",
        /// A request of one's own.
        Custom = "custom",
    }
}

impl Entry for Wanted {
    fn expects() -> String {
        "\"auto\" or \"cpu\" or \"cuda\" or \"cuda:N\"".into()
    }
    fn read(value: &Value) -> Result<Self, Mismatch> {
        let Some(text) = value.as_str() else { return Err(super::entry::mismatch::<Self>(value)) };
        text.parse().map_err(|_| Mismatch { expected: Self::expects(), found: format!("{text:?}") })
    }
    fn to_toml(&self) -> Option<String> {
        Some(format!("\"{self}\""))
    }
}

/// Keys whose values the objectives crate defines.
macro_rules! keyed {
    ($($name:ty),+) => {
        $(impl Entry for $name {
            fn expects() -> String {
                Self::KEYS.iter().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(" or ")
            }
            fn read(value: &Value) -> Result<Self, Mismatch> {
                let Some(text) = value.as_str() else { return Err(super::entry::mismatch::<Self>(value)) };
                Self::parse(text).ok_or_else(|| {
                    let hint = nearest(text, Self::KEYS.iter().copied()).map(|key| format!(" (did you mean \"{key}\"?)"));
                    Mismatch { expected: Self::expects(), found: format!("\"{text}\"{}", hint.unwrap_or_default()) }
                })
            }
            fn to_toml(&self) -> Option<String> {
                Some(format!("\"{self}\""))
            }
        })+
    };
}

keyed!(Estimator, Weight, Std, Scale, ReferenceEstimator);
