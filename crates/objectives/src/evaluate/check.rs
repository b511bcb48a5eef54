//! Refuses values that no arithmetic should see.

use super::Evaluation;
use crate::aggregation::Denominators;
use crate::batch::{Advantages, TokenBatch};
use crate::block::any_not_finite;
use crate::error::ObjectiveError;
use crate::objective::Objective;

impl Objective {
    /// Refuses a batch without what the objective reads.
    pub(super) fn check_fields<F>(&self, batch: &TokenBatch<'_, F>) -> Result<(), ObjectiveError> {
        let missing =
            |field, method, reader: &str| Err(ObjectiveError::Missing { field, method, reader: reader.into() });
        if self.regularizer.reference_coefficient != 0.0 && batch.logp_ref.is_none() {
            return missing("logp_ref", "with_logp_ref", "the reference constraint");
        }
        if self.control.weighs_epochs() && batch.logp_epoch.is_none() {
            return missing("logp_epoch", "with_logp_epoch", "epoch_weight = \"truncated\"");
        }
        Ok(())
    }

    /// Refuses denominators of another aggregation.
    pub(super) fn check_aggregation(&self, denominators: &Denominators) -> Result<(), ObjectiveError> {
        let (expected, got) = (self.aggregation, denominators.aggregation());
        if expected == got { Ok(()) } else { Err(ObjectiveError::OtherAggregation { expected, got }) }
    }
}

impl Evaluation<'_> {
    /// Refuses a block in which the objective gave what is no number.
    pub(super) fn check_defined(&self) -> Result<(), ObjectiveError> {
        let Some(i) = self.undefined else { return Ok(()) };
        let (sequence, position) = self.batch.place(self.block.token(self.batch, i));
        let log_ratio = if self.by_sequence { self.block.control[i] } else { self.block.log_ratio[i] };
        let (objective, advantage) = (self.objective.name(), self.block.advantage[i]);
        Err(ObjectiveError::Undefined { objective, log_ratio, advantage, sequence, position })
    }

    /// Refuses a sequence whose own advantage is not finite.
    pub(super) fn check_advantage(&self, sequence: usize) -> Result<(), ObjectiveError> {
        let Advantages::PerSequence(advantages) = self.batch.advantages else { return Ok(()) };
        let value = advantages[sequence];
        if value.is_finite() {
            return Ok(());
        }
        let start = self.batch.offsets[sequence];
        let position = self.batch.runs(sequence).next().map_or(0, |run| run.start - start);
        Err(ObjectiveError::NotFinite { field: "advantages", value, sequence, position })
    }

    /// Looks for values of the block that are not finite, and for negative weights.
    pub(super) fn check(&self, n: usize) -> Result<(), ObjectiveError> {
        let block = &self.block;
        let find = |field: &'static str, values: &[f32], bad: &dyn Fn(f32) -> bool| {
            (0..n).map(|i| block.token(self.batch, i)).find(|&t| bad(values[t])).map(|token| {
                let (sequence, position) = self.batch.place(token);
                (field, values[token], sequence, position)
            })
        };
        let not_finite = |x: f32| !x.is_finite();
        let too_great = |x: f32| x.abs() > f32::MAX / 2.0;
        let mut found = None;
        if any_not_finite(&block.log_ratio[..n]) {
            found = find("logp", self.batch.logp, &not_finite)
                .or_else(|| find("logp_old", self.batch.logp_old, &not_finite))
                // two finite numbers whose difference overflows: one of them is that great
                .or_else(|| find("logp", self.batch.logp, &too_great))
                .or_else(|| find("logp_old", self.batch.logp_old, &too_great));
        }
        if let (None, Advantages::PerToken(values)) = (found, self.batch.advantages)
            && any_not_finite(&block.advantage[..n])
        {
            found = find("advantages", values, &not_finite);
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
}
