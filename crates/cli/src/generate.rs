//! `surefoot generate`

use surefoot_trainer::config::choice::{Chat, Precision};
use surefoot_trainer::config::{Config, Purpose};
use surefoot_trainer::data::Problem;
use surefoot_trainer::engine::device::{Sampling, Weights};
use surefoot_trainer::engine::generate::{Request, Settings, generate};
use surefoot_trainer::policy::Policy;
use surefoot_trainer::prompt::Prompter;
use surefoot_trainer::rollout::Stop;

use crate::args::Generate;
use crate::exit::Exit;
use crate::output;
use crate::train::pool;

/// Samples and prints the completions.
pub fn run(args: &Generate) -> anyhow::Result<Exit> {
    anyhow::ensure!(args.samples > 0 && args.max_new_tokens > 0, "--samples and --max-new-tokens must be at least 1");
    anyhow::ensure!(args.temperature >= 0.0, "--temperature is {}; it must be 0 or more", args.temperature);
    anyhow::ensure!(
        args.top_p > 0.0 && args.top_p <= 1.0,
        "--top-p is {}; it must be above 0 and at most 1",
        args.top_p
    );
    pool(args.threads)?.install(|| sample(args))
}

fn sample(args: &Generate) -> anyhow::Result<Exit> {
    let mut config = Config::defaults(Purpose::Train);
    config.prompt.system.clone_from(&args.system);
    config.prompt.chat = if args.plain { Chat::Never } else { Chat::Auto };
    let prompter = Prompter::load(&args.model, &config)?;
    let prompt = prompter.render(0, &Problem::Text(args.prompt.clone()))?;
    let positions = prompt.tokens.len() + args.max_new_tokens;
    let (policy, _) = Policy::load(&args.model, positions, "--max-new-tokens", Precision::Bf16)?;
    let packed = policy.sampler.pack(&policy.model.weights);
    let stop = Stop { tokenizer: prompter.tokenizer(), texts: &[] };
    let settings = Settings {
        sampling: Sampling { temperature: args.temperature, top_p: args.top_p, top_k: args.top_k },
        seed: args.seed,
        max_new_tokens: args.max_new_tokens,
        batch: args.samples.min(64),
        workers: 1,
        stop: &|tokens| stop.ends(tokens),
        progress: &|_| {},
        cancelled: &|| false,
    };
    let request = Request { prompt: &prompt.tokens, samples: args.samples, first_sequence: 0 };
    let w = Weights { arena: &policy.model.weights, packed: Some(&packed) };
    for sample in generate(&policy.sampler, w, &[request], &settings).iter().flatten() {
        output::data(&prompter.tokenizer().decode(&sample.tokens)?)?;
    }
    Ok(Exit::Done)
}
