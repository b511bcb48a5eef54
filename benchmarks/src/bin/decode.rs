//! Time and memory of sampling: prompts of random tokens, prefilled and continued with a key and value cache.
use anyhow::Result;
use clap::Parser;
use std::sync::Mutex;
use std::time::Instant;
use surefoot_benchmarks::{Lcg, Timings, median, report, shape, usage};
use surefoot_engine::cpu::{Cpu, parallel::Threading};
use surefoot_engine::decoder::Decoder;
use surefoot_engine::device::{Sampling, Weights};
use surefoot_engine::generate::{Request, Settings, generate};

/// The trainer's rule: models up to this size decode side by side, one worker a thread.
const SIDE_BY_SIDE_BYTES: usize = 64 << 20;

#[derive(Parser)]
struct Arguments {
    /// `S`, `M` or a model folder.
    #[arg(long, default_value = "S")]
    shape: String,
    /// Sequences, each with a prompt of its own.
    #[arg(long, default_value_t = 64)]
    sequences: usize,
    /// Tokens of a prompt.
    #[arg(long, default_value_t = 16)]
    prompt: usize,
    /// New tokens of a sequence.
    #[arg(long, default_value_t = 64)]
    new: usize,
    /// Repetitions that count, after one that does not.
    #[arg(long, default_value_t = 5)]
    steps: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?.install(|| run(&arguments))
}

fn run(arguments: &Arguments) -> Result<()> {
    let model = shape(&arguments.shape)?.model;
    let side_by_side = model.weights.len() * 4 <= SIDE_BY_SIDE_BYTES;
    let (threading, workers) = if side_by_side { (Threading::Serial, arguments.threads) } else { (Threading::Pool, 1) };
    let decoder = Decoder::new(Cpu::new(threading), &model.config, arguments.prompt + arguments.new);
    let mut random = Lcg(3);
    let prompts: Vec<Vec<u32>> = (0..arguments.sequences)
        .map(|_| (0..arguments.prompt).map(|_| random.token(decoder.vocabulary())).collect())
        .collect();
    let requests: Vec<Request> = prompts
        .iter()
        .enumerate()
        .map(|(i, prompt)| Request { prompt, samples: 1, first_sequence: i as u64 })
        .collect();
    // When each decoding step ended, in wall and CPU seconds; the first one ends the prefill.
    let marks = Mutex::new(Vec::new());
    let origin = Instant::now();
    let mark = |count: usize| {
        if let Ok(mut marks) = marks.lock() {
            marks.push((origin.elapsed().as_secs_f64(), usage().0, count));
        }
    };
    let settings = Settings {
        sampling: Sampling { temperature: 1.0, top_p: 1.0, top_k: 0, min_p: 0.0 },
        seed: 5,
        max_new_tokens: arguments.new,
        batch: arguments.sequences.div_ceil(workers),
        workers,
        stop: &|_| false,
        progress: &mark,
        cancelled: &|| false,
    };
    let (mut timings, mut wall_rates, mut cpu) = (Timings::default(), Vec::new(), Vec::new());
    for step in 0..=arguments.steps {
        let mut all = Timings::default();
        let samples = all.time(|| {
            // A rollout lays the weights out anew, because each update changes them.
            let packed = decoder.pack(&model.weights);
            generate(&decoder, Weights { arena: &model.weights, packed: Some(&packed) }, &requests, &settings)
        });
        anyhow::ensure!(samples.iter().flatten().all(|s| s.tokens.len() == arguments.new), "a sequence is short");
        let marks = std::mem::take(&mut *marks.lock().map_err(|_| anyhow::anyhow!("a worker failed"))?);
        if let (true, Some(first), Some(last)) = (step > 0, marks.first(), marks.last()) {
            let tokens: usize = marks[1..].iter().map(|m| m.2).sum();
            wall_rates.push(tokens as f64 / (last.0 - first.0));
            cpu.push((last.1 - first.1) / tokens as f64);
            timings.wall.extend(all.wall);
            timings.cpu.extend(all.cpu);
        }
    }
    let more = [("decode_tokens_per_s", median(wall_rates)), ("decode_cpu_ms_per_token", 1e3 * median(cpu))];
    report(&format!("decode {}", arguments.shape), &timings, arguments.sequences * arguments.new, &more);
    Ok(())
}
