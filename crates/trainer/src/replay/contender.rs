//! An objective that takes part in a replay.

use surefoot_objectives::{Aggregation, Objective};

use super::ReplayError;
use crate::config::Config;

/// An objective under the name that tables and plots show.
#[derive(Clone, Debug)]
pub struct Contender {
    /// Its key, with the options that were set.
    pub label: String,
    /// The objective, with the regularisers of the run.
    pub objective: Objective,
}

impl Contender {
    /// The objective that the run trained with.
    ///
    /// # Errors
    /// [`ReplayError::Option`].
    pub fn own(config: &Config) -> Result<Self, ReplayError> {
        let objective = config.build_objective()?;
        Ok(Contender { label: objective.name().to_string(), objective })
    }

    /// Another objective, with the regularisers of the run and, where it sums tokens over a constant length, that of the run
    /// (`rollout.max_new_tokens` if it has none).
    ///
    /// # Errors
    /// [`ReplayError::Option`] for options that contradict each other.
    pub fn of(label: String, mut objective: Objective, config: &Config) -> Result<Self, ReplayError> {
        objective.regularizer = config.build_objective()?.regularizer;
        if objective.control.drift().is_some() {
            objective.regularizer.drift.coefficient = 0.0;
        }
        if objective.aggregation == Aggregation::SeqMeanTokenSumNorm && objective.aggregation_length.is_none() {
            let own = config.build_objective()?.aggregation_length;
            objective.aggregation_length = own.or(Some(config.rollout.max_new_tokens as f64));
        }
        objective.check()?;
        Ok(Contender { label, objective })
    }
}
