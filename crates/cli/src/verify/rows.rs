//! `surefoot verify --jsonl`: rows in, verdicts out, in their order, on all cores, in constant memory.

use std::io::{BufRead, BufReader, Write};

use anyhow::Context;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use surefoot_trainer::verifier::{Options, Report, verify};

use crate::exit::Exit;
use crate::output;

/// Bytes that are read at once, and so about the rows that are judged together.
const CHUNK: usize = 1 << 18;

/// Judges every row of stdin.
pub fn run(options: &Options, explain: bool) -> anyhow::Result<Exit> {
    let mut stdin = BufReader::with_capacity(CHUNK, std::io::stdin().lock());
    let mut stdout = output::stdout();
    let mut exit = Exit::Done;
    loop {
        let mut lines = Vec::new();
        // Only what is there already is waited for, so that a program that asks row by row gets its answers.
        while lines.is_empty() || stdin.buffer().contains(&b'\n') {
            let mut line = Vec::new();
            if stdin.read_until(b'\n', &mut line).context("cannot read stdin")? == 0 {
                break;
            }
            if !line.trim_ascii().is_empty() {
                lines.push(line);
            }
        }
        if lines.is_empty() {
            return Ok(exit);
        }
        // Written out by the threads too, so that only reading and joining is left to one.
        let rows = lines.par_iter().map(|line| match judge(line, options, explain) {
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

/// The row with its verdict, or what is wrong with the row.
fn judge(line: &[u8], options: &Options, explain: bool) -> Result<Value, Value> {
    let row: Value = serde_json::from_slice(line).map_err(|error| json!({ "error": format!("not JSON: {error}") }))?;
    let Value::Object(mut row) = row else {
        return Err(json!({ "error": "expected an object {\"gold\", \"answer\"}" }));
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
            row.insert("error".into(), why.into());
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
