//! Loss, gradient and statistics of a batch.

mod check;
mod compute;
mod fused;
mod instructions;
mod mean;
mod off_policy;
mod plain;

pub use plain::PlainLoss;

use crate::aggregation::{Denominators, trained_tokens};
use crate::batch::{Advantages, TokenBatch};
use crate::block::{BLOCK, Block, Column, Pick, SequenceValues};
use crate::control::LogClip;
use crate::error::ObjectiveError;
use crate::exponential::{exp, greater, lesser};
use crate::objective::Objective;
use crate::region::{Bounds, Region};
use crate::regularizer::Drift;
use crate::stats::{Collector, Stats};

use compute::BlockTask;
use fused::Run;
pub use instructions::Instructions;

/// Loss and gradient of a (micro-)batch.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLoss {
    /// `L = −Σ_t w_t·J_t`, which is minimised.
    pub loss: f64,
    /// `∂L/∂logp` `[T]`: `−w_t·g_t`, 0 where the mask is false.
    pub grad_logp: Vec<f32>,
    /// The terms before aggregation, by [`Objective::evaluate_detailed`] only.
    pub detail: Option<TokenDetail>,
    /// Statistics of the trained tokens; empty from [`Objective::loss_and_gradient`].
    pub stats: Stats,
}

/// Each token's terms before aggregation, regularisers and behaviour weights included; 0 where the mask is false.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenDetail {
    /// `J` `[T]`.
    pub surrogate: Vec<f32>,
    /// `g` `[T]`, the coefficient on the score function.
    pub coefficient: Vec<f32>,
    /// `F` `[T]`: `g/A` of the ratio control alone.
    pub multiplier: Vec<f32>,
    /// The region `[T]`; `M` where the mask is false.
    pub region: Vec<Region>,
}

impl Objective {
    /// Loss, gradient and statistics of a micro-batch, with the denominators of its mini-batch.
    ///
    /// Summing losses and gradients (and merging statistics) over the micro-batches gives those of the mini-batch.
    /// Exponentials saturate at `exp(88)` and terms at the greatest `f32`, so finite input gives finite output.
    ///
    /// # Errors
    /// [`ObjectiveError::NotFinite`] and [`ObjectiveError::Domain`] name sequence and position of a bad value on a
    /// trained token; [`ObjectiveError::Missing`], [`ObjectiveError::NothingTrained`],
    /// [`ObjectiveError::OtherAggregation`] and [`ObjectiveError::UnknownGroup`].
    pub fn evaluate(&self, batch: &TokenBatch<'_>, denominators: &Denominators) -> Result<TokenLoss, ObjectiveError> {
        self.report(batch, denominators, Report::Statistics, Instructions::widest())
    }

    /// As [`Self::evaluate`] without statistics, which take more than half of the time.
    ///
    /// # Errors
    /// Those of [`Self::evaluate`].
    pub fn loss_and_gradient(
        &self,
        batch: &TokenBatch<'_>,
        denominators: &Denominators,
    ) -> Result<TokenLoss, ObjectiveError> {
        self.report(batch, denominators, Report::Loss, Instructions::widest())
    }

    /// [`Self::evaluate_detailed`], or [`Self::loss_and_gradient`] where `detailed` is false, with these instructions.
    #[doc(hidden)]
    pub fn evaluate_with(
        &self,
        batch: &TokenBatch<'_>,
        denominators: &Denominators,
        detailed: bool,
        instructions: Instructions,
    ) -> Result<TokenLoss, ObjectiveError> {
        self.report(batch, denominators, if detailed { Report::Tokens } else { Report::Loss }, instructions)
    }

    /// As [`Self::evaluate`], with each token's surrogate, coefficient, multiplier and region.
    ///
    /// # Errors
    /// Those of [`Self::evaluate`].
    pub fn evaluate_detailed(
        &self,
        batch: &TokenBatch<'_>,
        denominators: &Denominators,
    ) -> Result<TokenLoss, ObjectiveError> {
        self.report(batch, denominators, Report::Tokens, Instructions::widest())
    }

    fn report(
        &self,
        batch: &TokenBatch<'_>,
        denominators: &Denominators,
        report: Report,
        instructions: Instructions,
    ) -> Result<TokenLoss, ObjectiveError> {
        let Some(masked) = self.mask_off_policy(batch) else {
            return Evaluation { instructions, ..Evaluation::new(self, batch, report)? }.run(denominators);
        };
        let kept = masked.batch(batch);
        let mut result = Evaluation { instructions, ..Evaluation::new(self, &kept, report)? }.run(denominators)?;
        result.stats.off_policy = (report != Report::Loss).then_some(masked.stats);
        Ok(result)
    }
}

/// What is wanted besides loss and gradient.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Report {
    /// Nothing.
    Loss,
    /// Statistics.
    Statistics,
    /// Statistics and each token's terms.
    Tokens,
}

/// Columns that are computed for a block.
struct Scratch {
    ratio: Column,
    k3: Column,
    multiplier: Column,
    value: Column,
    /// What one loop hands to the next: MHPO's ψ, ζ and survival, the stages of other lanes, the reference's estimators.
    first: Column,
    second: Column,
    third: Column,
    surrogate: Column,
    coefficient: Column,
}

struct Evaluation<'a> {
    objective: &'a Objective,
    batch: &'a TokenBatch<'a>,
    by_sequence: bool,
    /// Bounds that log-ratios are clipped at before their mean is taken.
    clip: Option<LogClip>,
    /// The policy drifts that are on: the objective's own and the regulariser's.
    drifts: Vec<Drift>,
    /// The runs that [`Evaluation::fuse`] computes.
    runs: Vec<Run>,
    instructions: Instructions,
    bounds: Bounds,
    block: Box<Block>,
    scratch: Box<Scratch>,
    loss: f64,
    grad_logp: Vec<f32>,
    detail: Option<TokenDetail>,
    trained: usize,
    collector: Option<Collector>,
    /// The first token of a block whose term is no number: only an objective of one's own can have one.
    undefined: Option<usize>,
}

impl<'a> Evaluation<'a> {
    fn new(objective: &'a Objective, batch: &'a TokenBatch<'a>, report: Report) -> Result<Self, ObjectiveError> {
        objective.check_fields(batch)?;
        let tokens = batch.tokens();
        let zeros = || vec![0.0; tokens];
        let bounds = objective.control.bounds().unwrap_or(Bounds::REPORT);
        let column = [0.0; BLOCK];
        let drifts = [objective.control.drift(), Some(objective.regularizer.drift)];
        let drifts = drifts.into_iter().flatten().filter(|drift| drift.coefficient != 0.0).collect();
        Ok(Self {
            objective,
            batch,
            drifts,
            runs: Vec::new(),
            instructions: Instructions::widest(),
            by_sequence: objective.control.controls_sequences(),
            clip: objective.control.formula().clip_before_mean(),
            bounds,
            block: Box::new(Block::new()),
            scratch: Box::new(Scratch {
                ratio: column,
                k3: column,
                multiplier: column,
                value: column,
                first: column,
                second: column,
                third: column,
                surrogate: column,
                coefficient: column,
            }),
            loss: 0.0,
            grad_logp: Vec::with_capacity(tokens),
            detail: (report == Report::Tokens).then(|| TokenDetail {
                surrogate: zeros(),
                coefficient: zeros(),
                multiplier: zeros(),
                region: vec![Region::Middle; tokens],
            }),
            trained: 0,
            undefined: None,
            collector: (report != Report::Loss).then(|| Collector::new(bounds.log_f32())),
        })
    }

    fn run(mut self, denominators: &Denominators) -> Result<TokenLoss, ObjectiveError> {
        self.objective.check_aggregation(denominators)?;
        let batch = self.batch;
        let fuses = self.fuses();
        let mut picked = Vec::new();
        for (sequence, span) in batch.offsets.windows(2).enumerate() {
            let trained = trained_tokens(batch.mask, span[0], span[1]);
            if trained == 0 {
                continue;
            }
            let group = batch.groups[sequence];
            let Some(weight) = denominators.weight(trained, group) else {
                return Err(ObjectiveError::UnknownGroup { sequence, group });
            };
            if batch.mask.is_some() && !fuses {
                picked.clear();
                picked.extend(batch.runs(sequence).flatten().map(|t| t as u32));
            }
            self.trained += trained;
            self.check_advantage(sequence)?;
            if let Some(collector) = &mut self.collector {
                collector.count_sequence();
            }
            let values = self.sequence_values(sequence, trained, weight as f32)?;
            if fuses {
                self.note_runs(sequence, values);
            } else {
                self.push_sequence(span[0], &picked, values)?;
            }
        }
        self.flush()?;
        if fuses {
            self.fuse()?;
        }
        self.grad_logp.resize(batch.tokens(), 0.0);
        let rule = self.objective.control.formula().clip_rule();
        if self.trained == 0 {
            return Err(ObjectiveError::NothingTrained);
        }
        let stats = match self.collector {
            Some(collector) => collector.finish(rule, self.objective.control.multiplier_bound()),
            None => Stats::empty(),
        };
        Ok(TokenLoss { loss: self.loss, grad_logp: self.grad_logp, detail: self.detail, stats })
    }

    /// What is the same for all tokens of a sequence.
    fn sequence_values(
        &mut self,
        sequence: usize,
        trained: usize,
        weight: f32,
    ) -> Result<SequenceValues, ObjectiveError> {
        let advantage = match self.batch.advantages {
            Advantages::PerSequence(advantages) => advantages[sequence],
            Advantages::PerToken(_) => 0.0,
        };
        let needs_progress = self.objective.control.formula().needs_progress();
        let values = SequenceValues { weight, advantage, mean: None, trained, before: 0, needs_progress };
        if !self.by_sequence {
            return Ok(values);
        }
        let mean = match self.clip {
            None => self.mean_log_ratio(sequence, trained),
            Some(clip) => self.mean_clipped(clip, sequence, trained),
        };
        if !mean.is_finite() {
            let batch = self.batch;
            batch.runs(sequence).try_for_each(|run| self.refuse(run, values))?;
        }
        Ok(SequenceValues { mean: Some((mean, exp(mean))), ..values })
    }

    fn push_sequence(&mut self, start: usize, picked: &[u32], values: SequenceValues) -> Result<(), ObjectiveError> {
        let mut before = 0;
        while before < values.trained {
            let count = (values.trained - before).min(BLOCK - self.block.len);
            let pick = match self.batch.mask {
                Some(_) => Pick::These(&picked[before..before + count]),
                None => Pick::Run(start + before),
            };
            self.block.push(self.batch, pick, count, SequenceValues { before, ..values });
            before += count;
            if self.block.len == BLOCK {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Computes the block and empties it.
    fn flush(&mut self) -> Result<(), ObjectiveError> {
        let n = self.block.len;
        if n > 0 {
            self.check(n)?;
            let instructions = self.instructions;
            instructions.run(&mut BlockTask { evaluation: self, tokens: n });
            self.check_defined()?;
            self.block.len = 0;
        }
        Ok(())
    }
}

/// The nearest finite number: a product of finite numbers may overflow, and a step should survive it.
#[inline(always)]
fn finite(x: f32) -> f32 {
    greater(lesser(x, f32::MAX), f32::MIN)
}
