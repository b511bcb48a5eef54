//! The binary `surefoot`.
fn main() {}
