//! One run over several ranks, here threads of one process: the same bits as one rank with as many `update.shards`.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use surefoot_trainer::config::{Config, Purpose};
use surefoot_trainer::journey::{Ending, Start};
use surefoot_trainer::metrics::definition::depends_on_the_clock;
use surefoot_trainer::metrics::{self, definition};
use surefoot_trainer::progress::{Progress, Terminal};
use surefoot_trainer::ranks::{Ranks, RanksError, threads};
use surefoot_trainer::run_folder::rollouts;
use surefoot_trainer::sft::SftRun;
use surefoot_trainer::train::{Run, TrainError};

/// Three steps on the demo's model, whose groups are more than the ranks and do not divide by them.
const SHORT: &str = "[train]\nsteps = 3\n[prompt]\nchat = \"never\"\nmax_tokens = 16\n\
    [rollout]\nprompts = 6\nsamples = 4\nmax_new_tokens = 5\n[reward]\nname = \"exact\"\n\
    [optimizer]\nlearning_rate = 1e-3\n[update]\nmini_batches = 2\ntokens_per_micro_batch = 64\n";

fn config(purpose: Purpose, run: &Path, sets: &[&str]) -> Config {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    let mut all = vec![
        format!("model.path={demo:?}"),
        format!("log.run_dir={run:?}"),
        "data.train=\"task:addition,rows=50,seed=7,digits=2,style=plain\"".to_string(),
    ];
    all.extend(sets.iter().map(ToString::to_string));
    let text = if purpose == Purpose::Train { SHORT } else { "[train]\nsteps = 3\n[prompt]\nchat = \"never\"\n" };
    Config::from_text("run.toml".as_ref(), text, &all, purpose).unwrap()
}

fn quiet() -> Progress {
    Progress::new(Terminal { sink: Box::new(std::io::sink()), interactive: false, colour: false }, 3, 0)
}

/// One rank's way through a run, in a pool of its own.
fn one(config: Config, start: Start, ranks: Ranks, stop: &AtomicBool) -> Result<Ending, TrainError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| match config.purpose {
        Purpose::Sft => Ok(SftRun::prepare(config, start, ranks)?.0.run(&mut quiet(), stop)?.ending),
        _ => Ok(Run::prepare(config, start, ranks, stop)?.0.run(&mut quiet(), stop)?.ending),
    })
}

/// A run over `size` ranks, with what each came to; `of` gives each rank its configuration.
fn together(size: usize, start: Start, of: impl Fn(usize) -> Config) -> Vec<Result<Ending, TrainError>> {
    let stop = AtomicBool::new(false);
    let configs: Vec<Config> = (0..size).map(of).collect();
    std::thread::scope(|scope| {
        let rank = |(ranks, config)| scope.spawn(|| one(config, start, ranks, &stop));
        let all: Vec<_> = threads(size).into_iter().zip(configs).map(rank).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Everything of a run folder that must not depend on how many made it: the last checkpoint, rollouts, evaluations, metrics.
fn left(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let checkpoint = run.join("checkpoints/step-3");
    collect(&checkpoint, &mut found);
    collect(&run.join("rollouts"), &mut found);
    if run.join("eval").exists() {
        collect(&run.join("eval"), &mut found);
    }
    for line in fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines() {
        let line: Map<String, Value> = serde_json::from_str(line).unwrap();
        let line: Map<_, _> = line.into_iter().filter(|(name, _)| !depends_on_the_clock(name)).collect();
        found.push(("metrics".to_string(), Value::Object(line).to_string().into_bytes()));
    }
    found
}

fn collect(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        match path.is_dir() {
            true => collect(&path, found),
            false => found.push((path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())),
        }
    }
}

#[track_caller]
fn assert_same(one: &[(String, Vec<u8>)], other: &[(String, Vec<u8>)], what: &str) {
    assert_eq!(one.len(), other.len(), "{what}");
    for ((name, one), (same, other)) in one.iter().zip(other) {
        assert_eq!(name, same, "{what}");
        assert!(
            one == other,
            "{what}: {name} differs\n{}",
            String::from_utf8_lossy(if one.len() < 3000 { other } else { b"" })
        );
    }
}

/// Runs with `sets` on each number of ranks, all of which must leave the same.
fn compare(purpose: Purpose, sets: &[&str], sizes: &[usize]) {
    let folder = tempfile::tempdir().unwrap();
    let mut first = None;
    for &size in sizes {
        let run = folder.path().join(format!("ranks-{size}"));
        for ending in together(size, Start::New, |_| config(purpose, &run, sets)) {
            assert_eq!(ending.unwrap(), Ending::Finished);
        }
        let left = left(&run);
        assert_same(first.get_or_insert_with(|| left.clone()), &left, &format!("{sets:?} on {size} ranks"));
    }
}

#[test]
fn any_number_of_ranks_leaves_the_same_bits() {
    // Less, as many and more ranks than parts; groups without signal, epochs, masks and dynamic sampling.
    compare(Purpose::Train, &["update.shards=6"], &[1, 2, 4, 6, 7]);
    compare(Purpose::Train, &["update.shards=2", "update.epochs=2", "rollout.resample_rounds=2"], &[1, 2, 3]);
    compare(Purpose::Train, &["update.shards=3", "update.truncated=\"mask\""], &[1, 3]);
}

/// Where several rewards are named, each is measured by itself, before its weight: the same on any number of ranks, and in a run
/// that was resumed.
#[test]
fn each_reward_is_measured() {
    let sets = [
        "update.shards=2",
        "reward.name=[\"exact\", \"overlong\"]",
        "reward.weights=[1.0, 0.25]",
        "reward.overlong_buffer=2",
    ];
    compare(Purpose::Train, &sets, &[1, 2]);
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let run = |run: &Path, start: Start, steps: &str| {
        let sets = [&sets[..], &[steps]].concat();
        assert_eq!(
            one(config(Purpose::Train, run, &sets), start, Ranks::alone(), &AtomicBool::new(false)).unwrap(),
            Ending::Finished
        );
    };
    run(&whole, Start::New, "train.steps=3");
    run(&parts, Start::New, "train.steps=1");
    run(&parts, Start::Resume, "train.steps=3");
    assert_same(&left(&whole), &left(&parts), "resumed");
    let mut rewards_differ = false;
    for record in metrics::read(&whole.join("metrics.jsonl")).unwrap() {
        let value = |name| record.get(definition::by_name(name).unwrap()).unwrap();
        let (exact, overlong) = (value("reward/exact_mean"), value("reward/overlong_mean"));
        assert!((value("reward/mean") - exact - 0.25 * overlong).abs() < 1e-6, "{record:?}");
        assert!((value("reward/exact_std") - (exact * (1.0 - exact)).sqrt()).abs() < 1e-6, "{record:?}");
        rewards_differ |= exact > 0.0 && overlong < 0.0 && value("reward/overlong_std") > 0.0;
        let samples = rollouts::read(&whole.join(format!("rollouts/step-{:06}.parquet", record.step))).unwrap();
        let mean = |term: usize| samples.iter().map(|s| f64::from(s.rewards[term])).sum::<f64>() / samples.len() as f64;
        assert!((mean(0) - exact).abs() < 1e-6 && (mean(1) - overlong).abs() < 1e-6, "{record:?}");
    }
    assert!(rewards_differ, "nothing was measured");
    let scalars = fs::read(whole.join("tensorboard/events.out.tfevents.surefoot")).unwrap();
    assert!(scalars.windows(20).any(|bytes| bytes == b"reward/overlong_mean"), "not in TensorBoard's file");
    // One reward is `reward/mean`.
    let single = folder.path().join("single");
    one(config(Purpose::Train, &single, &["train.steps=1"]), Start::New, Ranks::alone(), &AtomicBool::new(false))
        .unwrap();
    assert!(!fs::read_to_string(single.join("metrics.jsonl")).unwrap().contains("reward/exact_mean"));
    assert!(rollouts::read(&single.join("rollouts/step-000001.parquet")).unwrap()[0].rewards.is_empty());
}

#[test]
fn so_do_a_reference_policy_adapters_and_evaluations() {
    let reference = [
        "update.shards=2",
        "regularizer.reference_coefficient=0.1",
        "regularizer.entropy_coefficient=0.01",
        "lora.rank=4",
    ];
    compare(Purpose::Train, &reference, &[1, 2]);
    let evaluated = [
        "update.shards=2",
        "advantage.kl_coefficient=0.1",
        "eval.every=1",
        "eval.samples=4",
        "rollout.batch=8",
        "eval.data=\"sums=task:addition,rows=20,seed=3,digits=2,style=plain\"",
    ];
    compare(Purpose::Train, &evaluated, &[1, 2, 3]);
}

#[test]
fn so_does_sampling_ahead() {
    compare(Purpose::Train, &["update.shards=2", "rollout.staleness=1"], &[1, 2, 3]);
}

#[test]
fn so_does_supervised_fine_tuning() {
    compare(Purpose::Sft, &["update.shards=4", "sft.batch=6", "update.tokens_per_micro_batch=32"], &[1, 2, 3, 4]);
}

/// The parts change a run by rounding alone.
#[test]
fn another_number_of_parts_is_another_rounding() {
    let folder = tempfile::tempdir().unwrap();
    let weights = |shards: usize| {
        let (run, shards) = (folder.path().join(shards.to_string()), format!("update.shards={shards}"));
        let made = together(1, Start::New, |_| config(Purpose::Train, &run, &[&shards, "train.steps=1"]));
        assert_eq!(made.into_iter().next().unwrap().unwrap(), Ending::Finished);
        let bytes = fs::read(run.join("checkpoints/step-1/optimizer.safetensors")).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let values = bytes[8 + header..].chunks_exact(4).map(|v| f32::from_le_bytes(v.try_into().unwrap()));
        // The moments; those of second order are tiny.
        values.collect::<Vec<f32>>()
    };
    let (one, four) = (weights(1), weights(4));
    assert!(one != four, "the parts were not made");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let half = one.len() / 2;
    for moment in [0..half, half..one.len()] {
        let (one, four) = (&one[moment.clone()], &four[moment]);
        let off = norm(&mut one.iter().zip(four).map(|(a, b)| f64::from(a - b)));
        let relative = off / norm(&mut one.iter().map(|&a| f64::from(a)));
        assert!(relative < 1e-4, "relative difference {relative}");
    }
}

#[test]
fn a_run_goes_on_with_another_number_of_ranks() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    for ending in together(2, Start::New, |_| config(Purpose::Train, &whole, &[])) {
        assert_eq!(ending.unwrap(), Ending::Finished);
    }
    let written = fs::read_to_string(whole.join("config.toml")).unwrap();
    assert!(written.contains("\nshards = 2\n"), "{written}");
    for ending in together(2, Start::New, |_| config(Purpose::Train, &parts, &["train.steps=1"])) {
        assert_eq!(ending.unwrap(), Ending::Finished);
    }
    // As `--resume` does: with the configuration that the run wrote.
    for (size, steps) in [(1, 2), (3, 3)] {
        let go_on = |_| {
            let steps = format!("train.steps={steps}");
            Config::load(&parts.join("config.toml"), &[steps], Purpose::Train).unwrap()
        };
        for ending in together(size, Start::Resume, go_on) {
            assert_eq!(ending.unwrap(), Ending::Finished);
        }
    }
    assert_same(&left(&whole), &left(&parts), "resumed with 1 and 3 ranks");
}

/// One process began without `update.shards`: more of them go on to the same bits.
#[test]
fn a_run_of_one_process_stays_in_one_part() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    for (run, steps) in [(&whole, "train.steps=3"), (&parts, "train.steps=1")] {
        let made = together(1, Start::New, |_| config(Purpose::Train, run, &[steps]));
        assert!(made.iter().all(Result::is_ok));
    }
    let resumed = together(2, Start::Resume, |_| {
        Config::load(&parts.join("config.toml"), &["train.steps=3".to_string()], Purpose::Train).unwrap()
    });
    assert!(resumed.iter().all(Result::is_ok), "{resumed:?}");
    assert_same(&left(&whole), &left(&parts), "resumed with 2 ranks");
}

#[test]
fn a_stop_of_one_rank_stops_all_at_the_same_step() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let (stopped, going) = (AtomicBool::new(true), AtomicBool::new(false));
    let endings: Vec<_> = std::thread::scope(|scope| {
        let of = |rank| if rank == 1 { &stopped } else { &going };
        let rank = |(rank, ranks)| {
            let config = config(Purpose::Train, &run, &[]);
            scope.spawn(move || one(config, Start::New, ranks, of(rank)))
        };
        let all: Vec<_> = threads(3).into_iter().enumerate().map(rank).collect();
        all.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
    });
    assert_eq!(endings, [Ending::Stopped; 3]);
    assert!(run.join("checkpoints/step-0").is_dir());
}

#[test]
fn what_ranks_do_not_share_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let made = together(3, Start::New, |rank| {
        let sets: &[&str] = if rank == 2 { &["data.limit=20"] } else { &[] };
        config(Purpose::Train, &run, sets)
    });
    for ending in made {
        let message = ending.unwrap_err().to_string();
        assert!(message.starts_with("rank 2 of 3 has another training set than rank 0"), "{message}");
    }
    assert!(!run.exists(), "a run that could not start left a folder");
    let ahead = ["rollout.staleness=1", "rollout.resample_rounds=1"];
    for ending in together(2, Start::New, |_| config(Purpose::Train, &run, &ahead)) {
        let message = ending.unwrap_err().to_string();
        assert!(message.starts_with("rollout.resample_rounds, with rollout.staleness > 0, cannot"), "{message}");
    }
}

/// A rank that fails takes the others with it, instead of leaving them to wait.
#[test]
fn a_rank_that_fails_is_lost_to_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let made = together(3, Start::New, |rank| {
        let sets: &[&str] = if rank == 1 { &["model.path=\"nowhere\""] } else { &[] };
        config(Purpose::Train, &run, sets)
    });
    for (rank, ending) in made.into_iter().enumerate() {
        match (rank, ending.unwrap_err()) {
            (1, error) => assert!(error.to_string().contains("nowhere"), "{error}"),
            (_, error) => assert!(matches!(error, TrainError::Ranks(RanksError::Lost { .. })), "{rank}: {error}"),
        }
    }
    assert!(!run.exists(), "a run that could not start left a folder");
}
