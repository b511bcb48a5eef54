//! `surefoot eval`: numbers against counting, an evaluation that was cut off goes on to the same bytes, two models compared, bad
//! input. Every test drives the binary on the demo's model.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const SAMPLES: usize = 6;

fn demo_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainer/demo").canonicalize().unwrap()
}

/// An evaluation of the demo's model into `out`.
fn command(out: &Path, more: &[&str]) -> Command {
    command_on(&demo_model(), out, more)
}

/// An evaluation of `model` into `out`.
fn command_on(model: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
    // The CPU on every machine.
    command.env("CUDA_VISIBLE_DEVICES", "");
    command.arg("eval").arg("--model").arg(model).arg("--out").arg(out);
    command.args([
        "--data",
        "small=task:addition,rows=30,seed=3,style=plain",
        "--data",
        "task:addition,rows=90,seed=4,style=plain,digits=2",
    ]);
    command.args(["--samples", &SAMPLES.to_string(), "--set", "reward.name=exact", "--set", "prompt.chat=never"]);
    command.args(["--set", "eval.max_new_tokens=6", "--set", "eval.temperature=1", "--set", "rollout.batch=30"]);
    command.args(more);
    command
}

fn done(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn failed(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

fn problems(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_numbers_are_those_of_the_lines() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let scores: Value = serde_json::from_str(&done(&command(&out, &["--format", "json"]).output().unwrap())).unwrap();
    assert_eq!(scores.as_array().unwrap().len(), 2);
    for (score, name) in scores.as_array().unwrap().iter().zip(["small", "addition"]) {
        let lines = problems(&out.join(format!("{name}.jsonl")));
        // The task gives some problems twice; they count once.
        let rows = lines.iter().map(|line| line["problem"].as_u64().unwrap()).max().unwrap() as usize + 1;
        assert!(lines.len() == rows && rows >= 28, "{rows}");
        assert_eq!((score["benchmark"].as_str(), score["problems"].as_u64()), (Some(name), Some(rows as u64)));
        let (mut right, mut solved) = (0, 0);
        for line in &lines {
            let samples = line["samples"].as_array().unwrap();
            assert_eq!(samples.len(), SAMPLES);
            // The verdicts, by comparing texts here.
            let correct =
                samples.iter().filter(|s| s["completion"].as_str().unwrap().trim() == line["answer"].as_str().unwrap());
            let correct = correct.count();
            assert_eq!(line["correct"], correct, "{line}");
            right += correct;
            solved += usize::from(correct > 0);
        }
        let avg = right as f64 / (rows * SAMPLES) as f64;
        assert!((score["avg"]["value"].as_f64().unwrap() - avg).abs() < 1e-12);
        assert!(avg > 0.05 && avg < 0.95, "the demo's model must get some right: {avg}");
        let passes = score["pass"].as_array().unwrap();
        let ks: Vec<u64> = passes.iter().map(|pass| pass["k"].as_u64().unwrap()).collect();
        assert_eq!(ks, [1, 2, 4, 6]);
        assert!((passes[0]["rate"]["value"].as_f64().unwrap() - avg).abs() < 1e-12);
        assert!((passes[3]["rate"]["value"].as_f64().unwrap() - solved as f64 / rows as f64).abs() < 1e-12);
        assert!(score["avg"]["low"].as_f64() < Some(avg) && score["avg"]["high"].as_f64() > Some(avg));
    }
}

#[test]
fn an_evaluation_that_was_cut_off_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let table = done(&command(&whole, &["--set", "train.threads=1"]).output().unwrap());
    let read = |out: &Path, name: &str| fs::read(out.join(name)).unwrap();
    for keep in [0, 1, 700, 5000, 20_000] {
        done(&command(&cut, &[]).output().unwrap());
        // What a kill leaves: a file cut anywhere, and none of what comes later.
        let lines = read(&cut, "small.jsonl");
        fs::write(cut.join("small.jsonl"), &lines[..keep.min(lines.len())]).unwrap();
        fs::remove_file(cut.join("summary.json")).unwrap();
        fs::remove_file(cut.join("addition.jsonl")).unwrap();
        assert_eq!(done(&command(&cut, &[]).output().unwrap()), table);
        for name in ["small.jsonl", "addition.jsonl", "summary.json", "eval.json"] {
            assert_eq!(read(&cut, name), read(&whole, name), "{name} after a cut at {keep}");
        }
    }
}

#[test]
fn a_kill_loses_nothing_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    done(&command(&whole, &[]).output().unwrap());
    for wait in [3, 10, 20, 35, 60] {
        let mut child = command(&killed, &[]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    done(&command(&killed, &[]).output().unwrap());
    for name in ["small.jsonl", "addition.jsonl", "summary.json"] {
        assert_eq!(fs::read(killed.join(name)).unwrap(), fs::read(whole.join(name)).unwrap(), "{name}");
    }
}

#[test]
fn two_evaluations_are_compared_problem_by_problem() {
    let folder = tempfile::tempdir().unwrap();
    let (hot, cold) = (folder.path().join("hot"), folder.path().join("cold"));
    done(&command(&hot, &["--set", "eval.temperature=3"]).output().unwrap());
    done(&command(&cold, &[]).output().unwrap());
    let compare = |first: &Path, second: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
        // The CPU on every machine.
        command.env("CUDA_VISIBLE_DEVICES", "");
        command.args(["eval", "--format", "json", "--compare"]).args([first, second]).output().unwrap()
    };
    let found: Value = serde_json::from_str(&done(&compare(&hot, &cold))).unwrap();
    // At temperature 3 the model guesses: the difference cannot be chance on 90 problems.
    assert_eq!(found[1]["benchmark"], "addition");
    assert!(
        found[1]["difference"]["low"].as_f64().unwrap() > 0.0 && found[1]["p_value"].as_f64().unwrap() < 0.01,
        "{found}"
    );
    let same: Value = serde_json::from_str(&done(&compare(&cold, &cold))).unwrap();
    assert_eq!((same[1]["difference"]["value"].as_f64(), same[1]["p_value"].as_f64()), (Some(0.0), Some(1.0)));
    // What else may be behind a difference is said.
    let stderr = |first: &Path, second: &Path| String::from_utf8(compare(first, second).stderr).unwrap();
    assert_eq!(stderr(&cold, &cold), "");
    let wanted =
        "warning: the two were made with other settings: temperature is 3.0 in the first and 1.0 in the second\n";
    assert_eq!(stderr(&hot, &cold), wanted);
    let lines = fs::read_to_string(cold.join("small.jsonl")).unwrap();
    let (first, total) = (lines.lines().next().unwrap(), lines.lines().count());
    fs::write(cold.join("small.jsonl"), format!("{first}\n")).unwrap();
    let wanted =
        format!("{} is not finished: 1 of {total} problems of small; the first 1 are compared", cold.display());
    assert!(stderr(&hot, &cold).contains(&wanted), "{}", stderr(&hot, &cold));
    let none = failed(&compare(folder.path(), &cold));
    assert!(none.contains("holds no evaluation"), "{none}");
}

/// Whatever the results depend on is part of what an evaluation is.
#[cfg(unix)]
#[test]
fn a_folder_is_of_one_reward_and_one_way_to_ask() {
    let folder = tempfile::tempdir().unwrap();
    let (out, script, model) = (folder.path().join("out"), folder.path().join("judge.sh"), folder.path().join("model"));
    let judge = |reward: u8| {
        let answer = format!("echo \"{{\\\"id\\\": ${{id%%,*}}, \\\"reward\\\": {reward}}}\"");
        fs::write(&script, format!("while read -r line; do id=${{line#*:}}; {answer}; done\n")).unwrap();
    };
    judge(1);
    fs::create_dir(&model).unwrap();
    for file in fs::read_dir(demo_model()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), model.join(file.file_name())).unwrap();
    }
    let reward = format!("reward.command=[\"sh\", {:?}]", script.display().to_string());
    let sets = ["--set", "reward.name=command", "--set", &reward];
    let evaluate = |more: &[&str]| command_on(&model, &out, &[&sets[..], more].concat()).output().unwrap();
    let table = done(&evaluate(&[]));
    let other = |more: &[&str], wanted: &str| {
        let said = failed(&evaluate(more));
        assert!(said.contains(&format!("with other settings ({wanted}")), "{said}");
    };
    other(&["--set", "rollout.stop=[\"1\"]"], "stop is [] there and [\"1\"] here");
    other(&["--set", "reward.weights=[0.5]"], "reward_weights is [] there and [0.5] here");
    judge(0);
    other(&[], "the files of reward.command are others");
    judge(1);
    // Another tokenizer, by a token whose prompt is written otherwise.
    let tokenizer = fs::read_to_string(model.join("tokenizer.json")).unwrap();
    let mut changed: Value = serde_json::from_str(&tokenizer).unwrap();
    let vocabulary = changed["model"]["vocab"].as_object_mut().unwrap();
    let (one, two) = (vocabulary["1"].clone(), vocabulary["2"].clone());
    vocabulary.insert("1".into(), two);
    vocabulary.insert("2".into(), one);
    fs::write(model.join("tokenizer.json"), changed.to_string()).unwrap();
    other(&[], "the prompts are others");
    fs::write(model.join("tokenizer.json"), tokenizer).unwrap();
    // An older version wrote less down.
    let file = out.join("eval.json");
    let mut older: serde_json::Map<String, Value> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    older.retain(|key, _| {
        !["reward_weights", "command", "command_files", "columns", "stop", "prompts"].contains(&key.as_str())
    });
    fs::write(&file, Value::from(older).to_string()).unwrap();
    assert_eq!(done(&evaluate(&[])), table);
}

#[test]
fn bad_input_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    done(&command(&out, &[]).output().unwrap());
    let other = failed(&command(&out, &["--set", "eval.top_p=0.5"]).output().unwrap());
    assert!(other.contains("with other settings (top_p is 0.95 there and 0.5 here); "), "{other}");
    let other = failed(&command(&out, &["--set", "reward.name=math", "--set", "prompt.preset=dgpo"]).output().unwrap());
    let parts = ["with other settings (system is ", "; reward is \"exact\" there and \"math\" here", "; form is "];
    assert!(parts.iter().all(|part| other.contains(part)), "{other}");
    let lines = fs::read_to_string(out.join("small.jsonl")).unwrap();
    let right =
        lines.lines().next().and_then(|line| serde_json::from_str::<Value>(line).ok()).unwrap()["correct"].clone();
    fs::write(out.join("small.jsonl"), lines.replacen(&format!("\"correct\":{right},"), "\"correct\":9,", 1)).unwrap();
    let damaged = failed(&command(&out, &[]).output().unwrap());
    assert!(damaged.contains("small.jsonl:1: 9 of 6 samples are counted as right"), "{damaged}");
    let greedy = failed(&command(&out, &["--set", "eval.temperature=0"]).output().unwrap());
    assert!(greedy.contains("all 6 samples of a problem are the same with eval.temperature = 0"), "{greedy}");
    let surefoot =
        |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_surefoot")).arg("eval").args(arguments).output().unwrap();
    let model = demo_model().display().to_string();
    let no_data = failed(&surefoot(&["--model", &model]));
    assert!(no_data.contains("eval.data") && no_data.contains("--data FILE"), "{no_data}");
    let no_model = failed(&surefoot(&["--data", "task:addition"]));
    assert!(no_model.contains("model.path"), "{no_model}");
    let twice = failed(&surefoot(&["--model", &model, "--data", "task:addition", "--data", "task:addition,seed=2"]));
    assert!(twice.contains("distinct names"), "{twice}");
    let file = folder.path().join("rows.jsonl");
    fs::write(&file, "{\"problem\": \"1+1=\", \"answer\": \"2\"}\n{\"problem\": \"2+2=\"}\n").unwrap();
    let no_answer = failed(&surefoot(&["--model", &model, "--data", &file.display().to_string()]));
    assert!(no_answer.contains("rows.jsonl:2"), "{no_answer}");
}

#[test]
fn training_evaluates_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
    // The CPU on every machine.
    command.env("CUDA_VISIBLE_DEVICES", "");
    command.args(["train", "--set", "train.steps=4", "--set", "rollout.prompts=4", "--set", "update.mini_batches=2"]);
    command.args([
        "--set",
        "eval.data=task:addition,rows=20,seed=9,style=plain",
        "--set",
        "eval.every=2",
        "--set",
        "eval.samples=4",
    ]);
    command.arg("--set").arg(format!("log.run_dir={:?}", run));
    done(&command.current_dir(folder.path()).output().unwrap());
    let steps = problems(&run.join("metrics.jsonl"));
    let has: Vec<bool> = steps.iter().map(|step| step.get("eval/avg").is_some()).collect();
    // Step 0 is the model that the run starts from.
    assert_eq!(has, [true, false, true, false, true]);
    let lines = problems(&run.join("eval/step-000004/addition.jsonl"));
    let right: u64 = lines.iter().map(|line| line["correct"].as_u64().unwrap()).sum();
    assert_eq!(steps[4]["eval/avg"].as_f64().unwrap(), right as f64 / (4 * lines.len()) as f64);
}

/// Two of them would append to one file in turns.
#[test]
fn a_folder_that_is_being_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let big = "big=task:addition,rows=4000,seed=5,style=plain,digits=3";
    let mut first = command(&out, &["--data", big]).stderr(std::process::Stdio::null()).spawn().unwrap();
    while !out.join("small.jsonl").exists() {
        assert!(first.try_wait().unwrap().is_none(), "ended before it wrote");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let message = failed(&command(&out, &["--data", big]).output().unwrap());
    assert!(message.contains(&format!("in use by process {}", first.id())) && message.contains("--out"), "{message}");
    // The lock of a process that is killed is free, and what it has done stays.
    first.kill().unwrap();
    first.wait().unwrap();
    done(&command(&out, &["--data", big]).output().unwrap());
    let lines = problems(&out.join("big.jsonl"));
    let numbers: Vec<u64> = lines.iter().map(|line| line["problem"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..lines.len() as u64).collect::<Vec<_>>());
}
