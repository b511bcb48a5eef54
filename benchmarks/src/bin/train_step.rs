//! One training step: forward, log-probabilities, MHPO's loss, backward, clip, AdamW.
use anyhow::Result;
use clap::Parser;
use std::time::Instant;
use surefoot_benchmarks::{Lcg, median, shape, usage};
use surefoot_engine::batch::{Packed, Target};
use surefoot_engine::cpu::{Cpu, parallel::Threading};
use surefoot_engine::decoder::{Activations, Decoder, Tape};
use surefoot_engine::device::{Device, Step, Weights};

#[derive(Parser)]
struct Arguments {
    /// `S`, `M` or a model folder.
    #[arg(long, default_value = "S")]
    shape: String,
    #[arg(long, default_value_t = 5)]
    steps: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Tokens of a micro-batch.
    #[arg(long, default_value_t = 1024)]
    micro_batch: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?.install(|| run(&arguments))
}

fn run(arguments: &Arguments) -> Result<()> {
    let shape = shape(&arguments.shape)?;
    let decoder = Decoder::new(Cpu::new(Threading::Pool), &shape.model.config, shape.tokens);
    let device = decoder.device();
    let mut weights = shape.model.weights;
    let mut random = Lcg(1);
    let per_batch = (arguments.micro_batch / shape.tokens).max(1);
    let batches: Vec<(Packed, Vec<Target>)> = (0..shape.sequences)
        .collect::<Vec<_>>()
        .chunks(per_batch)
        .map(|sequences| {
            let (mut batch, mut targets) = (Packed::default(), Vec::new());
            for _ in sequences {
                let tokens: Vec<u32> = (0..shape.tokens).map(|_| random.token(decoder.vocabulary())).collect();
                let start = batch.len();
                batch.push(&tokens, None);
                targets.extend(
                    (0..tokens.len())
                        .map(|i| Target { row: (start + i) as u32, token: random.token(decoder.vocabulary()) }),
                );
            }
            (batch, targets)
        })
        .collect();
    let total = (shape.sequences * shape.tokens) as f32;
    let mut moments = device.moments(weights.len(), false);
    let mut grads = device.zeros(weights.len());
    let mut tape = Tape::new(&decoder, per_batch * shape.tokens, Activations::Keep);
    let decayed = decoder.layout().decayed();
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for step in 0..=arguments.steps {
        let (start, (cpu0, _)) = (Instant::now(), usage());
        device.clear(&mut grads);
        for (batch, targets) in &batches {
            let w = Weights { arena: &weights, packed: None };
            let found = decoder.forward(w, batch, targets, 1.0, &mut tape);
            let grad_logp: Vec<f32> = found.logp.iter().map(|l| -0.27 * l.signum() / total).collect();
            decoder.backward(w, batch, &grad_logp, &mut tape, &mut grads);
        }
        let norm = device.norm_of(&grads) as f32;
        let update = Step {
            learning_rate: 1e-4,
            betas: (0.9, 0.95),
            eps: 1e-8,
            weight_decay: 0.01,
            gradient_scale: 1f32.min(1.0 / norm),
            update: step as u64 + 1,
        };
        device.adamw(update, &decayed, &mut weights, &grads, &mut moments);
        if step > 0 {
            wall.push(start.elapsed().as_secs_f64());
            cpu.push(usage().0 - cpu0);
        }
    }
    let best = wall.iter().copied().fold(f64::MAX, f64::min);
    let best_cpu = cpu.iter().copied().fold(f64::MAX, f64::min);
    println!(
        "surefoot train {} threads {}: wall median {:.3} s min {best:.3} s, cpu median {:.3} s min {best_cpu:.3} s, {:.0} tokens/s, peak {:.0} MB",
        arguments.shape,
        arguments.threads,
        median(wall.clone()),
        median(cpu),
        f64::from(total) / median(wall),
        usage().1
    );
    Ok(())
}
