//! Why ranks cannot go on together.

/// Why ranks cannot go on together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RanksError {
    /// A rank does not answer any more.
    #[error("rank {rank} is gone: its own message, if it left one, says why. Checkpoints stay; resume the run")]
    Lost {
        /// The rank.
        rank: usize,
    },
    /// Ranks have other data than rank 0.
    #[error("rank {rank} of {size} has another {what} than rank 0: {hint}")]
    Differ {
        /// The first rank that differs.
        rank: usize,
        /// Number of ranks.
        size: usize,
        /// What differs.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A message that is cut or is none of ours.
    #[error("a message between ranks is broken: are all of them the same surefoot?")]
    Broken,
    /// MPI does not start, or cannot do what is needed.
    #[error("{0}")]
    Start(String),
}
