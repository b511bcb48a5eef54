//! The arithmetic of a block, column by column.
//!
//! Everything here is inlined into one function, which `instructions.rs` compiles for several instruction sets.

use super::instructions::Task;
use super::{Evaluation, finite};
use crate::control::{Columns, Control, Inputs};
use crate::exponential::{LOG_UNDERFLOW, exp, greater, lesser, parts};
use crate::regularizer::{Drift, ReferenceEstimator};
use crate::stats::{Observed, sum};

/// The first `tokens` entries of the block.
pub(super) struct BlockTask<'e, 'a> {
    pub evaluation: &'e mut Evaluation<'a>,
    pub tokens: usize,
}

impl Task for BlockTask<'_, '_> {
    #[inline(always)]
    fn run(&mut self) {
        self.evaluation.columns(self.tokens);
    }
}

impl Evaluation<'_> {
    #[inline(always)]
    fn columns(&mut self, n: usize) {
        self.ratios(n);
        self.weigh_epoch(n);
        self.terms(n);
        self.weigh(n);
        for drift in 0..self.drifts.len() {
            self.drift(n, self.drifts[drift]);
        }
        if self.batch.logp_ref.is_some() {
            self.reference(n);
        }
        self.store(n);
    }

    #[inline(always)]
    fn ratios(&mut self, n: usize) {
        let log_ratio = &self.block.log_ratio[..n];
        let (ratio, k3) = (&mut self.scratch.ratio[..n], &mut self.scratch.k3[..n]);
        if self.collector.is_none() {
            for i in 0..n {
                ratio[i] = exp(log_ratio[i]);
            }
        } else {
            for i in 0..n {
                let x = log_ratio[i];
                let at = parts(x);
                let r = at.exp();
                ratio[i] = if x > LOG_UNDERFLOW { r } else { 0.0 };
                k3[i] = at.exp_m1_minus(x);
            }
        }
    }

    /// CPGD §6.1: `A ← clip(π_epoch/π_old, 1−ε, 1+ε)·A`.
    #[inline(always)]
    fn weigh_epoch(&mut self, n: usize) {
        let Some(bounds) = self.objective.control.formula().epoch_bounds() else { return };
        let (floor, cap) = ((1.0 - bounds.low) as f32, (1.0 + bounds.high) as f32);
        let block = &mut *self.block;
        for (advantage, &log_ratio) in block.advantage[..n].iter_mut().zip(&block.log_epoch_ratio[..n]) {
            *advantage = finite(*advantage * greater(lesser(exp(log_ratio), cap), floor));
        }
    }

    /// Ratio control, and the statistics of it.
    #[inline(always)]
    fn terms(&mut self, n: usize) {
        let (block, scratch) = (&self.block, &mut *self.scratch);
        let (control, control_ratio) = if self.by_sequence {
            (&block.control[..n], &block.control_ratio[..n])
        } else {
            (&block.log_ratio[..n], &scratch.ratio[..n])
        };
        let inputs = Inputs {
            logp: &block.logp[..n],
            log_ratio: control,
            ratio: control_ratio,
            advantage: &block.advantage[..n],
            progress: &block.progress[..n],
        };
        let mut columns = Columns {
            inputs,
            multiplier: &mut scratch.multiplier[..n],
            value: &mut scratch.value[..n],
            psi: &mut scratch.first[..n],
            zeta: &mut scratch.second[..n],
            survival: &mut scratch.third[..n],
        };
        let formula = self.objective.control.formula();
        self.objective.control.run(&mut columns);
        if matches!(self.objective.control, Control::Own(_)) {
            let undefined = |i: &usize| scratch.multiplier[*i].is_nan() || scratch.value[*i].is_nan();
            self.undefined = (0..n).find(undefined);
        }
        if let Some(clip) = self.clip {
            let (low, high) = clip.as_f32();
            let (log_ratio, advantage) = (&block.log_ratio[..n], &block.advantage[..n]);
            for i in 0..n {
                let (x, a) = (log_ratio[i], advantage[i]);
                let beyond = ((x < low) & (a < 0.0)) | ((x > high) & (a > 0.0));
                scratch.multiplier[i] = if beyond { 0.0 } else { scratch.multiplier[i] };
            }
        }
        let Some(collector) = &mut self.collector else { return };
        let dual = formula.count_dual(inputs.log_ratio, inputs.advantage);
        collector.add_dual(dual);
        if matches!(self.objective.control, Control::Mhpo(_)) {
            collector.add_hazard(&scratch.first[..n], &scratch.second[..n], &scratch.third[..n]);
        }
        collector.add(&Observed {
            log_ratio: &block.log_ratio[..n],
            ratio: &scratch.ratio[..n],
            k3: &scratch.k3[..n],
            // bounds of tokens act on tokens
            control: if self.clip.is_some() { &block.log_ratio[..n] } else { control },
            advantage: &block.advantage[..n],
            multiplier: &scratch.multiplier[..n],
        });
    }

    /// `J` and `g` of the ratio control, times the behaviour weight.
    #[inline(always)]
    fn weigh(&mut self, n: usize) {
        let scratch = &mut *self.scratch;
        let (multiplier, value) = (&scratch.multiplier[..n], &scratch.value[..n]);
        let (surrogate, coefficient) = (&mut scratch.surrogate[..n], &mut scratch.coefficient[..n]);
        let advantage = &self.block.advantage[..n];
        for i in 0..n {
            coefficient[i] = finite(multiplier[i] * advantage[i]);
            surrogate[i] = finite(value[i] * advantage[i]);
        }
        if self.batch.token_weights.is_some() {
            let weight = &self.block.token_weight[..n];
            if let Some(collector) = &mut self.collector {
                collector.add_weights(weight);
            }
            for i in 0..n {
                coefficient[i] = finite(coefficient[i] * weight[i]);
                surrogate[i] = finite(surrogate[i] * weight[i]);
            }
        }
    }

    #[inline(always)]
    fn drift(&mut self, n: usize, drift: Drift) {
        let (alpha, bound) = (drift.coefficient as f32, drift.bound as f32);
        let scratch = &mut *self.scratch;
        let (surrogate, coefficient) = (&mut scratch.surrogate[..n], &mut scratch.coefficient[..n]);
        let (logp, log_ratio) = (&self.block.logp[..n], &self.block.log_ratio[..n]);
        for i in 0..n {
            let pull = alpha * lesser(parts(log_ratio[i]).exp_m1(), bound);
            coefficient[i] = finite(coefficient[i] - pull);
            surrogate[i] = finite(surrogate[i] - pull * logp[i]);
        }
    }

    #[inline(always)]
    fn reference(&mut self, n: usize) {
        let scratch = &mut *self.scratch;
        let (logp, logp_ref) = (&self.block.logp[..n], &self.block.logp_ref[..n]);
        // the columns of the ratio's penalty are free by now
        let (k1, excess, k3) = (&mut scratch.first[..n], &mut scratch.second[..n], &mut scratch.third[..n]);
        for i in 0..n {
            let d = logp[i] - logp_ref[i];
            let at = parts(-d);
            k1[i] = d;
            k3[i] = at.exp_m1_minus(-d);
            excess[i] = at.exp_m1();
        }
        let half_square = 0.5 * k1.iter().map(|&d| f64::from(d) * f64::from(d)).sum::<f64>();
        if let Some(collector) = &mut self.collector {
            collector.add_reference(sum(k1), half_square, sum(k3));
        }
        let beta = self.objective.regularizer.reference_coefficient as f32;
        if beta == 0.0 {
            return;
        }
        let (surrogate, coefficient) = (&mut scratch.surrogate[..n], &mut scratch.coefficient[..n]);
        for i in 0..n {
            let (k, slope) = match self.objective.regularizer.reference_estimator {
                ReferenceEstimator::K1 => (k1[i], 1.0),
                ReferenceEstimator::K2 => (0.5 * k1[i] * k1[i], k1[i]),
                ReferenceEstimator::K3 => (k3[i], -excess[i]),
            };
            coefficient[i] = finite(coefficient[i] - finite(beta * slope));
            surrogate[i] = finite(surrogate[i] - finite(beta * k));
        }
    }

    /// Adds the block to the loss, the gradient and the detail.
    #[inline(always)]
    fn store(&mut self, n: usize) {
        let (block, scratch) = (&self.block, &mut *self.scratch);
        let (weight, surrogate, coefficient) =
            (&block.weight[..n], &mut scratch.surrogate[..n], &scratch.coefficient[..n]);
        if let Some(detail) = &mut self.detail {
            for i in 0..n {
                let token = block.token(self.batch, i);
                detail.surrogate[token] = surrogate[i];
                detail.coefficient[token] = coefficient[i];
                detail.multiplier[token] = scratch.multiplier[i];
                let bound_by_sequence = self.by_sequence && self.clip.is_none();
                let log_ratio = if bound_by_sequence { block.control[i] } else { block.log_ratio[i] };
                detail.region[token] = self.bounds.region(f64::from(log_ratio), f64::from(block.advantage[i]));
            }
        }
        let grad = &mut scratch.value[..n];
        for i in 0..n {
            grad[i] = 0.0 - weight[i] * coefficient[i];
            surrogate[i] *= weight[i];
        }
        self.loss -= sum(surrogate);
        match self.batch.mask {
            None => {
                // blocks come in order and leave no token out
                self.grad_logp.extend_from_slice(grad);
            }
            Some(_) => {
                let tokens = &block.tokens[..n];
                self.grad_logp.resize(tokens[n - 1] as usize + 1, 0.0);
                for (&token, &value) in tokens.iter().zip(&*grad) {
                    self.grad_logp[token as usize] = value;
                }
            }
        }
    }
}
