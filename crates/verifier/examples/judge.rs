//! Reads JSON lines `{"gold": …, "answer": …}` from standard input and writes one JSON verdict a line: for comparisons with other
//! verifiers. `--bench N` instead judges all lines N times and prints the rate and the peak memory.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

use std::io::{BufRead, Write};
use std::time::Instant;

use surefoot_verifier::{Options, verify};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds = match arguments.next().as_deref() {
        Some("--bench") => arguments.next().and_then(|n| n.parse::<usize>().ok()).unwrap_or(1),
        _ => 0,
    };
    let rows: Vec<(String, String)> = std::io::stdin()
        .lock()
        .lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            let field = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            (field("gold"), field("answer"))
        })
        .collect();
    let options = Options::default();
    if rounds > 0 {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let mut correct = 0;
        for _ in 0..rounds {
            correct = rows.iter().filter(|(gold, answer)| verify(gold, answer, &options).verdict.is_correct()).count();
        }
        let wall = start.elapsed().as_secs_f64();
        let seconds = cpu_seconds().zip(cpu).map_or(wall, |(end, begin)| end - begin);
        let pairs = (rows.len() * rounds) as f64;
        println!(
            "{:.0} pairs/s (CPU time), {:.2} µs a pair, {correct} of {} correct, peak {} MiB",
            pairs / seconds,
            1e6 * seconds / pairs,
            rows.len(),
            peak()
        );
        return;
    }
    let mut out = std::io::stdout().lock();
    for (gold, answer) in &rows {
        let report = verify(gold, answer, &options);
        let decision = report.decision.map(|d| d.to_string());
        let row = serde_json::json!({
            "verdict": report.verdict.name(), "detail": report.verdict.to_string(), "decision": decision,
            "gold_form": report.gold_form, "answer_form": report.answer_form, "rule": report.rule.map(|r| r.name()),
        });
        writeln!(out, "{row}").unwrap();
    }
}

/// Seconds of CPU time so far (Linux).
fn cpu_seconds() -> Option<f64> {
    let times = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    Some(times.split(' ').next()?.parse::<f64>().ok()? * 1e-9)
}

/// Peak resident memory in MiB (Linux; 0 elsewhere).
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
