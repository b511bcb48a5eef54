//! Weights and masks of samples that another policy drew than the one that is updated.
use surefoot_objectives::ObjectiveError;
use surefoot_objectives::correction::{Correction, CorrectionStats};

/// A sample as a correction reads it.
pub(crate) struct Drawn<'a> {
    /// Log-probabilities under the policy where its ratios start.
    pub logp_old: &'a [f32],
    /// The same as its sampler said.
    pub logp_behavior: &'a [f32],
    /// Whether the updates take it at all.
    pub trained: bool,
}

impl Drawn<'_> {
    /// Whether the correction looks at it: what is not finite is refused by the update, which counts it.
    pub fn is_taken(&self) -> bool {
        self.trained && self.logp_old.iter().chain(self.logp_behavior).all(|logp| logp.is_finite())
    }
}

/// Weights and masks of a step's samples.
#[derive(Default)]
pub(crate) struct Corrected {
    weights: Vec<Vec<f32>>,
    masks: Vec<Vec<bool>>,
    /// How far the two policies are apart.
    pub stats: CorrectionStats,
}

impl Corrected {
    /// Applies `correction` to all samples of a step together.
    pub fn of<'a>(
        correction: &Correction,
        samples: impl IntoIterator<Item = Drawn<'a>>,
    ) -> Result<Self, ObjectiveError> {
        let (mut old, mut behavior, mut mask, mut offsets) = (Vec::new(), Vec::new(), Vec::new(), vec![0]);
        for drawn in samples {
            old.extend_from_slice(drawn.logp_old);
            behavior.extend_from_slice(drawn.logp_behavior);
            mask.extend(std::iter::repeat_n(drawn.is_taken(), drawn.logp_old.len()));
            offsets.push(old.len());
        }
        let found = correction.apply(&old, &behavior, &offsets, Some(&mask))?;
        let spans = || offsets.windows(2).map(|span| span[0]..span[1]);
        let weights = found.token_weights.map(|all| spans().map(|span| all[span].to_vec()).collect());
        let masks = found.mask.map(|all| spans().map(|span| all[span].to_vec()).collect());
        Ok(Self { weights: weights.unwrap_or_default(), masks: masks.unwrap_or_default(), stats: found.stats })
    }

    /// Weights of a sample's tokens; empty without importance weights.
    pub fn weights(&self, number: usize) -> &[f32] {
        self.weights.get(number).map_or(&[], Vec::as_slice)
    }

    /// Which of its tokens are kept; empty without rejections.
    pub fn mask(&self, number: usize) -> &[bool] {
        self.masks.get(number).map_or(&[], Vec::as_slice)
    }
}
