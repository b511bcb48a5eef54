//! `surefoot eval`

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use surefoot_trainer::config::{Config, Purpose};
use surefoot_trainer::evaluate::{self, Benchmark, Evaluator, Other, Progress, Score, Settings};
use surefoot_trainer::journey::Start;
use surefoot_trainer::policy::Policy;
use surefoot_trainer::prompt::{Prompter, settle_date};
use surefoot_trainer::ranks::Ranks;
use surefoot_trainer::reward::Rewarder;

use crate::args::{Evaluate, Format};
use crate::exit::Exit;
use crate::output;
use crate::ranks::{Launched, shared};
use crate::train::{pool, stop_on_signal};

/// Evaluates a model on benchmarks, or compares two evaluations.
pub fn run(args: &Evaluate) -> anyhow::Result<Exit> {
    if let [first, second] = args.compare.as_slice() {
        return compare(first, second, args.format);
    }
    let launched = Launched::start()?;
    let done = shared(&launched.ranks, Purpose::Eval, || Ok((resolve(args)?, Start::New))).and_then(|(config, _)| {
        let folder = args.out.clone().unwrap_or_else(|| default_folder(&config));
        pool(config.train.threads)?.install(|| evaluate(config, &folder, args.format, &launched.ranks))
    });
    launched.end(done)
}

/// The configuration, with what the command line gives beside it.
fn resolve(args: &Evaluate) -> anyhow::Result<Config> {
    let mut sets = args.device.set(&args.set);
    let text = |value: &str| toml_text(value);
    if let Some(model) = &args.model {
        sets.push(format!("model.path={}", text(&model.to_string_lossy())));
    }
    if !args.data.is_empty() {
        let files: Vec<String> = args.data.iter().map(|file| text(file)).collect();
        sets.push(format!("eval.data=[{}]", files.join(", ")));
    }
    if let Some(samples) = args.samples {
        sets.push(format!("eval.samples={samples}"));
    }
    Ok(match &args.config {
        Some(file) => Config::load(file, &sets, Purpose::Eval)?,
        None => Config::from_text(Path::new("the command line"), "", &sets, Purpose::Eval)?,
    })
}

/// A TOML string.
fn toml_text(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `runs/eval-MODEL`, with the name of the model's folder.
fn default_folder(config: &Config) -> PathBuf {
    let model = Path::new(&config.model.path);
    let name = model.file_name().unwrap_or(model.as_os_str()).to_string_lossy().into_owned();
    PathBuf::from(format!("runs/eval-{name}"))
}

fn evaluate(mut config: Config, folder: &Path, format: Format, ranks: &Ranks) -> anyhow::Result<Exit> {
    // One that was begun on another day goes on with its prompts.
    settle_date(&mut config, Settings::read(folder).ok().map(|begun| begun.date), ranks)?;
    let config = &config;
    let note = |text: &str| {
        if ranks.is_first() {
            output::note(text)
        }
    };
    let source = Path::new(&config.model.path);
    let prompter = Prompter::load(source, config)?;
    let rewarder = Rewarder::new(&config.reward, config.eval_tokens(), rayon::current_num_threads())?;
    let benchmarks = Benchmark::load_all(config, &prompter)?;
    Benchmark::notes(&benchmarks, config.prompt.max_tokens).iter().for_each(|text| note(text));
    let longest = benchmarks.iter().map(|benchmark| benchmark.longest).max().unwrap_or(0);
    let positions = longest.saturating_add(config.eval_tokens());
    let (policy, unused) = Policy::for_evaluation(source, positions, "eval.max_new_tokens", config)?;
    note(&policy.device());
    if !unused.is_empty() {
        note(&format!("tensors that the model does not use: {}", unused.join(", ")));
    }
    let stop =
        stop_on_signal((!ranks.are_several()).then_some("stopping; what is done stays. Once more to stop at once"))?;
    let (prompter, rewarder, benchmarks) = (&prompter, &rewarder, &benchmarks);
    let evaluator = Evaluator { config, prompter, rewarder, benchmarks, ranks, other: Other::Refused };
    let mut show = |p: Progress| {
        let percent = 100.0 * p.avg;
        note(&format!("{}: {} of {} problems, {percent:.1}% right", p.benchmark, p.done, p.problems));
    };
    let Some(scores) = evaluator.run(&policy, folder, &mut show, &|| stop.load(Ordering::Relaxed))? else {
        note(&format!("stopped; the same command goes on from what is in {}", folder.display()));
        return Ok(Exit::Stopped);
    };
    if ranks.is_first() {
        show_scores(&scores, format)?;
    }
    note(&format!("each problem: {}", folder.display()));
    Ok(Exit::Done)
}

fn show_scores(scores: &[Score], format: Format) -> anyhow::Result<()> {
    let text = match format {
        Format::Table => evaluate::table(scores),
        Format::Json => serde_json::to_string(scores)?,
    };
    Ok(output::data(&text)?)
}

fn compare(first: &Path, second: &Path, format: Format) -> anyhow::Result<Exit> {
    let found = evaluate::compare(first, second)?;
    found.notes.iter().for_each(|note| output::note(&format!("warning: {note}")));
    output::data(&match format {
        Format::Table => evaluate::comparison_table(&found.comparisons),
        Format::Json => serde_json::to_string(&found.comparisons)?,
    })?;
    Ok(Exit::Done)
}
