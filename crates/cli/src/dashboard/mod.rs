//! `surefoot train --tui`: a run on the full screen, with live curves and samples.
//!
//! A thread of its own draws and reads keys; the run sends it what happens. Nothing waits for the screen.

mod state;
mod view;

use std::io::{self, IsTerminal, Stderr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use surefoot_trainer::config::Config;
use surefoot_trainer::metrics::{self, Record};
use surefoot_trainer::progress::{Screen, Shown};

use state::State;

/// Between two looks at keys and news.
const TICK: Duration = Duration::from_millis(100);

/// What the run tells.
enum News {
    Phase(String),
    Step(Box<Record>),
    Line(String),
    Samples(Vec<Shown>),
}

/// The run's end of the dashboard.
pub struct Dashboard {
    news: Option<Sender<News>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Dashboard {
    /// Fails where there is no screen, to be asked before work begins.
    pub fn check() -> anyhow::Result<()> {
        anyhow::ensure!(io::stderr().is_terminal(), "--tui needs a terminal, and stderr is none; leave --tui out");
        Ok(())
    }

    /// Takes the screen over, for a run that `config` describes; keys set `stop` as Ctrl-C does.
    pub fn open(config: &Config, done: u64, stop: Arc<AtomicBool>) -> anyhow::Result<Self> {
        Self::check()?;
        let screen = FullScreen::enter().context("cannot take over the terminal; leave --tui out")?;
        let (sender, receiver) = channel();
        let run = &config.log.run_dir;
        // Curves of a run that goes on begin where it began; what cannot be read has none.
        let before = metrics::read(&Path::new(run).join("metrics.jsonl")).unwrap_or_default();
        let state = State::new(run.clone(), config.train.steps, done, before);
        let thread = std::thread::spawn(move || show(screen, state, &receiver, &stop));
        Ok(Self { news: Some(sender), thread: Some(thread) })
    }

    fn tell(&self, news: News) {
        if let Some(sender) = &self.news {
            // A screen that is gone is no reason to end a run.
            let _gone = sender.send(news);
        }
    }
}

impl Screen for Dashboard {
    fn phase(&mut self, what: &str) {
        self.tell(News::Phase(what.to_string()));
    }

    fn step(&mut self, record: &Record) {
        self.tell(News::Step(Box::new(record.clone())));
    }

    fn line(&mut self, text: &str) {
        self.tell(News::Line(text.to_string()));
    }

    fn samples(&mut self, samples: Vec<Shown>) {
        self.tell(News::Samples(samples));
    }

    fn finish(&mut self) {
        self.news = None;
        if let Some(thread) = self.thread.take() {
            let _shown = thread.join();
        }
    }
}

impl Drop for Dashboard {
    /// The screen goes back before an error is printed.
    fn drop(&mut self) {
        self.finish();
    }
}

/// The terminal while the dashboard has it.
struct FullScreen(Terminal<CrosstermBackend<Stderr>>);

impl FullScreen {
    fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        let entered = execute!(io::stderr(), EnterAlternateScreen)
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stderr())));
        entered.map(Self).inspect_err(|_| leave())
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        leave();
    }
}

fn leave() {
    let _raw = disable_raw_mode();
    let _screen = execute!(io::stderr(), LeaveAlternateScreen);
}

/// Whether the terminal is gone, as after a lost connection: reading its keys would then spin for ever.
#[cfg(unix)]
fn has_hung_up() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stderr = io::stderr();
    let mut terminal = [PollFd::new(&stderr, PollFlags::empty())];
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    poll(&mut terminal, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok() && terminal[0].revents().intersects(gone)
}

#[cfg(not(unix))]
fn has_hung_up() -> bool {
    false
}

/// Draws until the run ends, or the terminal does.
fn show(mut screen: FullScreen, mut state: State, news: &Receiver<News>, stop: &AtomicBool) -> io::Result<()> {
    loop {
        loop {
            match news.try_recv() {
                Ok(News::Phase(what)) => state.phase = what,
                Ok(News::Step(record)) => state.step(*record),
                Ok(News::Line(text)) => state.line(text),
                Ok(News::Samples(samples)) => state.samples(samples),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
        if stop.load(Ordering::Relaxed) && !state.stopping {
            state.stopping = true;
            // A signal's message may have been written across the screen.
            screen.0.clear()?;
        }
        screen.0.draw(|frame| view::draw(frame, &state))?;
        if has_hung_up() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if event::poll(TICK)? {
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                    match key.code {
                        _ if interrupt && stop.swap(true, Ordering::SeqCst) => {
                            drop(screen);
                            std::process::exit(130);
                        }
                        _ if interrupt => {}
                        KeyCode::Char('q') => stop.store(true, Ordering::SeqCst),
                        KeyCode::Right | KeyCode::Down => state.browse(1),
                        KeyCode::Left | KeyCode::Up => state.browse(-1),
                        KeyCode::Tab => state.turn_page(),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }
}
