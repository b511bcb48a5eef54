//! `surefoot study`: objectives × settings × seeds on one task, and the table that compares them.
//!
//! A study is a file ([`Plan::load`]) and a folder. Everything that the table says comes from the run folders in it, whose names
//! say which run they are; so a study that was killed goes on where it was, and the table can be made at any time.
//!
//! ```text
//! runs/mhpo.seed-1/     a run folder for each objective, setting and seed
//! cells/                the configuration that each run was started with
//! logs/                 what each run had to say
//! table.md, report.html
//! ```

mod error;
mod outcome;
mod plan;
mod state;
mod statistics;
mod table;

pub use error::StudyError;
pub use outcome::Outcome;
pub use plan::{Cell, Plan};
pub use state::State;
pub use statistics::Estimate;
pub use table::Table;
