//! The sequences of the input, packed.

use std::collections::HashMap;

use anyhow::ensure;
use surefoot_trainer::objectives::{Advantages, Objective, ObjectiveError, TokenBatch, TokenLoss};

use super::sequence::{Advantage, Sequence};

/// Everything that was read. Columns that only some lines have are filled where they are missing.
#[derive(Debug, Default)]
pub struct Batch {
    name: String,
    /// Line of each sequence.
    lines: Vec<usize>,
    offsets: Vec<usize>,
    groups: Vec<u32>,
    ids: HashMap<String, u32>,
    logp: Vec<f32>,
    logp_old: Vec<f32>,
    advantages: Vec<f32>,
    mask: Optional<bool>,
    logp_ref: Optional<f32>,
    logp_epoch: Optional<f32>,
}

/// A column of all tokens that lines may leave out.
#[derive(Debug, Default)]
struct Optional<T> {
    values: Vec<T>,
    /// The first line that has it, and the first that has not.
    with: Option<usize>,
    without: Option<usize>,
}

impl Batch {
    /// An empty batch; `name` is that of the input.
    pub fn new(name: &str) -> Self {
        Batch { name: name.to_string(), offsets: vec![0], ..Batch::default() }
    }

    /// Boundaries of the sequences.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Adds the sequence of a line.
    pub fn add(&mut self, line: usize, sequence: Sequence) -> anyhow::Result<()> {
        let tokens = sequence.logp.len();
        let name = &self.name;
        let fits = |field: &str, length: usize| {
            ensure!(
                length == tokens,
                "{name}:{line}: `{field}` has {length} entries, `logp` has {tokens}; both have one for each token"
            );
            Ok(())
        };
        ensure!(tokens > 0, "{name}:{line}: `logp` is empty; a sequence has at least one token");
        fits("logp_old", sequence.logp_old.len())?;
        match sequence.advantage {
            Advantage::Sequence(value) => self.advantages.extend(std::iter::repeat_n(value, tokens)),
            Advantage::Tokens(values) => {
                fits("advantage", values.len())?;
                self.advantages.extend(values);
            }
        }
        if let Some(mask) = &sequence.mask {
            fits("mask", mask.len())?;
        }
        for (field, list) in [("logp_ref", &sequence.logp_ref), ("logp_epoch", &sequence.logp_epoch)] {
            if let Some(list) = list {
                fits(field, list.len())?;
            }
        }
        let mask = sequence.mask.map(|mask| mask.into_iter().map(|flag| flag.0).collect());
        self.mask.add(line, mask, tokens, true);
        self.logp_ref.add(line, sequence.logp_ref, tokens, 0.0);
        self.logp_epoch.add(line, sequence.logp_epoch, tokens, 0.0);
        let id = self.ids.len() as u32;
        self.groups.push(*self.ids.entry(sequence.group).or_insert(id));
        self.logp.extend(sequence.logp);
        self.logp_old.extend(sequence.logp_old);
        self.offsets.push(self.logp.len());
        self.lines.push(line);
        Ok(())
    }

    /// The batch, once everything was read.
    pub fn whole(self) -> anyhow::Result<Self> {
        ensure!(!self.lines.is_empty(), "{} has no line; give JSON lines of sequences", self.name);
        for (field, column) in [("logp_ref", &self.logp_ref), ("logp_epoch", &self.logp_epoch)] {
            if let (Some(with), Some(without)) = (column.with, column.without) {
                anyhow::bail!(
                    "{}:{without}: no `{field}`, but line {with} has one; give it to all or to none",
                    self.name
                );
            }
        }
        Ok(self)
    }

    /// Loss, gradient, terms and statistics; errors name the line.
    pub fn evaluate(&self, objective: &Objective) -> anyhow::Result<TokenLoss> {
        self.try_evaluate(objective).map_err(|error| match &error {
            ObjectiveError::NotFinite { field, value, sequence, position } => {
                let field = if *field == "advantages" { "advantage" } else { field };
                anyhow::anyhow!(
                    "{}:{}: `{field}` is {value} at position {position}; trained tokens need finite values, others a mask",
                    self.name,
                    self.lines[*sequence]
                )
            }
            ObjectiveError::Missing { field, reader, .. } => {
                anyhow::anyhow!("{}: {reader} needs `{field}`, and the lines have none", self.name)
            }
            _ => anyhow::anyhow!("{}: {error}", self.name),
        })
    }

    fn try_evaluate(&self, objective: &Objective) -> Result<TokenLoss, ObjectiveError> {
        let advantages = Advantages::PerToken(&self.advantages);
        let mut batch = TokenBatch::new(&self.logp, &self.logp_old, advantages, &self.offsets, &self.groups)?;
        let mask = self.mask.get();
        if let Some(mask) = mask {
            batch = batch.with_mask(mask)?;
        }
        if let Some(logp) = self.logp_ref.get() {
            batch = batch.with_logp_ref(logp)?;
        }
        if let Some(logp) = self.logp_epoch.get() {
            batch = batch.with_logp_epoch(logp)?;
        }
        let denominators = objective.denominators(&self.offsets, mask, &self.groups)?;
        objective.evaluate_detailed(&batch, &denominators)
    }
}

impl<T: Clone> Optional<T> {
    fn add(&mut self, line: usize, values: Option<Vec<T>>, tokens: usize, missing: T) {
        match values {
            Some(values) => {
                self.with.get_or_insert(line);
                self.values.extend(values);
            }
            None => {
                self.without.get_or_insert(line);
                self.values.extend(std::iter::repeat_n(missing, tokens));
            }
        }
    }

    fn get(&self) -> Option<&[T]> {
        self.with.map(|_| self.values.as_slice())
    }
}
