//! One run over several processes, its *ranks*: who they are, and the few ways in which they speak to each other.
//!
//! Every rank loads the data and the model, samples and judges its share of a step's prompts, and tells the others what came
//! of it. From there on all of them compute the same: advantages, normalisers and metrics from whole mini-batches, and the
//! optimizer's step from the whole gradient. Only the forward and backward passes between are shared out; the partial
//! gradients are summed in a fixed order (`ranks/sum.rs`), so that the sum's bits do not depend on who
//! computed which of them. Rank 0 alone writes.
//!
//! What carries the messages is a [`Link`]: MPI (`ranks/mpi.rs`, with the feature `mpi`), threads of one process, which the
//! tests use, or none, for a run that is alone. Devices that can sum by themselves (GPUs, by NCCL)
//! take the place of [`Ranks::sum`] (`Policy::name_group`, `Policy::join`).

mod error;
mod launch;
#[cfg(feature = "mpi")]
pub mod mpi;
mod sum;
mod threads;
mod wire;

use std::ops::Range;
use std::sync::Arc;

pub use error::RanksError;
pub use launch::{launched, local_rank};
pub(crate) use sum::add;
pub use threads::threads;
pub(crate) use wire::{Reader, Writer};

/// What carries messages between ranks. An operation that cannot be done because a rank is gone is a [`RanksError::Lost`].
pub trait Link: Send + Sync {
    /// This process's number, from 0.
    fn rank(&self) -> usize;
    /// Number of processes.
    fn size(&self) -> usize;
    /// Sends `values` to another rank, which must [`Link::receive`] as many.
    ///
    /// # Errors
    /// [`RanksError::Lost`].
    fn send(&self, to: usize, values: &[f32]) -> Result<(), RanksError>;
    /// Fills `values` with what the rank `from` sends.
    ///
    /// # Errors
    /// [`RanksError::Lost`].
    fn receive(&self, from: usize, values: &mut [f32]) -> Result<(), RanksError>;
    /// What each rank gives, by rank; every rank must call it.
    ///
    /// # Errors
    /// [`RanksError::Lost`].
    fn gather(&self, own: Vec<u8>) -> Result<Vec<Vec<u8>>, RanksError>;
    /// What each rank gives, by rank, for rank 0 alone; nothing for the others. Every rank must call it.
    ///
    /// # Errors
    /// [`RanksError::Lost`].
    fn gather_first(&self, own: Vec<u8>) -> Result<Vec<Vec<u8>>, RanksError>;
}

/// The ranks of a run, seen from one of them.
#[derive(Clone)]
pub struct Ranks(Option<Arc<dyn Link>>);

impl Ranks {
    /// One process alone: every operation is done at once.
    pub fn alone() -> Self {
        Ranks(None)
    }

    /// The ranks that `link` joins.
    pub fn over(link: Arc<dyn Link>) -> Self {
        Ranks((link.size() > 1).then_some(link))
    }

    /// This process's number, from 0.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |link| link.rank())
    }

    /// Number of processes.
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(1, |link| link.size())
    }

    /// Whether this is rank 0, which writes.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Whether there are others.
    pub fn are_several(&self) -> bool {
        self.size() > 1
    }

    /// The part of `count` things that this rank works on: the ranks' parts follow one another, and differ by one at most.
    ///
    /// ```
    /// use surefoot_trainer::ranks::threads;
    ///
    /// let parts: Vec<_> = threads(3).iter().map(|ranks| ranks.share(8)).collect();
    /// assert_eq!(parts, [0..3, 3..6, 6..8]);
    /// ```
    pub fn share(&self, count: usize) -> Range<usize> {
        self.share_of(self.rank(), count)
    }

    /// The part of `count` things that `rank` works on.
    pub fn share_of(&self, rank: usize, count: usize) -> Range<usize> {
        let bound = |rank: usize| (rank * count).div_ceil(self.size());
        bound(rank)..bound(rank + 1)
    }

    /// What each rank gives, by rank.
    ///
    /// # Errors
    /// [`RanksError::Lost`].
    pub fn gather(&self, own: Vec<u8>) -> Result<Vec<Vec<u8>>, RanksError> {
        match &self.0 {
            Some(link) => link.gather(own),
            None => Ok(vec![own]),
        }
    }

    /// What each rank gives, by rank, for rank 0 alone; nothing for the others.
    ///
    /// # Errors
    /// [`RanksError::Lost`].
    pub fn gather_first(&self, own: Vec<u8>) -> Result<Vec<Vec<u8>>, RanksError> {
        match &self.0 {
            Some(link) => link.gather_first(own),
            None => Ok(vec![own]),
        }
    }

    /// What rank 0 gives; `own` is called there alone.
    ///
    /// # Errors
    /// [`RanksError::Lost`].
    pub fn broadcast(&self, own: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, RanksError> {
        let own = if self.is_first() { own() } else { Vec::new() };
        Ok(self.gather(own)?.swap_remove(0))
    }

    /// Waits until every rank is here.
    ///
    /// # Errors
    /// [`RanksError::Lost`].
    pub fn meet(&self) -> Result<(), RanksError> {
        self.gather(Vec::new()).map(|_| ())
    }

    /// Whether any rank says so.
    ///
    /// # Errors
    /// [`RanksError::Lost`].
    pub fn any(&self, own: bool) -> Result<bool, RanksError> {
        Ok(self.gather(vec![u8::from(own)])?.iter().any(|said| said == &[1]))
    }

    /// The greatest of the ranks' numbers.
    ///
    /// # Errors
    /// [`RanksError::Lost`].
    pub fn greatest(&self, own: u64) -> Result<u64, RanksError> {
        let all = self.gather(own.to_le_bytes().to_vec())?;
        all.iter().try_fold(0, |greatest, said| Ok(Reader::new(said).number()?.max(greatest)))
    }

    /// Checks that what must be equal is; `own` is a fingerprint of `what`, and `hint` says what to do.
    ///
    /// # Errors
    /// [`RanksError::Differ`] names the first rank that differs from rank 0.
    pub fn agree(&self, what: &'static str, own: u64, hint: &'static str) -> Result<(), RanksError> {
        let all = self.gather(own.to_le_bytes().to_vec())?;
        match all.iter().position(|said| *said != all[0]) {
            Some(rank) => Err(RanksError::Differ { rank, size: self.size(), what, hint }),
            None => Ok(()),
        }
    }

    /// The sum of the partial gradients of all ranks, in the order of their numbers and on each in the order that they stand in:
    /// `((p0 + p1) + p2) + …`. `total` holds the first of this rank's (nothing of use where it has none, which `none` says),
    /// `further` the others; afterwards `total` holds the sum on every rank.
    ///
    /// # Errors
    /// [`RanksError::Lost`].
    pub fn sum(&self, total: &mut [f32], further: &[Vec<f32>], none: bool) -> Result<(), RanksError> {
        sum::ordered_sum(self.0.as_deref(), total, further, none)
    }
}

impl std::fmt::Debug for Ranks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.size())
    }
}
