//! The binary `surefoot`: arguments, output, exit codes.

mod args;
mod dashboard;
mod data;
mod eval;
mod exit;
mod generate;
mod model;
mod objective;
mod output;
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

fn main() -> ExitCode {
    let done = match args::Args::parse().command {
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
