//! The messages of a run over several ranks: the ordered sum of gradients, and a meeting of all. Build with `--features mpi`:
//!
//! ```sh
//! mpirun -n 2 target/release/ranks --values 33554432
//! ```
#![allow(clippy::print_stdout, reason = "its output")]

use std::time::Instant;

use clap::Parser;
use surefoot_trainer::ranks::{launched, mpi};

#[derive(Parser)]
struct Args {
    /// Values of a gradient
    #[arg(long, default_value_t = 1 << 25)]
    values: usize,
    /// Repetitions; the median counts
    #[arg(long, default_value_t = 9)]
    repetitions: usize,
}

fn main() -> anyhow::Result<()> {
    let Args { values, repetitions } = Args::parse();
    anyhow::ensure!(launched() > 1, "start it as mpirun -n 2 {}", std::env::args().next().unwrap_or_default());
    let (ranks, session) = mpi::start()?;
    let mut gradient = vec![1.0; values];
    let mut sums = Vec::new();
    for repetition in 0..=repetitions {
        gradient.fill(1.0);
        ranks.meet()?;
        let started = Instant::now();
        ranks.sum(&mut gradient, &[], false)?;
        // The first one touches the buffers.
        if repetition > 0 {
            sums.push(started.elapsed().as_secs_f64());
        }
        anyhow::ensure!(gradient.iter().all(|&sum| sum == ranks.size() as f32), "a wrong sum");
    }
    sums.sort_by(f64::total_cmp);
    let (sum, meetings) = (sums[sums.len() / 2], 1000);
    let started = Instant::now();
    for _ in 0..meetings {
        ranks.meet()?;
    }
    let meeting = started.elapsed().as_secs_f64() / f64::from(meetings);
    if ranks.is_first() {
        let (size, megabytes) = (ranks.size(), values as f64 * 4e-6);
        let rate = 2.0 * megabytes / 1e3 / sum;
        println!(
            "{size} ranks: ordered sum of {megabytes:.0} MB {sum:.4} s ({rate:.2} GB/s), a meeting {:.1} microseconds",
            meeting * 1e6
        );
    }
    session.end();
    Ok(())
}
