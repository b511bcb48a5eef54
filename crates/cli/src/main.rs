//! The binary `surefoot`.

use std::process::ExitCode;

fn main() -> ExitCode {
    surefoot::main()
}
