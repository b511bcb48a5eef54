//! What the cores can do in f32 matrix products, and the share of it that a training step reaches.
//!
//! Products and steps take turns, so that both see the same machine. `--peak` takes a measurement of another library as
//! the reference where that one is faster.
use anyhow::Result;
use clap::Parser;
use surefoot_benchmarks::arithmetic::step_operations;
use surefoot_benchmarks::training::Training;
use surefoot_benchmarks::{Lcg, Timings, median, report, shape};
use surefoot_engine::cpu::Cpu;
use surefoot_engine::cpu::linear::{Weight, forward};
use surefoot_engine::cpu::panel::{pack_rows, panel_len};
use surefoot_engine::cpu::parallel::Threading;
use surefoot_engine::decoder::Activations;

/// Rows, outputs and inputs of the products; the best of all is the peak.
const PRODUCTS: [(usize, usize, usize); 4] =
    [(1024, 1024, 512), (1024, 2048, 512), (2048, 2048, 512), (1536, 1536, 1536)];
/// Least operations of one measurement.
const OPERATIONS: f64 = 2e10;

#[derive(Parser)]
struct Arguments {
    /// `S`, `M` or a model folder: the training step to compare with.
    #[arg(long, default_value = "M")]
    shape: String,
    /// Rounds of products and one step.
    #[arg(long, default_value_t = 5)]
    steps: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Tokens of a micro-batch.
    #[arg(long, default_value_t = 1024)]
    micro_batch: usize,
    /// Peak of all cores together in GFLOP/s, measured elsewhere.
    #[arg(long)]
    peak: Option<f64>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?.install(|| run(&arguments))
}

struct Product {
    rows: usize,
    outputs: usize,
    inputs: usize,
    x: Vec<f32>,
    w: Vec<f32>,
    panels: Vec<f32>,
    y: Vec<f32>,
}

impl Product {
    fn new((rows, outputs, inputs): (usize, usize, usize)) -> Self {
        let mut random = Lcg(11);
        let mut values = |n: usize| (0..n).map(|_| random.uniform() - 0.5).collect::<Vec<f32>>();
        let (x, w) = (values(rows * inputs), values(outputs * inputs));
        let mut panels = vec![0.0; panel_len(outputs, inputs)];
        pack_rows(&w, outputs, inputs, &mut panels);
        Self { rows, outputs, inputs, x, w, panels, y: vec![0.0; rows * outputs] }
    }

    fn operations(&self) -> f64 {
        2.0 * (self.rows * self.outputs * self.inputs) as f64
    }

    /// GFLOP per wall second and per CPU second, with the weights laid out ahead.
    fn measure(&mut self) -> (f64, f64) {
        let weight = Weight { data: &self.w, panels: Some(&self.panels), outputs: self.outputs, inputs: self.inputs };
        let repetitions = (OPERATIONS / self.operations()).ceil() as usize;
        let mut timings = Timings::default();
        timings.time(|| {
            for _ in 0..repetitions {
                forward(Threading::Pool, self.rows, &self.x, weight, &mut self.y, self.outputs, false);
            }
        });
        let work = self.operations() * repetitions as f64 / 1e9;
        (work / timings.wall[0], work / timings.cpu[0])
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let shape = shape(&arguments.shape)?;
    let operations = step_operations(&shape.model.config, shape.sequences, shape.tokens);
    let tokens = shape.sequences * shape.tokens;
    let mut training =
        Training::new(Cpu::new(Threading::Pool), shape, arguments.micro_batch, Activations::Keep, false)?;
    let mut products: Vec<Product> = PRODUCTS.into_iter().map(Product::new).collect();
    let (mut best, mut best_by_cpu) = (vec![0f64; products.len()], 0f64);
    let mut timings = Timings::default();
    training.step()?;
    for _ in 0..arguments.steps {
        for (product, best) in products.iter_mut().zip(&mut best) {
            let (by_wall, by_cpu) = product.measure();
            *best = best.max(by_wall);
            best_by_cpu = best_by_cpu.max(by_cpu);
        }
        timings.time(|| training.step())?;
    }
    for (product, rate) in products.iter().zip(&best) {
        eprintln!("{} x {} x {}: {rate:.1} GFLOP/s", product.rows, product.outputs, product.inputs);
    }
    let own = best.into_iter().fold(0.0, f64::max);
    let peak = arguments.peak.unwrap_or(0.0).max(own);
    let reached = operations / median(timings.wall.clone()) / 1e9;
    // By CPU seconds the share does not suffer when other processes take cores away during the steps.
    let by_cpu = operations / median(timings.cpu.clone()) / 1e9;
    let more = [
        ("own_peak_gflops", own),
        ("peak_gflops", peak),
        ("step_gflop", operations / 1e9),
        ("step_gflops", reached),
        ("share_by_wall", reached / peak),
        ("share_by_cpu", by_cpu / best_by_cpu),
    ];
    report(&format!("peak {}", arguments.shape), &timings, tokens, &more);
    Ok(())
}
