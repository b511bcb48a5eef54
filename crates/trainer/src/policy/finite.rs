//! A model whose probabilities are no numbers, which its weights alone do not tell.
use super::{Policy, PolicyError};
use surefoot_engine::generate::Sample;

impl Policy {
    /// That the log-probabilities of its samples are finite.
    ///
    /// # Errors
    /// [`PolicyError::NotFinite`].
    pub fn expect_finite<'s>(&self, samples: impl IntoIterator<Item = &'s Sample>) -> Result<(), PolicyError> {
        let finite = |sample: &Sample| sample.logp.iter().all(|logp| logp.is_finite());
        match samples.into_iter().all(finite) {
            true => Ok(()),
            false => Err(PolicyError::NotFinite { folder: self.source.display().to_string() }),
        }
    }
}
