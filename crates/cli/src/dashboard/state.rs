//! What the dashboard shows.

use std::collections::VecDeque;
use std::time::Instant;

use surefoot_trainer::metrics::{Metric, Record, definition as m};
use surefoot_trainer::progress::Shown;

/// Messages that are kept.
const LINES: usize = 50;
/// Curves of each page.
pub const PAGES: [[(&str, Metric); 6]; 2] = [
    [
        ("reward", m::REWARD_MEAN),
        ("entropy (nats)", m::ROLLOUT_ENTROPY),
        ("length (tokens)", m::ROLLOUT_LENGTH_MEAN),
        ("gradient norm", m::UPDATE_GRAD_NORM),
        ("greatest ratio", m::UPDATE_RATIO_MAX),
        ("sampled tokens/s", m::ROLLOUT_TOKENS_PER_SECOND),
    ],
    [
        ("correct", m::REWARD_CORRECT),
        ("groups without signal", m::REWARD_GROUPS_WITHOUT_SIGNAL),
        ("truncated", m::ROLLOUT_TRUNCATED),
        ("loss", m::UPDATE_LOSS),
        ("learning rate", m::UPDATE_LEARNING_RATE),
        ("seconds a step", m::TIME_STEP),
    ],
];
/// The one page of supervised fine-tuning.
pub const SFT: [(&str, Metric); 6] = [
    ("loss", m::SFT_LOSS),
    ("gradient norm", m::UPDATE_GRAD_NORM),
    ("learning rate", m::UPDATE_LEARNING_RATE),
    ("trained tokens/s", m::UPDATE_TOKENS_PER_SECOND),
    ("tokens", m::UPDATE_TOKENS),
    ("seconds a step", m::TIME_STEP),
];

/// Everything on the screen.
pub struct State {
    pub title: String,
    pub steps: u64,
    pub done: u64,
    pub phase: String,
    pub records: Vec<Record>,
    pub lines: VecDeque<String>,
    pub samples: Vec<Shown>,
    /// The sample that is shown.
    pub at: usize,
    pub page: usize,
    pub stopping: bool,
    started: Instant,
}

impl State {
    pub fn new(title: String, steps: u64, done: u64) -> Self {
        Self {
            title,
            steps,
            done,
            phase: "starting".to_string(),
            records: Vec::new(),
            lines: VecDeque::new(),
            samples: Vec::new(),
            at: 0,
            page: 0,
            stopping: false,
            started: Instant::now(),
        }
    }

    pub fn step(&mut self, record: Record) {
        self.done = record.step;
        self.records.push(record);
    }

    pub fn line(&mut self, text: String) {
        self.lines.push_back(text);
        self.lines.drain(..self.lines.len().saturating_sub(LINES));
    }

    /// The samples of a new step; the place in them stays.
    pub fn samples(&mut self, samples: Vec<Shown>) {
        self.samples = samples;
        self.at = self.at.min(self.samples.len().saturating_sub(1));
    }

    /// Goes `by` samples on or back, around the end.
    pub fn browse(&mut self, by: isize) {
        if !self.samples.is_empty() {
            self.at = (self.at as isize + by).rem_euclid(self.samples.len() as isize) as usize;
        }
    }

    pub fn turn_page(&mut self) {
        self.page = (self.page + 1) % PAGES.len();
    }

    /// The curves of the page.
    pub fn curves(&self) -> &'static [(&'static str, Metric); 6] {
        let sft = self.records.last().is_some_and(|record| record.get(m::SFT_LOSS).is_some());
        if sft { &SFT } else { &PAGES[self.page] }
    }

    /// Steps and finite values of a metric.
    pub fn points(&self, metric: Metric) -> Vec<(f64, f64)> {
        let point = |record: &Record| Some((record.step as f64, record.get(metric).filter(|v| v.is_finite())?));
        self.records.iter().filter_map(point).collect()
    }

    /// Seconds a step and seconds left, once a step is done.
    pub fn pace(&self) -> Option<(f64, f64)> {
        let each = self.started.elapsed().as_secs_f64() / self.records.len() as f64;
        (!self.records.is_empty()).then(|| (each, each * self.steps.saturating_sub(self.done) as f64))
    }
}
