//! `--tui` on a terminal that goes away, as when a connection is lost.

use std::fs;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::tiny::{Finished, Tiny};

/// A terminal: the end that shows it, and the name of that of a program.
fn terminal() -> (OwnedFd, String) {
    let shown = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&shown).unwrap();
    unlockpt(&shown).unwrap();
    let name = ptsname(&shown, Vec::new()).unwrap().into_string().unwrap();
    (shown, name)
}

#[test]
fn a_run_goes_on_to_its_end_without_its_terminal() {
    let tiny = Tiny::new();
    let sets = ["train.steps=12", "checkpoint.every=0"];
    let reference = tiny.finish("reference", &sets);
    let (shown, name) = terminal();
    let open = || Stdio::from(fs::OpenOptions::new().read(true).write(true).open(&name).unwrap());
    let mut command = tiny.train("shown", &sets);
    command.arg("--tui").env("TERM", "xterm").stdin(open()).stdout(open()).stderr(open());
    let mut child = command.spawn().unwrap();
    // The program's ends are the child's alone.
    drop(command);
    let metrics = tiny.path("shown").join("metrics.jsonl");
    while fs::read_to_string(&metrics).map_or(0, |text| text.lines().count()) < 1 {
        assert!(child.try_wait().unwrap().is_none(), "ended before its first step");
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(shown);
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("still there a minute after its terminal went");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Finished::read(&tiny.path("shown")).assert_equals(&reference);
}
