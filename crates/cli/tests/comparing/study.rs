//! Studies: every run once, whatever kills them, and a table that is what the metrics say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use surefoot_trainer::metrics::{self, definition::EVAL_AVG, definition::REWARD_CORRECT};

use crate::{ended, surefoot, tiny_config};

const STUDY: &str = "config = \"tiny.toml\"\nobjectives = [\"mhpo\", \"grpo\"]\nseeds = [1, 2]\nparallel = 1\n\
    [[setting]]\nname = \"\"\n[[setting]]\nname = \"c 0.5\"\nset = [\"objective.bound=0.5\"]\nobjectives = [\"mhpo\"]\n";

const NAMES: [&str; 6] =
    ["mhpo.seed-1", "mhpo.seed-2", "mhpo.c-0.5.seed-1", "mhpo.c-0.5.seed-2", "grpo.seed-1", "grpo.seed-2"];

fn lines(at: &Path, name: &str) -> usize {
    let text = fs::read_to_string(at.join("studies/s/runs").join(name).join("metrics.jsonl")).unwrap_or_default();
    text.lines().count()
}

/// Bytes and times of every file of the finished runs.
fn finished(at: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let metrics = |name: &&str| at.join("studies/s/runs").join(name).join("metrics.jsonl");
    let done = NAMES.iter().filter(|name| lines(at, name) == 4);
    done.map(|name| {
        let path = metrics(name);
        ((*name).to_string(), (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap()))
    })
    .collect()
}

#[test]
fn a_killed_study_goes_on_and_repeats_nothing() {
    let at = tempfile::tempdir().unwrap();
    let at = at.path();
    tiny_config(at);
    fs::write(at.join("s.toml"), STUDY).unwrap();
    let mut child = surefoot(at, &["study", "s.toml"]).spawn().unwrap();
    // In the middle of the third run.
    while lines(at, NAMES[2]) < 1 {
        assert!(child.try_wait().unwrap().is_none(), "ended before its third run");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = finished(at);
    assert!(before.len() >= 2 && lines(at, NAMES[5]) == 0, "{:?}", before.keys());

    let (code, table, stderr) = ended(at, &["study", "s.toml"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(!stderr.contains("begins mhpo.seed-1") && stderr.contains("begins grpo.seed-2"), "{stderr}");
    let after = finished(at);
    assert_eq!(after.len(), NAMES.len(), "{stderr}");
    assert!(before.iter().all(|(name, was)| after[name] == *was), "a finished run was touched");

    // The table, by hand: four steps make windows of one.
    let scores = |name: &str| -> Vec<f64> {
        let path = at.join("studies/s/runs").join(name).join("metrics.jsonl");
        metrics::read(&path).unwrap().iter().map(|record| record.get(REWARD_CORRECT).unwrap()).collect()
    };
    let mean = |value: &dyn Fn(&[f64]) -> f64, names: [&str; 2]| {
        names.map(|name| value(&scores(name))).iter().sum::<f64>() / 2.0
    };
    let best = |scores: &[f64]| scores.iter().copied().fold(0.0, f64::max);
    let (start, latest) = (|scores: &[f64]| scores[0], |scores: &[f64]| scores[3]);
    for (row, names) in [
        ("| mhpo |", [NAMES[0], NAMES[1]]),
        ("| mhpo, c 0.5 |", [NAMES[2], NAMES[3]]),
        ("| grpo |", [NAMES[4], NAMES[5]]),
    ] {
        let line = table.lines().find(|line| line.starts_with(row)).unwrap();
        let cells: Vec<&str> = line.split(" | ").collect();
        assert_eq!(cells[1], "2 of 2");
        assert!(cells[2].starts_with(&format!("{:.3} ± ", mean(&start, names))), "{line}");
        assert!(cells[3].starts_with(&format!("{:.3} ± ", mean(&best, names))), "{line}");
        assert!(cells[4].starts_with(&format!("{:.3} ± ", mean(&latest, names))), "{line}");
    }

    // Nothing is left to do, and the table comes from the folders alone.
    let (code, again, stderr) = ended(at, &["study", "s.toml"]);
    assert!(code == 0 && again == table && stderr.starts_with("6 runs, 6 finished"), "{stderr}");
    for file in ["table.md", "report.html"] {
        fs::remove_file(at.join("studies/s").join(file)).unwrap();
    }
    fs::remove_dir_all(at.join("studies/s/cells")).unwrap();
    fs::remove_dir_all(at.join("studies/s/logs")).unwrap();
    assert_eq!(ended(at, &["study", "s.toml", "--table"]).1, table);
    let page = fs::read_to_string(at.join("studies/s/report.html")).unwrap();
    assert!(page.contains("<td>mhpo, c 0.5</td>") && page.contains("<figure id=\"reward\">"));
    assert!(fs::read_to_string(at.join("studies/s/table.md")).unwrap().contains("[report.html](report.html)"));

    // A study that asks for something else does not take these runs for its own.
    fs::write(at.join("s.toml"), STUDY.replace("parallel = 1", "parallel = 1\nset = [\"train.steps=5\"]")).unwrap();
    let (code, _, stderr) = ended(at, &["study", "s.toml"]);
    assert!(
        code == 2 && stderr.contains("mhpo.seed-1 holds a run with other settings (train.steps is 4 there and 5 here)"),
        "{stderr}"
    );
}

#[test]
fn evaluations_are_the_score_where_every_run_makes_them() {
    let at = tempfile::tempdir().unwrap();
    let at = at.path();
    tiny_config(at);
    let sets = "set = [\"eval.data=task:addition,rows=20,seed=9,style=plain\", \"eval.samples=4\", \"eval.every=2\", \"train.steps=6\"";
    let study = format!("config = \"tiny.toml\"\nobjectives = [\"grpo\"]\nseeds = [1, 2]\n{sets}]\n");
    fs::write(at.join("s.toml"), &study).unwrap();
    let (code, table, stderr) = ended(at, &["study", "s.toml"]);
    assert!(
        code == 0 && stderr.contains("Score: eval/avg, right completions") && !stderr.contains("windows"),
        "{stderr}"
    );
    let mut expected = [0.0; 3];
    for name in ["grpo.seed-1", "grpo.seed-2"] {
        let records = metrics::read(&at.join("studies/s/runs").join(name).join("metrics.jsonl")).unwrap();
        let scores: Vec<f64> = records.iter().filter_map(|record| record.get(EVAL_AVG)).collect();
        // Of the starting model, and after steps 2, 4 and 6.
        assert_eq!(scores.len(), 4);
        expected[0] += scores[0] / 2.0;
        expected[1] += scores.iter().copied().fold(0.0, f64::max) / 2.0;
        expected[2] += scores[3] / 2.0;
    }
    let line = table.lines().find(|line| line.starts_with("| grpo |")).unwrap();
    let cells: Vec<&str> = line.split(" | ").collect();
    for (cell, expected) in cells[2..].iter().zip(expected) {
        assert!(cell.starts_with(&format!("{expected:.3} ± ")), "{line}: {expected}");
    }
    // From the folders alone; and the page draws the evaluations.
    fs::remove_dir_all(at.join("studies/s/cells")).unwrap();
    assert_eq!(ended(at, &["study", "s.toml", "--table"]).1, table);
    let page = fs::read_to_string(at.join("studies/s/report.html")).unwrap();
    assert!(page.contains("<figure id=\"evaluation\">") && page.contains("<th>evaluation, last</th>"));
    assert!(fs::read_to_string(at.join("studies/s/table.md")).unwrap().contains("Score: eval/avg"));
    fs::write(at.join("s.toml"), study.replace("[1, 2]", "[1]")).unwrap();
    assert!(ended(at, &["study", "s.toml"]).2.starts_with("1 run, 1 finished"));
    // Asked for, the rewards of the same runs.
    fs::write(at.join("s.toml"), format!("score = \"reward/correct\"\n{study}")).unwrap();
    let (_, rewards, stderr) = ended(at, &["study", "s.toml", "--table"]);
    assert!(rewards != table && stderr.contains("Score: reward/correct"), "{stderr}");
    // A run without evaluations has no such score.
    let mixed = format!(
        "{study}[[setting]]\nname = \"a\"\n[[setting]]\nname = \"b\"\nset = [\"eval.every=0\", \"eval.data=[]\"]\n"
    );
    fs::write(at.join("s.toml"), format!("score = \"eval/avg\"\n{mixed}")).unwrap();
    let (code, _, stderr) = ended(at, &["study", "s.toml", "--table"]);
    assert!(
        code == 2 && stderr.contains("score: is eval/avg, and the run grpo.b.seed-1 makes no evaluation"),
        "{stderr}"
    );
    fs::write(at.join("s.toml"), mixed).unwrap();
    assert!(ended(at, &["study", "s.toml", "--table"]).2.contains("Score: reward/correct"));
}

#[cfg(unix)]
#[test]
fn an_interrupted_study_leaves_checkpoints() {
    let at = tempfile::tempdir().unwrap();
    let at = at.path();
    tiny_config(at);
    let study = "config = \"tiny.toml\"\nobjectives = [\"mhpo\"]\nseeds = [1]\nset = [\"train.steps=200\", \"checkpoint.every=0\"]\n";
    fs::write(at.join("s.toml"), study).unwrap();
    let child = surefoot(at, &["study", "s.toml"]).spawn().unwrap();
    while lines(at, NAMES[0]) < 1 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let kill = std::process::Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(130) && stderr.contains("Go on with: surefoot study s.toml"), "{stderr}");
    assert_eq!(fs::read_dir(at.join("studies/s/runs/mhpo.seed-1/checkpoints")).unwrap().count(), 1);
    let (code, table, stderr) = ended(at, &["study", "s.toml", "--table"]);
    assert!(
        code == 0 && table.contains("| mhpo | 0 of 1 |") && stderr.contains("mhpo.seed-1: is not finished"),
        "{table}{stderr}"
    );
}

#[test]
fn a_wrong_study_is_refused_before_any_run() {
    let at = tempfile::tempdir().unwrap();
    tiny_config(at.path());
    let refused = |text: &str| {
        fs::write(at.path().join("s.toml"), text).unwrap();
        let (code, stdout, stderr) = ended(at.path(), &["study", "s.toml"]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(!at.path().join("studies").exists(), "{stderr}");
        stderr
    };
    let head = "config = \"tiny.toml\"\n";
    for (text, told) in [
        ("objectives = [\"mhpo\"]\nseeds = [1]\nsteps = 3\n", "unknown field `steps`"),
        ("objectives = [\"mhop\"]\nseeds = [1]\n", "did you mean `mhpo`"),
        ("objectives = [\"mhpo\"]\nseeds = []\n", "seeds: is empty"),
        ("objectives = [\"mhpo\"]\nseeds = [3, 3]\n", "3 is there twice"),
        ("objectives = [\"mhpo\"]\nseeds = [1]\nscore = \"reward/men\"\n", "there is no metric `reward/men`"),
        ("objectives = [\"grpo\"]\nseeds = [1]\nset = [\"objective.bound=1\"]\n", "run grpo.seed-1: "),
        (
            "objectives = [\"mhpo\"]\nseeds = [1]\n[[setting]]\nname = \"a b\"\n[[setting]]\nname = \"a-b\"\n",
            "two runs would have the name",
        ),
        (
            "objectives = [\"mhpo\"]\nseeds = [1]\n[[setting]]\nname = \"a\"\nobjectives = [\"grpo\"]\n",
            "`grpo` is none of the study's",
        ),
    ] {
        let stderr = refused(&format!("{head}{text}"));
        assert!(stderr.contains("s.toml") || told.starts_with("run "), "{stderr}");
        assert!(stderr.contains(told), "{told}: {stderr}");
    }
}

/// One of two runs reaches its last step: the other one is no success, and has no difference at the end.
#[test]
fn a_run_that_a_detector_ended_counts_as_collapsed() {
    let at = tempfile::tempdir().unwrap();
    let at = at.path();
    tiny_config(at);
    let study = "config = \"tiny.toml\"\nobjectives = [\"mhpo\"]\nseeds = [1]\n[[setting]]\nname = \"ended\"\n\
        set = [\"stop.length_min=5\"]\n[[setting]]\nname = \"whole\"\n";
    fs::write(at.join("s.toml"), study).unwrap();
    let early = "ended early at step 3 by stop.length_min";
    for said in ["finished mhpo.whole.seed-1 (", "2 runs, 2 finished"] {
        let (code, table, stderr) = ended(at, &["study", "s.toml"]);
        assert!(code == 0 && stderr.contains(said), "{code} {stderr}");
        assert!(stderr.contains(&format!("mhpo.ended.seed-1: {early}; it counts as collapsed")), "{stderr}");
        assert!(!stderr.contains("finished mhpo.ended.seed-1"), "{stderr}");
        assert_eq!(lines(at, "mhpo.ended.seed-1"), 3, "three steps in a row end it");
        let cells = |row: &str| -> Vec<String> {
            let line = table.lines().find(|line| line.starts_with(row)).unwrap();
            line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_string()).collect()
        };
        let (row, whole) = (cells("| mhpo, ended |"), cells("| mhpo, whole |"));
        assert_eq!([&row[1], &row[4], &row[5], &row[7]], ["1 of 1", "–", "–", "1 of 1"], "{table}");
        assert!(whole[5] != "–" && whole[7].ends_with(" of 1"), "{table}");
        let page = fs::read_to_string(at.join("studies/s/table.md")).unwrap();
        let line = page.lines().find(|line| line.starts_with("| mhpo.ended.seed-1 |")).unwrap();
        assert!(line.ends_with("| yes | step 3, stop.length_min |"), "{line}");
        let line = page.lines().find(|line| line.starts_with("| mhpo.whole.seed-1 |")).unwrap();
        assert!(line.ends_with("| no |"), "{line}");
    }
}

#[test]
fn a_table_says_which_runs_have_other_settings() {
    let at = tempfile::tempdir().unwrap();
    let at = at.path();
    tiny_config(at);
    let study = |sets: &str, seeds: &str| {
        let text = format!("config = \"tiny.toml\"\nobjectives = [\"grpo\"]\nseeds = {seeds}\nset = [{sets}]\n");
        fs::write(at.join("s.toml"), text).unwrap();
    };
    study("", "[1]");
    assert_eq!(ended(at, &["study", "s.toml"]).0, 0);
    let file = at.join("studies/s/table.md");
    let before = fs::read_to_string(&file).unwrap();
    study("\"train.steps=5\"", "[1]");
    let (code, _, stderr) = ended(at, &["study", "s.toml", "--table"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("grpo.seed-1 holds a run with other settings (train.steps is 4 there"), "{stderr}");
    assert!(!stderr.contains("no run is finished yet"), "{stderr}");
    assert!(stderr.contains("s/table.md is of an earlier study"), "{stderr}");
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    // A run that is only missing is no error.
    study("", "[1, 2]");
    let (code, table, stderr) = ended(at, &["study", "s.toml", "--table"]);
    assert!(code == 0 && table.contains("| grpo | 1 of 2 |") && stderr.contains("has not begun"), "{stderr}");
}
