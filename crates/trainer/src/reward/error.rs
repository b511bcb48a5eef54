//! What can be wrong with a reward function.

/// Why rewards cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewardError {
    /// The user's program does not start.
    #[error("cannot start the reward program `{program}`: {source}")]
    Start {
        /// The program.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Too many rewards could not be had.
    #[error(
        "{failed} of {samples} rewards failed, more than reward.max_error_share = {limit} allows; the first: {first}"
    )]
    TooManyErrors {
        /// Rewards that failed.
        failed: usize,
        /// Rewards that were asked for.
        samples: usize,
        /// The share that is allowed.
        limit: f64,
        /// The first failure.
        first: String,
    },
}
