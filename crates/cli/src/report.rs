//! `surefoot report`

use std::path::{Path, PathBuf};

use anyhow::Context;
use surefoot_trainer::replay::ReplayError;
use surefoot_trainer::report::{Replayed, Report as Page};
use surefoot_trainer::run_folder::atomic;

use crate::args::Report;
use crate::exit::Exit;
use crate::output;
use crate::replay::replayed;

/// Writes the page, and names the file on stdout. Folders without metrics are told; only when no folder has any, it fails.
pub fn run(args: &Report) -> anyhow::Result<Exit> {
    let mut page = Page::of_runs(&args.runs);
    if args.objectives.all || !args.objectives.objective.is_empty() {
        let shown: Vec<&PathBuf> = args.runs.iter().filter(|run| page.shows(run)).collect();
        for run in shown {
            // A run that recorded no tokens is told, and the rest is still shown.
            match replayed(run, &args.objectives) {
                Ok((replay, outcomes)) => {
                    page.replays.push(Replayed { run: page.label(run), replay, outcomes });
                }
                Err(error) if error.is::<ReplayError>() => page.notices.push(format!("not replayed: {error}")),
                Err(error) => return Err(error),
            }
        }
    }
    for notice in &page.notices {
        output::note(&format!("warning: {notice}"));
    }
    anyhow::ensure!(!page.is_empty(), "no run to show: none of the folders has metrics; no report was written");
    let file = match (&args.output, args.runs.as_slice()) {
        (Some(file), _) => file.clone(),
        (None, [run]) => run.join("report.html"),
        (None, _) => PathBuf::from("report.html"),
    };
    write(&file, &page)?;
    output::data(&file.display().to_string())?;
    Ok(Exit::Done)
}

/// Writes a page, whole or not at all.
pub fn write(file: &Path, page: &Page) -> anyhow::Result<()> {
    atomic::write(file, page.html().as_bytes()).with_context(|| format!("cannot write {}", file.display()))
}
