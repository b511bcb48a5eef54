//! `surefoot sft`: supervised fine-tuning with the same engine, for a warm start.
use crate::config::Config;
use crate::config::choice::OnNonfinite;
use crate::data::{Dataset, Order, Wanted};
use crate::journey::{Journey, Outcome, Start, Stepped, Steps, expect_model, travel};
use crate::metrics::{Record, definition as m};
use crate::policy::{Of, Pass};
use crate::progress::Progress;
use crate::prompt::{PromptError, Prompter, settle_date};
use crate::ranks::{Ranks, Reader, Writer};
use crate::train::TrainError;
use crate::update::UpdateError;
use crate::update::parts::{Partial, part_of_each};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use surefoot_engine::batch::{Packed, Target};

/// A row as tokens: the model learns those from `prompt` on.
struct Example {
    tokens: Vec<u32>,
    prompt: usize,
}

/// A supervised run that is ready to go.
pub struct SftRun {
    journey: Journey,
    examples: Vec<Example>,
}

impl SftRun {
    /// Loads and checks everything that `config` names, and says what a user should know of it. Every one of `ranks` must call
    /// it, with the same configuration.
    ///
    /// # Errors
    /// [`TrainError`], before anything is written for a new run.
    pub fn prepare(mut config: Config, start: Start, ranks: Ranks) -> Result<(Self, Vec<String>), TrainError> {
        let mut notes = Vec::new();
        expect_model(&config, start)?;
        settle_date(&mut config, None, &ranks)?;
        let prompter = Prompter::load(Path::new(&config.model.path), &config)?;
        let mut data = Dataset::load(&config.data, Wanted::Target(config.sft.target_key.as_deref()))?;
        notes.extend(data.notes());
        let rows = data.rows.len();
        let fingerprint = data.fingerprint();
        let mut examples = Vec::with_capacity(rows);
        let mut kept = Vec::with_capacity(rows);
        for (row, r) in data.rows.iter().enumerate() {
            let limit = config.sft.max_tokens;
            let at = |error: PromptError| error.at(data.place(row));
            let prompt = prompter.render_within(&r.problem, limit).map_err(at)?;
            let answer = prompter.tokenizer().encode_within(&r.answer, limit).map_err(|error| at(error.into()))?;
            let (mut tokens, answer) = match (prompt, answer) {
                (Some(prompt), Some(answer)) => (prompt.tokens, answer),
                _ => {
                    kept.push(false);
                    continue;
                }
            };
            let prompt = tokens.len();
            tokens.extend(answer);
            tokens.extend(prompter.tokenizer().end_id());
            kept.push(tokens.len() <= limit && tokens.len() > prompt);
            if kept[row] {
                examples.push(Example { tokens, prompt });
            }
        }
        if examples.is_empty() {
            return Err(PromptError::AllTooLong { rows, limit: config.sft.max_tokens }.into());
        }
        if examples.len() < rows {
            let limit = config.sft.max_tokens;
            notes.push(format!("{} rows left out: longer than sft.max_tokens = {limit}", rows - examples.len()));
        }
        data.retain(&kept);
        let order = Order::of(&config.data, &data.marks, fingerprint, config.train.seed)?;
        let longest = examples.iter().map(|e| e.tokens.len()).max().unwrap_or(1);
        let journey = Journey::begin(config, start, ranks, order, (longest, "sft.max_tokens"), &mut notes)?;
        Ok((Self { journey, examples }, notes))
    }

    /// Steps that are done already.
    pub fn done(&self) -> u64 {
        self.journey.step
    }

    /// Steps until `train.steps`, or until `stop` is set: then a checkpoint is written and the run can be resumed.
    ///
    /// # Errors
    /// [`TrainError`]; checkpoints that have been written stay.
    pub fn run(mut self, progress: &mut Progress, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        travel(&mut self, progress, stop)
    }
}

impl Steps for SftRun {
    fn journey(&mut self) -> &mut Journey {
        &mut self.journey
    }

    /// One update on `sft.batch` rows: the mean negative log-likelihood of all tokens to learn.
    fn step(&mut self, progress: &mut Progress, stop: &AtomicBool) -> Result<Stepped, TrainError> {
        if self.journey.ranks.any(stop.load(Ordering::Relaxed))? {
            return Ok(Stepped::Cancelled);
        }
        progress.phase("update");
        let started = Instant::now();
        let Journey { config, policy, order, step, ranks, .. } = &mut self.journey;
        let indices = order.take(config.sft.batch);
        let learned: usize = indices.iter().map(|&i| self.examples[i].tokens.len() - self.examples[i].prompt).sum();
        let mut record = Record::new(*step + 1);
        let lengths: Vec<usize> = indices.iter().map(|&i| self.examples[i].tokens.len()).collect();
        let shards = config.update.shards.unwrap_or(1);
        let part_of = part_of_each(&lengths, shards);
        let mut partial = Partial::default();
        let mut told = Writer::default();
        for part in ranks.share(shards) {
            let indices = indices.iter().zip(&part_of).filter(|(_, of)| **of == part);
            let indices: Vec<usize> = indices.map(|(index, _)| *index).collect();
            partial.begin(policy, ranks)?;
            for (packed, targets) in pack(&self.examples, &indices, policy.tokens_per_micro_batch(config)) {
                let recompute = config.update.recompute;
                let pass = Pass { batch: &packed, targets: &targets, scale: 1.0, of: Of::Policy, recompute };
                let found = policy.forward(&pass)?;
                let loss = found.logp.iter().map(|&l| f64::from(l)).sum::<f64>() / learned as f64;
                told.flag(true).double(loss).number(packed.len() as u64);
                policy.backward(&packed, vec![-1.0 / learned as f32; targets.len()].as_slice().into())?;
            }
        }
        told.flag(false);
        let (mut loss, mut rows) = (0f64, 0);
        for told in ranks.gather(told.done())? {
            let mut told = Reader::new(&told);
            while told.flag()? {
                loss -= told.double()?;
                rows += told.count()?;
            }
        }
        partial.sum(policy, ranks)?;
        let norm = policy.finish_gradient()?;
        if loss.is_finite() && policy.can_step(config, norm) {
            record.set(m::UPDATE_LEARNING_RATE, policy.step(config, norm, config.train.steps)?);
            record.set(m::UPDATE_SKIPPED_STEPS, 0.0);
        } else {
            policy.updates += 1;
            if config.update.on_nonfinite == OnNonfinite::Stop {
                return Err(UpdateError::NotFinite {
                    step: *step + 1,
                    what: "the loss or gradient is",
                    update: policy.updates,
                }
                .into());
            }
            record.set(m::UPDATE_SKIPPED_STEPS, 1.0);
        }
        *step += 1;
        record.set(m::SFT_LOSS, loss);
        record.set(m::SFT_TOKENS, learned as f64);
        // One update a step: the mean of the norms is the greatest.
        record.set(m::UPDATE_GRAD_NORM, norm);
        record.set(m::UPDATE_GRAD_NORM_MAX, norm);
        record.set(m::UPDATE_TOKENS, rows as f64);
        let seconds = started.elapsed().as_secs_f64();
        record.set(m::UPDATE_TOKENS_PER_SECOND, rows as f64 / seconds);
        record.set(m::TIME_STEP, seconds);
        Ok(Stepped::Done(record))
    }
}

/// Micro-batches of at most `budget` tokens; one row may exceed it alone.
fn pack(examples: &[Example], indices: &[usize], budget: usize) -> Vec<(Packed, Vec<Target>)> {
    let mut batches: Vec<(Packed, Vec<Target>)> = Vec::new();
    for example in indices.iter().map(|&i| &examples[i]) {
        let inputs = &example.tokens[..example.tokens.len() - 1];
        if batches.last().is_none_or(|(packed, _)| packed.len() + inputs.len() > budget) {
            batches.push((Packed::default(), Vec::new()));
        }
        if let Some((packed, targets)) = batches.last_mut() {
            let start = packed.len();
            packed.push(inputs, None);
            let learned = example.prompt..example.tokens.len();
            targets.extend(learned.map(|i| Target { row: (start + i - 1) as u32, token: example.tokens[i] }));
        }
    }
    batches
}
