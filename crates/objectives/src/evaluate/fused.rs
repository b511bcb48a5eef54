//! Loss and gradient alone, in one pass over a batch without mask, reference or behaviour weights: nothing is copied, and
//! no column is kept but the terms of the loss.

use super::{Evaluation, finite};
use crate::batch::Advantages;
use crate::block::{any_not_finite, is_not_finite};
use crate::control::{Lane, LaneToken, Loop, prepare};
use crate::exponential::{exp, lesser, parts};
use crate::regularizer::Drift;
use crate::stats::sum;

impl Evaluation<'_> {
    /// Computes the block and says whether it met a number that is not finite.
    #[inline(always)]
    pub(super) fn fused(&mut self, n: usize) -> bool {
        let (block, start) = (&self.block, self.block.start);
        self.grad_logp.resize(start + n, 0.0);
        let mut tokens = Fused {
            logp: &self.batch.logp[start..start + n],
            logp_old: &self.batch.logp_old[start..start + n],
            sequence: self.by_sequence.then_some((&block.control[..n], &block.control_ratio[..n])),
            advantage: &block.advantage[..n],
            weight: &block.weight[..n],
            progress: &block.progress[..n],
            drift: self.drifts.then_some(self.only_drift()),
            gradient: &mut self.grad_logp[start..start + n],
            surrogate: &mut self.scratch.surrogate[..n],
            log_ratio: &mut self.scratch.ratio[..n],
            prepared: [&mut self.scratch.psi[..n], &mut self.scratch.zeta[..n], &mut self.scratch.survival[..n]],
            not_finite: false,
        };
        self.objective.control.run(&mut tokens);
        let not_finite = tokens.not_finite
            || matches!(self.batch.advantages, Advantages::PerToken(_)) && any_not_finite(&block.advantage[..n]);
        self.loss -= sum(&self.scratch.surrogate[..n]);
        not_finite
    }

    /// The drift of the objective or of the regulariser, of which at most one is on.
    fn only_drift(&self) -> Drift {
        let own = self.objective.control.drift().filter(|drift| drift.coefficient != 0.0);
        own.unwrap_or(self.objective.regularizer.drift)
    }
}

/// The loop that keeps the gradient and the terms of the loss.
struct Fused<'c> {
    logp: &'c [f32],
    logp_old: &'c [f32],
    /// The sequences' mean log-ratios and their exponentials, where they are what the objective controls.
    sequence: Option<(&'c [f32], &'c [f32])>,
    advantage: &'c [f32],
    weight: &'c [f32],
    progress: &'c [f32],
    drift: Option<Drift>,
    gradient: &'c mut [f32],
    surrogate: &'c mut [f32],
    /// For lanes with stages.
    log_ratio: &'c mut [f32],
    prepared: [&'c mut [f32]; 3],
    not_finite: bool,
}

impl Loop for Fused<'_> {
    #[inline(always)]
    fn over<L: Lane>(&mut self, lane: &L) {
        match (self.sequence.is_some(), self.drift.is_some()) {
            (false, false) => self.pass::<L, false, false>(lane),
            (false, true) => self.pass::<L, false, true>(lane),
            (true, false) => self.pass::<L, true, false>(lane),
            (true, true) => self.pass::<L, true, true>(lane),
        }
    }
}

impl Fused<'_> {
    /// The steps are those of `compute.rs`, in the same order: both give the same bits.
    #[inline(always)]
    fn pass<L: Lane, const BY_SEQUENCE: bool, const DRIFTS: bool>(&mut self, lane: &L) {
        let n = self.logp.len();
        let (logp, logp_old) = (self.logp, &self.logp_old[..n]);
        let (advantage, weight, progress) = (&self.advantage[..n], &self.weight[..n], &self.progress[..n]);
        let (gradient, terms) = (&mut self.gradient[..n], &mut self.surrogate[..n]);
        let (mean, mean_ratio) =
            self.sequence.map_or((advantage, advantage), |(mean, ratio)| (&mean[..n], &ratio[..n]));
        let (alpha, bound) = self.drift.map_or((0.0, 0.0), |drift| (drift.coefficient as f32, drift.bound as f32));
        let [first, second, third] = &mut self.prepared;
        let (first, second, third) = (&mut first[..n], &mut second[..n], &mut third[..n]);
        if L::STAGES > 0 {
            let log_ratio = &mut self.log_ratio[..n];
            for i in 0..n {
                log_ratio[i] = if BY_SEQUENCE { mean[i] } else { logp[i] - logp_old[i] };
            }
            prepare(lane, log_ratio, [first, second, third]);
        }
        let mut not_finite = 0_u32;
        for i in 0..n {
            let x = logp[i] - logp_old[i];
            not_finite |= u32::from(is_not_finite(x));
            let (log_ratio, ratio) = if BY_SEQUENCE { (mean[i], mean_ratio[i]) } else { (x, exp(x)) };
            let token = LaneToken {
                logp: logp[i],
                log_ratio,
                ratio,
                advantage: advantage[i],
                progress: progress[i],
                prepared: [first[i], second[i], third[i]],
            };
            let term = lane.term(token);
            let mut coefficient = finite(term.multiplier * advantage[i]);
            let mut surrogate = finite(term.value * advantage[i]);
            if DRIFTS {
                // r − 1 − ℓ is known without cancellation
                let pull = alpha * lesser(parts(x).exp_m1_minus(x) + x, bound);
                coefficient = finite(coefficient - pull);
                surrogate = finite(surrogate - pull * logp[i]);
            }
            gradient[i] = 0.0 - weight[i] * coefficient;
            terms[i] = surrogate * weight[i];
        }
        self.not_finite = not_finite > 0;
    }
}
