//! Loss and gradient of a batch in `f64`, token by token through [`Formula::term`](crate::control::Formula::term).

use crate::aggregation::Denominators;
use crate::batch::{Advantages, TokenBatch};
use crate::control::Token;
use crate::error::ObjectiveError;
use crate::objective::Objective;

/// Loss and gradient in `f64`.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainLoss {
    /// `L = −Σ_t w_t·J_t`.
    pub loss: f64,
    /// `∂L/∂logp` `[T]`, 0 where the mask is false.
    pub grad_logp: Vec<f64>,
}

impl Objective {
    /// Loss and gradient as [`Self::evaluate`] gives them, in `f64` from the plain formulas: for finite differences and for
    /// double-precision callers. About twenty times slower, and without statistics.
    ///
    /// ```
    /// use surefoot_objectives::{Advantages, Objective, TokenBatch};
    /// let objective = Objective::named("is")?;
    /// let offsets = [0, 1];
    /// let batch = TokenBatch::new(&[-1.0_f64], &[-1.5], Advantages::PerSequence(&[2.0]), &offsets, &[0])?;
    /// let plain = objective.evaluate_plainly(&batch, &objective.denominators(&offsets, None, &[0])?)?;
    /// assert_eq!(plain.grad_logp, [-2.0 * 0.5_f64.exp()]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Self::evaluate`].
    pub fn evaluate_plainly(
        &self,
        batch: &TokenBatch<'_, f64>,
        denominators: &Denominators,
    ) -> Result<PlainLoss, ObjectiveError> {
        self.check_fields(batch)?;
        self.check_aggregation(denominators)?;
        let masked = self.mask_off_policy(batch);
        let kept = masked.as_ref().map(|masked| masked.batch(batch));
        let batch = kept.as_ref().unwrap_or(batch);
        let mut plain = PlainLoss { loss: 0.0, grad_logp: vec![0.0; batch.tokens()] };
        let mut trained = 0;
        for (sequence, span) in batch.offsets.windows(2).enumerate() {
            let tokens: Vec<usize> = (span[0]..span[1]).filter(|&t| batch.mask.is_none_or(|mask| mask[t])).collect();
            if tokens.is_empty() {
                continue;
            }
            trained += tokens.len();
            let group = batch.groups[sequence];
            let weight =
                denominators.weight(tokens.len(), group).ok_or(ObjectiveError::UnknownGroup { sequence, group })?;
            let gap = |&t: &usize| batch.logp[t] - batch.logp_old[t];
            let clip = self.control.formula().clip_before_mean();
            let advantage = |t: usize| match batch.advantages {
                Advantages::PerSequence(values) => values[sequence],
                Advantages::PerToken(values) => values[t],
            };
            let controlled = |t: &usize| clip.map_or(gap(t), |clip| clip.clipped(gap(t), advantage(*t)));
            let mean = tokens.iter().map(controlled).sum::<f64>() / tokens.len() as f64;
            for (before, &t) in tokens.iter().enumerate() {
                check_token(batch, sequence, t)?;
                let (surrogate, coefficient) =
                    self.token_terms(batch, t, advantage(t), mean, (before + 1) as f64 / tokens.len() as f64);
                if surrogate.is_nan() || coefficient.is_nan() {
                    let log_ratio = if self.control.controls_sequences() { mean } else { gap(&t) } as f32;
                    let (objective, advantage, position) = (self.name(), advantage(t) as f32, t - span[0]);
                    return Err(ObjectiveError::Undefined { objective, log_ratio, advantage, sequence, position });
                }
                plain.loss -= weight * surrogate;
                plain.grad_logp[t] = 0.0 - weight * coefficient;
            }
        }
        if trained == 0 { Err(ObjectiveError::NothingTrained) } else { Ok(plain) }
    }

    /// `J` and `g` of one token with everything that belongs to them.
    fn token_terms(
        &self,
        batch: &TokenBatch<'_, f64>,
        t: usize,
        advantage: f64,
        mean: f64,
        progress: f64,
    ) -> (f64, f64) {
        let (logp, log_ratio) = (batch.logp[t], batch.logp[t] - batch.logp_old[t]);
        let mut advantage = advantage;
        if let (Some(bounds), Some(logp_epoch)) = (self.control.formula().epoch_bounds(), batch.logp_epoch) {
            advantage *= (logp_epoch[t] - batch.logp_old[t]).exp().clamp(1.0 - bounds.low, 1.0 + bounds.high);
        }
        let control = if self.control.controls_sequences() { mean } else { log_ratio };
        let mut term = self.control.formula().term(Token { logp, log_ratio: control, advantage, progress });
        if self.control.formula().clip_before_mean().is_some_and(|clip| clip.is_beyond(log_ratio, advantage)) {
            term.coefficient = 0.0;
        }
        let token_weight = batch.token_weights.map_or(1.0, |weights| weights[t]);
        let (mut surrogate, mut coefficient) = (term.surrogate * token_weight, term.coefficient * token_weight);
        let drifts = [self.control.drift(), Some(self.regularizer.drift)];
        for drift in drifts.into_iter().flatten().filter(|drift| drift.coefficient != 0.0) {
            let term = drift.term(logp, log_ratio);
            surrogate += term.surrogate;
            coefficient += term.coefficient;
        }
        if let Some(logp_ref) = batch.logp_ref.filter(|_| self.regularizer.reference_coefficient != 0.0) {
            let term = self.regularizer.reference_term(logp, logp_ref[t]);
            surrogate += term.surrogate;
            coefficient += term.coefficient;
        }
        (surrogate, coefficient)
    }
}

/// Refuses values of a trained token that are not finite, and negative weights.
fn check_token(batch: &TokenBatch<'_, f64>, sequence: usize, t: usize) -> Result<(), ObjectiveError> {
    let position = t - batch.offsets[sequence];
    let advantage = match batch.advantages {
        Advantages::PerSequence(values) => values[sequence],
        Advantages::PerToken(values) => values[t],
    };
    let optional = |column: Option<&[f64]>| column.map_or(0.0, |column| column[t]);
    let columns = [
        ("logp", batch.logp[t]),
        ("logp_old", batch.logp_old[t]),
        ("advantages", advantage),
        ("logp_ref", optional(batch.logp_ref)),
        ("logp_epoch", optional(batch.logp_epoch)),
        ("token_weights", optional(batch.token_weights)),
    ];
    if let Some((field, value)) = columns.into_iter().find(|(_, value)| !value.is_finite()) {
        return Err(ObjectiveError::NotFinite { field, value: value as f32, sequence, position });
    }
    let weight = optional(batch.token_weights);
    if weight < 0.0 {
        let (field, value, expected) = ("token_weights", weight as f32, "0 or more");
        return Err(ObjectiveError::Domain { field, value, expected, sequence, position });
    }
    Ok(())
}
