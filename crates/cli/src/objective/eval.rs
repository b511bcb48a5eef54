//! `surefoot objective eval`: logged sequences in, terms and gradients out; all lines are one mini-batch.

mod batch;
mod sequence;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};

use anyhow::Context;
use rayon::prelude::*;
use serde::Serialize;
use surefoot_trainer::objectives::{Objective, Region, TokenDetail, TokenLoss};

use super::set;
use crate::args::Eval;
use crate::exit::Exit;
use crate::output;
use batch::Batch;

/// Bytes that are read and parsed together, and tokens that are written together: enough for all cores.
const CHUNK: usize = 1 << 22;

/// Evaluates the objective on every line of the file or stdin.
pub fn run(args: &Eval) -> anyhow::Result<Exit> {
    let mut objective = Objective::named(&args.objective)?;
    for option in &args.set {
        set(&mut objective, option).with_context(|| format!("--set {option}"))?;
    }
    objective.check()?;
    let batch = match &args.file {
        Some(path) => {
            let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            read(&mut BufReader::with_capacity(CHUNK, file), &path.display().to_string())?
        }
        None => read(&mut BufReader::with_capacity(CHUNK, std::io::stdin().lock()), "stdin")?,
    };
    let evaluated = batch.evaluate(&objective)?;
    let mut stdout = output::stdout();
    if let Some(detail) = evaluated.detail.as_ref().filter(|_| !args.summary) {
        write_sequences(&mut stdout, &batch, &evaluated, detail)?;
    }
    let last = serde_json::json!({
        "loss": evaluated.loss,
        "stats": evaluated.stats.metrics().into_iter().map(|(name, value)| (name.to_string(), value.into())).collect::<serde_json::Map<_, _>>(),
    });
    writeln!(stdout, "{last}")?;
    stdout.flush()?;
    Ok(Exit::Done)
}

/// Reads all lines, parsing them on all cores.
fn read(input: &mut impl BufRead, name: &str) -> anyhow::Result<Batch> {
    let mut batch = Batch::new(name);
    let mut line = 0;
    loop {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while bytes < CHUNK {
            let mut text = Vec::new();
            if input.read_until(b'\n', &mut text).with_context(|| format!("cannot read {name}"))? == 0 {
                break;
            }
            line += 1;
            bytes += text.len();
            if !text.trim_ascii().is_empty() {
                lines.push((line, text));
            }
        }
        if bytes == 0 {
            return batch.whole();
        }
        let parsed: Vec<_> = lines.par_iter().map(|(line, text)| (*line, sequence::parse(text))).collect();
        for (line, sequence) in parsed {
            let sequence = sequence.map_err(|why| anyhow::anyhow!("{name}:{line}: {why}"))?;
            batch.add(line, sequence)?;
        }
    }
}

/// What is written for a sequence.
#[derive(Serialize)]
struct Terms<'a> {
    surrogate: &'a [f32],
    coefficient: &'a [f32],
    grad_logp: &'a [f32],
    region: Vec<&'static str>,
}

fn write_sequences(
    stdout: &mut impl Write,
    batch: &Batch,
    evaluated: &TokenLoss,
    detail: &TokenDetail,
) -> anyhow::Result<()> {
    let spans: Vec<(usize, usize)> = batch.offsets().windows(2).map(|span| (span[0], span[1])).collect();
    let mut rest = spans.as_slice();
    while let Some(&(first, _)) = rest.first() {
        let many = rest.iter().take_while(|(start, _)| start - first < CHUNK).count();
        let (now, later) = rest.split_at(many);
        rest = later;
        let texts: Vec<serde_json::Result<Vec<u8>>> = now
            .par_iter()
            .map(|&(start, end)| {
                let terms = Terms {
                    surrogate: &detail.surrogate[start..end],
                    coefficient: &detail.coefficient[start..end],
                    grad_logp: &evaluated.grad_logp[start..end],
                    region: detail.region[start..end].iter().map(|region: &Region| region.key()).collect(),
                };
                let mut text = Vec::with_capacity(40 * (end - start) + 64);
                serde_json::to_writer(&mut text, &terms)?;
                text.push(b'\n');
                Ok(text)
            })
            .collect();
        for text in texts {
            stdout.write_all(&text?)?;
        }
    }
    Ok(())
}
