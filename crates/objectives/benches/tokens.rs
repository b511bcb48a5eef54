//! Nanoseconds a token, for every objective on one core and one million tokens: loss and gradient alone, and with all
//! statistics.
//!
//! `cargo bench -p surefoot-objectives` prints a table, the best of several runs (other processes
//! only ever slow one down), first of sequences of one length, then of uneven ones. With `-- DIR` it writes the tokens there
//! for `benchmarks/objectives/`; with `-- --only=mhpo` it measures one objective. The last columns are loss and gradient
//! alone with each set of instructions that the machine has, the narrowest first. The row `traffic` is what reading two numbers
//! a token and writing one takes, without any formula; `own_grpo` is GRPO as an objective of one's own, token by token in `f64`.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::time::Instant;

use surefoot_objectives::control::HardClip;
use surefoot_objectives::{Advantages, Instructions, Objective, Recipe, TokenBatch, recipes, register};

const SEQUENCES: usize = 2048;
/// The mean length, and that of every sequence where they are even.
const LENGTH: usize = 512;
/// Sequences of a prompt.
const GROUP: usize = 8;
const RUNS: usize = 20;

/// Tokens as a few off-policy updates leave them: log-ratios with standard deviation 0.1 and heavier tails.
struct Tokens {
    logp: Vec<f32>,
    logp_old: Vec<f32>,
    advantages: Vec<f32>,
    offsets: Vec<usize>,
    groups: Vec<u32>,
}

impl Tokens {
    fn new(uneven: bool) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut uniform = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f64 + 0.5) / f64::from(1_u32 << 24)
        };
        let offsets = offsets(uneven, &mut uniform);
        let tokens = offsets[SEQUENCES];
        let (mut logp, mut logp_old) = (Vec::with_capacity(tokens), Vec::with_capacity(tokens));
        for _ in 0..tokens {
            let old = uniform().ln();
            let normal = normal(&mut uniform);
            let width = if uniform() < 0.02 { 1.0 } else { 0.1 };
            logp_old.push(old as f32);
            logp.push((old + width * normal) as f32);
        }
        Self {
            logp,
            logp_old,
            advantages: (0..SEQUENCES).map(|_| (2.0 * uniform() - 1.0) as f32).collect(),
            offsets,
            groups: (0..SEQUENCES).map(|s| (s / GROUP) as u32).collect(),
        }
    }

    fn write(&self, folder: &str) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let lengths: Vec<u8> =
            self.offsets.windows(2).flat_map(|span| ((span[1] - span[0]) as u32).to_le_bytes()).collect();
        std::fs::write(format!("{folder}/lengths.u32"), lengths)?;
        for (name, numbers) in [("logp", &self.logp), ("logp_old", &self.logp_old), ("advantages", &self.advantages)] {
            let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
            std::fs::write(format!("{folder}/{name}.f32"), bytes)?;
        }
        Ok(())
    }
}

/// Uneven lengths are spread as those of GSM8K's reference solutions in tokens of SmolLM2: log-normally with a standard deviation
/// of 0.469, the longest of 2048 about 3.5 times the mean.
fn offsets(uneven: bool, uniform: &mut impl FnMut() -> f64) -> Vec<usize> {
    const SPREAD: f64 = 0.469;
    let mut offsets = vec![0];
    for _ in 0..SEQUENCES {
        let deviation = if uneven { SPREAD * normal(uniform).clamp(-2.9, 2.9) - SPREAD * SPREAD / 2.0 } else { 0.0 };
        offsets.push(offsets[offsets.len() - 1] + (LENGTH as f64 * deviation.exp()) as usize);
    }
    offsets
}

fn normal(uniform: &mut impl FnMut() -> f64) -> f64 {
    (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()
}

fn main() {
    register(Recipe::own("own_grpo", "as one's own", HardClip::GRPO)).unwrap();
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let only = std::env::args().find_map(|argument| argument.strip_prefix("--only=").map(str::to_owned));
    println!("lengths\tobjective\tns_per_token\twith_statistics\tloss\taggregation\t{:?}", Instructions::available());
    for (lengths, uneven) in [("even", false), ("uneven", true)] {
        let tokens = Tokens::new(uneven);
        if let Some(folder) = &folder {
            tokens.write(&format!("{folder}/{lengths}")).unwrap();
        }
        println!("{lengths}\ttraffic\t{:.2}\t0\t0\t\t", traffic(&tokens));
        for recipe in recipes().into_iter().filter(|recipe| only.as_ref().is_none_or(|key| key == recipe.key)) {
            let mut objective = Objective::named(recipe.key).unwrap();
            if objective.aggregation.key() == "seq-mean-token-sum-norm" {
                objective.set("aggregation_length", LENGTH as f64).unwrap();
            }
            println!("{lengths}\t{}\t{}", recipe.key, measure(&tokens, &objective));
        }
    }
}

/// The least nanoseconds a token, and what the last run gave.
fn best(tokens: usize, run: &dyn Fn() -> f64) -> (f64, f64) {
    let (mut best, mut given) = (f64::INFINITY, 0.0);
    for _ in 0..RUNS {
        let start = Instant::now();
        given = run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    (best * 1e9 / tokens as f64, given)
}

fn traffic(tokens: &Tokens) -> f64 {
    let run = || {
        let gaps: Vec<f32> = tokens.logp.iter().zip(&tokens.logp_old).map(|(logp, old)| logp - old).collect();
        f64::from(std::hint::black_box(gaps)[0])
    };
    best(tokens.logp.len(), &run).0
}

fn measure(tokens: &Tokens, objective: &Objective) -> String {
    let advantages = Advantages::PerSequence(&tokens.advantages);
    let batch = TokenBatch::new(&tokens.logp, &tokens.logp_old, advantages, &tokens.offsets, &tokens.groups).unwrap();
    let denominators = objective.denominators(&tokens.offsets, None, &tokens.groups).unwrap();
    let best = |run: &dyn Fn() -> f64| best(batch.tokens(), run);
    let (alone, loss) = best(&|| objective.loss_and_gradient(&batch, &denominators).unwrap().loss);
    let (with_statistics, _) = best(&|| objective.evaluate(&batch, &denominators).unwrap().loss);
    let each: Vec<String> = Instructions::available()
        .iter()
        .map(|with| best(&|| objective.evaluate_with(&batch, &denominators, false, *with).unwrap().loss))
        .map(|(time, _)| format!("{time:.2}"))
        .collect();
    format!("{alone:.2}\t{with_statistics:.2}\t{loss:.9}\t{}\t{}", objective.aggregation.key(), each.join(" "))
}
