//! Loss and gradient alone, in one pass over runs of trained tokens, without reference or behaviour weights: runs are read
//! where they stand, and no column is kept but what one loop hands to the next.

use std::ops::Range;

use super::instructions::Task;
use super::{Evaluation, Scratch, finite};
use crate::batch::{Advantages, TokenBatch};
use crate::block::{BLOCK, Block, Column, NOT_FINITE, Pick, SequenceValues, any_not_finite, magnitude_bits};
use crate::control::{Control, Lane, LaneToken, Loop};
use crate::error::ObjectiveError;
use crate::exponential::{exp, lesser, parts};
use crate::regularizer::Drift;

/// Numbers of the widest vector: a run's last ones are filled up to it, so that no loop ends one by one.
const VECTOR: usize = 16;
/// With shorter runs than this on average, blocks of several runs cost less than filling each up.
const SHORT: usize = 32;

/// Neighbouring trained tokens of one sequence.
pub(super) struct Run {
    tokens: Range<usize>,
    values: SequenceValues,
}

impl Evaluation<'_> {
    /// Whether this pass can take the batch, and pays.
    pub(super) fn fuses(&self) -> bool {
        let batch = self.batch;
        let alone = self.collector.is_none()
            && !matches!(self.objective.control, Control::Own(_))
            && self.clip.is_none()
            && batch.logp_ref.is_none()
            && batch.token_weights.is_none()
            && batch.logp_epoch.is_none()
            && self.drifts.len() + usize::from(self.by_sequence) < 2;
        alone && {
            let starts = |mask: &[bool]| mask.windows(2).map(|pair| usize::from(!pair[0] & pair[1])).sum::<usize>();
            batch.tokens() >= SHORT * (batch.sequences() + batch.mask.map_or(0, starts))
        }
    }

    /// Notes the runs of a sequence.
    pub(super) fn note_runs(&mut self, sequence: usize, mut values: SequenceValues) {
        for tokens in self.batch.runs(sequence) {
            let count = tokens.len();
            self.runs.push(Run { tokens, values });
            values.before += count;
        }
    }

    /// Computes the runs.
    pub(super) fn fuse(&mut self) -> Result<(), ObjectiveError> {
        let instructions = self.instructions;
        let mut task = FusedTask { evaluation: self, not_finite: None };
        instructions.run(&mut task);
        let Some(run) = task.not_finite else { return Ok(()) };
        let Run { tokens, values } = &self.runs[run];
        self.refuse(tokens.clone(), *values)
    }

    /// Names the number of a run that is not finite.
    pub(super) fn refuse(&mut self, tokens: Range<usize>, values: SequenceValues) -> Result<(), ObjectiveError> {
        for start in tokens.clone().step_by(BLOCK) {
            let count = BLOCK.min(tokens.end - start);
            self.block.len = 0;
            self.block.push(self.batch, Pick::Run(start), count, values);
            self.check(count)?;
        }
        Ok(())
    }
}

struct FusedTask<'e, 'a> {
    evaluation: &'e mut Evaluation<'a>,
    /// The first run with a number that is not finite.
    not_finite: Option<usize>,
}

impl Task for FusedTask<'_, '_> {
    #[inline(always)]
    fn run(&mut self) {
        let evaluation = &mut *self.evaluation;
        let mut fused = Fused {
            batch: evaluation.batch,
            runs: &evaluation.runs,
            drift: evaluation.drifts.first().copied(),
            block: &mut evaluation.block,
            scratch: &mut evaluation.scratch,
            grad_logp: &mut evaluation.grad_logp,
            loss: [0.0; VECTOR],
            not_finite: None,
        };
        evaluation.objective.control.run(&mut fused);
        self.not_finite = fused.not_finite;
        evaluation.loss -= fused.loss.iter().sum::<f64>();
    }
}

/// The loop that keeps the gradient and the terms of the loss.
struct Fused<'e, 'a> {
    batch: &'a TokenBatch<'a>,
    runs: &'e [Run],
    drift: Option<Drift>,
    block: &'e mut Block,
    scratch: &'e mut Scratch,
    grad_logp: &'e mut Vec<f32>,
    loss: [f64; VECTOR],
    not_finite: Option<usize>,
}

impl Loop for Fused<'_, '_> {
    #[inline(always)]
    fn over<L: Lane>(&mut self, lane: &L) {
        let by_sequence = self.runs.first().is_some_and(|run| run.values.mean.is_some());
        let by_token = matches!(self.batch.advantages, Advantages::PerToken(_));
        match (by_sequence, self.drift.is_some(), by_token) {
            (false, false, false) => self.all::<L, false, false, false>(lane),
            (false, false, true) => self.all::<L, false, false, true>(lane),
            (false, true, false) => self.all::<L, false, true, false>(lane),
            (false, true, true) => self.all::<L, false, true, true>(lane),
            (true, _, false) => self.all::<L, true, false, false>(lane),
            (true, _, true) => self.all::<L, true, false, true>(lane),
        }
    }
}

impl Fused<'_, '_> {
    #[inline(always)]
    fn all<L: Lane, const BY_SEQUENCE: bool, const DRIFTS: bool, const BY_TOKEN: bool>(&mut self, lane: &L) {
        for (index, Run { tokens, values }) in self.runs.iter().enumerate() {
            self.grad_logp.resize(tokens.start, 0.0);
            for start in tokens.clone().step_by(BLOCK) {
                let count = BLOCK.min(tokens.end - start);
                let not_finite = self.part::<L, BY_SEQUENCE, DRIFTS, BY_TOKEN>(
                    lane,
                    start..start + count,
                    SequenceValues { before: values.before + (start - tokens.start), ..*values },
                );
                if not_finite {
                    self.not_finite = self.not_finite.or(Some(index));
                }
            }
        }
    }

    /// At most a block of a run; whether it met a number that is not finite. The steps are those of `compute.rs`, in the same
    /// order: both give the same bits.
    #[inline(always)]
    fn part<L: Lane, const BY_SEQUENCE: bool, const DRIFTS: bool, const BY_TOKEN: bool>(
        &mut self,
        lane: &L,
        tokens: Range<usize>,
        values: SequenceValues,
    ) -> bool {
        let (block, scratch) = (&mut *self.block, &mut *self.scratch);
        // a ratio and an advantage of the whole sequence give each of its tokens the same
        let alike = BY_SEQUENCE && !BY_TOKEN && !values.needs_progress;
        let n = if alike { VECTOR } else { tokens.len().next_multiple_of(VECTOR) };
        if values.needs_progress {
            block.fill_progress(0..n, values);
        }
        let logp = filled(&self.batch.logp[tokens.clone()], n, &mut block.logp);
        let logp_old = filled(&self.batch.logp_old[tokens.clone()], n, &mut block.log_ratio);
        let by_token = match self.batch.advantages {
            Advantages::PerToken(advantages) if BY_TOKEN => {
                filled(&advantages[tokens.clone()], n, &mut block.advantage)
            }
            _ => logp,
        };
        let progress = &block.progress[..n];
        let (gradient, terms) = (&mut scratch.value[..n], &mut scratch.surrogate[..n]);
        let (first, second, third) = (&mut scratch.first[..n], &mut scratch.second[..n], &mut scratch.third[..n]);
        let weight = values.weight;
        let (mean, mean_ratio) = values.mean.unwrap_or_default();
        let (alpha, bound) = self.drift.map_or((0.0, 0.0), |drift| (drift.coefficient as f32, drift.bound as f32));
        let mut most = 0_u32;
        if L::STAGED {
            for i in 0..n {
                let x = if BY_SEQUENCE { mean } else { logp[i] - logp_old[i] };
                most = most.max(magnitude_bits(x));
                let advantage = if BY_TOKEN { by_token[i] } else { values.advantage };
                [first[i], second[i]] = lane.first(x, advantage);
            }
            for i in 0..n {
                third[i] = lane.second([first[i], second[i]]);
            }
        }
        for i in 0..n {
            // of a sequence that is controlled as a whole, the mean has met every number
            let x = if BY_SEQUENCE { mean } else { logp[i] - logp_old[i] };
            if !BY_SEQUENCE && !L::STAGED {
                most = most.max(magnitude_bits(x));
            }
            let ratio = if BY_SEQUENCE { mean_ratio } else { exp(x) };
            let advantage = if BY_TOKEN { by_token[i] } else { values.advantage };
            let term = lane.term(LaneToken {
                logp: logp[i],
                log_ratio: x,
                ratio,
                advantage,
                progress: progress[i],
                first: [first[i], second[i]],
                second: third[i],
            });
            let mut coefficient = finite(term.multiplier * advantage);
            let mut surrogate = finite(term.value * advantage);
            if DRIFTS {
                let pull = alpha * lesser(parts(x).exp_m1(), bound);
                coefficient = finite(coefficient - pull);
                surrogate = finite(surrogate - pull * logp[i]);
            }
            gradient[i] = 0.0 - weight * coefficient;
            terms[i] = surrogate * weight;
        }
        if alike {
            self.grad_logp.resize(tokens.end, gradient[0]);
            self.loss[0] += f64::from(terms[0]) * tokens.len() as f64;
            return false;
        }
        self.grad_logp.extend_from_slice(&gradient[..tokens.len()]);
        terms[tokens.len()..].fill(0.0);
        for terms in terms.chunks_exact(VECTOR) {
            for (sum, &term) in self.loss.iter_mut().zip(terms) {
                *sum += f64::from(term);
            }
        }
        most >= NOT_FINITE || BY_TOKEN && any_not_finite(by_token)
    }
}

/// The values, filled up with zeros to `n` where there are fewer.
#[inline(always)]
fn filled<'c>(values: &'c [f32], n: usize, column: &'c mut Column) -> &'c [f32] {
    if values.len() < n {
        column[..values.len()].copy_from_slice(values);
        column[values.len()..n].fill(0.0);
        &column[..n]
    } else {
        &values[..n]
    }
}
