//! Prompts of papers, each with the form of the answer that it asks for.

use super::Config;
use super::choice::{AnswerFormat, Preset, RewardName};

/// CPGD's system message (arXiv 2505.12504, appendix B, Table 3), word for word, as results with it depend on it.
const CPGD: &str = r"Solve the question. The user asks a question, and you solves it. You first thinks about the reasoning process in the mind and then provides the user with the answer. The answer is in latex format and wrapped in $...$. The final answer must be wrapped using the \boxed{ } command. The reasoning process and answer are enclosed within <think></think> and <answer></answer> tags, respectively, i.e., <think>Since $1 + 1 = 2$, so the answer is 2. </think><answer>The answer is $\boxed{2}$ </answer>, which means the final answer assistant's output should start with <answer> and end with </answer>.";

/// What DGPO's reward asks for before it compares (arXiv 2603.14389, appendix B.2): an answer in `\boxed{}`.
const DGPO: &str = r"Solve the problem step by step. Put the final answer in \boxed{}.";

/// Gives the keys of the preset's prompt and form their values, where they are not set.
pub(super) fn apply(config: &mut Config, set: &dyn Fn(&str) -> bool) {
    let (system, format) = match config.prompt.preset {
        Preset::None => return,
        Preset::Cpgd => (CPGD, AnswerFormat::ThinkAnswer),
        Preset::Dgpo => (DGPO, AnswerFormat::Boxed),
    };
    if !set("prompt.system") {
        config.prompt.system = system.to_string();
    }
    if !set("reward.format") {
        config.reward.format = format;
    }
    let math = [RewardName::Math, RewardName::MathPm1].iter().any(|name| config.reward.name.contains(name));
    if !set("reward.strict") && math {
        config.reward.strict = config.reward.format != AnswerFormat::Any;
    }
}
