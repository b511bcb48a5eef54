//! A run that is killed at any moment goes on to the bits of a run that was not.

use std::time::{Duration, Instant};

use crate::tiny::{Finished, Tiny, done, latest, names};

/// Kills in all.
const KILLS: usize = 40;

/// Numbers in [0, 1) for the moments of the kills (xorshift64*).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[test]
fn kills_at_random_moments_change_no_bit() {
    let tiny = Tiny::new();
    let started = Instant::now();
    let reference = tiny.finish("reference", &[]);
    let whole = started.elapsed();
    assert_ne!(reference.metrics()[0]["update/grad_norm"], 0.0, "the run must learn something");
    let (mut draw, mut kills, mut runs) = (Draw(0x9E37_79B9), 0, 0);
    while kills < KILLS {
        let name = format!("killed-{runs}");
        runs += 1;
        loop {
            let mut child = tiny.go_on(&name).spawn().unwrap();
            std::thread::sleep(whole.mul_f64(draw.next()));
            if child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                kills += 1;
                child.wait().unwrap();
                continue;
            }
            done(&child.wait_with_output().unwrap());
            break;
        }
        Finished::read(&tiny.path(&name)).assert_equals(&reference);
    }
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

#[test]
fn threads_change_no_bit() {
    let tiny = Tiny::new();
    let reference = tiny.finish("reference", &["train.threads=1"]);
    for threads in [2, 3] {
        tiny.finish(&format!("threads-{threads}"), &[&format!("train.threads={threads}")]).assert_equals(&reference);
    }
}

#[test]
fn bf16_weights_resume_from_the_exact_ones() {
    let tiny = Tiny::new();
    let whole = tiny.finish("whole", &["checkpoint.dtype=bf16"]);
    tiny.finish("half", &["checkpoint.dtype=bf16", "train.steps=3"]);
    done(&tiny.go_on("half").args(["--set", "train.steps=8"]).output().unwrap());
    Finished::read(&tiny.path("half")).assert_equals(&whole);
}
