//! The configurations and studies that come with the repository, and those that its scripts write.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use surefoot_trainer::config::{Config, Purpose};
use surefoot_trainer::study::Plan;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository(folder)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

#[test]
fn configurations() {
    for path in files("configs") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (purpose, sets): (_, &[&str]) = match () {
            () if name.contains("sft") => (Purpose::Sft, &[]),
            () if name == "benchmarks.toml" => (Purpose::Eval, &["model.path=model"]),
            () => (Purpose::Train, &[]),
        };
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        Config::load(&path, &sets, purpose).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn studies() {
    for path in files("configs/studies") {
        Plan::load(&path).unwrap_or_else(|error| panic!("{error}"));
    }
    let plan = Plan::load(&repository("configs/studies/demo.toml")).unwrap();
    // Eight objectives, five seeds.
    assert_eq!((plan.cells.len(), plan.rows().len()), (40, 8));
    let named = |cell: &surefoot_trainer::study::Cell| cell.name.starts_with(&cell.config.objective.name);
    assert!(plan.cells.iter().all(|cell| cell.config.update.mini_batches == 16 && named(cell)));
    assert_eq!(plan.cells.iter().map(|cell| cell.run.clone()).collect::<BTreeSet<_>>().len(), 40);
}

/// What a script writes to `file`, with the defaults of its variables; those without one are 1.
fn written(script: &str, file: &str) -> String {
    let text = std::fs::read_to_string(repository(script)).unwrap();
    let begin = text.lines().position(|line| line.trim_start().starts_with("cat >") && line.contains(file)).unwrap();
    let mark = text.lines().nth(begin).unwrap().split("<<").nth(1).unwrap();
    let lines: Vec<&str> = text.lines().skip(begin + 1).take_while(|line| *line != mark).collect();
    let mut rest = lines.join("\n").replace("$here", repository("").to_str().unwrap());
    let mut out = String::new();
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let name = after.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        let (value, left) = match after.strip_prefix('{') {
            Some(braced) => {
                let (variable, left) = braced.split_once('}').unwrap();
                let unset = if variable.contains(":+") { "" } else { "1" };
                (variable.split_once(":-").map_or(unset, |(_, default)| default).replace("\\\"", "\""), left)
            }
            None => ("1".to_string(), name),
        };
        out.push_str(&value);
        rest = left.to_string();
    }
    out + &rest
}

#[test]
fn configurations_of_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let write = |script: &str, file: &str| {
        let path = folder.path().join(file);
        std::fs::write(&path, written(script, file)).unwrap();
        path
    };
    let warm = write("benchmarks/learn.sh", "warm.toml");
    Config::load(&warm, &[], Purpose::Sft).unwrap_or_else(|error| panic!("{error}"));
    let study = write("benchmarks/learn.sh", "study.toml");
    assert_eq!(Plan::load(&study).unwrap_or_else(|error| panic!("{error}")).cells.len(), 2);
    let scaling = write("benchmarks/scaling.sh", "run.toml");
    Config::load(&scaling, &[], Purpose::Train).unwrap_or_else(|error| panic!("{error}"));
}
