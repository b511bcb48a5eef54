//! `surefoot generate`

use surefoot_trainer::config::choice::Chat;
use surefoot_trainer::config::{Config, Purpose};
use surefoot_trainer::data::Problem;
use surefoot_trainer::engine::config::ModelConfig;
use surefoot_trainer::engine::device::Sampling;
use surefoot_trainer::engine::generate::{Request, Settings};
use surefoot_trainer::policy::Policy;
use surefoot_trainer::prompt::Prompter;
use surefoot_trainer::rollout::{Generate as _, Stop};

use crate::args::Generate;
use crate::exit::Exit;
use crate::output;
use crate::train::pool;

/// Longest completion where none is asked for.
const MANY_TOKENS: usize = 256;
/// More samples of one prompt do not fit any memory; a slip of the keyboard is likelier.
const MOST_SAMPLES: usize = 1 << 20;
/// Logits divided by less leave the range of f32.
const LOWEST_TEMPERATURE: f32 = 1e-3;

/// Samples and prints the completions.
pub fn run(args: &Generate) -> anyhow::Result<Exit> {
    anyhow::ensure!(
        args.samples > 0 && args.max_new_tokens != Some(0),
        "--samples and --max-new-tokens must be at least 1"
    );
    anyhow::ensure!(args.samples <= MOST_SAMPLES, "--samples is {}; the most are {MOST_SAMPLES}", args.samples);
    anyhow::ensure!(
        args.temperature == 0.0 || (args.temperature >= LOWEST_TEMPERATURE && args.temperature.is_finite()),
        "--temperature is {}; it must be 0 (the most probable token), or at least {LOWEST_TEMPERATURE}",
        args.temperature
    );
    anyhow::ensure!(
        args.top_p > 0.0 && args.top_p <= 1.0,
        "--top-p is {}; it must be above 0 and at most 1",
        args.top_p
    );
    anyhow::ensure!(
        (0.0..1.0).contains(&args.min_p),
        "--min-p is {}; it must be 0 (off) or more, and less than 1",
        args.min_p
    );
    if args.samples > 1 && args.temperature == 0.0 {
        let samples = args.samples;
        output::note(&format!(
            "warning: --samples {samples}: all are the same with --temperature 0, the default; add --temperature 1"
        ));
    }
    pool(args.threads)?.install(|| sample(args))
}

fn sample(args: &Generate) -> anyhow::Result<Exit> {
    let mut config = Config::defaults(Purpose::Train);
    config.prompt.system.clone_from(&args.system);
    config.prompt.chat = if args.plain { Chat::Never } else { Chat::Auto };
    let prompter = Prompter::load(&args.model, &config)?;
    let prompt = prompter.render(&Problem::Text(args.prompt.clone()))?;
    let limit = ModelConfig::from_folder(&args.model)?.max_position_embeddings;
    let room = limit.saturating_sub(prompt.tokens.len()).clamp(1, MANY_TOKENS);
    let max_new_tokens = args.max_new_tokens.unwrap_or(room);
    let positions = prompt.tokens.len().saturating_add(max_new_tokens);
    let device = args.device.wanted.unwrap_or_default();
    let (policy, _) = Policy::for_sampling(&args.model, positions, "--max-new-tokens", device)?;
    output::note(&policy.device());
    let stop = Stop { tokenizer: prompter.tokenizer(), texts: &[] };
    let settings = Settings {
        sampling: Sampling { temperature: args.temperature, top_p: args.top_p, top_k: args.top_k, min_p: args.min_p },
        seed: args.seed,
        max_new_tokens,
        batch: args.samples.min(policy.sequences()),
        workers: 1,
        stop: &|tokens| stop.ends(tokens),
        progress: &|_| {},
        cancelled: &|| false,
    };
    let request = Request { prompt: &prompt.tokens, samples: args.samples, first_sequence: 0 };
    let samples = policy.generate(&[request], &settings)?.concat();
    policy.expect_finite(&samples)?;
    for sample in &samples {
        output::data(&prompter.tokenizer().decode(&sample.tokens)?)?;
    }
    Ok(Exit::Done)
}
