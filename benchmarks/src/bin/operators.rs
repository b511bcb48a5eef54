//! Speed of each matrix product of a training step by itself, packing included: GFLOP a CPU second, the best of
//! several measurements.
use anyhow::Result;
use clap::Parser;
use surefoot_benchmarks::{Lcg, shape, usage};
use surefoot_engine::cpu::linear::{Weight, backward_input, backward_weight, forward};
use surefoot_engine::cpu::parallel::Threading;

#[derive(Parser)]
struct Arguments {
    /// `S`, `M` or a model folder.
    #[arg(long, default_value = "M")]
    shape: String,
    /// Tokens of a micro-batch.
    #[arg(long, default_value_t = 1024)]
    micro_batch: usize,
    /// Measurements of each product, of which the best counts.
    #[arg(long, default_value_t = 7)]
    steps: usize,
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?.install(|| run(&arguments))
}

fn run(arguments: &Arguments) -> Result<()> {
    let c = shape(&arguments.shape)?.model.config;
    let (queries, keys) = (c.num_attention_heads * c.head_dim, c.num_key_value_heads * c.head_dim);
    let products = [
        ("qkv", queries + 2 * keys, c.hidden_size),
        ("output", c.hidden_size, queries),
        ("gate_up", 2 * c.intermediate_size, c.hidden_size),
        ("down", c.hidden_size, c.intermediate_size),
        ("head", c.vocab_size, c.hidden_size),
    ];
    let rows = arguments.micro_batch;
    let mut random = Lcg(7);
    let mut values = |n: usize| (0..n).map(|_| random.uniform() - 0.5).collect::<Vec<f32>>();
    println!("{:10} {:>14} {:>10} {:>15} {:>16}", "product", "shape", "forward", "input gradient", "weight gradient");
    for (name, outputs, inputs) in products {
        let (x, w, dy) = (values(rows * inputs), values(outputs * inputs), values(rows * outputs));
        let weight = Weight { data: &w, panels: None, outputs, inputs };
        let (mut y, mut dx, mut dw) =
            (vec![0.0; rows * outputs], vec![0.0; rows * inputs], vec![0.0; outputs * inputs]);
        let mut packed = Vec::new();
        let rates = (
            rate(arguments, outputs * inputs, || forward(Threading::Pool, rows, &x, weight, &mut y, outputs, false)),
            rate(arguments, outputs * inputs, || backward_input(Threading::Pool, rows, &dy, weight, &mut dx, false)),
            rate(arguments, outputs * inputs, || {
                backward_weight(Threading::Pool, rows, &dy, outputs, outputs, &x, inputs, &mut packed, &mut dw);
            }),
        );
        let shape = format!("{outputs} x {inputs}");
        println!("{name:10} {shape:>14} {:10.1} {:15.1} {:16.1}", rates.0, rates.1, rates.2);
    }
    Ok(())
}

fn rate(arguments: &Arguments, weights: usize, mut product: impl FnMut()) -> f64 {
    let gflop = 2e-9 * (arguments.micro_batch * weights) as f64;
    let repetitions = (2.0 / gflop).ceil();
    let measure = |_| {
        let before = usage().0;
        (0..repetitions as usize).for_each(|_| product());
        gflop * repetitions / (usage().0 - before)
    };
    (0..arguments.steps).map(measure).fold(0.0, f64::max)
}
