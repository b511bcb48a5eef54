//! Objectives: per-token log-probabilities in, loss and `dL/dlogp` out.
