//! CUDA: the kernels and what the host prepares for them.
pub mod plan;
pub mod sources;
