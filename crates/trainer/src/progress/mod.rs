//! What a person sees of a run: a bar with rate and time left, one aligned line a step, and a summary.
//!
//! Everything goes to the writer that the caller gives (the binary gives stderr); stdout is for data.

mod fall;
mod number;
mod step_line;
mod summary;
mod warnings;

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::metrics::Record;

pub use fall::fell_after;
pub use number::{seconds, short};
pub use step_line::{evaluation, header_of, row};
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

/// A sample as a person sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// What the model continued.
    pub prompt: String,
    /// How.
    pub completion: String,
    /// The expected answer.
    pub answer: String,
    /// The verdict's name.
    pub verdict: String,
    /// `None` where it could not be had.
    pub reward: Option<f64>,
}

/// Another place than lines for what a run does: a full screen, say.
pub trait Screen: Send {
    /// What the run is doing within a step.
    fn phase(&mut self, what: &str);
    /// A step that is done.
    fn step(&mut self, record: &Record);
    /// A message.
    fn line(&mut self, text: &str);
    /// Samples of the step.
    fn samples(&mut self, samples: Vec<Shown>);
    /// The run is over.
    fn finish(&mut self);
}

/// What shows a run.
pub struct Progress {
    display: Display,
}

enum Display {
    Lines(Box<Lines>),
    Screen(Box<dyn Screen>),
}

/// The bar and the lines of a run.
struct Lines {
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
        let lines = Lines { terminal, bar, shown: 0, started: Instant::now(), done: 0 };
        Progress { display: Display::Lines(Box::new(lines)) }
    }

    /// A run on a screen.
    pub fn on(screen: Box<dyn Screen>) -> Self {
        Progress { display: Display::Screen(screen) }
    }

    /// Says what the run is doing within a step.
    pub fn phase(&mut self, what: &str) {
        match &mut self.display {
            Display::Lines(lines) => lines.bar.set_message(what.to_string()),
            Display::Screen(screen) => screen.phase(what),
        }
    }

    /// Shows a step that is done.
    pub fn step(&mut self, record: &Record) {
        match &mut self.display {
            Display::Lines(lines) => lines.step(record),
            Display::Screen(screen) => screen.step(record),
        }
    }

    /// Shows samples of a step, where there is room for them.
    pub fn samples(&mut self, samples: impl FnOnce() -> Vec<Shown>) {
        if let Display::Screen(screen) = &mut self.display {
            screen.samples(samples());
        }
    }

    /// Shows a line above the bar.
    pub fn line(&mut self, text: &str) {
        match &mut self.display {
            Display::Lines(lines) => lines.line(text),
            Display::Screen(screen) => screen.line(text),
        }
    }

    /// Shows a warning above the bar.
    pub fn warning(&mut self, text: &str) {
        match &mut self.display {
            Display::Lines(lines) => lines.warning(text),
            Display::Screen(screen) => screen.line(&format!("warning: {text}")),
        }
    }

    /// Takes the bar or the screen away.
    pub fn finish(&mut self) {
        match &mut self.display {
            Display::Lines(lines) => lines.bar.finish_and_clear(),
            Display::Screen(screen) => screen.finish(),
        }
    }
}

impl Lines {
    fn step(&mut self, record: &Record) {
        if record.step == 0 {
            self.evaluation(record);
            // What a step takes does not begin before the first one.
            self.started = Instant::now();
            return;
        }
        if self.shown.is_multiple_of(HEADER_EVERY) {
            let head = self.dim(&header_of(record));
            self.line(&head);
        }
        self.shown += 1;
        self.done += 1;
        self.line(&row(record));
        self.evaluation(record);
        let each = self.started.elapsed().as_secs_f64() / self.done as f64;
        let left = self.bar.length().unwrap_or(record.step).saturating_sub(record.step) as f64 * each;
        self.bar.set_prefix(format!("{} a step · {} left · ", seconds(each), seconds(left)));
        self.bar.set_position(record.step);
    }

    fn evaluation(&mut self, record: &Record) {
        if let Some(line) = evaluation(record) {
            self.line(&line);
        }
    }

    fn line(&mut self, text: &str) {
        let sink = &mut self.terminal.sink;
        // A closed terminal is no reason to end a run.
        self.bar.suspend(|| {
            let _closed = writeln!(sink, "{text}").and_then(|()| sink.flush());
        });
    }

    fn warning(&mut self, text: &str) {
        let mark = if self.terminal.colour { "\x1b[33mwarning:\x1b[0m" } else { "warning:" };
        self.line(&format!("{mark} {text}"));
    }

    fn dim(&self, text: &str) -> String {
        if self.terminal.colour { format!("\x1b[2m{text}\x1b[0m") } else { text.to_string() }
    }
}
