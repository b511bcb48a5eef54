//! Whether benchmarks are held out: problems that are trained on as well.
use super::Benchmark;
use crate::data::{Problem, Row};
use std::collections::HashSet;

/// What a user should know of problems that `trained` holds too, whatever their answers.
pub(crate) fn notes(benchmarks: &[Benchmark], trained: &[Row]) -> Vec<String> {
    let trained: HashSet<&Problem> = match benchmarks.is_empty() {
        true => return Vec::new(),
        false => trained.iter().map(|row| &row.problem).collect(),
    };
    let of = |Benchmark { name, rows, .. }: &Benchmark| {
        let shared = rows.iter().filter(|row| trained.contains(&row.problem)).count();
        (shared > 0).then(|| format!("{shared} of {} problems of {name} are also in data.train", rows.len()))
    };
    benchmarks.iter().filter_map(of).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn benchmark(name: &str, problems: &[&str]) -> Benchmark {
        let rows = problems.iter().map(|problem| Row::new(Problem::Text(problem.to_string()), "2".into())).collect();
        Benchmark { name: name.into(), rows, overlong: 0, duplicates: 0, longest: 1, fingerprint: 0, prompts: 0 }
    }

    #[test]
    fn problems_that_are_trained_on_are_counted() {
        let trained = benchmark("", &["a", "b", "c"]).rows;
        let other = Row::new(Problem::Text("d".into()), "another answer".into());
        let trained = [&trained[..], &[other]].concat();
        let benchmarks = [benchmark("half", &["a", "x", "d", "y"]), benchmark("clean", &["x", "y"])];
        assert_eq!(notes(&benchmarks, &trained), ["2 of 4 problems of half are also in data.train"]);
        assert!(notes(&[], &trained).is_empty());
    }
}
