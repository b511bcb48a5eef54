//! `surefoot study`: the runs as child processes of this binary, and the table.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use surefoot_trainer::run_folder::atomic;
use surefoot_trainer::shell::{argument, program};
use surefoot_trainer::study::{Cell, Plan, State, Table};

use crate::args::Study;
use crate::exit::Exit;
use crate::output;
use crate::report;
use crate::train::stop_on_signal;

/// How often the runs are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Makes the runs that are missing, then table and report.
pub fn run(args: &Study) -> anyhow::Result<Exit> {
    let plan = Plan::load(&args.study)?;
    if args.table {
        return tabulate(&plan, &args.study);
    }
    plan.prepare()?;
    let stop = stop_on_signal(Some("stopping after a checkpoint of each run; once more to stop at once"))?;
    let failed = make(&plan, &stop)?;
    if stop.load(Ordering::SeqCst) {
        output::note(&format!("stopped. Go on with: {} study {}", program(), argument(&args.study)));
        return Ok(Exit::Stopped);
    }
    let done = tabulate(&plan, &args.study)?;
    for cell in &failed {
        output::note(&format!("failed: {}; its last words are in {}", cell.name, plan.log(cell).display()));
    }
    Ok(if failed.is_empty() { done } else { Exit::Failed })
}

/// Table and report from the run folders of the study in the file `study`.
fn tabulate(plan: &Plan, study: &Path) -> anyhow::Result<Exit> {
    let table = Table::read(plan);
    for notice in &table.notices {
        output::note(&format!("warning: {notice}"));
    }
    for run in &table.ended {
        output::note(&format!("{run}; it counts as collapsed"));
    }
    output::data(table.markdown().trim_end())?;
    output::note(&table.legend());
    let others = table.others;
    let (file, document) = (plan.folder.join("table.md"), table.document());
    if let Some(page) = table.report() {
        atomic::write(&file, document.as_bytes()).with_context(|| format!("cannot write {}", file.display()))?;
        let page_file = plan.folder.join("report.html");
        report::write(&page_file, &page)?;
        output::note(&format!("written to {} and {}", file.display(), page_file.display()));
    } else if others == 0 {
        output::note(&format!("no run is finished yet; make them with: {} study {}", program(), argument(study)));
    } else if file.exists() {
        output::note(&format!("{} is of an earlier study and stays as it is", file.display()));
    }
    if others > 0 {
        let (all, study) = (plan.cells.len(), study.display());
        output::note(&format!("{others} of {all} run folders hold something else than {study} asks for"));
    }
    Ok(if others > 0 { Exit::Failed } else { Exit::Done })
}

/// A run that is on its way.
struct Running<'a> {
    cell: &'a Cell,
    child: Child,
}

/// Makes every run that is not finished, several at a time; returns those that failed.
fn make<'a>(plan: &'a Plan, stop: &AtomicBool) -> anyhow::Result<Vec<&'a Cell>> {
    let mut waiting: Vec<&Cell> = Vec::new();
    for cell in &plan.cells {
        // Every folder is looked at before the first run begins.
        if !cell.state()?.is_over() {
            waiting.push(cell);
        }
    }
    let (all, room) = (plan.cells.len(), room(plan));
    let mut ended = all - waiting.len();
    let runs = if all == 1 { "run" } else { "runs" };
    output::note(&format!("{all} {runs}, {ended} finished; {room} at a time in {}", plan.folder.display()));
    let (mut running, mut failed, mut told) = (Vec::<Running>::new(), Vec::new(), Vec::new());
    while !waiting.is_empty() || !running.is_empty() {
        if stop.load(Ordering::SeqCst) {
            waiting.clear();
            for run in &running {
                ask_to_stop(&run.child);
            }
            for run in &mut running {
                run.child.wait()?;
            }
            break;
        }
        // Runs of a killed study take their part of the cores.
        let (mut at, mut held) = (0, 0);
        while running.len() + held < room && at < waiting.len() {
            let cell = waiting[at];
            match cell.state()? {
                state if state.is_over() => {
                    waiting.remove(at);
                    ended += 1;
                    say_over(cell, &state, (ended, all));
                }
                // Left by a study that was killed; it goes on by itself.
                State::Running { owner } => {
                    if !told.contains(&cell.name) {
                        told.push(cell.name.clone());
                        output::note(&format!("waiting for {}, which {owner} still makes", cell.name));
                    }
                    (at, held) = (at + 1, held + 1);
                }
                state => {
                    waiting.remove(at);
                    let what = if state == State::New { "begins" } else { "goes on" };
                    running.push(Running { cell, child: start(plan, cell, &state)? });
                    output::note(&format!("{what} {}", cell.name));
                }
            }
        }
        std::thread::sleep(LOOK);
        let mut still = Vec::new();
        for mut run in running {
            match run.child.try_wait()? {
                None => still.push(run),
                Some(status) => match run.cell.state()? {
                    state if state.is_over() => {
                        ended += 1;
                        say_over(run.cell, &state, (ended, all));
                    }
                    // Another process was faster to take the folder.
                    State::Running { .. } => waiting.push(run.cell),
                    _ => {
                        output::note(&format!("failed {} ({status})", run.cell.name));
                        failed.push(run.cell);
                    }
                },
            }
        }
        running = still;
    }
    Ok(failed)
}

/// Says that a run is over and how, and how many are.
fn say_over(cell: &Cell, state: &State, (over, all): (usize, usize)) {
    let name = &cell.name;
    output::note(&match state {
        State::Ended(collapse) => {
            format!("ended early at step {} by stop.{}: {name} ({over} of {all})", collapse.step, collapse.key)
        }
        _ => format!("finished {name} ({over} of {all})"),
    });
}

/// Runs that the cores have room for.
fn room(plan: &Plan) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match (plan.parallel, plan.threads) {
        (0, 0) => 1,
        (0, threads) => (cores / threads).max(1),
        (parallel, _) => parallel,
    }
}

fn start(plan: &Plan, cell: &Cell, state: &State) -> anyhow::Result<Child> {
    let log = plan.log(cell);
    let file = OpenOptions::new().create(true).append(true).open(&log);
    let file = file.with_context(|| format!("cannot open {}", log.display()))?;
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command.arg("train").stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
    match state {
        State::New => command.arg(plan.cell_config(cell)),
        _ => command.arg("--resume").arg::<&Path>(&cell.run),
    };
    apart(&mut command);
    command.spawn().with_context(|| format!("cannot start {}", cell.name))
}

/// Keeps Ctrl-C of the terminal from a run: it is told once, by us, so that it writes its checkpoint.
#[cfg(unix)]
fn apart(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn apart(_command: &mut Command) {}

#[cfg(unix)]
fn ask_to_stop(child: &Child) {
    use rustix::process::{Pid, Signal, kill_process};
    // One that has ended by now needs no signal.
    let _ended = kill_process(Pid::from_child(child), Signal::TERM);
}

/// Ctrl-C reaches the runs by itself where there are no process groups.
#[cfg(not(unix))]
fn ask_to_stop(_child: &Child) {}
