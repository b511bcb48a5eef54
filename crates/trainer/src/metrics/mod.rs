//! What is measured, and `metrics.jsonl`.

pub mod definition;
mod document;
mod file;
mod record;
mod tensorboard;

pub use definition::{METRICS, Metric};
pub use document::page;
pub use file::{MetricsError, MetricsFile, Readable, read, read_what_is_whole};
pub use record::Record;
pub use tensorboard::TensorBoard;
