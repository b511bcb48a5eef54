//! What a person sees of a run: a bar with rate and time left, one aligned line a step, and a summary.
//!
//! Everything goes to the writer that the caller gives (the binary gives stderr); stdout is for data.

mod number;
mod step_line;
mod summary;
mod warnings;

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::metrics::Record;

pub use number::{seconds, short};
pub use step_line::{header_of, row};
pub use summary::summary;
pub use warnings::warnings;

/// Lines after which the header of the step lines is shown again.
const HEADER_EVERY: u64 = 40;
/// How often the bar is drawn while a step goes on.
const TICK: Duration = Duration::from_millis(200);

/// Where a run is shown.
pub struct Terminal {
    /// Takes the lines.
    pub sink: Box<dyn Write + Send>,
    /// Whether the sink is a terminal, so that a bar can be drawn on stderr.
    pub interactive: bool,
    /// Whether colours are wanted (a terminal, and no `NO_COLOR`).
    pub colour: bool,
}

/// The bar and the lines of a run.
pub struct Progress {
    terminal: Terminal,
    bar: ProgressBar,
    shown: u64,
    started: Instant,
    done: u64,
}

impl Progress {
    /// A run of `steps` steps of which `done` are behind it already.
    ///
    /// ```
    /// use surefoot_trainer::metrics::{Record, definition::REWARD_MEAN};
    /// use surefoot_trainer::progress::{Progress, Terminal};
    ///
    /// let terminal = Terminal { sink: Box::new(std::io::sink()), interactive: false, colour: false };
    /// let mut progress = Progress::new(terminal, 100, 0);
    /// progress.phase("rollout");
    /// let mut record = Record::new(1);
    /// record.set(REWARD_MEAN, 0.5);
    /// progress.step(&record);
    /// progress.finish();
    /// ```
    pub fn new(terminal: Terminal, steps: u64, done: u64) -> Self {
        let target = if terminal.interactive { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(steps), target).with_position(done);
        // The template is constant; the plain bar is what an invalid one would leave.
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} steps · {elapsed} · {prefix}{msg}") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.reset_eta();
        if terminal.interactive {
            bar.enable_steady_tick(TICK);
        }
        Progress { terminal, bar, shown: 0, started: Instant::now(), done: 0 }
    }

    /// Says what the run is doing within a step.
    pub fn phase(&mut self, what: &str) {
        self.bar.set_message(what.to_string());
    }

    /// Shows a step that is done.
    pub fn step(&mut self, record: &Record) {
        if self.shown.is_multiple_of(HEADER_EVERY) {
            let head = self.dim(&header_of(record));
            self.line(&head);
        }
        self.shown += 1;
        self.done += 1;
        self.line(&row(record));
        let each = self.started.elapsed().as_secs_f64() / self.done as f64;
        let left = self.bar.length().unwrap_or(record.step).saturating_sub(record.step) as f64 * each;
        self.bar.set_prefix(format!("{} a step · {} left · ", seconds(each), seconds(left)));
        self.bar.set_position(record.step);
    }

    /// Shows a line above the bar.
    pub fn line(&mut self, text: &str) {
        let sink = &mut self.terminal.sink;
        // A closed terminal is no reason to end a run.
        self.bar.suspend(|| {
            let _closed = writeln!(sink, "{text}").and_then(|()| sink.flush());
        });
    }

    /// Shows a warning above the bar.
    pub fn warning(&mut self, text: &str) {
        let mark = if self.terminal.colour { "\x1b[33mwarning:\x1b[0m" } else { "warning:" };
        self.line(&format!("{mark} {text}"));
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        self.bar.finish_and_clear();
    }

    fn dim(&self, text: &str) -> String {
        if self.terminal.colour { format!("\x1b[2m{text}\x1b[0m") } else { text.to_string() }
    }
}
