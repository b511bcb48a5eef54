//! A whole step of reinforcement learning through the trainer's own parts: rollout, reward, advantages, updates.
//!
//! Rewards are computed for real and then replaced, so that the number of groups with a signal is the same in every run:
//! samples of a group alternate between 1 and 0, and with `--flat-every N` all samples of each Nth group get 1. The
//! learning rate is tiny, so that the lengths of completions stay what they are.
use anyhow::{Context, Result};
use clap::Parser;
use std::path::Path;
use surefoot_benchmarks::{Timings, median, report};
use surefoot_objectives::advantage::{AdvantageValues, RewardBatch};
use surefoot_trainer::config::{Config, Purpose, Size};
use surefoot_trainer::data::{Dataset, Row, Wanted};
use surefoot_trainer::engine::device;
use surefoot_trainer::engine::generate::{Request, Sample, Settings};
use surefoot_trainer::policy::Policy;
use surefoot_trainer::prompt::{Prompt, Prompter};
use surefoot_trainer::ranks::Ranks;
use surefoot_trainer::reward::{Rewarder, Sample as Judgement};
use surefoot_trainer::rollout::{Generate, Plan, Stop};
use surefoot_trainer::update::{Advantage, Rule, TrainedGroup, TrainedSample, Updated, update};

#[derive(Parser)]
struct Arguments {
    /// Model folder (peers/model.sh makes one).
    #[arg(long)]
    model: String,
    #[arg(long, default_value_t = 16)]
    prompts: usize,
    #[arg(long, default_value_t = 8)]
    samples: usize,
    #[arg(long, default_value_t = 4)]
    mini_batches: usize,
    /// Longest completion, in tokens.
    #[arg(long, default_value_t = 16)]
    max_new_tokens: usize,
    /// End tokens do not end a completion.
    #[arg(long)]
    ignore_eos: bool,
    /// Every so many groups, one has no signal; 0 is none.
    #[arg(long, default_value_t = 0)]
    flat_every: usize,
    /// Tokens of a micro-batch.
    #[arg(long, default_value_t = 1024)]
    micro_batch: usize,
    /// Sequences that are decoded together.
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Steps that count, after one that does not.
    #[arg(long, default_value_t = 8)]
    steps: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// `cpu`, `cuda` or `cuda:1`.
    #[arg(long, default_value = "cpu")]
    device: device::Wanted,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?.install(|| run(&arguments))
}

fn config(arguments: &Arguments) -> Result<Config> {
    let mut config = Config::defaults(Purpose::Train);
    config.train.device = arguments.device;
    config.model.path = arguments.model.clone();
    config.data.train = vec!["task:addition,rows=2048,seed=17,min_digits=2,digits=2,style=plain".to_string()];
    let never = surefoot_trainer::config::choice::Chat::Never;
    (config.prompt.chat, config.prompt.max_tokens) = (never, 16);
    (config.rollout.prompts, config.rollout.samples) = (arguments.prompts, arguments.samples);
    (config.rollout.max_new_tokens, config.rollout.batch) = (arguments.max_new_tokens, Size::Of(arguments.batch));
    config.reward.name = vec![surefoot_trainer::config::choice::RewardName::Exact];
    config.optimizer.learning_rate = 1e-7;
    config.update.mini_batches = arguments.mini_batches;
    config.update.tokens_per_micro_batch = Size::Of(arguments.micro_batch);
    Ok(config)
}

/// What a step took, by part.
#[derive(Default)]
struct Parts {
    all: Timings,
    rollout: Timings,
    update: Timings,
    completion_tokens: Vec<f64>,
    trained_tokens: Vec<f64>,
}

fn run(arguments: &Arguments) -> Result<()> {
    let config = config(arguments)?;
    let folder = Path::new(&arguments.model);
    let positions = config.prompt.max_tokens + config.rollout.max_new_tokens;
    let (mut policy, _) = Policy::load(folder, positions, "rollout.max_new_tokens", &config)?;
    let prompter = Prompter::load(folder, &config)?;
    let data = Dataset::load(&config.data, Wanted::Answer)?;
    let rewarder = Rewarder::new(&config.reward, config.rollout.max_new_tokens, rayon::current_num_threads())?;
    let mut parts = Parts::default();
    for step in 0..=arguments.steps {
        let first = step * config.rollout.prompts % (data.rows.len() - config.rollout.prompts);
        let rows = &data.rows[first..first + config.rollout.prompts];
        let mut now = Parts::default();
        let mut all = Timings::default();
        all.time(|| one(arguments, &config, &mut policy, &prompter, &rewarder, rows, step as u64, &mut now))?;
        if step > 0 {
            for (to, from) in
                [(&mut parts.all, all), (&mut parts.rollout, now.rollout), (&mut parts.update, now.update)]
            {
                to.wall.extend(from.wall);
                to.cpu.extend(from.cpu);
            }
            parts.completion_tokens.extend(now.completion_tokens);
            parts.trained_tokens.extend(now.trained_tokens);
        }
    }
    let more = [
        ("rollout_cpu_s", median(parts.rollout.cpu)),
        ("update_cpu_s", median(parts.update.cpu)),
        ("completion_tokens", median(parts.completion_tokens.clone())),
        ("trained_tokens", median(parts.trained_tokens)),
    ];
    let what = if arguments.ignore_eos { "long" } else { "short" };
    report(&format!("rl {what}"), &parts.all, median(parts.completion_tokens) as usize, &more);
    Ok(())
}

#[allow(clippy::too_many_arguments)]
fn one(
    arguments: &Arguments,
    config: &Config,
    policy: &mut Policy,
    prompter: &Prompter,
    rewarder: &Rewarder,
    rows: &[Row],
    step: u64,
    parts: &mut Parts,
) -> Result<()> {
    let objective = config.build_objective()?;
    let prompts: Vec<Prompt> = rows.iter().map(|row| prompter.render(&row.problem)).collect::<Result<_, _>>()?;
    let samples = parts.rollout.time(|| rollout(arguments, config, policy, prompter, &prompts, step))?;
    let texts: Vec<String> =
        samples.iter().flatten().map(|s| prompter.tokenizer().decode(&s.tokens)).collect::<Result<_, _>>()?;
    let judgements: Vec<Judgement> = texts
        .iter()
        .zip(samples.iter().flatten())
        .enumerate()
        .map(|(i, (completion, sample))| {
            let p = i / arguments.samples;
            let tokens = sample.tokens.len();
            Judgement { problem: &prompts[p].text, gold: &rows[p].answer, columns: None, completion, tokens }
        })
        .collect();
    rewarder.score(&judgements)?;
    let flat = |group: usize| arguments.flat_every > 0 && (group + 1).is_multiple_of(arguments.flat_every);
    let (rewards, ids): (Vec<f32>, Vec<u32>) = (0..texts.len())
        .map(|i| (i / arguments.samples, i))
        .map(|(group, i)| (if flat(group) || i % 2 == 0 { 1.0 } else { 0.0 }, group as u32))
        .unzip();
    let estimated = config.advantage_estimator()?.compute(&RewardBatch::new(&rewards, &ids)?)?;
    let AdvantageValues::PerSequence(advantages) = estimated else { anyhow::bail!("advantages by token") };
    let trained: Vec<TrainedGroup> = samples
        .iter()
        .enumerate()
        .map(|(g, group)| {
            let own = advantages[g * arguments.samples..].iter();
            TrainedGroup {
                id: g as u32,
                prompt: &prompts[g].tokens,
                samples: group
                    .iter()
                    .zip(own)
                    .enumerate()
                    .map(|(i, (s, &advantage))| TrainedSample {
                        number: g * arguments.samples + i,
                        tokens: &s.tokens,
                        logp_old: &s.logp,
                        advantage: Advantage::Sequence(advantage),
                        logp_ref: &[],
                        logp_epoch: &[],
                        logp_behavior: &[],
                        mask: &[],
                        token_weights: &[],
                    })
                    .collect(),
            }
        })
        .collect();
    let ranks = Ranks::alone();
    let rule = Rule { config, objective: &objective, total_updates: u64::MAX, step, ranks: &ranks };
    let mut updated = Updated::new(advantages.len());
    parts.update.time(|| {
        let size = trained.len().div_ceil(arguments.mini_batches);
        trained.chunks(size).try_for_each(|groups| update(policy, &rule, groups, &mut updated))
    })?;
    anyhow::ensure!(updated.skipped == 0 && updated.norms.len() == arguments.mini_batches, "an update was skipped");
    parts.completion_tokens.push(samples.iter().flatten().map(|s| s.tokens.len()).sum::<usize>() as f64);
    parts.trained_tokens.push(updated.tokens as f64);
    Ok(())
}

/// [`surefoot_trainer::rollout::rollout`] with a stopping rule of its own.
fn rollout(
    arguments: &Arguments,
    config: &Config,
    policy: &Policy,
    prompter: &Prompter,
    prompts: &[Prompt],
    step: u64,
) -> Result<Vec<Vec<Sample>>> {
    let count = config.rollout.samples as u64;
    let first = step * prompts.len() as u64 * count;
    let requests: Vec<Request> = prompts
        .iter()
        .zip(0..)
        .map(|(prompt, p): (_, u64)| Request {
            prompt: &prompt.tokens,
            samples: config.rollout.samples,
            first_sequence: first + p * count,
        })
        .collect();
    let stop = Stop { tokenizer: prompter.tokenizer(), texts: &[] };
    let workers = policy.workers().min(requests.len()).max(1);
    let settings = Settings {
        sampling: Plan::training(config).sampling,
        seed: config.train.seed,
        max_new_tokens: config.rollout.max_new_tokens,
        batch: config.rollout.batch.or(policy.sequences()).div_ceil(workers),
        workers,
        stop: &|tokens| !arguments.ignore_eos && stop.ends(tokens),
        progress: &|_| {},
        cancelled: &|| false,
    };
    let samples = policy.generate(&requests, &settings)?;
    samples.iter().all(|s| s.len() == config.rollout.samples).then_some(samples).context("samples are missing")
}
