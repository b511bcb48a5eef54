//! `surefoot verify --jsonl`: rows in, verdicts out, in their order, on all cores, in constant memory.

use std::io::{BufRead, BufReader, Read, Write};

use anyhow::Context;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use surefoot_trainer::verifier::{Options, Report, verify};

use crate::exit::Exit;
use crate::output;

/// Bytes that are read at once, and so about the rows that are judged together.
const CHUNK: usize = 1 << 18;

/// UTF-8's mark of the byte order.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A line of stdin.
struct Line {
    /// Counted from 1.
    number: u64,
    bytes: Vec<u8>,
    /// There was more of it than the limit, and the rest was skipped.
    cut: bool,
}

/// Judges every row of stdin. A line longer than `max_line` bytes is not kept: its row says so.
pub fn run(options: &Options, explain: bool, max_line: u64) -> anyhow::Result<Exit> {
    let mut stdin = BufReader::with_capacity(CHUNK, std::io::stdin().lock());
    let mut stdout = output::stdout();
    let mut exit = Exit::Done;
    let mut number = 0;
    loop {
        let mut lines = Vec::new();
        // Only what is there already is waited for, so that a program that asks row by row gets its answers.
        while lines.is_empty() || stdin.buffer().contains(&b'\n') {
            let Some((bytes, cut)) = read_line(&mut stdin, max_line).context("cannot read stdin")? else { break };
            number += 1;
            // As some editors write it before the first line, and as `data.train` takes it.
            let bytes = match bytes.strip_prefix(BYTE_ORDER_MARK) {
                Some(rest) if number == 1 => rest.to_vec(),
                _ => bytes,
            };
            if !bytes.trim_ascii().is_empty() {
                lines.push(Line { number, bytes, cut });
            }
        }
        if lines.is_empty() {
            return Ok(exit);
        }
        // Written out by the threads too, so that only reading and joining is left to one.
        let rows = lines.par_iter().map(|line| match judge(line, options, explain, max_line) {
            Ok(row) => (format!("{row}\n"), true),
            Err(broken) => (format!("{broken}\n"), false),
        });
        for (row, whole) in rows.collect::<Vec<_>>() {
            if !whole {
                exit = Exit::Failed;
            }
            stdout.write_all(row.as_bytes())?;
        }
        stdout.flush()?;
    }
}

/// The next line without its end, and whether it was cut at `limit` bytes.
fn read_line(input: &mut impl BufRead, limit: u64) -> std::io::Result<Option<(Vec<u8>, bool)>> {
    let mut line = Vec::new();
    if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.pop_if(|last| *last == b'\n').is_some() || (line.len() as u64) < limit {
        return Ok(Some((line, false)));
    }
    // Full: the line may end right here.
    let cut = !input.fill_buf()?.is_empty() && input.fill_buf()?[0] != b'\n';
    input.skip_until(b'\n')?;
    Ok(Some((line, cut)))
}

/// The row with its verdict, or what is wrong with the row.
fn judge(line: &Line, options: &Options, explain: bool, max_line: u64) -> Result<Value, Value> {
    let broken = |why: String| json!({ "error": format!("line {}: {why}", line.number) });
    if line.cut {
        return Err(broken(format!(
            "longer than {max_line} bytes, so it was skipped (--max-line-bytes raises the limit)"
        )));
    }
    let row: Value = serde_json::from_slice(&line.bytes).map_err(|error| broken(format!("not JSON: {error}")))?;
    let Value::Object(mut row) = row else {
        return Err(broken("expected an object {\"gold\", \"answer\"}".to_owned()));
    };
    let text = |key: &str| match row.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => Err(format!("expected a text `{key}`")),
    };
    let pair = text("gold").and_then(|gold| Ok((gold, text("answer")?)));
    let (gold, answer) = match pair {
        Ok(pair) => pair,
        Err(why) => {
            row.insert("error".into(), format!("line {}: {why}", line.number).into());
            return Err(Value::Object(row));
        }
    };
    let report = verify(&gold, &answer, options);
    row.remove("gold");
    row.remove("answer");
    fill(&mut row, &report, explain);
    Ok(Value::Object(row))
}

fn fill(row: &mut Map<String, Value>, report: &Report, explain: bool) {
    row.insert("verdict".into(), report.verdict.name().into());
    row.insert("extracted".into(), report.answer_text.as_str().into());
    if explain {
        row.insert("detail".into(), report.verdict.to_string().into());
        row.insert("rule".into(), report.rule.map_or(Value::Null, |rule| rule.name().into()));
        row.insert("decision".into(), report.decision.map_or(Value::Null, |decision| decision.to_string().into()));
        row.insert("gold_form".into(), report.gold_form.as_str().into());
        row.insert("answer_form".into(), report.answer_form.as_str().into());
        row.insert("steps".into(), report.steps.into());
    }
}
