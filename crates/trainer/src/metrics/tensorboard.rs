//! The metrics as TensorBoard reads them: one scalar a metric and step, in `tensorboard/` of the run.
//!
//! The file is a sequence of TFRecords (length, masked CRC-32C of the length, data, masked CRC-32C of the data), each an `Event` of
//! TensorFlow's protocol buffers. `metrics.jsonl` is the truth: a run that goes on writes the file anew from there.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use surefoot_engine::folder::FileError;

use super::definition::TIME_STEP;
use super::{MetricsError, Record};
use crate::run_folder::atomic;

/// TensorBoard takes every file whose name holds `tfevents`; one name, so that a resume replaces it.
const NAME: &str = "events.out.tfevents.surefoot";

/// The open file of a run.
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: File,
}

impl TensorBoard {
    /// Opens the file in `folder`, with what `records` hold. Their wall times end now and go back by the seconds of their steps.
    ///
    /// # Errors
    /// [`MetricsError::File`].
    pub fn open(folder: &Path, records: &[Record]) -> Result<Self, MetricsError> {
        let path = folder.join(NAME);
        let failed = |action| FileError::of::<MetricsError>(action, &path);
        std::fs::create_dir_all(folder).map_err(failed("make the folder of"))?;
        atomic::clear_leftovers(folder).map_err(failed("clear the folder of"))?;
        let seconds = |record: &Record| record.get(TIME_STEP).unwrap_or(0.0);
        let mut time = now() - records.iter().map(seconds).sum::<f64>();
        let mut bytes = record_of(&event(time, 0, 3, &text("brain.Event:2")));
        for record in records {
            time += seconds(record);
            bytes.extend(record_of(&scalars(time, record)));
        }
        atomic::write(&path, &bytes).map_err(failed("write"))?;
        let file = OpenOptions::new().append(true).open(&path).map_err(failed("open"))?;
        Ok(TensorBoard { path, file })
    }

    /// Appends a step.
    ///
    /// # Errors
    /// [`MetricsError::File`], for instance on a full disk.
    pub fn append(&mut self, record: &Record) -> Result<(), MetricsError> {
        self.file.write_all(&record_of(&scalars(now(), record))).map_err(FileError::of("write", &self.path))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// `Event { wall_time, step, summary: Summary { value: [Value { tag, simple_value }] } }`
fn scalars(time: f64, record: &Record) -> Vec<u8> {
    let mut summary = Vec::new();
    for (metric, value) in record.values() {
        let mut scalar = field(1, &text(metric.name));
        scalar.push(2 << 3 | 5);
        scalar.extend((value as f32).to_le_bytes());
        summary.extend(field(1, &text_of(&scalar)));
    }
    event(time, record.step, 5, &text_of(&summary))
}

/// An `Event` with one more field, of number `what`, whose bytes have their length in front.
fn event(time: f64, step: u64, what: u8, body: &[u8]) -> Vec<u8> {
    let mut event = vec![1 << 3 | 1];
    event.extend(time.to_le_bytes());
    event.push(2 << 3);
    event.extend(varint(step));
    event.extend(field(what, body));
    event
}

/// A field of bytes that have their length in front.
fn field(number: u8, body: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    field.extend(body);
    field
}

fn text(text: &str) -> Vec<u8> {
    text_of(text.as_bytes())
}

/// Bytes with their length in front.
fn text_of(bytes: &[u8]) -> Vec<u8> {
    let mut all = varint(bytes.len() as u64);
    all.extend(bytes);
    all
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// One TFRecord.
fn record_of(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(&length));
    record.extend(data);
    record.extend(masked(data));
    record
}

/// TFRecord's masked CRC-32C.
fn masked(data: &[u8]) -> [u8; 4] {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// CRC-32C (Castagnoli, RFC 3720), bit by bit: a step has a kilobyte or two.
fn crc32c(data: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !data.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::metrics::definition::REWARD_MEAN;

    /// RFC 3720, appendix B.4.
    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    /// The data of each TFRecord, its checksums compared.
    fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let data = &bytes[12..12 + length];
            assert_eq!(
                (&bytes[8..12], &bytes[12 + length..16 + length]),
                (&masked(&bytes[..8])[..], &masked(data)[..])
            );
            found.push(data.to_vec());
            bytes = &bytes[16 + length..];
        }
        found
    }

    #[test]
    fn a_run_that_goes_on_writes_every_step_once() {
        let folder = tempfile::tempdir().unwrap();
        let step = |step: u64| {
            let mut record = Record::new(step);
            record.set(REWARD_MEAN, step as f64 / 8.0);
            record
        };
        let steps: Vec<Record> = (1..=3).map(step).collect();
        let mut file = TensorBoard::open(folder.path(), &[]).unwrap();
        steps.iter().for_each(|record| file.append(record).unwrap());
        // The third step is made again after a kill.
        let mut file = TensorBoard::open(folder.path(), &steps[..2]).unwrap();
        file.append(&steps[2]).unwrap();
        let written = records(&std::fs::read(folder.path().join(NAME)).unwrap());
        assert_eq!(written.len(), 4);
        assert!(written[0].ends_with(b"brain.Event:2"));
        for (event, number) in written[1..].iter().zip(1u8..) {
            // Behind the time: field 2 (step), field 5 (summary) with one value of 18 bytes: tag and number.
            let value = (f32::from(number) / 8.0).to_le_bytes();
            let want = [
                &[2 << 3, number, 5 << 3 | 2, 20, 1 << 3 | 2, 18, 1 << 3 | 2, 11],
                &b"reward/mean"[..],
                &[2 << 3 | 5],
                &value,
            ];
            assert_eq!(event[9..], want.concat());
        }
    }
}
