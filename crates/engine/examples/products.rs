//! Speed of the product kernel on one thread, weights packed ahead as for decoding.
//!
//!     cargo run --release -p surefoot-engine --example products

#![allow(clippy::print_stdout, reason = "an example for the command line")]

use std::time::{Duration, Instant};

use surefoot_engine::cpu::linear::{Weight, forward};
use surefoot_engine::cpu::panel::{pack_rows, panel_len};
use surefoot_engine::cpu::parallel::Threading;

/// Rows, outputs and inputs of `y = x Wᵀ`: a training micro-batch, a decoding batch, and SmolLM2's head while decoding.
const SHAPES: [[usize; 3]; 9] = [
    [1024, 512, 512],
    [1024, 1536, 512],
    [1024, 512, 1536],
    [1024, 1536, 576],
    [64, 768, 256],
    [64, 256, 768],
    [64, 256, 256],
    [64, 512, 256],
    [32, 49152, 576],
];
/// Long enough for the best of many runs to be one that nothing interrupted.
const TIME: Duration = Duration::from_millis(500);

/// Numbers in [-0.5, 0.5) whose values do not matter.
fn values(len: usize, factor: usize) -> Vec<f32> {
    (0..len).map(|i| (i * factor % 1000) as f32 / 1000.0 - 0.5).collect()
}

fn main() {
    println!("{:>6} {:>8} {:>7} {:>14}", "rows", "outputs", "inputs", "best GFLOP/s");
    for [rows, outputs, inputs] in SHAPES {
        let (x, w) = (values(rows * inputs, 7919), values(outputs * inputs, 104_729));
        let mut panels = vec![0.0; panel_len(outputs, inputs)];
        pack_rows(&w, outputs, inputs, &mut panels);
        let weight = Weight { data: &w, panels: Some(&panels), outputs, inputs };
        let mut y = vec![0.0; rows * outputs];
        let (mut best, begin) = (Duration::MAX, Instant::now());
        while begin.elapsed() < TIME {
            let start = Instant::now();
            forward(Threading::Serial, rows, &x, weight, &mut y, outputs, false);
            best = best.min(start.elapsed());
        }
        let work = 2.0 * (rows * outputs * inputs) as f64;
        println!("{rows:>6} {outputs:>8} {inputs:>7} {:>14.1}", work / best.as_secs_f64() / 1e9);
    }
}
