//! `rollouts/step-N.parquet`: what was sampled and what it earned, one row a sample.
//!
//! The file is plain parquet with snappy, and lists in the standard three levels: pandas, polars, duckdb and pyarrow open it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, FloatType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::{Map, Value};
use surefoot_engine::folder::write_atomically;

use super::RunFolderError;
use crate::data::guarded;

const SCHEMA: &str = "message rollout {
    required int64 step;
    required int64 policy_version;
    required int64 row;
    required int32 sample;
    required binary prompt (STRING);
    required binary answer (STRING);
    required binary completion (STRING);
    optional float reward;
    required binary verdict (STRING);
    required float advantage;
    required boolean truncated;
    required int32 mini_batch;
    required group tokens (LIST) { repeated group list { required int32 element; } }
    required group logp_old (LIST) { repeated group list { required float element; } }
    required group logp_behavior (LIST) { repeated group list { required float element; } }
    required group logp (LIST) { repeated group list { required float element; } }
    required group logp_ref (LIST) { repeated group list { required float element; } }
}";
/// Last columns, which a file has where a sample of it has such values.
const FURTHER: [Further; 3] = [
    ("advantages", |sample| &sample.advantages),
    ("logp_epoch", |sample| &sample.logp_epoch),
    ("rewards", |sample| &sample.rewards),
];
type Further = (&'static str, fn(&Sample) -> &Vec<f32>);

/// One sample of a rollout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The step.
    pub step: u64,
    /// Number of steps that made the weights which sampled it: `step - 1` on policy, less by the staleness.
    pub policy_version: u64,
    /// Row of the data: samples of one step with the same row are a group.
    pub row: u64,
    /// Number of the sample in its group.
    pub sample: u32,
    /// The prompt as the model saw it.
    pub prompt: String,
    /// The gold answer.
    pub answer: String,
    /// The completion, special tokens left out.
    pub completion: String,
    /// The reward; `None` when it could not be judged.
    pub reward: Option<f32>,
    /// What the reward function said: `correct`, `wrong`, `unparseable`, `over-budget`, ….
    pub verdict: String,
    /// The advantage that it got; the mean of `advantages` where there are any.
    pub advantage: f32,
    /// Whether it was cut at the greatest length.
    pub truncated: bool,
    /// The mini-batch of the step that it was in, from 0.
    pub mini_batch: u32,
    /// The tokens that were sampled.
    pub tokens: Vec<u32>,
    /// Their log-probabilities in the tempered distribution (one a token).
    pub logp_old: Vec<f32>,
    /// Their log-probabilities in the distribution that was sampled from, where it was another: with top-p, top-k or min-p, and with
    /// `correction.mode = "decoupled"`. Else empty.
    pub logp_behavior: Vec<f32>,
    /// Their log-probabilities as its last update saw them: under the policy right before that update. Empty for a sample
    /// that none had to look at (advantage 0 and no regulariser), and where they were not finite.
    pub logp: Vec<f32>,
    /// The same under the reference policy; empty without one. With `advantage.kl_coefficient`, every sample has them.
    pub logp_ref: Vec<f32>,
    /// Advantage of each token, where they differ: with `advantage.kl_coefficient` and an estimator by token.
    pub advantages: Vec<f32>,
    /// Log-probabilities under the policy that the last epoch over the rollout began with, where the objective reads them.
    pub logp_epoch: Vec<f32>,
    /// Each reward before its weight, in the order of `reward.name`, where that names several; NaN for one that could not be judged.
    pub rewards: Vec<f32>,
}

impl Sample {
    /// The tokens' log-probabilities in the distribution that was sampled from, whether that was another or not.
    pub fn drawn_logp(&self) -> &[f32] {
        if self.logp_behavior.is_empty() { &self.logp_old } else { &self.logp_behavior }
    }
}

/// Writes the samples of a step, whole or not at all.
///
/// # Errors
/// [`RunFolderError`] names the file.
pub fn write(path: &Path, samples: &[Sample]) -> Result<(), RunFolderError> {
    // What the system said, where it is the system that refused.
    let reason = |error| match error {
        ParquetError::External(inner) => inner.downcast().map_or_else(std::io::Error::other, |system| *system),
        other => std::io::Error::other(other),
    };
    let fill = |file: &mut std::io::BufWriter<File>| fill(file, samples).map_err(reason);
    write_atomically(path, fill).map_err(RunFolderError::file("write", path))
}

/// Reads the samples of a step.
///
/// # Errors
/// [`RunFolderError`] names the file.
pub fn read(path: &Path) -> Result<Vec<Sample>, RunFolderError> {
    let broken = |message: String| RunFolderError::Rollout { path: path.to_path_buf(), message };
    let file = File::open(path).map_err(RunFolderError::file("read", path))?;
    guarded(|| decode(file, &broken)).map_err(&broken)?
}

fn decode(file: File, broken: &impl Fn(String) -> RunFolderError) -> Result<Vec<Sample>, RunFolderError> {
    let reader = SerializedFileReader::new(file).map_err(|error| broken(error.to_string()))?;
    let rows = reader.get_row_iter(None).map_err(|error| broken(error.to_string()))?;
    let mut samples = Vec::new();
    for row in rows {
        let row = row.map_err(|error| broken(error.to_string()))?.to_json_value();
        let sample = row.as_object().and_then(sample);
        samples.push(sample.ok_or_else(|| broken("a row is not a sample of a rollout of this version".into()))?);
    }
    Ok(samples)
}

fn fill(file: &mut std::io::BufWriter<File>, samples: &[Sample]) -> ParquetResult<()> {
    let wanted = |(_, values): &&Further| samples.iter().any(|sample| !values(sample).is_empty());
    let further: Vec<&Further> = FURTHER.iter().filter(wanted).collect();
    let mut text = SCHEMA.trim_end_matches('}').to_string();
    for (name, _) in &further {
        text += &format!("required group {name} (LIST) {{ repeated group list {{ required float element; }} }}\n");
    }
    let schema = Arc::new(parse_message_type(&(text + "}"))?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
    row_group(writer.next_row_group()?, samples, &further)?;
    writer.close()?;
    Ok(())
}

fn row_group<W: std::io::Write + Send>(
    group: SerializedRowGroupWriter<'_, W>,
    samples: &[Sample],
    further: &[&Further],
) -> ParquetResult<()> {
    let mut columns = Columns { group };
    // In the order of the schema.
    columns.flat::<Int64Type>(samples.iter().map(|s| s.step as i64).collect())?;
    columns.flat::<Int64Type>(samples.iter().map(|s| s.policy_version as i64).collect())?;
    columns.flat::<Int64Type>(samples.iter().map(|s| s.row as i64).collect())?;
    columns.flat::<Int32Type>(samples.iter().map(|s| s.sample as i32).collect())?;
    columns.text(samples.iter().map(|s| s.prompt.as_str()))?;
    columns.text(samples.iter().map(|s| s.answer.as_str()))?;
    columns.text(samples.iter().map(|s| s.completion.as_str()))?;
    let rewards: Vec<f32> = samples.iter().filter_map(|s| s.reward).collect();
    let present: Vec<i16> = samples.iter().map(|s| i16::from(s.reward.is_some())).collect();
    columns.column::<FloatType>(&rewards, Some(&present), None)?;
    columns.text(samples.iter().map(|s| s.verdict.as_str()))?;
    columns.flat::<FloatType>(samples.iter().map(|s| s.advantage).collect())?;
    columns.flat::<BoolType>(samples.iter().map(|s| s.truncated).collect())?;
    columns.flat::<Int32Type>(samples.iter().map(|s| s.mini_batch as i32).collect())?;
    columns.lists::<Int32Type>(samples.iter().map(|s| s.tokens.iter().map(|token| *token as i32).collect()))?;
    columns.lists::<FloatType>(samples.iter().map(|s| s.logp_old.clone()))?;
    columns.lists::<FloatType>(samples.iter().map(|s| s.logp_behavior.clone()))?;
    columns.lists::<FloatType>(samples.iter().map(|s| s.logp.clone()))?;
    columns.lists::<FloatType>(samples.iter().map(|s| s.logp_ref.clone()))?;
    for (_, values) in further {
        columns.lists::<FloatType>(samples.iter().map(|sample| values(sample).clone()))?;
    }
    columns.group.close()?;
    Ok(())
}

/// Writes one column after the other.
struct Columns<'a, W: std::io::Write + Send> {
    group: SerializedRowGroupWriter<'a, W>,
}

impl<W: std::io::Write + Send> Columns<'_, W> {
    fn column<T: parquet::data_type::DataType>(
        &mut self,
        values: &[T::T],
        definition: Option<&[i16]>,
        repetition: Option<&[i16]>,
    ) -> ParquetResult<()> {
        let column = self.group.next_column()?;
        let mut column = column.ok_or_else(|| ParquetError::General("more columns than in the schema".into()))?;
        column.typed::<T>().write_batch(values, definition, repetition)?;
        column.close()
    }

    fn flat<T: parquet::data_type::DataType>(&mut self, values: Vec<T::T>) -> ParquetResult<()> {
        self.column::<T>(&values, None, None)
    }

    fn text<'s>(&mut self, texts: impl Iterator<Item = &'s str>) -> ParquetResult<()> {
        self.flat::<ByteArrayType>(texts.map(ByteArray::from).collect())
    }

    /// A list column: an empty list is one entry of definition level 0; the first element of a list has repetition level 0.
    fn lists<T: parquet::data_type::DataType>(&mut self, lists: impl Iterator<Item = Vec<T::T>>) -> ParquetResult<()> {
        let (mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
        for list in lists {
            let entries = list.len().max(1);
            definition.extend(std::iter::repeat_n(i16::from(!list.is_empty()), entries));
            repetition.extend((0..entries).map(|index| i16::from(index > 0)));
            values.extend(list);
        }
        self.column::<T>(&values, Some(&definition), Some(&repetition))
    }
}

fn sample(row: &Map<String, Value>) -> Option<Sample> {
    let text = |key: &str| row.get(key)?.as_str().map(str::to_string);
    let float = |value: &Value| value.as_f64().map_or(f32::NAN, |value| value as f32);
    let floats = |key: &str| Some(row.get(key)?.as_array()?.iter().map(float).collect());
    let step = row.get("step")?.as_u64()?;
    Some(Sample {
        step,
        // The first files had no such column: they came from runs on policy.
        policy_version: row.get("policy_version").map_or(Some(step.saturating_sub(1)), Value::as_u64)?,
        row: row.get("row")?.as_u64()?,
        sample: row.get("sample")?.as_u64()? as u32,
        prompt: text("prompt")?,
        answer: text("answer")?,
        completion: text("completion")?,
        reward: row.get("reward").filter(|value| !value.is_null()).map(float),
        verdict: text("verdict")?,
        advantage: float(row.get("advantage")?),
        truncated: row.get("truncated")?.as_bool()?,
        mini_batch: row.get("mini_batch")?.as_u64()? as u32,
        tokens: row
            .get("tokens")?
            .as_array()?
            .iter()
            .filter_map(|token| token.as_i64())
            .map(|token| token as u32)
            .collect(),
        logp_old: floats("logp_old")?,
        logp_behavior: floats("logp_behavior")?,
        logp: floats("logp")?,
        logp_ref: floats("logp_ref")?,
        advantages: floats("advantages").unwrap_or_default(),
        logp_epoch: floats("logp_epoch").unwrap_or_default(),
        rewards: floats("rewards").unwrap_or_default(),
    })
}
