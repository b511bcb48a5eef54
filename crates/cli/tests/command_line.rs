//! The binary as it is called: what it prints where, and its exit codes.
#![allow(clippy::unwrap_used)]

mod call;

use std::io::Write;
use std::process::{Command, Stdio};

use call::surefoot;

#[test]
fn verify_says_the_verdict_by_its_exit_code() {
    for (gold, answer, code, verdict) in [
        ("1/2", r"so \boxed{0.5}", 0, "correct\n"),
        ("72", "71", 1, "wrong\n"),
        ("-3", "-3", 0, "correct\n"),
        ("72", r"so \boxed{7", 3, "unparseable (answer: the text ends inside "),
    ] {
        let (exit, stdout, stderr) = surefoot(&["verify", "--gold", gold, "--answer", answer], "");
        assert!(exit == code && stdout.starts_with(verdict) && stderr.is_empty(), "{answer}: {exit} {stdout}{stderr}");
    }
    let strict = ["verify", "--gold", "72", "--answer", "72", "--strict", "boxed"];
    assert_eq!(surefoot(&strict, "").0, 3);
    // The exit codes: 0 correct, 1 wrong.
    for (gold, boxes, code) in
        [("2", "agree", 1), ("3", "last", 0), ("2", "last", 1), ("(2, 3)", "agree", 1), ("2, 3", "joined", 0)]
    {
        let answer = r"\boxed{2}, then \boxed{3}";
        let (exit, stdout, _) = surefoot(&["verify", "--gold", gold, "--answer", answer, "--boxes", boxes], "");
        assert_eq!(exit, code, "{gold} {boxes}: {stdout}");
    }
    let (code, explained, _) = surefoot(&["verify", "--gold", "1/2", "--answer", "it is 0.5", "--explain"], "");
    assert!(
        code == 0 && explained.contains("decision  exact arithmetic") && explained.contains("read as 1/2"),
        "{explained}"
    );
}

#[test]
fn verify_streams_rows_in_their_order() {
    let row =
        |index: usize| format!("{{\"id\": {index}, \"gold\": \"{index}\", \"answer\": \"x = {}\"}}\n", index / 3 * 3);
    let rows: String = (0..9000).map(row).collect();
    let (code, stdout, stderr) = surefoot(&["verify", "--jsonl"], &rows);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 9000);
    for (index, line) in lines.iter().enumerate() {
        let (verdict, given) = (if index % 3 == 0 { "correct" } else { "wrong" }, index / 3 * 3);
        assert!(
            line.starts_with(&format!("{{\"id\":{index},\"verdict\":\"{verdict}\",\"extracted\":")),
            "{given}: {line}"
        );
    }
}

#[test]
fn a_bad_row_is_shown_and_the_rest_is_judged() {
    let rows = "{\"gold\": 72, \"answer\": \"72\"}\nrubbish\n\n{\"gold\": \"1\", \"id\": \"b\"}\n[]\n{\"gold\": \"1\", \"answer\": \"2\"}";
    let (code, stdout, _) = surefoot(&["verify", "--jsonl"], rows);
    assert_eq!(code, 2);
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{stdout}");
    assert!(lines[0].contains("\"correct\"") && lines[4].contains("\"wrong\""), "{stdout}");
    assert!(lines[1].starts_with("{\"error\":\"line 2: not JSON: expected value"), "{stdout}");
    assert_eq!(lines[2], "{\"gold\":\"1\",\"id\":\"b\",\"error\":\"line 4: expected a text `answer`\"}");
    assert!(lines[3].contains("line 5: expected an object"), "{stdout}");
    assert_eq!(surefoot(&["verify", "--jsonl"], ""), (0, String::new(), String::new()));
    // A mark of the byte order before the first line, as some editors write it; nowhere else.
    let row = "{\"gold\": \"1\", \"answer\": \"1\"}\n";
    let (code, stdout, _) = surefoot(&["verify", "--jsonl"], &format!("\u{feff}{row}{row}"));
    assert!(code == 0 && stdout.matches("\"correct\"").count() == 2, "{stdout}");
    let (code, stdout, _) = surefoot(&["verify", "--jsonl"], &format!("{row}\u{feff}{row}"));
    assert!(code == 2 && stdout.contains("line 2: not JSON"), "{stdout}");
}

/// The system refuses memory: one line, no stack trace.
#[cfg(target_os = "linux")]
#[test]
fn out_of_memory_ends_in_one_line() {
    let command = format!(
        "ulimit -v 300000; head -c 500000000 /dev/zero | '{}' verify --jsonl --max-line-bytes 1000000000",
        env!("CARGO_BIN_EXE_surefoot")
    );
    let output = Command::new("bash").args(["-o", "pipefail", "-c", &command]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{stderr}");
    assert!(stderr.starts_with("error: out of memory: the system refused "), "{stderr}");
}

/// The most probable token has no alternatives, so several samples of it are one.
#[test]
fn equal_samples_are_said_to_be() {
    let model = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainer/demo").display().to_string();
    let generate = |more: &[&str]| {
        let all = ["generate", "--model", &model, "--prompt", "1+1=", "--max-new-tokens", "3", "--samples", "3"];
        surefoot(&[&all[..], more].concat(), "")
    };
    let (code, stdout, stderr) = generate(&[]);
    assert!(code == 0 && stdout.lines().count() == 3, "{stderr}");
    assert!(stderr.contains("--samples 3: all are the same with --temperature 0"), "{stderr}");
    let (code, _, stderr) = generate(&["--temperature", "1"]);
    assert!(code == 0 && !stderr.contains("--samples"), "{stderr}");
}

/// Without an objective they are the range and the sign of the sheet of all.
#[test]
fn a_curve_of_all_objectives_takes_a_range() {
    let points = |more: &[&str]| {
        let (code, stdout, stderr) = surefoot(&[&["objective", "curve", "--format", "csv"], more].concat(), "");
        assert_eq!(code, 0, "{stderr}");
        let x = |line: &str| line.rsplit(',').nth(1)?.parse::<f64>().ok();
        let xs: Vec<f64> = stdout.lines().skip(1).filter_map(x).collect();
        let ends = (xs.iter().copied().fold(f64::INFINITY, f64::min), xs.iter().copied().fold(0.0, f64::max));
        (ends, stdout)
    };
    let (ends, all) = points(&["--from", "0.5", "--to", "2"]);
    assert!((ends.0 - 0.5).abs() < 1e-9 && (ends.1 - 2.0).abs() < 1e-9, "{ends:?}");
    assert!(all.contains("gspo") && all.contains("mhpo"));
    let (code, _, stderr) = surefoot(&["objective", "curve", "--from", "0"], "");
    assert!(code == 2 && stderr.contains("--from is 0; it must be a number above 0"), "{stderr}");
    let (code, _, stderr) = surefoot(&["objective", "curve", "--to", "-1"], "");
    assert!(code == 2 && stderr.contains("--to is -1; it must be a number above 0"), "{stderr}");
    // A figure of a paper has a range of its own.
    let (code, _, stderr) = surefoot(&["objective", "curve", "--figure", "mhpo-2", "--from", "0.5"], "");
    assert!(code == 2 && stderr.contains("cannot be used with"), "{stderr}");
}

/// The demo's model lies beside its run, and nothing is left of a run that is refused.
#[test]
fn the_demos_model_lies_beside_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let train = |sets: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
        command.env("CUDA_VISIBLE_DEVICES", "").current_dir(folder.path()).args(["train", "--set", "train.steps=1"]);
        sets.iter().for_each(|set| _ = command.args(["--set", set]));
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let there = || {
        let mut found: Vec<String> = Vec::new();
        for part in ["runs", "out"] {
            let entries = std::fs::read_dir(folder.path().join(part)).into_iter().flatten().flatten();
            found.extend(entries.map(|entry| format!("{part}/{}", entry.file_name().to_string_lossy())));
        }
        found.sort();
        found
    };
    // Refused when the configuration is read, and later.
    for wrong in ["rollout.samples=0", "data.train=nowhere.jsonl"] {
        assert_eq!(train(&[wrong]).0, 2);
        assert!(there().is_empty(), "{:?}", there());
    }
    let small = ["rollout.prompts=2", "update.mini_batches=1"];
    let (code, stderr) = train(&[&small[..], &["log.run_dir=out/x"]].concat());
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(there(), ["out/x", "out/x-model"]);
    // The model of a run that is there stays when another one is refused in its folder.
    assert_eq!(train(&["log.run_dir=out/x"]).0, 2);
    assert_eq!(there(), ["out/x", "out/x-model"]);
    let (code, stderr) = train(&small);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(there(), ["out/x", "out/x-model", "runs/demo", "runs/demo-model"]);
}

#[test]
fn a_line_beyond_the_limit_is_skipped_and_named() {
    let good = "{\"gold\": \"1\", \"answer\": \"1\"}";
    let limit = good.len().to_string();
    let long = format!("{{\"gold\": \"1\", \"answer\": \"{}\"}}", "1 ".repeat(400_000));
    let rows = format!("{good}\n{long}\n{good}\n{good} \n{good}");
    let (code, stdout, _) = surefoot(&["verify", "--jsonl", "--max-line-bytes", &limit], &rows);
    assert_eq!(code, 2);
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{stdout}");
    for at in [0, 2, 4] {
        assert!(lines[at].contains("\"correct\""), "{stdout}");
    }
    let skipped = format!("longer than {limit} bytes, so it was skipped (--max-line-bytes raises the limit)");
    assert_eq!(lines[1], format!("{{\"error\":\"line 2: {skipped}\"}}"));
    assert_eq!(lines[3], format!("{{\"error\":\"line 4: {skipped}\"}}"));
}

#[test]
fn a_program_that_asks_row_by_row_gets_its_answers() {
    use std::io::{BufRead, BufReader};
    let mut child = Command::new(env!("CARGO_BIN_EXE_surefoot"))
        .args(["verify", "--jsonl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for index in 0..3 {
        writeln!(stdin, "{{\"gold\": \"{index}\", \"answer\": \"{index}\"}}").unwrap();
        stdin.flush().unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.contains("\"correct\""), "{line}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn data_make_writes_rows_that_the_verifier_accepts() {
    let (code, rows, stderr) = surefoot(&["data", "make", "linear", "--rows", "30", "--seed", "4"], "");
    assert_eq!((code, rows.lines().count(), stderr.as_str()), (0, 30, ""));
    assert_eq!(rows, surefoot(&["data", "make", "linear", "--rows", "30", "--seed", "4"], "").1);
    assert!(rows.starts_with("{\"problem\":\"Solve for x: "), "{rows}");
    let pairs: String = rows
        .lines()
        .map(|row| {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            format!("{}\n", serde_json::json!({ "gold": row["answer"], "answer": format!("x = {}", row["answer"].as_str().unwrap()) }))
        })
        .collect();
    let (_, verdicts, _) = surefoot(&["verify", "--jsonl"], &pairs);
    assert_eq!(verdicts.matches("\"correct\"").count(), 30, "{verdicts}");
}

#[test]
fn wrong_calls_say_what_is_right() {
    let (code, stdout, stderr) = surefoot(&["data", "make", "additon"], "");
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.starts_with("error: unknown task `additon`; did you mean `addition`?"), "{stderr}");
    let (code, _, stderr) = surefoot(&["data", "make", "addition", "--digits", "12"], "");
    assert!(code == 2 && stderr.contains("between 1 and 9"), "{stderr}");
    let (code, _, stderr) = surefoot(&["verify", "--gold", "1"], "");
    assert!(code == 2 && stderr.contains("--answer"), "{stderr}");
    // Before there is a folder.
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let (code, _, stderr) = surefoot(&["train", "--tui", "--set", &format!("log.run_dir={run:?}")], "");
    assert!(code == 2 && stderr.contains("--tui needs a terminal") && !run.exists(), "{stderr}");
    let (code, help, _) = surefoot(&["data", "make", "--help"], "");
    assert!(code == 0 && help.contains("countdown"), "{help}");
    assert!(surefoot(&["--help"], "").1.contains("Exit codes: 0 done"));
}

/// Where there is no GPU, `cuda` is an error that says what is missing and what to do, and `auto` takes the CPU and says why.
#[test]
fn a_device_that_is_not_there_is_told() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = tempfile::tempdir().unwrap();
    let train = |run: &str, device: &[&str]| {
        let file = root.join("golden/run/mhpo.toml").display().to_string();
        let model = format!("model.path={:?}", root.join("crates/trainer/demo"));
        let set = format!("log.run_dir={:?}", folder.path().join(run));
        let all = ["train", &file, "--set", &model, "--set", &set, "--set", "train.steps=1"];
        surefoot(&[&all[..], device].concat(), "")
    };
    let (code, _, said) = train("none", &["--device", "cuda"]);
    assert!(code == 2 && said.contains("cuda cannot be used: ") && said.contains("--device cpu"), "{said}");
    assert!(!folder.path().join("none").exists(), "nothing is left of a run that could not start");
    let (code, _, said) = train("none", &["--device", "gpu"]);
    assert!(code == 2 && said.contains("`gpu` is no device; there are auto, cpu, cuda and cuda:N"), "{said}");
    let (code, _, said) = train("none", &["--set", "train.device=gpu"]);
    assert!(code == 2 && said.contains("train.device") && said.contains("\"cuda:N\""), "{said}");
    let (code, _, said) = train("chosen", &["--set", "train.device=cuda", "--device", "cpu"]);
    assert!(code == 0 && said.contains("device: cpu (as asked for)"), "{said}");
    let (code, _, said) = train("auto", &[]);
    assert!(code == 0 && said.contains("device: cpu (auto: "), "{said}");
}
