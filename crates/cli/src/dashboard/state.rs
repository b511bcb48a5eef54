//! What the dashboard shows.

use std::collections::VecDeque;
use std::time::Instant;

use surefoot_trainer::metrics::{Metric, Record, definition as m};
use surefoot_trainer::progress::{Shown, short};

/// Messages that are kept.
const LINES: usize = 50;
/// Curves of each page.
pub const PAGES: [[(&str, Metric); 6]; 3] = [
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
    [
        ("evaluation: right", m::EVAL_AVG),
        ("evaluation: once right", m::EVAL_PASS),
        ("evaluation: majority", m::EVAL_MAJORITY),
        ("evaluation: length", m::EVAL_LENGTH_MEAN),
        ("evaluation: truncated", m::EVAL_TRUNCATED),
        ("divergence k3 (nats)", m::UPDATE_KL_K3),
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
    /// Steps that were made since `started`.
    made: u64,
    started: Instant,
}

impl State {
    /// A run of which `records` are there already.
    pub fn new(title: String, steps: u64, done: u64, records: Vec<Record>) -> Self {
        Self {
            title,
            steps,
            done,
            phase: "starting".to_string(),
            records,
            lines: VecDeque::new(),
            samples: Vec::new(),
            at: 0,
            page: 0,
            stopping: false,
            made: 0,
            started: Instant::now(),
        }
    }

    pub fn step(&mut self, record: Record) {
        self.done = record.step;
        match record.step {
            // The evaluation before training is no step: what a step takes begins after it.
            0 => self.started = Instant::now(),
            _ => self.made += 1,
        }
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

    /// First and last step of all curves.
    pub fn span(&self) -> (f64, f64) {
        let ends = |record: Option<&Record>| record.map_or(0.0, |record| record.step as f64);
        (ends(self.records.first()), ends(self.records.last()))
    }

    /// A metric's value after the last step. Of evaluations, which few steps have, the last one with its step.
    pub fn now(&self, metric: Metric) -> String {
        let finite = |record: &Record| record.get(metric).filter(|value| value.is_finite());
        let now = self.records.last().and_then(finite);
        let evaluated = || self.records.iter().rev().find_map(|record| Some((record.step, finite(record)?)));
        match (now, metric.name.starts_with("eval/")) {
            (Some(value), _) => short(value),
            (None, false) => "–".to_string(),
            (None, true) => {
                evaluated().map_or_else(|| "–".to_string(), |(step, value)| format!("step {step}: {}", short(value)))
            }
        }
    }

    /// Seconds a step and seconds left, once a step is done.
    pub fn pace(&self) -> Option<(f64, f64)> {
        let each = self.started.elapsed().as_secs_f64() / self.made as f64;
        (self.made > 0).then(|| (each, each * self.steps.saturating_sub(self.done) as f64))
    }
}
