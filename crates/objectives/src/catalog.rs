//! The list of objectives: keys, sources and their papers' defaults, in one place.

use crate::advantage::Estimator::{self, DrGrpo, Grpo, ReinforcePlusPlus, Rloo};
use crate::aggregation::Aggregation::{self, PromptMeanTokenMean, SeqMeanTokenMean, SeqMeanTokenSumNorm, TokenMean};
use crate::control::{
    Aspo, Cispo, Control, Cpgd, Dgpo, Dppo, Gmpo, Gppo, Gspo, HardClip, ImportanceSampling, Mhpo, Own, PolicyGradient,
    Sapo, Surrogate,
};

/// An objective as its paper has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The key, as `mhpo`.
    pub key: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// Where its formula stands.
    pub source: &'static str,
    /// Ratio control with the paper's options.
    pub control: Control,
    /// The paper's aggregation.
    pub aggregation: Aggregation,
    /// The paper's advantages (CPGD's STD weight is `grpo`).
    pub estimator: Estimator,
}

impl Recipe {
    /// A recipe for an objective of one's own: GRPO's aggregation and advantages, and no source, unless they are given.
    ///
    /// ```
    /// use surefoot_objectives::control::Dgpo;
    /// use surefoot_objectives::{Aggregation, Recipe};
    /// let recipe = Recipe {
    ///     source: "our notes",
    ///     aggregation: Aggregation::TokenMean,
    ///     ..Recipe::own("dgpo_by_token", "DGPO, averaged over tokens", Dgpo::DEFAULT)
    /// };
    /// assert_eq!(recipe.estimator.key(), "grpo");
    /// ```
    pub fn own(
        key: &'static str,
        title: &'static str,
        surrogate: impl Surrogate + Clone + Send + Sync + 'static,
    ) -> Self {
        recipe(key, title, "own", Control::Own(Own::new(surrogate)), SeqMeanTokenMean, Grpo)
    }
}

const fn recipe(
    key: &'static str,
    title: &'static str,
    source: &'static str,
    control: Control,
    aggregation: Aggregation,
    estimator: Estimator,
) -> Recipe {
    Recipe { key, title, source, control, aggregation, estimator }
}

/// Every built-in objective; [`crate::recipes`] has those besides that were registered.
#[rustfmt::skip] // a table: one line each
pub static RECIPES: &[Recipe] = &[
    recipe("pg", "policy gradient", "CPGD §4.2", Control::PolicyGradient(PolicyGradient), SeqMeanTokenMean, Grpo),
    recipe("is", "importance-sampled policy gradient, GRPO without the clip", "CPGD §4.2", Control::ImportanceSampling(ImportanceSampling), SeqMeanTokenMean, Grpo),
    recipe("grpo", "hard clip of PPO", "MHPO eq. 1, DGPO eq. 2", Control::HardClip(HardClip::GRPO), SeqMeanTokenMean, Grpo),
    recipe("ppo_dual_clip", "hard clip, and a cap for negative advantages", "CPGD §4.2 (Ye et al. 2020)", Control::HardClip(HardClip::DUAL), SeqMeanTokenMean, Grpo),
    recipe("dr_grpo", "hard clip, no length and no deviation in the normalisation", "Dr. GRPO", Control::HardClip(HardClip::GRPO), SeqMeanTokenSumNorm, DrGrpo),
    recipe("dapo", "hard clip, higher above", "DAPO", Control::HardClip(HardClip::DAPO), TokenMean, Grpo),
    recipe("rloo", "hard clip, leave-one-out advantages", "CPGD §3.2", Control::HardClip(HardClip::GRPO), SeqMeanTokenMean, Rloo),
    recipe("reinforce_plus_plus", "hard clip, globally normalised returns", "CPGD §3.2", Control::HardClip(HardClip::GRPO), SeqMeanTokenMean, ReinforcePlusPlus),
    recipe("gspo", "hard clip on the ratio of the sequence", "GSPO", Control::Gspo(Gspo::DEFAULT), SeqMeanTokenMean, Grpo),
    recipe("gmpo", "geometric mean of ratios that are clipped token by token", "GMPO", Control::Gmpo(Gmpo::DEFAULT), SeqMeanTokenMean, Grpo),
    recipe("sapo", "sigmoid gate", "SAPO", Control::Sapo(Sapo::DEFAULT), SeqMeanTokenMean, Grpo),
    recipe("cispo", "clipped weight, gradient never zero", "DGPO eq. 3", Control::Cispo(Cispo::DEFAULT), TokenMean, Grpo),
    recipe("gppo", "constant gradient outside of the bounds", "DGPO eq. 4", Control::Gppo(Gppo::GPPO), TokenMean, Grpo),
    recipe("ce_gppo", "scaled constant gradient outside of the bounds", "DGPO eq. 5", Control::Gppo(Gppo::CE), TokenMean, Grpo),
    recipe("aspo", "ratio inverted for positive advantages", "DGPO eq. 6, ASPO", Control::Aspo(Aspo::DEFAULT), TokenMean, Grpo),
    recipe("dppo_tv", "ratio masked by the total variation of the token's probability", "DPPO", Control::Dppo(Dppo::TV), SeqMeanTokenSumNorm, DrGrpo),
    recipe("dppo_kl", "ratio masked by the divergence of the token's probability", "DPPO", Control::Dppo(Dppo::KL), SeqMeanTokenSumNorm, DrGrpo),
    recipe("mhpo", "bounded log-ratio with a hazard penalty", "MHPO eq. 4, 8, 10, 11", Control::Mhpo(Mhpo::DEFAULT), SeqMeanTokenMean, Grpo),
    recipe("dgpo", "probability-gradient weight that decays on either side", "DGPO eq. 9, 37-40", Control::Dgpo(Dgpo::DEFAULT), PromptMeanTokenMean, Grpo),
    recipe("cpgd", "clipped policy gradient with policy drift", "CPGD eq. 2", Control::Cpgd(Cpgd::CPGD), PromptMeanTokenMean, Grpo),
    recipe("cpg", "CPGD without the drift", "CPGD §5.3", Control::Cpgd(Cpgd::CPG), PromptMeanTokenMean, Grpo),
    recipe("pgd", "CPGD without the clip", "CPGD §5.3", Control::Cpgd(Cpgd::PGD), PromptMeanTokenMean, Grpo),
];
