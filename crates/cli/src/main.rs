//! The binary `surefoot`: arguments, output, exit codes.

mod args;
mod data;
mod exit;
mod output;
mod verify;

use std::process::ExitCode;

use args::{Command, DataCommand};
use clap::Parser;

fn main() -> ExitCode {
    let done = match args::Args::parse().command {
        Command::Verify(args) => verify::run(&args),
        Command::Data { command: DataCommand::Make(args) } => data::make(&args),
    };
    exit::code(done)
}
