//! Mutated inputs against extraction, parsing and comparison, on stable Rust: `mutate extract|parse|compare [INPUTS] [SEED]`.
//! Starts from the rows of `cases/` and `hacks/`; any panic ends the run, and any input over its budget is printed.
//! The libFuzzer targets of the same names are in `fuzz/`.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use surefoot_verifier::{Format, Mode, Options, extract, read_gold, verify};

/// The default deadline, with room for an interrupted process.
const LIMIT: Duration = Duration::from_millis(200);
const PIECES: [&str; 40] = [
    "\\frac",
    "{",
    "}",
    "(",
    ")",
    "^",
    "_",
    "\\sqrt",
    "\\boxed{",
    "\\text{",
    "\\left",
    "\\{",
    "\\}",
    "$",
    "\\begin{pmatrix}",
    "\\end{pmatrix}",
    "&",
    "\\\\",
    "9^9^9",
    "\\pm",
    "\\infty",
    "\\cup",
    "1e99",
    "!",
    "\\sum_{k=1}^{99}",
    "\\log_",
    "|",
    "%",
    "\\circ",
    "or",
    "√",
    "²",
    "½",
    "\u{200b}",
    ",000",
    "\\overline",
    "0.(3)",
    "\\sin",
    "=",
    "answer is ",
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let target = arguments.first().map_or("compare", String::as_str).to_owned();
    let inputs: u64 = arguments.get(1).map_or(1_000_000, |n| n.parse().unwrap());
    let mut random: u64 = arguments.get(2).map_or(1, |n| n.parse().unwrap());
    let corpus = corpus();
    let (mut slow, mut worst) = (0u64, Duration::ZERO);
    let begin = Instant::now();
    let mut verdicts = BTreeMap::<&'static str, u64>::new();
    for done in 1..=inputs {
        let gold = mutated(&corpus, &mut random);
        let answer = mutated(&corpus, &mut random);
        let mut took = judge(&target, &gold, &answer, done, &mut random.clone(), &mut verdicts);
        // A process that was only interrupted is fast the second time.
        if took > LIMIT {
            took = took.min(judge(&target, &gold, &answer, done, &mut random.clone(), &mut verdicts));
        }
        if took > worst {
            worst = took;
        }
        if took > LIMIT {
            slow += 1;
            println!("{took:?}: gold {gold:?} answer {answer:?}");
        }
        if done % 100_000 == 0 {
            println!(
                "{target}: {done} inputs, {:.0}/s, worst {worst:?}, {slow} over {LIMIT:?}, {verdicts:?}",
                done as f64 / begin.elapsed().as_secs_f64()
            );
        }
    }
    println!("{target}: {inputs} inputs, no crash, {slow} over {LIMIT:?}, worst {worst:?}, {verdicts:?}");
    std::process::exit(i32::from(slow > 0));
}

/// Runs one input and says how long it took.
fn judge(
    target: &str,
    gold: &str,
    answer: &str,
    done: u64,
    random: &mut u64,
    verdicts: &mut BTreeMap<&'static str, u64>,
) -> Duration {
    // Half of the pairs are mutations of one another, so that comparison goes deep.
    let gold = if done.is_multiple_of(2) { mutate(answer, random) } else { gold.to_owned() };
    let start = Instant::now();
    match target {
        "extract" => {
            for mode in [Mode::Lenient, Mode::Strict(Format::Boxed), Mode::Strict(Format::ThinkAnswer)] {
                *verdicts.entry(if extract(answer, mode).is_ok() { "found" } else { "not found" }).or_default() += 1;
            }
        }
        "parse" => {
            let read = read_gold(answer, &Options::default());
            *verdicts.entry(if read.is_ok() { "read" } else { "not read" }).or_default() += 1;
        }
        _ => *verdicts.entry(verify(&gold, answer, &Options::default()).verdict.name()).or_default() += 1,
    }
    start.elapsed()
}

fn corpus() -> Vec<String> {
    let mut all = Vec::new();
    for folder in ["cases", "hacks"] {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            all.extend(text.lines().skip(1).flat_map(|line| line.split('\t').take(2)).map(str::to_owned));
        }
    }
    all
}

/// SplitMix64.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as usize >> 1
}

fn mutated(corpus: &[String], random: &mut u64) -> String {
    let mut text = corpus[next(random) % corpus.len()].clone();
    if next(random).is_multiple_of(4) {
        text.push_str(&corpus[next(random) % corpus.len()]);
    }
    for _ in 0..next(random) % 5 {
        text = mutate(&text, random);
    }
    text
}

fn mutate(text: &str, random: &mut u64) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = next(random) % (bytes.len() + 1);
    match next(random) % 7 {
        0 => {
            let piece = PIECES[next(random) % PIECES.len()].bytes();
            bytes.splice(at..at, piece);
        }
        1 if !bytes.is_empty() => {
            let end = (at + next(random) % 6).min(bytes.len());
            bytes.drain(at..end);
        }
        2 if !bytes.is_empty() => {
            let index = at % bytes.len();
            bytes[index] = next(random) as u8;
        }
        3 if bytes.len() < 400 => {
            let end = (at + next(random) % 20).min(bytes.len());
            let copy = bytes[at..end].repeat(1 + next(random) % 4);
            bytes.splice(at..at, copy);
        }
        4 if bytes.len() >= 2 => {
            let other = next(random) % bytes.len();
            let index = at % bytes.len();
            bytes.swap(index, other);
        }
        5 => bytes.truncate(at),
        _ => bytes.insert(at, b"0123456789xyabei+-*/^_(){}[]\\,.=<>|! $%&'"[next(random) % 41]),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
