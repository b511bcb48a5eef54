//! Run folders: one writer, whole files, checkpoints, rollouts, metrics that survive a kill.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;

use surefoot_trainer::engine::folder::write_atomically;
use surefoot_trainer::metrics::definition::{REWARD_MEAN, TIME_STEP, UPDATE_LOSS, of_statistic};
use surefoot_trainer::metrics::{self, MetricsFile, Record};
use surefoot_trainer::run_folder::rollouts::{self, Sample};
use surefoot_trainer::run_folder::{Checkpoints, RunFolder, atomic};

fn record(step: u64) -> Record {
    let mut record = Record::new(step);
    record.set(REWARD_MEAN, step as f64 / 8.0);
    record.set(UPDATE_LOSS, -0.1 * step as f64);
    record
}

#[test]
fn a_second_writer_is_refused_and_a_dead_one_replaced() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let run = RunFolder::create(&path).unwrap();
    run.write_config("[train]\n").unwrap();
    let message = RunFolder::resume(&path).unwrap_err().to_string();
    assert!(message.contains(&format!("is in use by process {}", std::process::id())), "{message}");
    assert!(RunFolder::create(&path).unwrap_err().to_string().contains("is in use by"));
    assert_eq!(RunFolder::holder(&path).unwrap(), format!("process {}", std::process::id()));
    drop(run);
    // A lock file that a killed process left holds no lock, and who asks leaves it as it is.
    fs::write(path.join("lock"), "process 1\n").unwrap();
    assert_eq!(RunFolder::holder(&path), None);
    assert_eq!(fs::read_to_string(path.join("lock")).unwrap(), "process 1\n");
    drop(RunFolder::resume(&path).unwrap());
    let message = RunFolder::create(&path).unwrap_err().to_string();
    assert!(message.contains("holds a run already") && message.contains("--resume"), "{message}");
    assert!(RunFolder::resume(parent.path()).unwrap_err().to_string().contains("holds no run"));
}

#[test]
fn a_checkpoint_is_told_from_its_run() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let run = RunFolder::create(&path).unwrap();
    run.write_config("[train]\n").unwrap();
    let checkpoint = run.checkpoints().step(8);
    let message = RunFolder::resume(&checkpoint).unwrap_err().to_string();
    let (checkpoint, run) = (checkpoint.display(), path.display());
    assert!(message.starts_with(&format!("{checkpoint} holds no run")), "{message}");
    assert!(message.ends_with(&format!("`--resume {run}`")), "{message}");
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    atomic::write(&path, b"old").unwrap();
    let failed = write_atomically(&path, |file| {
        file.write_all(b"half of the new")?;
        Err::<(), _>(std::io::Error::other("disk full"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "disk full");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left");
    atomic::write(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn only_complete_checkpoints_are_found() {
    let parent = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::at(&parent.path().join("checkpoints"));
    assert_eq!(checkpoints.latest().unwrap(), None);
    for step in [5, 10, 100] {
        let partial = checkpoints.begin(step).unwrap();
        fs::create_dir(partial.path().join("inner")).unwrap();
        fs::write(partial.path().join("inner/weights"), step.to_string()).unwrap();
        assert_ne!(checkpoints.latest().unwrap().map(|(step, _)| step), Some(step), "found before it is complete");
        partial.commit().unwrap();
    }
    // What a kill in the middle of a write leaves.
    let partial = checkpoints.begin(105).unwrap();
    fs::write(partial.path().join("weights"), "half").unwrap();
    std::mem::forget(partial);
    let (step, path) = checkpoints.latest().unwrap().unwrap();
    assert_eq!((step, fs::read_to_string(path.join("inner/weights")).unwrap()), (100, "100".to_string()));
    // The same step again replaces, and a new attempt at the broken one starts empty.
    let partial = checkpoints.begin(100).unwrap();
    fs::write(partial.path().join("weights"), "again").unwrap();
    assert_eq!(fs::read_to_string(partial.commit().unwrap().join("weights")).unwrap(), "again");
    let partial = checkpoints.begin(105).unwrap();
    assert_eq!(fs::read_dir(partial.path()).unwrap().count(), 0);
    drop(partial);
    let steps = || checkpoints.list().unwrap().into_iter().map(|(step, _)| step).collect::<Vec<u64>>();
    checkpoints.prune(1, Some(5)).unwrap();
    assert_eq!(steps(), [5, 100], "the best stays");
    checkpoints.prune(2, None).unwrap();
    assert_eq!(steps(), [5, 100]);
    checkpoints.prune(1, Some(100)).unwrap();
    assert_eq!(steps(), [100]);
    assert_eq!(fs::read_dir(parent.path().join("checkpoints")).unwrap().count(), 1, "leftovers");
}

#[test]
fn a_resume_clears_what_a_kill_left() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let run = RunFolder::create(&path).unwrap();
    run.write_config("").unwrap();
    std::mem::forget(run.checkpoints().begin(3).unwrap());
    fs::write(run.rollouts().join(".partial-step-000001.parquet"), "half").unwrap();
    drop(run);
    let run = RunFolder::resume(&path).unwrap();
    assert_eq!(fs::read_dir(run.rollouts()).unwrap().count(), 0);
    assert_eq!(fs::read_dir(path.join("checkpoints")).unwrap().count(), 0);
}

/// A step's checkpoint is written once more, and a kill comes between the two renames: the old one has lost its name, and the new one has
/// not got it yet.
#[test]
fn a_checkpoint_that_was_being_replaced_is_there_after_a_kill() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let run = RunFolder::create(&path).unwrap();
    run.write_config("").unwrap();
    let save = |text: &str| {
        let partial = run.checkpoints().begin(3).unwrap();
        fs::write(partial.path().join("weights"), text).unwrap();
        partial
    };
    let read = |run: &RunFolder| fs::read_to_string(run.checkpoints().step(3).join("weights")).unwrap();
    save("old").commit().unwrap();
    let new = save("new");
    fs::rename(run.checkpoints().step(3), new.replaced()).unwrap();
    std::mem::forget(new);
    drop(run);
    let run = RunFolder::resume(&path).unwrap();
    assert_eq!(read(&run), "old");
    assert_eq!(fs::read_dir(path.join("checkpoints")).unwrap().count(), 1);
    // After the second rename, the new one is there, and the old one goes.
    let save = |text: &str| {
        let partial = run.checkpoints().begin(3).unwrap();
        fs::write(partial.path().join("weights"), text).unwrap();
        partial
    };
    let replaced = save("newer").replaced();
    save("newer").commit().unwrap();
    fs::create_dir(&replaced).unwrap();
    drop(run);
    let run = RunFolder::resume(&path).unwrap();
    assert_eq!(read(&run), "newer");
    assert_eq!(fs::read_dir(path.join("checkpoints")).unwrap().count(), 1);
}

#[test]
fn what_later_steps_left_is_removed() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let run = RunFolder::create(&path).unwrap();
    for step in [1, 2, 3, 40] {
        fs::write(run.rollout(step), "rows").unwrap();
        fs::create_dir_all(run.evaluation(step)).unwrap();
        fs::write(run.evaluation(step).join("eval.json"), "{}").unwrap();
    }
    fs::create_dir(path.join("eval/step-000040-mine")).unwrap();
    run.forget_after(2).unwrap();
    let names = |folder: &str| {
        let mut names: Vec<_> = fs::read_dir(path.join(folder)).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("rollouts"), ["step-000001.parquet", "step-000002.parquet"]);
    assert_eq!(names("eval"), ["step-000001", "step-000002", "step-000040-mine"]);
    fs::remove_dir_all(path.join("eval")).unwrap();
    run.forget_after(0).unwrap();
    assert!(names("rollouts").is_empty());
}

#[test]
fn metrics_survive_a_kill_at_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let mut file = MetricsFile::open(&path, 0).unwrap();
    (1..=6).for_each(|step| file.append(&record(step)).unwrap());
    file.sync().unwrap();
    let whole = fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count() as u64;
        let resumed = lines.min(3);
        let mut file = MetricsFile::open(&path, resumed).unwrap();
        (resumed + 1..=6).for_each(|step| file.append(&record(step)).unwrap());
        assert!(fs::read(&path).unwrap() == whole, "cut at byte {cut}");
    }
    assert_eq!(metrics::read(&path).unwrap(), (1..=6).map(record).collect::<Vec<_>>());
}

/// Of a newer version, for instance.
#[test]
fn metrics_that_are_not_known_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let line = |step: u64| format!("{{\"step\":{step},  \"future/thing\":[1],\"reward/mean\":0.50}}\n");
    fs::write(&path, (1..=3).map(line).collect::<String>()).unwrap();
    MetricsFile::open(&path, 2).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), line(1) + &line(2));
}

#[test]
fn a_broken_line_in_the_middle_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    fs::write(&path, "{\"step\":1}\nrubbish\n{\"step\":2}\n").unwrap();
    let message = MetricsFile::open(&path, 2).unwrap_err().to_string();
    assert!(message.contains("metrics.jsonl:2: not a line of metrics"), "{message}");
    assert!(metrics::read(&folder.path().join("absent")).unwrap().is_empty());
}

#[test]
fn values_that_are_not_finite_are_null() {
    let mut record = Record::new(1);
    record.set(UPDATE_LOSS, f64::NAN);
    record.set(TIME_STEP, 1.0);
    record.set(TIME_STEP, 2.0);
    assert_eq!(record.to_line(), "{\"step\":1,\"update/loss\":null,\"time/step\":2.0}");
    assert!(Record::from_line(&record.to_line()).unwrap().get(UPDATE_LOSS).unwrap().is_nan());
    assert_eq!(Record::from_line("{\"loss\": 1}"), None);
}

fn samples(by_token: bool) -> Vec<Sample> {
    (0..20)
        .map(|index| Sample {
            step: 3,
            policy_version: 1,
            row: index / 4,
            sample: (index % 4) as u32,
            prompt: format!("problem {} \u{2264} 3\n", index / 4),
            answer: (index / 4).to_string(),
            completion: "naïve \"text\"".repeat(index as usize),
            reward: (index != 7).then_some(index as f32 / 3.0),
            verdict: if index % 2 == 0 { "correct" } else { "wrong" }.into(),
            advantage: -0.1 * index as f32,
            truncated: index % 3 == 0,
            tokens: (0..index as u32 * 3 % 11).map(|token| token * 50_000).collect(),
            logp_old: (0..index * 3 % 11).map(|token| -(token as f32) / 7.0).collect(),
            logp_behavior: Vec::new(),
            mini_batch: index as u32 / 8,
            logp: (0..index * 3 % 11).map(|token| -(token as f32) / 9.0).collect(),
            logp_ref: (0..index % 3).map(|token| -(token as f32) / 11.0).collect(),
            advantages: if by_token { vec![0.5; index as usize % 4] } else { Vec::new() },
            logp_epoch: if by_token { vec![-0.25; index as usize % 5] } else { Vec::new() },
            rewards: if by_token { vec![1.0, -0.5] } else { Vec::new() },
        })
        .collect()
}

#[test]
fn rollouts_read_back_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("step-000003.parquet");
    for by_token in [false, true] {
        rollouts::write(&path, &samples(by_token)).unwrap();
        assert_eq!(rollouts::read(&path).unwrap(), samples(by_token));
    }
    rollouts::write(&path, &[]).unwrap();
    assert_eq!(rollouts::read(&path).unwrap(), []);
    fs::write(&path, b"PAR1 nonsense").unwrap();
    assert!(rollouts::read(&path).unwrap_err().to_string().contains("step-000003.parquet"));
}

/// A statistic of `docs/statistics.md` has a metric.
#[test]
fn every_documented_statistic_is_a_metric() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/statistics.md");
    let page = fs::read_to_string(page).unwrap();
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let names: Vec<&str> = cells.flat_map(|cell| cell.split('`')).filter(|name| name.contains('/')).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        assert!(of_statistic(name).is_some(), "{name}");
    }
}

#[test]
fn docs_metrics_is_in_sync() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, metrics::page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == metrics::page(), "docs/metrics.md is out of date: run with UPDATE_DOCS=1");
}
