//! What a GPU reaches: matrix products, a training step as a share of their peak, decoding as a share of the memory's bandwidth.
//!
//! Each line is one JSON object. Peak and bandwidth are measured first, by cuBLASLt on a large product and by the addition of long
//! vectors; `--peak` and `--bandwidth` give others.
use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::sync::Mutex;
use std::time::Instant;
use surefoot_benchmarks::arithmetic::step_operations;
use surefoot_benchmarks::training::Training;
use surefoot_benchmarks::{Lcg, Shape, Timings, median, shape};
use surefoot_engine::cuda::{Cuda, Forward, LOGIT_BYTES};
use surefoot_engine::decoder::{Activations, Decoder};
use surefoot_engine::device::{Device, Sampling, Weights};
use surefoot_engine::generate::{Request, Settings, generate};
use surefoot_engine::layout::{Layout, Matrix};
use surefoot_engine::memory::{Demand, Training as Planned};

/// Width of the square product that the peak is measured with.
const SQUARE: usize = 8192;
/// Values of the vectors that the bandwidth is measured with.
const VALUES: usize = 1 << 29;
/// Bytes that an addition moves a value: f32 and bfloat16 in, f32 out.
const ADDED_BYTES: f64 = 10.0;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Products and bandwidth.
    Peak,
    /// A training step.
    Train,
    /// Decoding.
    Decode,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Products {
    /// The kernels whose bits do not depend on the number of rows.
    Agree,
    /// Such kernels with Hopper's own instructions.
    Hopper,
    /// cuBLASLt.
    Cublaslt,
}

#[derive(Parser)]
struct Arguments {
    what: What,
    /// `0.5B`, `1.5B` or `7B` (Qwen2.5's sizes, random weights), or a model folder.
    #[arg(long, default_value = "0.5B")]
    shape: String,
    /// Number of the GPU.
    #[arg(long, default_value_t = 0)]
    device: usize,
    /// Forward products.
    #[arg(long, value_enum, default_value_t = Products::Agree)]
    forward: Products,
    /// Steps that count, after two that do not.
    #[arg(long, default_value_t = 5)]
    steps: usize,
    /// Tokens of a micro-batch.
    #[arg(long, default_value_t = 16_384)]
    micro_batch: usize,
    /// Compute activations again, also where there is room for them.
    #[arg(long)]
    recompute: bool,
    /// Moments as bfloat16.
    #[arg(long)]
    bf16_moments: bool,
    /// Sequences that are decoded together.
    #[arg(long, default_value_t = 256)]
    sequences: usize,
    /// Tokens of a prompt.
    #[arg(long, default_value_t = 512)]
    prompt: usize,
    /// Tokens of a completion.
    #[arg(long, default_value_t = 256)]
    new: usize,
    /// Greatest bfloat16 TFLOP/s, instead of a measurement.
    #[arg(long)]
    peak: Option<f64>,
    /// Greatest GB/s, instead of a measurement.
    #[arg(long)]
    bandwidth: Option<f64>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let forward = match arguments.forward {
        Products::Agree => Forward::Agreeing,
        Products::Hopper => Forward::Hopper,
        Products::Cublaslt => Forward::Library,
    };
    let cuda = Cuda::open(arguments.device)?.with_forward(forward);
    anyhow::ensure!(forward != Forward::Hopper || cuda.has_hopper_kernels(), "this GPU is no Hopper");
    match arguments.what {
        What::Peak => peak(&cuda),
        What::Train => train(&arguments, &cuda),
        What::Decode => decode(&arguments, &cuda),
    }
}

fn say(what: &str, fields: &[(&str, f64)]) {
    let mut line = serde_json::json!({ "program": "surefoot", "what": what });
    fields.iter().for_each(|(name, value)| line[*name] = serde_json::json!(value));
    println!("{line}");
}

/// Median seconds of `work`, with all that it started.
fn seconds(cuda: &Cuda, times: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut all = Vec::new();
    for i in 0..times + 2 {
        let start = Instant::now();
        work()?;
        cuda.wait()?;
        if i >= 2 {
            all.push(start.elapsed().as_secs_f64());
        }
    }
    Ok(median(all))
}

/// TFLOP/s of a square product in the forward pass.
fn product_rate(cuda: &Cuda) -> Result<f64> {
    let m = Matrix { weight: 0..SQUARE * SQUARE, bias: None, outputs: SQUARE, inputs: SQUARE };
    let mut random = Lcg(3);
    let values: Vec<f32> = (0..SQUARE * SQUARE).map(|_| random.uniform() - 0.5).collect();
    let (w, x) = (cuda.constants(values.clone()), cuda.constants(values));
    let mut y = cuda.activations(SQUARE * SQUARE);
    let taken = seconds(cuda, 10, || {
        (0..10).for_each(|_| cuda.linear(SQUARE, &x, Weights { arena: &w, packed: None }, &m, &mut y));
        Ok(())
    })?;
    Ok(10.0 * 2.0 * (SQUARE as f64).powi(3) / taken / 1e12)
}

/// GB/s of an addition of long vectors.
fn bandwidth(cuda: &Cuda) -> Result<f64> {
    let (x, delta, mut sum) = (cuda.zeros(VALUES), cuda.activations(VALUES), cuda.zeros(VALUES));
    let taken = seconds(cuda, 10, || {
        cuda.add(VALUES, &x, &delta, &mut sum);
        Ok(())
    })?;
    Ok(ADDED_BYTES * VALUES as f64 / taken / 1e9)
}

fn peak(cuda: &Cuda) -> Result<()> {
    let library = product_rate(&cuda.with_forward(Forward::Library))?;
    let agreeing = product_rate(&cuda.with_forward(Forward::Agreeing))?;
    say("peak", &[("cublaslt_tflops", library), ("agreeing_tflops", agreeing), ("add_gb_per_s", bandwidth(cuda)?)]);
    if cuda.has_hopper_kernels() {
        say("peak", &[("hopper_tflops", product_rate(&cuda.with_forward(Forward::Hopper))?)]);
    }
    Ok(())
}

fn train(arguments: &Arguments, cuda: &Cuda) -> Result<()> {
    let peak = arguments.peak.map_or_else(|| product_rate(&cuda.with_forward(Forward::Library)), Ok)?;
    let shape = shape(&arguments.shape)?;
    let tokens = shape.sequences * shape.tokens;
    let operations = step_operations(&shape.model.config, shape.sequences, shape.tokens);
    let half = arguments.bf16_moments;
    // As the trainer plans it.
    let elements = shape.model.config.parameter_count();
    let (rows, logit_bytes) = (arguments.micro_batch, LOGIT_BYTES);
    let least = Planned { elements, half_moments: half, rows, recompute: true, logit_bytes };
    let demand = Demand { training: Some(least), ..Demand::default() };
    let (free, _) = cuda.memory().unwrap_or_default();
    let planned = demand.faster(&shape.model.config, free, !arguments.recompute).training.unwrap_or(least);
    cuda.keep_logits(planned.logit_bytes);
    let activations = if planned.recompute { Activations::Recompute } else { Activations::Keep };
    let mut training = Training::new(cuda.clone(), shape, arguments.micro_batch, activations, half)?;
    let taken = seconds(cuda, arguments.steps, || training.step().map(|_| ()))?;
    let (free, total) = cuda.memory().unwrap_or_default();
    let rate = operations / taken / 1e12;
    let fields = [
        ("wall_s", taken),
        ("tokens_per_s", tokens as f64 / taken),
        ("tflops", rate),
        ("peak_tflops", peak),
        ("share_of_peak", rate / peak),
        ("used_gib", (total - free) as f64 / f64::from(1 << 30)),
        ("recomputed", f64::from(u8::from(planned.recompute))),
        ("logits_gib", planned.logit_bytes as f64 / f64::from(1 << 30)),
    ];
    say(&format!("train {}", arguments.shape), &fields);
    Ok(())
}

fn decode(arguments: &Arguments, cuda: &Cuda) -> Result<()> {
    let bandwidth = arguments.bandwidth.map_or_else(|| bandwidth(cuda), Ok)?;
    let Shape { model, .. } = shape(&arguments.shape)?;
    let (prompt, new, sequences) = (arguments.prompt, arguments.new, arguments.sequences);
    let decoder = Decoder::new(cuda.clone(), &model.config, prompt + new);
    let mut random = Lcg(5);
    let prompts: Vec<Vec<u32>> =
        (0..sequences).map(|_| (0..prompt).map(|_| random.token(decoder.vocabulary())).collect()).collect();
    let requests: Vec<Request> = prompts
        .iter()
        .zip(0..)
        .map(|(prompt, first_sequence)| Request { prompt, samples: 1, first_sequence })
        .collect();
    let arena = cuda.constants(model.weights);
    let marks = Mutex::new(Vec::new());
    let progress = |_: usize| {
        if let Ok(mut marks) = marks.lock() {
            marks.push(Instant::now());
        }
    };
    let settings = Settings {
        sampling: Sampling { temperature: 1.0, top_p: 1.0, top_k: 0, min_p: 0.0 },
        seed: 1,
        max_new_tokens: new,
        batch: sequences,
        workers: 1,
        stop: &|_| false,
        progress: &progress,
        cancelled: &|| false,
    };
    let mut timings = Timings::default();
    timings.time(|| generate(&decoder, Weights { arena: &arena, packed: None }, &requests, &settings));
    cuda.wait()?;
    let marks = marks.into_inner().unwrap_or_default();
    // Steps with all sequences, without the first, in which a record is made.
    let steps: Vec<f64> = marks.windows(2).skip(4).map(|w| (w[1] - w[0]).as_secs_f64()).collect();
    let step = median(steps);
    let layout = Layout::new(&model.config);
    let layers = layout.layers.iter().flat_map(|l| [&l.qkv, &l.output, &l.gate_up, &l.down]);
    let weights: usize = layers.chain([&layout.head]).map(|m| m.outputs * m.inputs).sum();
    let row = 2 * model.config.num_key_value_heads * model.config.head_dim * model.config.num_hidden_layers;
    let bytes = 2.0 * (weights + sequences * (prompt + new / 2) * row) as f64;
    let fields = [
        ("step_ms", 1e3 * step),
        ("tokens_per_s", sequences as f64 / step),
        ("gb_per_step", bytes / 1e9),
        ("bandwidth_gb_per_s", bandwidth),
        ("share_of_bandwidth", bytes / step / 1e9 / bandwidth),
        ("whole_s", median(timings.wall)),
    ];
    say(&format!("decode {} x {sequences}", arguments.shape), &fields);
    Ok(())
}
