//! `surefoot train` and `surefoot sft`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use surefoot_trainer::config::{Config, MOST_THREADS, Purpose};
use surefoot_trainer::journey::{Ending, Outcome, Start};
use surefoot_trainer::progress::{Progress, summary, warnings};
use surefoot_trainer::ranks::Ranks;
use surefoot_trainer::sft::SftRun;
use surefoot_trainer::shell::program;
use surefoot_trainer::train::Run;
use surefoot_trainer::{demo, run_folder};

use crate::args::Train;
use crate::dashboard::Dashboard;
use crate::exit::Exit;
use crate::output;
use crate::ranks::{Launched, shared};

/// Trains until the end, or until Ctrl-C, with all processes that were started together.
pub fn run(args: &Train, purpose: Purpose) -> anyhow::Result<Exit> {
    let launched = Launched::start()?;
    let done = train(args, purpose, &launched.ranks);
    launched.end(done)
}

fn train(args: &Train, purpose: Purpose, ranks: &Ranks) -> anyhow::Result<Exit> {
    let (config, start) = shared(ranks, purpose, || resolve(args, purpose))?;
    // A launcher that ends the ranks because of one of them sends signals too.
    let said = (!ranks.are_several()).then_some("stopping after a checkpoint; once more to stop at once");
    let stop = stop_on_signal(said)?;
    let note_all = |notes: &[String]| notes.iter().filter(|_| ranks.is_first()).for_each(|note| output::note(note));
    let pool = pool(config.train.threads)?;
    let keep = config.clone();
    let done = pool.install(|| {
        let outcome = match purpose {
            Purpose::Train => {
                let (run, notes) = match Run::prepare(config, start, ranks.clone(), &stop) {
                    Err(error) if error.is_stop() => {
                        output::note(&format!("{error}; nothing was done"));
                        return Ok(Exit::Stopped);
                    }
                    prepared => prepared?,
                };
                note_all(&notes);
                let mut progress = progress(args, &keep, run.done(), &stop, ranks)?;
                let outcome = run.run(&mut progress, &stop);
                progress.finish();
                outcome?
            }
            Purpose::Sft => {
                let (run, notes) = SftRun::prepare(config, start, ranks.clone())?;
                note_all(&notes);
                let mut progress = progress(args, &keep, run.done(), &stop, ranks)?;
                let outcome = run.run(&mut progress, &stop);
                progress.finish();
                outcome?
            }
            Purpose::Eval => anyhow::bail!("`surefoot eval` trains nothing"),
        };
        Ok(if ranks.is_first() { finish(&outcome, &keep) } else { Exit::Done })
    });
    // The demo writes its model before it can be known whether the run can start.
    let is_demo = args.config.is_none() && args.resume.is_none();
    if done.is_err() && is_demo && ranks.is_first() {
        demo::forget(&keep);
    }
    done
}

/// Lines, or the full screen; nothing of ranks other than the first.
fn progress(
    args: &Train,
    config: &Config,
    done: u64,
    stop: &Arc<AtomicBool>,
    ranks: &Ranks,
) -> anyhow::Result<Progress> {
    let steps = config.train.steps;
    if !ranks.is_first() {
        return Ok(Progress::new(output::nowhere(), steps, done));
    }
    if args.tui {
        let dashboard = Dashboard::open(config, done, stop.clone())?;
        return Ok(Progress::on(Box::new(dashboard)));
    }
    Ok(Progress::new(output::terminal(), steps, done))
}

/// A pool with the threads that a command may use; 0 is one for every core.
pub fn pool(threads: usize) -> anyhow::Result<rayon::ThreadPool> {
    anyhow::ensure!(threads <= MOST_THREADS, "threads are {threads}; the most are {MOST_THREADS}");
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().context("cannot start threads")
}

fn finish(outcome: &Outcome, config: &Config) -> Exit {
    match outcome.ending {
        Ending::Finished => {
            output::note(&summary(config, outcome));
            Exit::Done
        }
        Ending::Collapsed(collapse) => {
            output::note(&summary(config, outcome));
            output::note(&format!(
                "ended early by {collapse}. A checkpoint is written. The last command above goes on under the same limit; under another one: {} \
                 --set stop.{}=LIMIT",
                config.resume_command(&outcome.run),
                collapse.key
            ));
            Exit::Collapsed
        }
        Ending::Stopped => {
            // The summary of a run that has ended holds them itself.
            for warning in warnings(&outcome.records, config) {
                output::note(&format!("warning: {warning}"));
            }
            let command = config.resume_command(&outcome.run);
            output::note(&format!("stopped; a checkpoint is written. Go on with: {command}"));
            Exit::Stopped
        }
    }
}

fn resolve(args: &Train, purpose: Purpose) -> anyhow::Result<(Config, Start)> {
    if args.tui {
        Dashboard::check()?;
    }
    let sets = &args.device.set(&args.set);
    match (&args.resume, &args.config) {
        (Some(run), _) => {
            let file = run.join("config.toml");
            if !file.is_file() {
                return Err(run_folder::RunFolderError::no_run(run).into());
            }
            if let Some(made) = Purpose::of_run(&file).filter(|made| *made != purpose) {
                anyhow::bail!(
                    "{} is a run of `surefoot {made}`; go on with: {program} {made} --resume {0}",
                    run.display(),
                    program = program(),
                    made = made.command(),
                );
            }
            if sets.iter().any(|set| set.starts_with("log.run_dir=")) {
                anyhow::bail!("log.run_dir cannot be set with --resume: the run is in {}", run.display());
            }
            let mut config = Config::load(&file, sets, purpose)?;
            // The configuration is text.
            let name = run.to_str().with_context(|| format!("{}: not UTF-8; rename the folder", run.display()))?;
            config.log.run_dir = name.to_string();
            Ok((config, Start::Resume))
        }
        (None, Some(file)) => Ok((Config::load(file, sets, purpose)?, Start::New)),
        (None, None) if purpose == Purpose::Train => {
            let run = free_folder(Path::new("runs/demo"));
            Ok((demo::config(&run, sets)?, Start::New))
        }
        (None, None) => anyhow::bail!("sft needs a configuration: surefoot sft CONFIG (configs/demo-sft.toml is one)"),
    }
}

/// `path`, or `path-2`, `path-3` … if there is something already.
fn free_folder(path: &Path) -> PathBuf {
    let numbered =
        |n: usize| if n == 1 { path.to_path_buf() } else { PathBuf::from(format!("{}-{n}", path.display())) };
    (1..).map(numbered).find(|candidate| !candidate.exists()).unwrap_or_else(|| path.to_path_buf())
}

/// Ctrl-C and SIGTERM set the flag and have this said; the second one ends the process at once.
pub fn stop_on_signal(said: Option<&'static str>) -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        if let Some(said) = said {
            output::note(&format!("\n{said}"));
        }
    })
    .context("cannot watch for Ctrl-C")?;
    Ok(stop)
}
