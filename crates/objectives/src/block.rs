//! The trained tokens of a batch, some hundred at a time, as columns that stay in the first-level cache.

use std::ops::Range;

use crate::batch::{Advantages, TokenBatch};

/// Tokens a block holds.
pub(crate) const BLOCK: usize = 256;

pub(crate) type Column = [f32; BLOCK];

/// Which tokens of a sequence go into the block.
#[derive(Clone, Copy)]
pub(crate) enum Pick<'a> {
    /// Neighbours, from this token on.
    Run(usize),
    /// These.
    These(&'a [u32]),
}

impl Pick<'_> {
    fn copy(self, source: &[f32], target: &mut [f32]) {
        match self {
            Self::Run(start) => target.copy_from_slice(&source[start..start + target.len()]),
            Self::These(tokens) => {
                for (value, &token) in target.iter_mut().zip(tokens) {
                    *value = source[token as usize];
                }
            }
        }
    }
}

/// What is the same for all tokens of a sequence.
#[derive(Clone, Copy)]
pub(crate) struct SequenceValues {
    /// The weight of the aggregation.
    pub weight: f32,
    /// The advantage, for advantages by sequence.
    pub advantage: f32,
    /// The mean log-ratio and its exponential, for objectives that control it.
    pub mean: Option<(f32, f32)>,
    /// Trained tokens of the sequence, and how many of them came before.
    pub trained: usize,
    pub before: usize,
    /// Whether the objective reads how far along the sequence a token stands.
    pub needs_progress: bool,
}

/// Columns of one block; the first `len` entries are in use.
pub(crate) struct Block {
    pub len: usize,
    /// The first token, in a batch without a mask.
    pub start: usize,
    /// The tokens, in a batch with a mask.
    pub tokens: [u32; BLOCK],
    pub logp: Column,
    pub log_ratio: Column,
    pub control: Column,
    pub control_ratio: Column,
    pub advantage: Column,
    pub weight: Column,
    pub token_weight: Column,
    pub progress: Column,
    pub logp_ref: Column,
    pub log_epoch_ratio: Column,
}

impl Block {
    pub fn new() -> Self {
        let zeros = [0.0; BLOCK];
        Self {
            len: 0,
            start: 0,
            tokens: [0; BLOCK],
            logp: zeros,
            log_ratio: zeros,
            control: zeros,
            control_ratio: zeros,
            advantage: zeros,
            weight: zeros,
            token_weight: zeros,
            progress: zeros,
            logp_ref: zeros,
            log_epoch_ratio: zeros,
        }
    }

    /// Appends `count` tokens of one sequence; there must be room.
    pub fn push(&mut self, batch: &TokenBatch<'_>, pick: Pick<'_>, count: usize, values: SequenceValues) {
        let at = self.len..self.len + count;
        match pick {
            Pick::Run(start) if self.len == 0 => self.start = start,
            Pick::Run(_) => {}
            Pick::These(tokens) => self.tokens[at.clone()].copy_from_slice(&tokens[..count]),
        }
        self.copy_logp(batch, pick, at.clone());
        if let Some((mean, ratio)) = values.mean {
            self.control[at.clone()].fill(mean);
            self.control_ratio[at.clone()].fill(ratio);
        }
        match batch.advantages {
            Advantages::PerSequence(_) => self.advantage[at.clone()].fill(values.advantage),
            Advantages::PerToken(advantages) => pick.copy(advantages, &mut self.advantage[at.clone()]),
        }
        self.weight[at.clone()].fill(values.weight);
        if let Some(weights) = batch.token_weights {
            pick.copy(weights, &mut self.token_weight[at.clone()]);
        }
        if let Some(logp_ref) = batch.logp_ref {
            pick.copy(logp_ref, &mut self.logp_ref[at.clone()]);
        }
        if let Some(logp_epoch) = batch.logp_epoch {
            pick.copy(logp_epoch, &mut self.log_epoch_ratio[at.clone()]);
            for i in at.clone() {
                // log π_epoch − log π_old = (log π_epoch − log π) + ℓ would round twice
                let logp_old = batch.logp_old[self.token(batch, i)];
                self.log_epoch_ratio[i] -= logp_old;
            }
        }
        if values.needs_progress {
            self.fill_progress(at.clone(), values);
        }
        self.len = at.end;
    }

    /// How far along the sequence each token stands.
    pub fn fill_progress(&mut self, at: Range<usize>, values: SequenceValues) {
        let length = values.trained as f32;
        for (progress, index) in self.progress[at].iter_mut().zip(values.before as i32 + 1..) {
            *progress = index as f32 / length;
        }
    }

    fn copy_logp(&mut self, batch: &TokenBatch<'_>, pick: Pick<'_>, at: Range<usize>) {
        let (logp, log_ratio) = (&mut self.logp[at.clone()], &mut self.log_ratio[at]);
        pick.copy(batch.logp, logp);
        pick.copy(batch.logp_old, log_ratio);
        for (old, logp) in log_ratio.iter_mut().zip(logp) {
            *old = *logp - *old;
        }
    }

    /// The token in the batch that entry `i` holds.
    pub fn token(&self, batch: &TokenBatch<'_>, i: usize) -> usize {
        match batch.mask {
            None => self.start + i,
            Some(_) => self.tokens[i] as usize,
        }
    }
}

/// Whether any value of a column is infinite or not a number.
pub(crate) fn any_not_finite(column: &[f32]) -> bool {
    column.iter().fold(0, |most: u32, &x| most.max(magnitude_bits(x))) >= NOT_FINITE
}

/// The bits of a magnitude: as integers they are ordered as magnitudes are, and [`NOT_FINITE`] or more where there is none.
#[inline(always)]
pub(crate) fn magnitude_bits(x: f32) -> u32 {
    x.to_bits() & 0x7fff_ffff
}

/// The bits of infinity.
pub(crate) const NOT_FINITE: u32 = 0x7f80_0000;
