//! `surefoot train` and `surefoot sft`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use surefoot_trainer::config::{Config, Purpose};
use surefoot_trainer::journey::{Ending, Outcome, Start};
use surefoot_trainer::progress::{Progress, summary, warnings};
use surefoot_trainer::sft::SftRun;
use surefoot_trainer::train::Run;
use surefoot_trainer::{demo, run_folder};

use crate::args::Train;
use crate::dashboard::Dashboard;
use crate::exit::Exit;
use crate::output;

/// Trains until the end, or until Ctrl-C.
pub fn run(args: &Train, purpose: Purpose) -> anyhow::Result<Exit> {
    let (config, start) = resolve(args, purpose)?;
    let stop = stop_on_signal("stopping after a checkpoint; once more to stop at once")?;
    let pool = pool(config.train.threads)?;
    pool.install(|| {
        let keep = config.clone();
        let outcome = match purpose {
            Purpose::Train => {
                let (run, notes) = Run::prepare(config, start)?;
                notes.iter().for_each(|note| output::note(note));
                let mut progress = progress(args, &keep, run.done(), &stop)?;
                let outcome = run.run(&mut progress, &stop);
                progress.finish();
                outcome?
            }
            Purpose::Sft => {
                let (run, notes) = SftRun::prepare(config, start)?;
                notes.iter().for_each(|note| output::note(note));
                let mut progress = progress(args, &keep, run.done(), &stop)?;
                let outcome = run.run(&mut progress, &stop);
                progress.finish();
                outcome?
            }
            Purpose::Eval => anyhow::bail!("`surefoot eval` trains nothing"),
        };
        Ok(finish(&outcome, &keep))
    })
}

/// Lines, or the full screen.
fn progress(args: &Train, config: &Config, done: u64, stop: &Arc<AtomicBool>) -> anyhow::Result<Progress> {
    let steps = config.train.steps;
    if args.tui {
        let dashboard = Dashboard::open(config.log.run_dir.clone(), steps, done, stop.clone())?;
        return Ok(Progress::on(Box::new(dashboard)));
    }
    Ok(Progress::new(output::terminal(), steps, done))
}

/// A pool with the threads that a command may use; 0 is one for every core.
pub fn pool(threads: usize) -> anyhow::Result<rayon::ThreadPool> {
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
                "ended early by {collapse}. A checkpoint is written; go on with another limit, as in: {} --set stop.{}=LIMIT",
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
    let sets = &args.device.set(&args.set);
    match (&args.resume, &args.config) {
        (Some(run), _) => {
            let file = run.join("config.toml");
            if !file.is_file() {
                return Err(run_folder::RunFolderError::NoRun { path: run.clone() }.into());
            }
            let mut config = Config::load(&file, sets, purpose)?;
            config.log.run_dir = run.display().to_string();
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

/// Ctrl-C and SIGTERM set the flag; the second one ends the process at once.
pub fn stop_on_signal(said: &'static str) -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        output::note(&format!("\n{said}"));
    })
    .context("cannot watch for Ctrl-C")?;
    Ok(stop)
}
