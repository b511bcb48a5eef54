//! From a completion to a reward.

/// Names that `reward.name` can have.
pub const NAMES: &[&str] = &["math", "math_pm1", "exact", "command"];
