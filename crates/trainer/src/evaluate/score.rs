//! From problems to the numbers of a benchmark, and their table.
use super::estimate::{Interval, bootstrap, pass_at, powers};
use super::problem::Problem;
use crate::reward::Verdict;
use crate::table::{Numbers, aligned};

/// Results of one benchmark.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Score {
    /// Name of the benchmark.
    pub benchmark: String,
    /// Number of problems.
    pub problems: usize,
    /// Completions a problem.
    pub samples: usize,
    /// Mean share of right completions, Avg@k with k = `samples`.
    pub avg: Interval,
    /// Pass@k for k = 1, 2, 4 … `samples`.
    pub pass: Vec<Pass>,
    /// Share of problems whose most frequent answer is right.
    pub majority: Interval,
    /// Mean length in tokens.
    pub length_mean: f64,
    /// Share of completions that were cut.
    pub truncated: f64,
    /// Share of completions that could not be judged; they count as wrong.
    pub unjudged: f64,
}

/// Pass@k of one k.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pass {
    /// Number of tries.
    pub k: usize,
    /// Probability that one of them is right, mean over problems.
    pub rate: Interval,
}

impl Score {
    /// The results of `problems`, each with the same number of completions.
    pub fn of(benchmark: &str, problems: &[Problem]) -> Self {
        let samples = problems.first().map_or(0, |problem| problem.samples.len());
        let ks = if samples == 0 { Vec::new() } else { powers(samples) };
        let rows: Vec<Vec<f64>> = problems
            .iter()
            .map(|problem| {
                let mut row = vec![problem.correct as f64 / samples as f64, problem.majority];
                row.extend(ks.iter().map(|&k| pass_at(k, samples, problem.correct)));
                row
            })
            .collect();
        let found = bootstrap(&rows);
        let at = |s: usize| found.get(s).copied().unwrap_or_default();
        let attempts = || problems.iter().flat_map(|problem| &problem.samples);
        let count = attempts().count().max(1) as f64;
        let unjudged = [Verdict::OverBudget, Verdict::GoldUnparseable, Verdict::Failed].map(Verdict::name);
        Score {
            benchmark: benchmark.to_string(),
            problems: problems.len(),
            samples,
            avg: at(0),
            majority: at(1),
            pass: ks.iter().enumerate().map(|(i, &k)| Pass { k, rate: at(2 + i) }).collect(),
            length_mean: attempts().map(|attempt| attempt.tokens as f64).sum::<f64>() / count,
            truncated: attempts().filter(|attempt| attempt.truncated).count() as f64 / count,
            unjudged: attempts().filter(|attempt| unjudged.contains(&attempt.verdict.as_str())).count() as f64 / count,
        }
    }
}

/// The scores as an aligned table, in percent, and their plain mean over benchmarks.
pub fn table(scores: &[Score]) -> String {
    let percent = |i: Interval| format!("{:.1} ({:.1}–{:.1})", 100.0 * i.value, 100.0 * i.low, 100.0 * i.high);
    let samples = scores.iter().map(|score| score.samples).max().unwrap_or(0);
    let ks = if samples == 0 { Vec::new() } else { powers(samples) };
    let mut head: Vec<String> = vec!["benchmark".into(), "problems".into(), format!("Avg@{samples} (95%)")];
    head.extend(ks.iter().skip(1).map(|k| format!("Pass@{k} (95%)")));
    head.extend([format!("Maj@{samples} (95%)"), "tokens".into(), "cut".into(), "unjudged".into()]);
    let mut rows = vec![head];
    for score in scores {
        let mut row = vec![score.benchmark.clone(), score.problems.to_string(), percent(score.avg)];
        row.extend(ks.iter().skip(1).map(|k| {
            score.pass.iter().find(|pass| pass.k == *k).map_or_else(|| "-".to_string(), |pass| percent(pass.rate))
        }));
        row.extend([
            percent(score.majority),
            format!("{:.0}", score.length_mean),
            format!("{:.1}%", 100.0 * score.truncated),
            format!("{:.1}%", 100.0 * score.unjudged),
        ]);
        rows.push(row);
    }
    if scores.len() > 1 {
        let mean = |of: &dyn Fn(&Score) -> f64| {
            format!("{:.1}", 100.0 * scores.iter().map(of).sum::<f64>() / scores.len() as f64)
        };
        let problems: usize = scores.iter().map(|score| score.problems).sum();
        let mut row = vec!["mean".to_string(), problems.to_string(), mean(&|score| score.avg.value)];
        row.extend(ks.iter().skip(1).map(|k| {
            mean(&|score| score.pass.iter().find(|pass| pass.k == *k).map_or(f64::NAN, |pass| pass.rate.value))
        }));
        row.push(mean(&|score| score.majority.value));
        rows.push(row);
    }
    aligned(&rows, Numbers::Right).join("\n")
}
