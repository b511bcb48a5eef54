//! The only module that prints: data to stdout, everything for people to stderr.

use std::io::{self, BufWriter, IsTerminal, Write};

use surefoot_trainer::excerpt::plain;
use surefoot_trainer::progress::Terminal;

/// Buffered stdout, for data.
pub fn stdout() -> BufWriter<io::StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// One line of data.
pub fn data(line: &str) -> io::Result<()> {
    let mut stdout = stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Lines of data.
pub fn lines(lines: &[String]) -> io::Result<()> {
    let mut stdout = stdout();
    for line in lines {
        writeln!(stdout, "{line}")?;
    }
    stdout.flush()
}

/// An error with its causes, for a person.
pub fn error(error: &anyhow::Error) {
    let mark = if colour() { "\x1b[31merror:\x1b[0m" } else { "error:" };
    // Where stderr is closed, nobody reads.
    let _closed = writeln!(io::stderr(), "{mark} {}", plain(&message(error)));
}

/// The error with its causes, each once: many of our errors name their cause in their own text.
fn message(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(&format!(": {cause}"));
        }
    }
    text
}

/// Whether stderr takes colours: a terminal, and no `NO_COLOR` (<https://no-color.org>).
fn colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A line for a person.
pub fn note(text: &str) {
    let _closed = writeln!(io::stderr(), "{}", plain(text));
}

/// The last line of a process that got no more memory; writing it takes none.
pub fn out_of_memory(bytes: usize) {
    let _closed = writeln!(
        io::stderr(),
        "error: out of memory: the system refused {bytes} bytes more; end other programs, or take a smaller model or batch"
    );
}

/// Stderr, for the progress of a run.
pub fn terminal() -> Terminal {
    Terminal { sink: Box::new(io::stderr()), interactive: io::stderr().is_terminal(), colour: colour() }
}

/// A terminal that nobody sees, for the progress of a process that another one speaks for.
pub fn nowhere() -> Terminal {
    Terminal { sink: Box::new(io::sink()), interactive: false, colour: false }
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn a_cause_is_named_once() {
        let cause = || std::io::Error::other("disk on fire");
        assert_eq!(message(&anyhow::Error::new(cause()).context("cannot read x")), "cannot read x: disk on fire");
        assert_eq!(
            message(&anyhow::Error::new(cause()).context("cannot read x: disk on fire; use another")),
            "cannot read x: disk on fire; use another"
        );
    }
}
