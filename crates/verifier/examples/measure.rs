//! How long one comparison takes, by class of gold answer, and how much memory it needs, by size of the text.
//!
//! `cargo run --release -p surefoot-verifier --example measure -- latency`, and `… -- memory`. Prints tables.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

#[path = "../tests/golds/mod.rs"]
mod golds;

use std::path::Path;
use std::time::{Duration, Instant};

use surefoot_verifier::{Options, read_gold, verify};

/// Times a pair is judged; the fastest counts, because other processes only ever slow one down.
const RUNS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["latency"] => latency(),
        ["memory"] => memory(),
        ["memory", kind, bytes] => alone(kind, bytes.parse().unwrap()),
        _ => eprintln!("usage: measure latency | memory"),
    }
}

/// One pair and how long it took.
struct Timed {
    pair: String,
    took: Duration,
}

fn latency() {
    let options = Options::default();
    let mut classes: Vec<(&str, Vec<Timed>)> =
        ["number", "symbolic", "with variables", "several parts", "words"].map(|class| (class, Vec::new())).into();
    for gold in golds::golds() {
        let class = class(&gold, &options);
        let timed = &mut classes.iter_mut().find(|(name, _)| *name == class).unwrap().1;
        timed.extend(answers(&gold).iter().map(|answer| time(&gold, answer, &options)));
    }
    classes.push(("rows of cases/", rows().iter().map(|(gold, answer)| time(gold, answer, &options)).collect()));
    println!("gold answer\tpairs\tp50 µs\tp99 µs\tgreatest µs\tabove 1 ms\tthe slowest");
    for (class, mut timed) in classes {
        timed.sort_by_key(|timed| timed.took);
        let Some(slowest) = timed.last() else { continue };
        let at = |share: f64| timed[((timed.len() - 1) as f64 * share) as usize].took.as_secs_f64() * 1e6;
        let above = timed.iter().filter(|timed| timed.took > Duration::from_millis(1)).count();
        println!(
            "{class}\t{}\t{:.1}\t{:.1}\t{:.1}\t{above}\t{}",
            timed.len(),
            at(0.5),
            at(0.99),
            at(1.0),
            slowest.pair
        );
    }
}

fn time(gold: &str, answer: &str, options: &Options) -> Timed {
    let mut took = Duration::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        std::hint::black_box(verify(gold, answer, options));
        took = took.min(start.elapsed());
    }
    Timed { pair: format!("{gold} | {answer}"), took }
}

/// Gold and answer of every row of `cases/`, which are chosen to be hard.
fn rows() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut rows = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let pairs = text.lines().skip(1).filter_map(|line| line.split_once('\t'));
        rows.extend(pairs.map(|(gold, rest)| (gold.to_owned(), rest.split('\t').next().unwrap_or("").to_owned())));
    }
    rows
}

/// The gold answer itself, with harmless additions, and with one digit changed, each in a box.
fn answers(gold: &str) -> Vec<String> {
    let bare = gold.trim_matches('$');
    let mut answers = vec![format!("\\boxed{{{bare}}}"), format!("\\boxed{{{bare} + 1 - 1}}")];
    if let Some(at) = bare.bytes().rposition(|b| b.is_ascii_digit()) {
        let digit = (bare.as_bytes()[at] - b'0' + 1) % 10;
        answers.push(format!("\\boxed{{{}{digit}{}}}", &bare[..at], &bare[at + 1..]));
    }
    answers
}

/// What kind of answer it is, by how it is read.
fn class(gold: &str, options: &Options) -> &'static str {
    let Ok(form) = read_gold(gold, options) else { return "words" };
    let known = ["sqrt", "pi", "sin", "cos", "tan", "log", "ln", "exp", "root", "acos", "asin", "atan", "cot", "sec"];
    let words: Vec<&str> = form.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
    if form.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'/' | b'-' | b'.')) {
        "number"
    } else if form.contains('"') || form.contains('\'') {
        "words"
    } else if form.contains([',', ';', '{', '[', '=', '<', '>', '≤', '≥', '∪', ':', '|']) {
        "several parts"
    } else if words.iter().all(|word| known.contains(word) || matches!(*word, "π" | "e" | "i")) {
        "symbolic"
    } else {
        "with variables"
    }
}

/// Texts of one size that are hard in different ways.
const KINDS: [&str; 4] = ["prose", "digits", "brackets", "boxes"];

fn text(kind: &str, bytes: usize) -> String {
    match kind {
        "prose" => joined("", "we add 3 and 4 to get 7, ", bytes / 25, "so \\boxed{72}"),
        "digits" => joined("\\boxed{", "7", bytes, "}"),
        "brackets" => joined("\\boxed{", "(", bytes, "72}"),
        _ => joined("", "\\boxed{72} ", bytes / 11, ""),
    }
}

/// One allocation, so that the peak is the verifier's.
fn joined(before: &str, part: &str, times: usize, behind: &str) -> String {
    let mut text = String::with_capacity(before.len() + part.len() * times + behind.len());
    text.push_str(before);
    (0..times).for_each(|_| text.push_str(part));
    text.push_str(behind);
    text
}

/// Each size in a process of its own, because a process's peak never falls.
fn memory() {
    println!("text\tbytes\tpeak KiB\tper byte beyond the text");
    let peak = |kind: &str, bytes: usize| -> f64 {
        let program = std::env::current_exe().unwrap();
        let out = std::process::Command::new(program).args(["memory", kind, &bytes.to_string()]).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().parse().unwrap()
    };
    for kind in KINDS {
        let empty = peak(kind, 0);
        for shift in [10, 14, 17, 20, 23, 26] {
            let bytes = 1_usize << shift;
            let kib = peak(kind, bytes);
            println!("{kind}\t{bytes}\t{kib}\t{:.2}", ((kib - empty) * 1024.0 - bytes as f64) / bytes as f64);
        }
    }
}

fn alone(kind: &str, bytes: usize) {
    let text = text(kind, bytes);
    std::hint::black_box(verify("72", &text, &Options::default()));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{}", line.trim().trim_end_matches(" kB"));
}
