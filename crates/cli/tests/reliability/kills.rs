//! Kills at random moments of training and evaluation: after each, every file is whole and nothing that was promised is lost;
//! at the end, the bits are those of a run that nobody killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use surefoot_trainer::engine::folder::TensorFolder;
use surefoot_trainer::metrics::read_what_is_whole;
use surefoot_trainer::run_folder::{Checkpoints, rollouts};
use surefoot_trainer::state;

use crate::tiny::{Draw, Finished, Tiny, demo_model, done, latest, names, surefoot};

/// A run with everything that is written: checkpoints, the best of them, rollouts, metrics, evaluations.
const SETS: [&str; 5] = [
    "checkpoint.best=eval/avg",
    "eval.every=2",
    "eval.samples=4",
    "eval.data=task:addition,rows=60,seed=9,digits=2,style=plain",
    "rollout.batch=16",
];

/// What the kills met.
#[derive(Debug, Default)]
struct Met {
    kills: usize,
    runs: usize,
    files_read: usize,
    /// Kills by what the process was doing, as far as the files tell.
    during: BTreeMap<&'static str, usize>,
}

impl Met {
    fn count(&mut self, what: &'static str) {
        self.kills += 1;
        *self.during.entry(what).or_default() += 1;
    }
}

/// Reads every file of a run that was killed; returns the newest checkpoint's step.
fn check(run: &Path, met: &mut Met) -> u64 {
    let checkpoints = Checkpoints::at(&run.join("checkpoints")).list().unwrap();
    for (step, path) in &checkpoints {
        assert_eq!(state::read(path).unwrap().step, *step);
        for file in ["model.safetensors", "optimizer.safetensors"] {
            let tensors = TensorFolder::open_file(&path.join(file)).unwrap();
            let names: Vec<String> = tensors.names().map(str::to_string).collect();
            assert!(!names.is_empty());
            met.files_read += 1;
        }
    }
    let newest = checkpoints.last().map_or(0, |(step, _)| *step);
    let metrics = read_what_is_whole(&run.join("metrics.jsonl")).unwrap();
    assert!(metrics.broken.is_empty(), "lines {:?} are broken", metrics.broken);
    let steps: Vec<u64> = metrics.records.iter().map(|record| record.step).collect();
    // Step 0 is the evaluation of the starting model.
    let made = steps.len().saturating_sub(1) as u64;
    assert!(steps.iter().copied().eq(0..steps.len() as u64) && made >= newest, "{steps:?} {newest}");
    for name in names(&run.join("rollouts")).iter().filter(|name| !name.starts_with('.')) {
        assert!(!rollouts::read(&run.join("rollouts").join(name)).unwrap().is_empty());
        met.files_read += 1;
    }
    (1..=newest).for_each(|step| assert!(run.join(format!("rollouts/step-{step:06}.parquet")).exists()));
    for step in names(&run.join("eval")) {
        problems(&run.join("eval").join(step).join("addition.jsonl"), met);
    }
    newest
}

/// Whole lines of an evaluation are problems in order.
fn problems(file: &Path, met: &mut Met) -> usize {
    let text = fs::read_to_string(file).unwrap_or_default();
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    for (number, line) in whole.lines().enumerate() {
        let problem: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(problem["problem"], number);
    }
    met.files_read += 1;
    whole.lines().count()
}

/// Whether it was killed before it ended by itself.
fn killed(mut command: Command, after: Duration) -> bool {
    let mut child = command.spawn().unwrap();
    std::thread::sleep(after);
    if child.try_wait().unwrap().is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
        return true;
    }
    done(&child.wait_with_output().unwrap());
    false
}

fn training(kills: usize, met: &mut Met) {
    let tiny = Tiny::new();
    let started = Instant::now();
    let reference = tiny.finish("reference", &SETS);
    let (whole, mut draw) = (started.elapsed(), Draw(0x9E37_79B9));
    assert_ne!(reference.metrics()[1]["update/grad_norm"], 0.0, "the run must learn something");
    while met.kills < kills {
        let name = format!("killed-{}", met.runs);
        met.runs += 1;
        let (run, mut newest) = (tiny.path(&name), 0);
        while killed(tiny.go_on_with(&name, &SETS), whole.mul_f64(draw.next())) {
            let partial = names(&run.join("checkpoints")).iter().any(|name| name.starts_with('.'));
            let evaluation = names(&run.join("eval"))
                .last()
                .is_some_and(|step| !run.join("eval").join(step).join("summary.json").exists());
            met.count(match (run.join("metrics.jsonl").exists(), partial, evaluation) {
                (false, ..) => "a run's start",
                (_, true, _) => "a checkpoint's writing",
                (_, _, true) => "an evaluation between steps",
                _ => "a step or a resume",
            });
            let now = check(&run, met);
            assert!(now >= newest, "checkpoint {newest} is lost, {now} is the newest");
            newest = now;
        }
        Finished::read(&run).assert_equals(&reference);
        for name in names(&tiny.path("reference").join("eval")) {
            let read = |run: &str| fs::read(tiny.path(run).join("eval").join(&name).join("addition.jsonl")).unwrap();
            assert!(read(&format!("killed-{}", met.runs - 1)) == read("reference"), "evaluation {name}");
        }
    }
}

fn evaluation(kills: usize, met: &mut Met) {
    let folder = tempfile::tempdir().unwrap();
    let command = |out: &str| {
        let mut command =
            surefoot(["eval", "--data", "task:addition,rows=150,seed=4,style=plain,digits=2", "--samples", "8"]);
        command.args(["--set", "reward.name=exact", "--set", "prompt.chat=never", "--set", "eval.max_new_tokens=6"]);
        command.args(["--set", "rollout.batch=8", "--set", "eval.temperature=1", "--model"]).arg(demo_model());
        command.arg("--out").arg(folder.path().join(out));
        command
    };
    let started = Instant::now();
    done(&command("whole").output().unwrap());
    let (whole, mut draw, before) = (started.elapsed(), Draw(0xD1B5_4A32), met.kills);
    while met.kills - before < kills {
        let name = format!("killed-{}", met.runs);
        met.runs += 1;
        let mut found = 0;
        while killed(command(&name), whole.mul_f64(draw.next())) {
            met.count("surefoot eval");
            let now = problems(&folder.path().join(&name).join("addition.jsonl"), met);
            assert!(now >= found, "problems {now} to {found} are lost");
            found = now;
        }
        for file in ["addition.jsonl", "summary.json", "eval.json"] {
            let read = |out: &str| fs::read(folder.path().join(out).join(file)).unwrap();
            assert!(read(&name) == read("whole"), "{file} of {name}");
        }
    }
}

#[test]
fn kills_at_random_moments_change_no_bit() {
    let mut met = Met::default();
    training(30, &mut met);
    evaluation(10, &mut met);
}

/// A program whose rewards are other ones each time: steps that are made again come to other weights.
#[test]
fn a_run_that_is_not_deterministic_survives_kills() {
    let tiny = Tiny::new();
    let script = "while read -r line; do id=${line#*:}; r=$(od -An -N1 -tu1 /dev/urandom); \
                  echo \"{\\\"id\\\": ${id%%,*}, \\\"reward\\\": $((r % 2))}\"; done";
    let command = format!("reward.command=[\"sh\", \"-c\", {script:?}]");
    let sets = [&SETS[1..], &["checkpoint.every=3", "reward.name=command", "reward.workers=2", &command]].concat();
    let started = Instant::now();
    tiny.finish("reference", &sets);
    let (whole, mut draw, mut kills) = (started.elapsed(), Draw(0x9E37_79B9), 0);
    while killed(tiny.go_on_with("killed", &sets), whole.mul_f64(0.3 + 0.5 * draw.next())) {
        kills += 1;
    }
    assert!(kills >= 1);
    let run = tiny.path("killed");
    assert_eq!(Finished::read(&run).metrics().len(), 1 + 8);
    assert_eq!(names(&run.join("eval")), [0, 2, 4, 6, 8].map(|step| format!("step-{step:06}")));
}

/// The figures of docs/reliability.md: `cargo test -p surefoot --test reliability two_hundred -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes"]
fn two_hundred_kills() {
    let mut met = Met::default();
    training(150, &mut met);
    evaluation(50, &mut met);
    let Met { kills, runs, files_read, during } = met;
    println!(
        "{kills} kills over {runs} runs and evaluations; {files_read} files read after kills, all whole; all results equal"
    );
    during.iter().for_each(|(what, kills)| println!("{kills:4} during {what}"));
}

#[test]
fn kills_within_a_checkpoint_change_no_bit() {
    let tiny = Tiny::new();
    let reference = tiny.finish("reference", &[]);
    let checkpoints = tiny.path("killed").join("checkpoints");
    let partial = || names(&checkpoints).into_iter().find_map(|name| name.strip_prefix(".partial-step-")?.parse().ok());
    let (mut draw, mut within) = (Draw(0xD1B5_4A32), 0);
    // Each process may finish one checkpoint and dies in the next, so that the run gets on.
    for saved in 0..7u64 {
        let mut child = tiny.go_on("killed").spawn().unwrap();
        while partial().is_none_or(|step: u64| step < saved + 2) {
            assert!(child.try_wait().unwrap().is_none(), "ended before the checkpoint of step {}", saved + 2);
        }
        std::thread::sleep(Duration::from_micros((draw.next() * 4000.0) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        within += usize::from(partial() == Some(saved + 2));
        let step = latest(&tiny.path("killed")).unwrap();
        assert!(step.ends_with(format!("step-{}", saved + 1)) || step.ends_with(format!("step-{}", saved + 2)));
        if step.ends_with("step-8") {
            break;
        }
    }
    assert!(within >= 4, "only {within} kills came in the middle of a checkpoint");
    done(&tiny.go_on("killed").output().unwrap());
    Finished::read(&tiny.path("killed")).assert_equals(&reference);
}
