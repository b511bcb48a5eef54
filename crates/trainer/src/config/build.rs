//! From the configuration to the objects of the objectives crate.

use surefoot_objectives::advantage::{AdvantageEstimator, Estimator};
use surefoot_objectives::{Aggregation, Drift, Objective, OptionError, Regularizer};

use super::{Config, Reward};

impl Config {
    /// The objective of `[objective]`, with the regularisers of `[regularizer]`.
    ///
    /// ```
    /// use surefoot_trainer::config::{Config, Purpose};
    ///
    /// assert_eq!(Config::defaults(Purpose::Train).build_objective()?.name(), "mhpo");
    /// # Ok::<(), surefoot_objectives::OptionError>(())
    /// ```
    ///
    /// # Errors
    /// [`OptionError`] for an unknown name, or an option that the objective does not have; a configuration that was loaded was
    /// checked for it.
    pub fn build_objective(&self) -> Result<Objective, OptionError> {
        self.try_objective().map_err(|(_, error)| error)
    }

    /// The formula of the advantages: a named objective's are its paper's, unless another one is set.
    pub fn estimator(&self) -> Estimator {
        let own = || Objective::named(&self.objective.name).map(|objective| objective.default_advantage().estimator);
        self.advantage.estimator.or_else(|| own().ok()).unwrap_or(Estimator::Grpo)
    }

    /// The estimator of `[advantage]`.
    ///
    /// # Errors
    /// [`OptionError`] for options that contradict each other; a configuration that was loaded was checked for it.
    pub fn advantage_estimator(&self) -> Result<AdvantageEstimator, OptionError> {
        let mut estimator = AdvantageEstimator::of(self.estimator());
        estimator.weight = self.advantage.weight;
        estimator.std = self.advantage.std;
        estimator.scale = self.advantage.scale;
        estimator.set("weight_bound", self.advantage.weight_bound)?;
        estimator.set("kl_coefficient", self.advantage.kl_coefficient)?;
        estimator.kl_estimator = self.advantage.kl_estimator;
        estimator.check()?;
        Ok(estimator)
    }

    /// As [`Config::build_objective`]; an error comes with the key that it is about.
    pub(super) fn try_objective(&self) -> Result<Objective, (String, OptionError)> {
        let mut objective =
            Objective::named(&self.objective.name).map_err(|error| ("objective.name".to_string(), error))?;
        for (key, value) in &self.objective.options {
            objective.set(key, value.clone()).map_err(|error| (format!("objective.{key}"), error))?;
        }
        if objective.aggregation == Aggregation::SeqMeanTokenSumNorm && objective.aggregation_length.is_none() {
            objective.aggregation_length = Some(self.rollout.max_new_tokens as f64);
        }
        objective.regularizer = Regularizer {
            drift: Drift { coefficient: self.regularizer.drift_coefficient, bound: self.regularizer.drift_bound },
            reference_coefficient: self.regularizer.reference_coefficient,
            reference_estimator: self.regularizer.reference_estimator,
        };
        // Its length being there, what is left to contradict is a second policy drift.
        objective.check().map_err(|error| ("regularizer.drift_coefficient".to_string(), error))?;
        Ok(objective)
    }
}

impl Reward {
    /// The weight of each reward of `reward.name`: 1 where none are set.
    pub fn weight_of_each(&self) -> Vec<f32> {
        let weights = self.weights.iter().map(|&weight| weight as f32).chain(std::iter::repeat(1.0));
        weights.take(self.name.len()).collect()
    }
}
