//! Sampling G completions for each of P prompts, by this engine or by another server.
pub(crate) mod exchange;
pub mod served;

use crate::config::{Config, Size};
use crate::data::Row;
use crate::policy::Sampler;
use crate::prompt::{Prompt, PromptError, Prompter};
use surefoot_engine::device::{DeviceError, Sampling};
use surefoot_engine::generate::{Request, Sample, Settings};

/// Why nothing could be sampled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// A prompt that cannot be rendered, or tokens that cannot be decoded.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// A prompt with its samples.
#[derive(Clone, Debug)]
pub struct Group {
    /// Row of the data.
    pub row: usize,
    /// What the model was asked.
    pub prompt: Prompt,
    /// Its completions.
    pub samples: Vec<Sample>,
    /// Their texts, special tokens left out.
    pub texts: Vec<String>,
}

/// Hooks into a rollout that is running.
pub struct Watch<'a> {
    /// Called with the number of tokens of each decoding step.
    pub progress: &'a (dyn Fn(usize) + Sync),
    /// Whether to give up: the samples are thrown away then.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// How many completions, and how they are sampled.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Completions a prompt, G.
    pub samples: usize,
    /// Distribution of a token.
    pub sampling: Sampling,
    /// Longest completion, in tokens.
    pub max_new_tokens: usize,
    /// Sequences that are decoded together.
    pub batch: Size,
    /// Texts that end a completion.
    pub stop: &'a [String],
    /// Seed of all draws.
    pub seed: u64,
}

impl<'a> Plan<'a> {
    /// `[rollout]`.
    pub fn training(config: &'a Config) -> Self {
        let rollout = &config.rollout;
        let (temperature, top_p, min_p) = (rollout.temperature as f32, rollout.top_p as f32, rollout.min_p as f32);
        Plan {
            samples: rollout.samples,
            sampling: Sampling { temperature, top_p, top_k: rollout.top_k, min_p },
            max_new_tokens: rollout.max_new_tokens,
            batch: rollout.batch,
            stop: &rollout.stop,
            seed: config.train.seed,
        }
    }

    /// `[eval]`, and of `[rollout]` what it does not hold.
    pub fn evaluation(config: &'a Config) -> Self {
        let eval = &config.eval;
        let (temperature, top_p, min_p) = (eval.temperature as f32, eval.top_p as f32, eval.min_p as f32);
        Plan {
            samples: eval.samples,
            sampling: Sampling { temperature, top_p, top_k: eval.top_k, min_p },
            max_new_tokens: config.eval_tokens(),
            ..Plan::training(config)
        }
    }
}

/// What continues prompts: a policy, or weights of an earlier step.
pub trait Generate: Sync {
    /// Workers that sample side by side.
    fn workers(&self) -> usize;
    /// Sequences that it decodes together where nobody says how many.
    fn sequences(&self) -> usize;
    /// Continues every request.
    ///
    /// # Errors
    /// What the device failed with.
    fn generate(&self, requests: &[Request], settings: &Settings) -> Result<Vec<Vec<Sample>>, DeviceError>;
}

/// Weights of the host with what samples from them.
#[derive(Clone, Copy)]
pub struct Earlier<'a> {
    /// What samples.
    pub sampler: &'a dyn Sampler,
    /// The weights.
    pub weights: &'a Vec<f32>,
    /// Sequences that are decoded together where nobody says how many.
    pub sequences: usize,
}

impl Generate for Earlier<'_> {
    fn workers(&self) -> usize {
        self.sampler.workers()
    }

    fn sequences(&self) -> usize {
        self.sequences
    }

    fn generate(&self, requests: &[Request], settings: &Settings) -> Result<Vec<Vec<Sample>>, DeviceError> {
        self.sampler.generate(self.weights, requests, settings)
    }
}

/// Samples the plan's completions for each row; `first_sequence` numbers the random streams, so that the same
/// step of the same run draws the same samples. `None` if it was cancelled.
///
/// # Errors
/// A prompt that cannot be rendered, tokens that cannot be decoded, or what the device failed with.
pub fn rollout(
    source: &dyn Generate,
    prompter: &Prompter,
    plan: &Plan,
    rows: &[(usize, &Row)],
    first_sequence: u64,
    watch: &Watch,
) -> Result<Option<Vec<Group>>, RolloutError> {
    let prompts = render(prompter, rows)?;
    let samples = plan.samples;
    let requests: Vec<Request> = prompts
        .iter()
        .enumerate()
        .map(|(p, prompt)| Request {
            prompt: &prompt.tokens,
            samples,
            first_sequence: first_sequence + (p * samples) as u64,
        })
        .collect();
    let stop = Stop { tokenizer: prompter.tokenizer(), texts: plan.stop };
    let workers = source.workers().min(requests.len()).max(1);
    let settings = Settings {
        sampling: plan.sampling,
        seed: plan.seed,
        max_new_tokens: plan.max_new_tokens,
        // Room for more sequences than there are would be taken for nothing.
        batch: plan.batch.or(source.sequences()).min(rows.len() * samples).div_ceil(workers),
        workers,
        stop: &|tokens| stop.ends(tokens),
        progress: watch.progress,
        cancelled: watch.cancelled,
    };
    let sampled = source.generate(&requests, &settings)?;
    if (watch.cancelled)() {
        return Ok(None);
    }
    Ok(Some(group(prompter, rows, prompts, sampled)?))
}

/// The prompt of each row.
///
/// # Errors
/// A prompt that cannot be rendered.
pub fn render(prompter: &Prompter, rows: &[(usize, &Row)]) -> Result<Vec<Prompt>, PromptError> {
    rows.iter().map(|(_, row)| prompter.render(&row.problem)).collect()
}

/// Prompts and their samples as groups.
///
/// # Errors
/// Tokens that cannot be decoded.
pub fn group(
    prompter: &Prompter,
    rows: &[(usize, &Row)],
    prompts: Vec<Prompt>,
    sampled: Vec<Vec<Sample>>,
) -> Result<Vec<Group>, PromptError> {
    let mut groups = Vec::with_capacity(rows.len());
    for (((row, _), prompt), samples) in rows.iter().zip(prompts).zip(sampled) {
        let decode = |s: &Sample| prompter.tokenizer().decode(&s.tokens);
        let texts = samples.iter().map(decode).collect::<Result<_, _>>()?;
        groups.push(Group { row: *row, prompt, samples, texts });
    }
    Ok(groups)
}

/// What a reward reads of the samples of `groups`, which answer `rows`.
pub fn judgements<'a>(groups: &'a [Group], rows: &'a [(usize, &'a Row)]) -> Vec<crate::reward::Sample<'a>> {
    let of = |(group, (_, row)): (&'a Group, &'a (usize, &'a Row))| {
        let samples = group.texts.iter().zip(&group.samples);
        samples.map(move |(completion, sample)| crate::reward::Sample {
            problem: &group.prompt.text,
            gold: &row.answer,
            columns: row.columns.as_deref(),
            completion,
            tokens: sample.tokens.len(),
        })
    };
    groups.iter().zip(rows).flat_map(of).collect()
}

/// When a completion has ended.
pub struct Stop<'a> {
    /// Decodes the end of a completion, to look for `texts`.
    pub tokenizer: &'a surefoot_engine::tokenizer::Tokenizer,
    /// Texts that end a completion, beside the model's end tokens.
    pub texts: &'a [String],
}

impl Stop<'_> {
    /// Whether `tokens` have reached an end token or one of the texts.
    pub fn ends(&self, tokens: &[u32]) -> bool {
        let Some(last) = tokens.last() else { return false };
        if self.tokenizer.eos_ids().contains(last) {
            return true;
        }
        // A token has at least one byte, so the text's end lies within its last so many tokens.
        let reach = self.texts.iter().map(|t| t.len()).max().unwrap_or(0);
        reach > 0
            && self
                .tokenizer
                .decode(&tokens[tokens.len().saturating_sub(reach + 4)..])
                .is_ok_and(|tail| self.texts.iter().any(|t| tail.contains(t.as_str())))
    }
}
