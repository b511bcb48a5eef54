//! What is measured, and `metrics.jsonl`.

pub mod definition;
mod document;
mod file;
mod record;
mod tensorboard;

pub use definition::{METRICS, Metric};
pub use document::page;
pub use file::{MetricsError, MetricsFile, read};
pub use record::Record;
pub use tensorboard::TensorBoard;
