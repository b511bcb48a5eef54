//! The mean log-ratio of a sequence, for objectives that control it.

use std::ops::Range;

use super::Evaluation;
use super::instructions::Task;
use crate::batch::Advantages;
use crate::block::{NOT_FINITE, magnitude_bits};
use crate::control::LogClip;

/// Sums that do not wait for one another.
const LANES: usize = 16;

impl Evaluation<'_> {
    /// Over the trained tokens of a sequence; not a number where a log-ratio is not finite in `f32`.
    pub(super) fn mean_log_ratio(&self, sequence: usize, trained: usize) -> f32 {
        let total = |run: Range<usize>| {
            let (logp, logp_old) = (&self.batch.logp[run.clone()], &self.batch.logp_old[run]);
            let mut task = SumTask { logp, logp_old, total: 0.0 };
            self.instructions.run(&mut task);
            task.total
        };
        (self.batch.runs(sequence).map(total).sum::<f64>() / trained as f64) as f32
    }

    /// As [`Self::mean_log_ratio`] of log-ratios that are clipped by the sign of their advantage.
    pub(super) fn mean_clipped(&self, clip: LogClip, sequence: usize, trained: usize) -> f32 {
        let mut total = 0.0;
        for t in self.batch.runs(sequence).flatten() {
            let advantage = match self.batch.advantages {
                Advantages::PerSequence(values) => values[sequence],
                Advantages::PerToken(values) => values[t],
            };
            if !(self.batch.logp[t] - self.batch.logp_old[t]).is_finite() || !advantage.is_finite() {
                return f32::NAN;
            }
            total += clip.clipped(gap(self.batch.logp[t], self.batch.logp_old[t]), f64::from(advantage));
        }
        (total / trained as f64) as f32
    }
}

/// In `f64`, where the difference of two `f32` is exact.
#[inline(always)]
fn gap(logp: f32, logp_old: f32) -> f64 {
    f64::from(logp) - f64::from(logp_old)
}

struct SumTask<'c> {
    logp: &'c [f32],
    logp_old: &'c [f32],
    total: f64,
}

impl Task for SumTask<'_> {
    #[inline(always)]
    fn run(&mut self) {
        let (logp, logp_old) = (self.logp.chunks_exact(LANES), self.logp_old.chunks_exact(LANES));
        let rest: f64 = logp.remainder().iter().zip(logp_old.remainder()).map(|(a, b)| gap(*a, *b)).sum();
        let (mut lanes, mut most) = ([0.0; LANES], 0_u32);
        for (logp, logp_old) in logp.zip(logp_old) {
            for lane in 0..LANES {
                lanes[lane] += gap(logp[lane], logp_old[lane]);
            }
        }
        for (logp, logp_old) in self.logp.iter().zip(self.logp_old) {
            most = most.max(magnitude_bits(logp - logp_old));
        }
        self.total = if most < NOT_FINITE { lanes.iter().sum::<f64>() + rest } else { f64::NAN };
    }
}
