//! The program `surefoot` as a library: a binary of your own calls it, and has all commands with its own objectives.
//!
//! ```no_run
//! use surefoot::objectives::{Recipe, control::Dgpo};
//!
//! fn main() -> std::process::ExitCode {
//!     surefoot::main_with([Recipe::own("mine", "an objective of mine", Dgpo::DEFAULT)])
//! }
//! ```

mod allocator;
mod args;
mod dashboard;
mod data;
mod eval;
mod exit;
mod file_limit;
mod generate;
mod model;
mod objective;
mod output;
mod ranks;
mod replay;
mod report;
mod serve;
mod study;
mod train;
mod verify;

use std::process::ExitCode;

use args::{Command, DataCommand};
use clap::Parser;
use surefoot_trainer::config::Purpose;
use surefoot_trainer::ranks::launched;
use surefoot_trainer::shell;

pub use surefoot_trainer::objectives;

/// The program, with its built-in objectives.
pub fn main() -> ExitCode {
    main_with([])
}

/// The program, with these objectives besides: every command knows them by their keys.
pub fn main_with(own: impl IntoIterator<Item = objectives::Recipe>) -> ExitCode {
    let mut own = own.into_iter().peekable();
    if own.peek().is_some()
        && let Some(path) = std::env::args_os().next()
    {
        shell::name_program(path.as_ref());
    }
    for recipe in own {
        if let Err(error) = objectives::register(recipe) {
            return exit::code(Err(error.into()));
        }
    }
    exit::code(run(args::Args::parse().command))
}

fn run(command: Command) -> anyhow::Result<exit::Exit> {
    let shared = matches!(command, Command::Train(_) | Command::Sft(_) | Command::Eval(_));
    anyhow::ensure!(shared || launched() == 1, "only train, sft and eval share work: start this without mpirun");
    file_limit::is_an_error_of_the_write()?;
    match command {
        Command::Train(args) => train::run(&args, Purpose::Train),
        Command::Sft(args) => train::run(&args, Purpose::Sft),
        Command::Eval(args) => eval::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Study(args) => study::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Model { command } => model::run(&command),
        Command::Verify(args) => verify::run(&args),
        Command::Objective { command } => objective::run(&command),
        Command::Replay(args) => replay::run(&args),
        Command::Data { command: DataCommand::Make(args) } => data::make(&args),
    }
}
