//! Evaluation: many completions for each problem of some benchmarks, judged, counted, and kept.
//!
//! A folder holds `eval.json` (what was evaluated and how), one `NAME.jsonl` a benchmark (one line a problem, in order) and
//! `summary.json`; `lock` is held by the process that writes. Problems are done in order and their samples depend on seed, benchmark and problem alone, so that an
//! evaluation that was killed goes on after the last whole line, to the same results.
mod compare;
mod error;
mod estimate;
pub(crate) mod held_out;
mod majority;
mod problem;
mod score;
mod settings;

use crate::config::{Config, choice::Duplicates};
use crate::data::{Dataset, Row, Wanted};
use crate::policy::Policy;
use crate::prompt::Prompter;
use crate::ranks::Ranks;
use crate::reward::{Judged, Rewarder, Verdict};
use crate::rollout::exchange::{self, Sampled};
use crate::rollout::{Generate, Plan, Watch, judgements, rollout};
use crate::run_folder::{Lock, RunFolderError, atomic};
use std::ops::Range;
use std::path::Path;

pub use compare::{Compared, Comparison, compare, table as comparison_table};
pub use error::EvaluateError;
pub use estimate::{Interval, pass_at};
pub use majority::majority;
pub use problem::{Attempt, Problem};
pub use score::{Pass, Score, table};
pub use settings::Settings;

/// Random streams of a benchmark: more completions than any has.
const STREAMS: u64 = 1 << 32;

/// The problems of one benchmark.
#[derive(Clone, Debug)]
pub struct Benchmark {
    /// Its name: of the entry `NAME=FILE`, or of the file.
    pub name: String,
    /// Problems and gold answers.
    pub rows: Vec<Row>,
    /// Problems left out because their prompt is longer than `prompt.max_tokens`.
    pub overlong: usize,
    /// Problems left out because an equal one stands before them.
    pub duplicates: usize,
    /// Tokens of its longest prompt.
    pub longest: usize,
    fingerprint: u64,
    /// Fingerprint of the prompts' tokens.
    prompts: u64,
}

impl Benchmark {
    /// Every benchmark of `eval.data`.
    ///
    /// # Errors
    /// [`EvaluateError`] names the file and the line, or two benchmarks of one name.
    pub fn load_all(config: &Config, prompter: &Prompter) -> Result<Vec<Self>, EvaluateError> {
        let mut benchmarks: Vec<Self> = Vec::new();
        for entry in &config.eval.data {
            let (name, file) = match entry.split_once('=') {
                Some((name, file)) if !name.contains(['/', ':']) => (name.to_string(), file),
                _ => (stem(entry), entry.as_str()),
            };
            if name.is_empty() || name.contains(['/', '\\']) || benchmarks.iter().any(|known| known.name == name) {
                return Err(EvaluateError::Name { name });
            }
            let mut data = config.data.clone();
            data.train = vec![file.to_string()];
            data.limit = config.eval.limit;
            data.difficulty_key = None;
            // A problem that is there twice would count twice, and intervals are about problems.
            data.duplicates = Duplicates::Drop;
            let mut dataset = Dataset::load(&data, Wanted::of(&config.reward, &config.data))?;
            let rendered = prompter.keep_short(&mut dataset)?;
            let fingerprint = dataset.fingerprint();
            benchmarks.push(Benchmark {
                name,
                rows: dataset.rows,
                overlong: rendered.left_out,
                duplicates: dataset.duplicates,
                longest: rendered.longest,
                fingerprint,
                prompts: rendered.fingerprint,
            });
        }
        Ok(benchmarks)
    }
}

impl Benchmark {
    /// What a user should know of the problems that were left out.
    pub fn notes(benchmarks: &[Self], max_tokens: usize) -> Vec<String> {
        let mut notes = Vec::new();
        for Benchmark { name, overlong, duplicates, .. } in benchmarks {
            if *overlong > 0 {
                notes.push(format!(
                    "{name}: {overlong} problems left out: longer than prompt.max_tokens = {max_tokens}"
                ));
            }
            if *duplicates > 0 {
                notes.push(format!("{name}: {duplicates} problems left out: equal to an earlier one"));
            }
        }
        notes
    }
}

/// Name of a benchmark that is given by its file alone.
fn stem(entry: &str) -> String {
    let entry = entry.split(',').next().unwrap_or(entry);
    let name = entry.strip_prefix(crate::data::TASK_PREFIX).unwrap_or(entry);
    Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What an evaluation works with.
pub struct Evaluator<'a> {
    /// Configuration: `[eval]`, `[prompt]`, `[reward]`, `[train]` (seed).
    pub config: &'a Config,
    /// Prompts of the model's tokenizer.
    pub prompter: &'a Prompter,
    /// Judge.
    pub rewarder: &'a Rewarder,
    /// What is to be solved.
    pub benchmarks: &'a [Benchmark],
    /// Each of them samples and judges a share of the problems; the first one writes.
    pub ranks: &'a Ranks,
    /// What becomes of an evaluation of another model, or with other settings, that the folder holds.
    pub other: Other,
}

/// What becomes of another evaluation that lies where one is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// It stays, and is an error.
    Refused,
    /// It is removed: a run's own folder, whose step was evaluated before the run was resumed with other settings.
    Replaced,
}

/// How far an evaluation is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The benchmark.
    pub benchmark: &'a str,
    /// Problems of it that are done.
    pub done: usize,
    /// Its problems.
    pub problems: usize,
    /// Mean share of right completions so far.
    pub avg: f64,
}

impl Evaluator<'_> {
    /// Evaluates `policy` into `folder`, or goes on with what an evaluation of the same model and settings has left there.
    /// `None` if any rank was cancelled: what is done stays and can be gone on from.
    ///
    /// # Errors
    /// [`EvaluateError`]; with [`Other::Refused`], a folder of another model or other settings is left as it is.
    pub fn run(
        &self,
        policy: &Policy,
        folder: &Path,
        progress: &mut dyn FnMut(Progress),
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Vec<Score>>, EvaluateError> {
        let writes = self.ranks.is_first();
        if writes {
            std::fs::create_dir_all(folder).map_err(RunFolderError::file("make", folder))?;
        }
        // A run's own folder is its run's, which holds the lock of all.
        let lock = (writes && self.other == Other::Refused).then(|| Lock::take(&folder.join("lock"), "--out"));
        let _lock = lock.transpose()?;
        if writes {
            Settings::of(self.config, policy, self.benchmarks)?.claim(folder, self.other)?;
        }
        // As many problems at a time as fill every rank's batch a few times.
        let batch = self.config.rollout.batch.or(policy.sequences());
        let count = (4 * batch).div_ceil(self.config.eval.samples).max(policy.workers());
        let count = self.ranks.greatest(count as u64)? as usize * self.ranks.size();
        let mut scores = Vec::new();
        for (number, benchmark) in self.benchmarks.iter().enumerate() {
            let path = folder.join(format!("{}.jsonl", benchmark.name));
            let mut problems = if writes { problem::read(&path)? } else { Vec::new() };
            if self.ranks.are_several() {
                let own = problem::lines(&path, &problems)?;
                problems = problem::parse(&path, &self.ranks.broadcast(|| own)?)?;
            }
            problems.truncate(benchmark.rows.len());
            while problems.len() < benchmark.rows.len() {
                let next = (number as u64, problems.len()..problems.len() + count);
                let Some(more) = self.chunk(policy, benchmark, next, cancelled)? else { return Ok(None) };
                if writes {
                    problem::append(&path, &more)?;
                }
                problems.extend(more);
                let right: usize = problems.iter().map(|problem| problem.correct).sum();
                progress(Progress {
                    benchmark: &benchmark.name,
                    done: problems.len(),
                    problems: benchmark.rows.len(),
                    avg: right as f64 / (problems.len() * self.config.eval.samples) as f64,
                });
            }
            scores.push(Score::of(&benchmark.name, &problems));
        }
        if !writes {
            return Ok(Some(scores));
        }
        let summary = folder.join("summary.json");
        let text = serde_json::to_string_pretty(&scores).map_err(|source| EvaluateError::Line {
            path: summary.clone(),
            line: 1,
            source,
        })?;
        atomic::write(&summary, text.as_bytes()).map_err(RunFolderError::file("write", &summary))?;
        Ok(Some(scores))
    }

    /// Some of the problems of the benchmark of this number, each rank its share of them.
    fn chunk(
        &self,
        policy: &Policy,
        benchmark: &Benchmark,
        (number, span): (u64, Range<usize>),
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Vec<Problem>>, EvaluateError> {
        let rows: Vec<(usize, &Row)> = benchmark.rows.iter().enumerate().skip(span.start).take(span.len()).collect();
        let stream = number * STREAMS + (span.start * self.config.eval.samples) as u64;
        let share = self.ranks.share(rows.len());
        let own_stream = stream + (share.start * self.config.eval.samples) as u64;
        let own = self.sample(policy, (&rows[share], rows.len()), own_stream, cancelled)?;
        let Some(Sampled { groups, outcomes, judging, .. }) = exchange::of_all(self.ranks, own)? else {
            return Ok(None);
        };
        self.rewarder.tolerate(&Judged { outcomes: outcomes.clone(), seconds: judging })?;
        let mut outcomes = outcomes.into_iter();
        let problems = groups.iter().zip(&rows).map(|(group, (row, r))| {
            let attempts = group.samples.iter().zip(&group.texts).zip(outcomes.by_ref());
            let samples: Vec<Attempt> = attempts
                .map(|((sample, text), outcome)| Attempt {
                    correct: match outcome.verdict {
                        Verdict::Correct => true,
                        Verdict::Scored => outcome.reward.is_some_and(|reward| reward >= 1.0),
                        _ => false,
                    },
                    verdict: outcome.verdict.name().to_string(),
                    reward: outcome.reward,
                    tokens: sample.tokens.len(),
                    truncated: !sample.finished,
                    completion: text.clone(),
                })
                .collect();
            Problem {
                problem: *row,
                answer: r.answer.clone(),
                correct: samples.iter().filter(|sample| sample.correct).count(),
                majority: majority(samples.iter().map(|sample| (sample.completion.as_str(), sample.correct))),
                samples,
            }
        });
        Ok(Some(problems.collect()))
    }

    /// Samples and judges `rows`, which are some of `all`; `None` if it was cancelled.
    fn sample(
        &self,
        policy: &Policy,
        (rows, all): (&[(usize, &Row)], usize),
        stream: u64,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Sampled>, EvaluateError> {
        if rows.is_empty() {
            return Ok(Some(Sampled::default()));
        }
        let watch = Watch { progress: &|_| {}, cancelled };
        let plan = Plan::evaluation(self.config);
        let Some(groups) = rollout(policy, self.prompter, &plan, rows, stream, &watch)? else { return Ok(None) };
        // A run goes on, and its metrics say what became of its policy.
        if self.other == Other::Refused {
            policy.expect_finite(groups.iter().flat_map(|group| &group.samples))?;
        }
        let judged = self.rewarder.judge(&judgements(&groups, rows), all * plan.samples);
        Ok(Some(Sampled { groups, outcomes: judged.outcomes, judging: judged.seconds, ..Sampled::default() }))
    }
}

/// Whether a run evaluates after `step`; after step 0, that is the model which it starts from.
pub fn is_due(config: &Config, step: u64) -> bool {
    let eval = &config.eval;
    // The last step too: what a run leaves is what one wants to know of it.
    let after = step.is_multiple_of(eval.every) || step == config.train.steps;
    eval.every > 0 && if step == 0 { eval.before } else { after }
}
