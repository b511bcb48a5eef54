//! The binary `surefoot`: arguments, output, exit codes.

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

fn main() -> ExitCode {
    let command = args::Args::parse().command;
    let shared = matches!(command, Command::Train(_) | Command::Sft(_) | Command::Eval(_));
    if !shared && launched() > 1 {
        return exit::code(Err(anyhow::anyhow!("only train, sft and eval share work: start this without mpirun")));
    }
    if let Err(error) = file_limit::is_an_error_of_the_write() {
        return exit::code(Err(error));
    }
    let done = match command {
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
    };
    exit::code(done)
}
