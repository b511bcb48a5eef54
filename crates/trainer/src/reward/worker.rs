//! One process of a user's reward program: a line in, a line out, never longer than the timeout.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Longest line that is read from the program, in bytes: more is rubbish, and must not fill the memory.
const LONGEST_LINE: u64 = 1 << 20;
/// Time between the end of a process's output and the end of the process.
const GRACE: Duration = Duration::from_millis(200);

/// A running process. Its pipes are served by threads of their own, so that a process that neither reads nor writes cannot
/// block the run.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    requests: Sender<Vec<u8>>,
    replies: Receiver<Vec<u8>>,
    fresh: bool,
}

/// Why a process gave no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing came in time.
    Timeout,
    /// The process ended.
    Ended,
}

impl Worker {
    pub(super) fn start(command: &[String]) -> std::io::Result<Self> {
        let (program, arguments) =
            command.split_first().ok_or_else(|| std::io::Error::other("reward.command is empty"))?;
        let mut process = Command::new(program);
        process.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        own_group(&mut process);
        let mut child = process.spawn()?;
        let (requests, to_write) = channel::<Vec<u8>>();
        let (send, replies) = channel();
        if let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) {
            std::thread::spawn(move || {
                while let Ok(line) = to_write.recv() {
                    if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
                        break;
                    }
                }
            });
            std::thread::spawn(move || {
                let mut stdout = BufReader::new(stdout);
                loop {
                    let mut line = Vec::new();
                    let read = std::io::Read::take(&mut stdout, LONGEST_LINE).read_until(b'\n', &mut line);
                    // What ends within a line is no answer: the process died while it wrote.
                    let whole = line.ends_with(b"\n") || line.len() as u64 == LONGEST_LINE;
                    if read.is_err() || !whole || send.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Worker { child, requests, replies, fresh: true })
    }

    /// Sends a line and waits for the answer.
    pub(super) fn ask(&mut self, line: Vec<u8>, timeout: Duration) -> Result<Vec<u8>, Silence> {
        self.requests.send(line).map_err(|_| Silence::Ended)?;
        let reply = self.replies.recv_timeout(timeout).map_err(|error| match error {
            RecvTimeoutError::Timeout => Silence::Timeout,
            RecvTimeoutError::Disconnected => Silence::Ended,
        });
        self.fresh &= reply.is_err();
        reply
    }

    /// Whether the process has not answered yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// How the process ended, in words.
    pub(super) fn fate(&mut self) -> String {
        let begin = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return status.to_string(),
                Ok(None) if begin.elapsed() < GRACE => std::thread::sleep(GRACE / 20),
                _ => return "its output is closed, but it still runs".to_string(),
            }
        }
    }
}

impl Drop for Worker {
    /// Ends the process with all that it started.
    fn drop(&mut self) {
        end_group(&self.child);
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A group of its own: Ctrl-C in the terminal is for the trainer, and the end reaches grandchildren too.
#[cfg(unix)]
fn own_group(process: &mut Command) {
    std::os::unix::process::CommandExt::process_group(process, 0);
}

#[cfg(unix)]
fn end_group(child: &Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ended = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

#[cfg(not(unix))]
fn end_group(_: &Child) {}
