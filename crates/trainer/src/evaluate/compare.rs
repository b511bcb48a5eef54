//! Two evaluations of the same problems: is the difference more than chance?
use super::estimate::Interval;
use super::problem::Problem;
use super::{EvaluateError, Settings, settings};
use crate::random::Random;
use crate::table::{Numbers, aligned};
use std::path::Path;

/// Random sign patterns and resamples.
const DRAWS: usize = 10_000;
/// Their seed.
const SEED: u64 = 0xc0_ffee;

/// Difference of two models on one benchmark.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Comparison {
    /// Name of the benchmark.
    pub benchmark: String,
    /// Problems that both have done.
    pub problems: usize,
    /// Avg@k of the first model.
    pub first: f64,
    /// Avg@k of the second.
    pub second: f64,
    /// Second less first, with a 95% interval by a bootstrap over problems.
    pub difference: Interval,
    /// Chance of a difference at least as great in either direction if the two were interchangeable on every problem: the
    /// paired permutation test, by random signs of the problems' differences.
    pub p_value: f64,
    /// Problems on which the first, and on which the second, has more right completions.
    pub better: [usize; 2],
}

/// Two evaluations, compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Of each benchmark that both hold.
    pub comparisons: Vec<Comparison>,
    /// Why the difference may be another one than that of the models: other settings, problems that are not done.
    pub notes: Vec<String>,
}

/// Settings that two evaluations may differ in: the models, and what comes of them, are what is compared, and draws are draws.
const OF_THE_MODEL: [&str; 4] = ["weights", "prompts", "benchmarks", "seed"];

/// Compares two folders of `surefoot eval` on the benchmarks that both hold.
///
/// # Errors
/// [`EvaluateError`] when a folder is no evaluation, or when they have no benchmark with the same problems in common.
pub fn compare(first: &Path, second: &Path) -> Result<Compared, EvaluateError> {
    let (one, two) = (Settings::read(first)?, Settings::read(second)?);
    let mut found = Vec::new();
    let mut notes = other_settings(first, second)?;
    for benchmark in &one.benchmarks {
        if !two.benchmarks.contains(benchmark) {
            continue;
        }
        let file = format!("{}.jsonl", benchmark.name);
        let (a, b) = (super::problem::read(&first.join(&file))?, super::problem::read(&second.join(&file))?);
        let count = a.len().min(b.len());
        for (folder, done) in [(first, a.len()), (second, b.len())].into_iter().filter(|(_, n)| *n < benchmark.problems)
        {
            notes.push(format!(
                "{} is not finished: {done} of {} problems of {}; the first {count} are compared",
                folder.display(),
                benchmark.problems,
                benchmark.name
            ));
        }
        if count > 0 {
            found.push(paired(&benchmark.name, &a[..count], &b[..count]));
        }
    }
    if found.is_empty() {
        return Err(EvaluateError::NothingInCommon { first: first.to_path_buf(), second: second.to_path_buf() });
    }
    Ok(Compared { comparisons: found, notes })
}

fn other_settings(first: &Path, second: &Path) -> Result<Vec<String>, EvaluateError> {
    let read = |folder| {
        let mut settings: serde_json::Map<String, serde_json::Value> = settings::read(folder)?;
        settings.retain(|key, _| !OF_THE_MODEL.contains(&key.as_str()));
        Ok::<_, EvaluateError>(settings.into())
    };
    let differs = settings::differences(&read(second)?, &read(first)?, ["in the first", "in the second"]);
    let note = || format!("the two were made with other settings: {}", differs.join("; "));
    Ok(if differs.is_empty() { Vec::new() } else { vec![note()] })
}

fn paired(benchmark: &str, first: &[Problem], second: &[Problem]) -> Comparison {
    let share = |problem: &Problem| problem.correct as f64 / problem.samples.len().max(1) as f64;
    let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| share(b) - share(a)).collect();
    let n = differences.len();
    let mean = |sum: f64| sum / n as f64;
    let observed: f64 = differences.iter().sum();
    let mut random = Random::new(SEED, n as u64);
    // Sums that differ by rounding alone are equal.
    let tolerance = 1e-9 * n as f64;
    let mut extreme = 0;
    for _ in 0..DRAWS {
        let sum: f64 = differences.iter().map(|d| if random.bits() >> 63 == 0 { *d } else { -d }).sum();
        extreme += usize::from(sum.abs() >= observed.abs() - tolerance);
    }
    let resample = |_| mean((0..n).map(|_| differences[random.below(n as u64) as usize]).sum());
    let drawn: Vec<f64> = (0..DRAWS).map(resample).collect();
    Comparison {
        benchmark: benchmark.to_string(),
        problems: n,
        first: mean(first.iter().map(share).sum()),
        second: mean(second.iter().map(share).sum()),
        difference: Interval::of(mean(observed), drawn, n, [-1.0, 1.0]),
        // The pattern that was seen counts as one of those drawn, so that the chance is never 0.
        p_value: (extreme + 1) as f64 / (DRAWS + 1) as f64,
        better: [differences.iter().filter(|d| **d < 0.0).count(), differences.iter().filter(|d| **d > 0.0).count()],
    }
}

/// The comparisons as an aligned table, in percent.
pub fn table(comparisons: &[Comparison]) -> String {
    let head = ["benchmark", "problems", "first", "second", "difference (95%)", "p", "first better", "second better"];
    let mut rows = vec![head.map(str::to_string).to_vec()];
    for c in comparisons {
        let d = c.difference;
        rows.push(vec![
            c.benchmark.clone(),
            c.problems.to_string(),
            format!("{:.1}", 100.0 * c.first),
            format!("{:.1}", 100.0 * c.second),
            format!("{:+.1} ({:+.1} to {:+.1})", 100.0 * d.value, 100.0 * d.low, 100.0 * d.high),
            format!("{:.4}", c.p_value),
            c.better[0].to_string(),
            c.better[1].to_string(),
        ]);
    }
    aligned(&rows, Numbers::Right).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(correct: &[usize]) -> Vec<Problem> {
        let attempt = |right| super::super::problem::Attempt {
            verdict: String::new(),
            reward: None,
            correct: right,
            tokens: 1,
            truncated: false,
            completion: String::new(),
        };
        let problem = |(problem, &correct): (usize, &usize)| Problem {
            problem,
            answer: String::new(),
            correct,
            majority: 0.0,
            samples: (0..4).map(|s| attempt(s < correct)).collect(),
        };
        correct.iter().enumerate().map(problem).collect()
    }

    /// Ten problems, each better by one of four: both signs of every difference are equally likely, so that the chance of the
    /// sum that was seen, in either direction, is 2 / 1024.
    #[test]
    fn the_permutation_test_agrees_with_counting() {
        let found = paired("b", &problems(&[1; 10]), &problems(&[2; 10]));
        assert_eq!((found.first, found.second, found.better), (0.25, 0.5, [0, 10]));
        assert!((found.p_value - 2.0 / 1024.0).abs() < 0.0015, "{}", found.p_value);
        // Ten equal differences: at most 30.85% of such problems may have others.
        let Interval { value, low, high } = found.difference;
        assert!(value == 0.25 && (low + 0.1356).abs() < 1e-4 && (high - 0.4814).abs() < 1e-4, "{:?}", found.difference);
    }

    #[test]
    fn equal_results_have_a_chance_of_one() {
        let same = problems(&[0, 1, 2, 3, 4]);
        assert_eq!(paired("b", &same, &same).p_value, 1.0);
    }
}
