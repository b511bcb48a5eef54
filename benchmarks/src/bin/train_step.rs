//! Time and memory of a training step: forward, log-probabilities, MHPO's loss, backward, clip, AdamW.
use anyhow::Result;
use clap::Parser;
use surefoot_benchmarks::training::Training;
use surefoot_benchmarks::{Timings, report, shape};
use surefoot_engine::cpu::{Cpu, parallel::Threading};
use surefoot_engine::decoder::Activations;

#[derive(Parser)]
struct Arguments {
    /// `S`, `M` or a model folder.
    #[arg(long, default_value = "S")]
    shape: String,
    /// Steps that count, after one that does not.
    #[arg(long, default_value_t = 5)]
    steps: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Tokens of a micro-batch.
    #[arg(long, default_value_t = 1024)]
    micro_batch: usize,
    /// Compute activations again in the backward pass instead of keeping them.
    #[arg(long)]
    recompute: bool,
    /// Store the optimizer's moments as bfloat16.
    #[arg(long)]
    bf16_moments: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?.install(|| run(&arguments))
}

fn run(arguments: &Arguments) -> Result<()> {
    let shape = shape(&arguments.shape)?;
    let tokens = shape.sequences * shape.tokens;
    let activations = if arguments.recompute { Activations::Recompute } else { Activations::Keep };
    let mut training =
        Training::new(Cpu::new(Threading::Pool), shape, arguments.micro_batch, activations, arguments.bf16_moments)?;
    let mut loss = training.step()?;
    let mut timings = Timings::default();
    for _ in 0..arguments.steps {
        loss = timings.time(|| training.step())?;
    }
    report(&format!("train {}", arguments.shape), &timings, tokens, &[("loss", loss)]);
    Ok(())
}
