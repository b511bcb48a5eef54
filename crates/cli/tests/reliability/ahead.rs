//! Sampling ahead (`rollout.staleness`): which weights sampled, the same bits whatever the timing, and corrections.

use std::path::Path;
use std::time::{Duration, Instant};

use surefoot_trainer::run_folder::rollouts::{self, Sample};

use crate::tiny::{Draw, Finished, Tiny, done, signal};

/// Weights that an update does not move.
const STILL: &str = "optimizer.learning_rate=1e-30";

fn samples(tiny: &Tiny, run: &str, step: usize) -> Vec<Sample> {
    rollouts::read(&tiny.path(run).join(format!("rollouts/step-{step:06}.parquet"))).unwrap()
}

fn metric(run: &Finished, name: &str) -> Vec<f64> {
    run.metrics().iter().map(|record| record[name].as_f64().unwrap()).collect()
}

fn weights(path: &Path) -> Vec<u8> {
    std::fs::read(path.join("model.safetensors")).unwrap()
}

/// Tokens and the sampler's log-probabilities of a step.
fn drawn(tiny: &Tiny, run: &str, step: usize) -> Vec<(Vec<u32>, Vec<f32>)> {
    samples(tiny, run, step).into_iter().map(|sample| (sample.tokens, sample.logp_old)).collect()
}

#[test]
fn samples_come_from_the_weights_of_so_many_steps_before() {
    let tiny = Tiny::new();
    let run = tiny.finish("ahead", &["rollout.staleness=2", "checkpoint.keep=9"]);
    assert_eq!(metric(&run, "rollout/staleness_mean"), [0.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]);
    let versions: Vec<u64> = (1..=8).map(|step| samples(&tiny, "ahead", step)[0].policy_version).collect();
    assert_eq!(versions, [0, 0, 0, 1, 2, 3, 4, 5]);
    // The same steps of runs that stay at those weights.
    tiny.finish("still-0", &[STILL]);
    for step in 1..=3 {
        assert_eq!(drawn(&tiny, "ahead", step), drawn(&tiny, "still-0", step), "step {step}");
    }
    for version in [1, 4] {
        let model = tiny.path("ahead").join(format!("checkpoints/step-{version}"));
        let name = format!("still-{version}");
        tiny.finish(&name, &[STILL, &format!("model.path={:?}", model.display())]);
        assert_eq!(drawn(&tiny, "ahead", version + 3), drawn(&tiny, &name, version + 3), "version {version}");
        assert_ne!(drawn(&tiny, "ahead", version + 3), drawn(&tiny, "still-0", version + 3), "version {version}");
    }
}

#[test]
fn sampling_ahead_gives_the_same_bits_whatever_the_timing() {
    let tiny = Tiny::new();
    // Groups without a signal make the number of rows of a step depend on its samples.
    let sets = |threads| {
        [format!("train.threads={threads}"), "rollout.staleness=3".into(), "rollout.resample_rounds=2".into()]
    };
    let finish = |name: &str, threads: usize| {
        let sets = sets(threads);
        tiny.finish(name, &sets.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let reference = finish("one", 1);
    assert!(metric(&reference, "rollout/rounds").iter().any(|rounds| *rounds > 1.0));
    finish("two", 2).assert_equals(&reference);
    finish("five", 5).assert_equals(&reference);
}

#[test]
fn kills_and_stops_change_no_bit_of_a_run_that_samples_ahead() {
    assert_stops_change_nothing(&["rollout.staleness=2", "checkpoint.dtype=bf16", "correction.mode=decoupled"]);
}

/// Kills and stops runs with these settings at random moments, and compares what they come to.
pub fn assert_stops_change_nothing(sets: &[&str]) {
    let tiny = Tiny::new();
    let started = Instant::now();
    let reference = tiny.finish("reference", sets);
    let whole = started.elapsed();
    let mut draw = Draw(0x51D2_77C1);
    for (run, with) in ["KILL", "INT", "KILL", "INT"].into_iter().enumerate() {
        let name = format!("stopped-{run}");
        let mut ended = false;
        while !ended {
            let begun = tiny.path(&name).join("config.toml").exists();
            let mut command = if begun { tiny.go_on(&name) } else { tiny.train(&name, sets) };
            let mut child = command.spawn().unwrap();
            std::thread::sleep(whole.mul_f64(0.2 + 0.6 * draw.next()));
            if child.try_wait().unwrap().is_none() {
                signal(&child, with);
            }
            let output = child.wait_with_output().unwrap();
            ended = output.status.success();
            let code = output.status.code();
            assert!(matches!(code, None | Some(0 | 130)), "{code:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Finished::read(&tiny.path(&name)).assert_equals(&reference);
    }
}

#[test]
fn a_stop_does_not_wait_for_samples_that_are_being_drawn() {
    let tiny = Tiny::new();
    // No end token in reach and many samples: a rollout of minutes.
    let long =
        ["rollout.staleness=1", "rollout.max_new_tokens=100", "rollout.samples=4000", "rollout.temperature=1000"];
    let child = tiny.train("long", &long).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let asked = Instant::now();
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
}

#[test]
fn a_resume_with_more_steps_or_more_staleness_says_what_it_does() {
    let tiny = Tiny::new();
    let whole = tiny.finish("whole", &["rollout.staleness=2"]);
    tiny.finish("half", &["rollout.staleness=2", "train.steps=3"]);
    done(&tiny.go_on("half").args(["--set", "train.steps=8"]).output().unwrap());
    Finished::read(&tiny.path("half")).assert_equals(&whole);
    // Weights that no checkpoint holds are replaced by the oldest that it does hold, and the samples say so.
    tiny.finish("later", &["train.steps=3"]);
    done(&tiny.go_on("later").args(["--set", "train.steps=8", "--set", "rollout.staleness=2"]).output().unwrap());
    let versions: Vec<u64> = (1..=8).map(|step| samples(&tiny, "later", step)[0].policy_version).collect();
    assert_eq!(versions, [0, 1, 2, 3, 3, 3, 4, 5]);
}

#[test]
fn decoupling_computes_what_the_sampler_said() {
    let tiny = Tiny::new();
    let bypass = tiny.finish("bypass", &[]);
    let decoupled = tiny.finish("decoupled", &["correction.mode=decoupled"]);
    assert!(bypass.file("checkpoint/model.safetensors") == decoupled.file("checkpoint/model.safetensors"));
    assert_eq!(metric(&decoupled, "update/behavior_gap_max"), [0.0; 8]);
}

#[test]
fn a_ratio_starts_at_the_sampler_or_at_the_step() {
    let tiny = Tiny::new();
    let sets = ["rollout.staleness=2", "update.mini_batches=1"];
    let bypass = tiny.finish("bypass", &sets);
    let decoupled = tiny.finish("decoupled", &[&sets[..], &["correction.mode=decoupled"]].concat());
    // A step without a group that has a signal has no ratio.
    let known = |run: &Finished, name: &str| {
        run.metrics().iter().filter_map(|record| record.get(name)?.as_f64()).collect::<Vec<f64>>()
    };
    assert!(known(&bypass, "update/ratio_max").iter().filter(|ratio| **ratio > 1.0).count() >= 3);
    for name in ["update/ratio_max", "update/ratio_min"] {
        let ratios = known(&decoupled, name);
        assert!(ratios.len() >= 4 && ratios.iter().all(|ratio| *ratio == 1.0), "{name}: {ratios:?}");
    }
    // k1 and k3 of the recorded tokens, by their definitions.
    for step in 2..=8 {
        let samples = samples(&tiny, "decoupled", step);
        let pairs = samples.iter().flat_map(|sample| {
            let behavior = if sample.logp_behavior.is_empty() { &sample.logp_old } else { &sample.logp_behavior };
            sample.logp_old.iter().zip(behavior).map(|(old, behavior)| f64::from(*old) - f64::from(*behavior))
        });
        let gaps: Vec<f64> = pairs.collect();
        let mean = |of: fn(&f64) -> f64| gaps.iter().map(of).sum::<f64>() / gaps.len() as f64;
        let record = &decoupled.metrics()[step - 1];
        assert!((record["update/behavior_k1"].as_f64().unwrap() - mean(|gap| -gap)).abs() < 1e-9);
        assert!((record["update/behavior_k3"].as_f64().unwrap() - mean(|gap| gap.exp() - 1.0 - gap)).abs() < 1e-9);
        assert!(step < 3 || gaps.iter().any(|gap| *gap != 0.0));
    }
}

#[test]
fn corrections_weigh_and_reject() {
    let tiny = Tiny::new();
    let sets = ["rollout.staleness=2", "correction.mode=decoupled", "train.steps=4"];
    let with = |name: &str, more: &[&str]| {
        let run = tiny.finish(name, &[&sets[..], more].concat());
        (run, weights(&tiny.path(name).join("checkpoints/step-4")))
    };
    let (_, plain) = with("plain", &[]);
    let (weighed, by_token) = with("token", &["correction.rollout_is=token", "correction.rollout_is_threshold=1.05"]);
    assert_ne!(plain, by_token);
    assert!(metric(&weighed, "update/behavior_bounded")[3] > 0.0);
    // A cap that nothing reaches and weights of exactly 1: on policy, nothing changes.
    let (_, still) = with("still", &[STILL, "correction.rollout_is=sequence", "correction.rollout_rs=token_k1"]);
    let (_, untouched) = with("untouched", &[STILL]);
    assert_eq!(still, untouched);
    // What is rejected teaches nothing: the bounds lie beside every ratio.
    let (rejected, none) =
        with("rejected", &["correction.rollout_rs=token_k1", "correction.rollout_rs_threshold=5.0_6.0"]);
    assert_eq!(metric(&rejected, "update/behavior_rejected"), [1.0; 4]);
    assert_eq!(metric(&rejected, "update/behavior_rejected_sequences"), [1.0; 4]);
    let model = crate::tiny::demo_model();
    let start = surefoot_trainer::engine::config::ModelConfig::from_folder(&model).unwrap();
    let read = |folder: &Path| surefoot_trainer::engine::model::Model::load(folder, start.clone()).unwrap().0.weights;
    let decayed = read(&tiny.path("rejected").join("checkpoints/step-4"));
    assert!(!none.is_empty() && read(&model) == decayed, "no update was to be made");
}
