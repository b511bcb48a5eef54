//! Loss, gradient and statistics of a batch.

use crate::aggregation::{Denominators, trained_tokens};
use crate::batch::{Advantages, TokenBatch};
use crate::block::{BLOCK, Block, Column, Pick, SequenceValues, any_not_finite};
use crate::control::{Control, Inputs, Outputs};
use crate::error::ObjectiveError;
use crate::exponential::{LOG_UNDERFLOW, exp, greater, lesser, parts};
use crate::objective::Objective;
use crate::region::{Bounds, Region};
use crate::regularizer::{Drift, ReferenceEstimator};
use crate::stats::{Collector, Observed, Stats, sum};

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
        Evaluation::new(self, batch, Report::Statistics)?.run(denominators)
    }

    /// As [`Self::evaluate`] without statistics, which take about half of the time.
    ///
    /// # Errors
    /// Those of [`Self::evaluate`].
    pub fn loss_and_gradient(
        &self,
        batch: &TokenBatch<'_>,
        denominators: &Denominators,
    ) -> Result<TokenLoss, ObjectiveError> {
        Evaluation::new(self, batch, Report::Loss)?.run(denominators)
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
        Evaluation::new(self, batch, Report::Tokens)?.run(denominators)
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
    control_ratio: Column,
    multiplier: Column,
    value: Column,
    psi: Column,
    zeta: Column,
    survival: Column,
    surrogate: Column,
    coefficient: Column,
}

struct Evaluation<'a> {
    objective: &'a Objective,
    batch: &'a TokenBatch<'a>,
    by_sequence: bool,
    /// Whether a policy drift is on.
    drifts: bool,
    bounds: Bounds,
    block: Box<Block>,
    scratch: Box<Scratch>,
    loss: f64,
    grad_logp: Vec<f32>,
    detail: Option<TokenDetail>,
    trained: usize,
    collector: Option<Collector>,
}

impl<'a> Evaluation<'a> {
    fn new(objective: &'a Objective, batch: &'a TokenBatch<'a>, report: Report) -> Result<Self, ObjectiveError> {
        let missing = |field, method, reader: String| Err(ObjectiveError::Missing { field, method, reader });
        if objective.regularizer.reference_coefficient != 0.0 && batch.logp_ref.is_none() {
            return missing("logp_ref", "with_logp_ref", "the reference constraint".to_owned());
        }
        if objective.control.weighs_epochs() && batch.logp_epoch.is_none() {
            return missing("logp_epoch", "with_logp_epoch", "epoch_weight = \"truncated\"".to_owned());
        }
        let tokens = batch.tokens();
        let zeros = || vec![0.0; tokens];
        let bounds = objective.control.bounds().unwrap_or(Bounds::REPORT);
        let column = [0.0; BLOCK];
        Ok(Self {
            objective,
            batch,
            drifts: objective.control.drift().is_some() || objective.regularizer.drift.coefficient != 0.0,
            by_sequence: objective.control.controls_sequences(),
            bounds,
            block: Box::new(Block::new()),
            scratch: Box::new(Scratch {
                ratio: column,
                k3: column,
                control_ratio: column,
                multiplier: column,
                value: column,
                psi: column,
                zeta: column,
                survival: column,
                surrogate: column,
                coefficient: column,
            }),
            loss: 0.0,
            grad_logp: if batch.mask.is_some() { zeros() } else { Vec::with_capacity(tokens) },
            detail: (report == Report::Tokens).then(|| TokenDetail {
                surrogate: zeros(),
                coefficient: zeros(),
                multiplier: zeros(),
                region: vec![Region::Middle; tokens],
            }),
            trained: 0,
            collector: (report != Report::Loss).then(|| Collector::new(bounds.log_f32())),
        })
    }

    fn run(mut self, denominators: &Denominators) -> Result<TokenLoss, ObjectiveError> {
        if denominators.aggregation() != self.objective.aggregation {
            let (expected, got) = (self.objective.aggregation, denominators.aggregation());
            return Err(ObjectiveError::OtherAggregation { expected, got });
        }
        let batch = self.batch;
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
            if let Some(mask) = batch.mask {
                picked.clear();
                picked.extend((span[0]..span[1]).filter(|&t| mask[t]).map(|t| t as u32));
            }
            self.trained += trained;
            if let Some(collector) = &mut self.collector {
                collector.count_sequence();
            }
            let values = SequenceValues {
                weight: weight as f32,
                advantage: match batch.advantages {
                    Advantages::PerSequence(advantages) => advantages[sequence],
                    Advantages::PerToken(_) => 0.0,
                },
                mean_log_ratio: self.by_sequence.then(|| mean_log_ratio(batch, span, &picked, trained)),
                trained,
                before: 0,
                needs_progress: self.objective.control.formula().needs_progress(),
            };
            self.push_sequence(span[0], &picked, values)?;
        }
        self.flush()?;
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
        if n == 0 {
            return Ok(());
        }
        self.check(n)?;
        self.ratios(n);
        self.weigh_epoch(n);
        self.terms(n);
        self.weigh(n);
        if let Some(drift) = self.objective.control.drift() {
            self.drift(n, drift);
        }
        self.drift(n, self.objective.regularizer.drift);
        if self.batch.logp_ref.is_some() {
            self.reference(n);
        }
        self.store(n);
        self.block.len = 0;
        Ok(())
    }

    fn check(&self, n: usize) -> Result<(), ObjectiveError> {
        let block = &self.block;
        let find = |field: &'static str, values: &[f32], bad: &dyn Fn(f32) -> bool| {
            (0..n).map(|i| block.token(self.batch, i)).find(|&t| bad(values[t])).map(|token| {
                let (sequence, position) = self.batch.place(token);
                (field, values[token], sequence, position)
            })
        };
        let not_finite = |x: f32| !x.is_finite();
        let mut found = None;
        if any_not_finite(&block.log_ratio[..n]) {
            found = find("logp", self.batch.logp, &not_finite)
                .or_else(|| find("logp_old", self.batch.logp_old, &not_finite))
                // two finite numbers whose difference overflows
                .or_else(|| find("logp", self.batch.logp, &|x| x.abs() > f32::MAX / 2.0));
        }
        if found.is_none() && any_not_finite(&block.advantage[..n]) {
            found = match self.batch.advantages {
                Advantages::PerToken(values) => find("advantages", values, &not_finite),
                Advantages::PerSequence(values) => (0..n).find(|&i| !block.advantage[i].is_finite()).map(|i| {
                    let (sequence, position) = self.batch.place(block.token(self.batch, i));
                    ("advantages", values[sequence], sequence, position)
                }),
            };
        }
        if let (None, Some(values)) = (found, self.batch.logp_ref)
            && any_not_finite(&block.logp_ref[..n])
        {
            found = find("logp_ref", values, &not_finite);
        }
        if let (None, Some(values)) = (found, self.batch.logp_epoch)
            && any_not_finite(&block.log_epoch_ratio[..n])
        {
            found = find("logp_epoch", values, &not_finite);
        }
        if let (None, Some(values)) = (found, self.batch.token_weights) {
            if any_not_finite(&block.token_weight[..n]) {
                found = find("token_weights", values, &not_finite);
            } else if let Some((field, value, sequence, position)) = find("token_weights", values, &|w| w < 0.0) {
                return Err(ObjectiveError::Domain { field, value, expected: "0 or more", sequence, position });
            }
        }
        match found {
            Some((field, value, sequence, position)) => {
                Err(ObjectiveError::NotFinite { field, value, sequence, position })
            }
            None => Ok(()),
        }
    }

    fn ratios(&mut self, n: usize) {
        let log_ratio = &self.block.log_ratio[..n];
        let (ratio, k3) = (&mut self.scratch.ratio[..n], &mut self.scratch.k3[..n]);
        if self.collector.is_none() && !self.drifts {
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
        if self.by_sequence {
            let (control, ratio) = (&self.block.control[..n], &mut self.scratch.control_ratio[..n]);
            for i in 0..n {
                ratio[i] = exp(control[i]);
            }
        }
    }

    /// CPGD §6.1: `A ← clip(π_epoch/π_old, 1−ε, 1+ε)·A`.
    fn weigh_epoch(&mut self, n: usize) {
        let Some(bounds) = self.objective.control.formula().epoch_bounds() else { return };
        let (floor, cap) = ((1.0 - bounds.low) as f32, (1.0 + bounds.high) as f32);
        let block = &mut *self.block;
        for (advantage, &log_ratio) in block.advantage[..n].iter_mut().zip(&block.log_epoch_ratio[..n]) {
            *advantage = finite(*advantage * greater(lesser(exp(log_ratio), cap), floor));
        }
    }

    /// Ratio control, and the statistics of it.
    fn terms(&mut self, n: usize) {
        let (block, scratch) = (&self.block, &mut *self.scratch);
        let (control, control_ratio) = if self.by_sequence {
            (&block.control[..n], &scratch.control_ratio[..n])
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
        let mut outputs = Outputs {
            multiplier: &mut scratch.multiplier[..n],
            value: &mut scratch.value[..n],
            with_statistics: self.collector.is_some(),
            psi: &mut scratch.psi[..n],
            zeta: &mut scratch.zeta[..n],
            survival: &mut scratch.survival[..n],
        };
        let formula = self.objective.control.formula();
        formula.columns(&inputs, &mut outputs);
        let Some(collector) = &mut self.collector else { return };
        let dual = formula.count_dual(&inputs);
        collector.add_dual(dual);
        if matches!(self.objective.control, Control::Mhpo(_)) {
            collector.add_hazard(&scratch.psi[..n], &scratch.zeta[..n], &scratch.survival[..n]);
        }
        collector.add(&Observed {
            log_ratio: &block.log_ratio[..n],
            ratio: &scratch.ratio[..n],
            k3: &scratch.k3[..n],
            control,
            advantage: &block.advantage[..n],
            multiplier: &scratch.multiplier[..n],
        });
    }

    /// `J` and `g` of the ratio control, times the behaviour weight.
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

    fn drift(&mut self, n: usize, drift: Drift) {
        if drift.coefficient == 0.0 {
            return;
        }
        let (alpha, bound) = (drift.coefficient as f32, drift.bound as f32);
        let scratch = &mut *self.scratch;
        let (surrogate, coefficient) = (&mut scratch.surrogate[..n], &mut scratch.coefficient[..n]);
        let (logp, log_ratio, k3) = (&self.block.logp[..n], &self.block.log_ratio[..n], &scratch.k3[..n]);
        for i in 0..n {
            // k3 = r − 1 − ℓ is known without cancellation
            let pull = alpha * lesser(k3[i] + log_ratio[i], bound);
            coefficient[i] = finite(coefficient[i] - pull);
            surrogate[i] = finite(surrogate[i] - pull * logp[i]);
        }
    }

    fn reference(&mut self, n: usize) {
        let scratch = &mut *self.scratch;
        let (logp, logp_ref) = (&self.block.logp[..n], &self.block.logp_ref[..n]);
        // the columns of the ratio's penalty are free by now
        let (k1, excess, k3) = (&mut scratch.psi[..n], &mut scratch.zeta[..n], &mut scratch.survival[..n]);
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
                let log_ratio = if self.by_sequence { block.control[i] } else { block.log_ratio[i] };
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
                for (&token, &value) in block.tokens.iter().zip(&*grad) {
                    self.grad_logp[token as usize] = value;
                }
            }
        }
    }
}

/// The nearest finite number: a product of finite numbers may overflow, and a step should survive it.
#[inline(always)]
fn finite(x: f32) -> f32 {
    greater(lesser(x, f32::MAX), f32::MIN)
}

fn mean_log_ratio(batch: &TokenBatch<'_>, span: &[usize], picked: &[u32], trained: usize) -> f32 {
    let log_ratio = |t: usize| f64::from(batch.logp[t]) - f64::from(batch.logp_old[t]);
    let total: f64 = match batch.mask {
        None => (span[0]..span[1]).map(log_ratio).sum(),
        Some(_) => picked.iter().map(|&t| log_ratio(t as usize)).sum(),
    };
    (total / trained as f64) as f32
}
