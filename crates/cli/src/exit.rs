//! Exit codes, and how a failure is shown.

use std::process::ExitCode;

use crate::output;

/// The exit codes, for the help.
pub const HELP: &str = "Exit codes: 0 done, 1 wrong (verify, objective check), 2 failed or called wrongly, 3 unparseable (verify), \
    4 over budget (verify), 5 ended by a detector of [stop] (train), 130 stopped by Ctrl-C after a checkpoint";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done; for `verify`, the answer is correct.
    Done,
    /// `verify`: the answer is wrong; `objective check`: a check failed.
    Wrong,
    /// Something failed; also what a wrong call gives.
    Failed,
    /// `verify`: one side cannot be read.
    Unparseable,
    /// `verify`: the budget ended first.
    OverBudget,
    /// A detector of `[stop]` ended a run; it has a checkpoint.
    Collapsed,
    /// A run was stopped by Ctrl-C or SIGTERM, and can be resumed.
    Stopped,
}

impl Exit {
    /// The code itself.
    pub const fn number(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Wrong => 1,
            Exit::Failed => 2,
            Exit::Unparseable => 3,
            Exit::OverBudget => 4,
            Exit::Collapsed => 5,
            Exit::Stopped => 130,
        }
    }
}

/// The exit code of a command, after its error was shown. A reader that closed the pipe (`| head`) is no error.
pub fn code(done: anyhow::Result<Exit>) -> ExitCode {
    let exit = done.unwrap_or_else(|error| {
        if is_closed_pipe(&error) {
            return Exit::Done;
        }
        output::error(&error);
        Exit::Failed
    });
    ExitCode::from(exit.number())
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let closed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(closed))
}
