//! The list of objectives: keys, sources and their papers' defaults, in one place.

use crate::aggregation::Aggregation::{self, SeqMeanTokenMean};
use crate::control::{Control, HardClip, Mhpo};

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
}

/// Every objective.
pub static RECIPES: &[Recipe] = &[
    Recipe {
        key: "grpo",
        title: "hard clip of PPO",
        source: "MHPO eq. 1, DGPO eq. 2",
        control: Control::HardClip(HardClip::GRPO),
        aggregation: SeqMeanTokenMean,
    },
    Recipe {
        key: "mhpo",
        title: "bounded log-ratio with a hazard penalty",
        source: "MHPO eq. 4, 8, 10, 11",
        control: Control::Mhpo(Mhpo::DEFAULT),
        aggregation: SeqMeanTokenMean,
    },
];
