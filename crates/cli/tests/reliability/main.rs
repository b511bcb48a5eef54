//! What a run promises when something goes wrong: the same bits after any kill, clear words for bad input, no harm from a
//! full disk or from numbers that are not finite. Every test drives the binary.
#![allow(clippy::unwrap_used, reason = "tests")]

mod adapters;
mod ahead;
mod bad_input;
mod best;
mod changed;
mod collapse;
mod cut_evaluation;
mod disk;
mod entropy;
mod interrupt;
mod kills;
mod llama_cpp;
mod mixture;
mod nonfinite;
#[cfg(target_os = "linux")]
mod page;
#[cfg(target_os = "linux")]
mod page_servers;
mod reference;
mod resume;
mod server;
mod server_logp;
mod server_stop;
mod serving;
mod stale;
#[cfg(target_os = "linux")]
mod terminal;
mod tiny;
mod weights;
