//! What is written down of each problem, one JSON object a line, and how it is read back.
use super::EvaluateError;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;
use surefoot_engine::folder::FileError;

/// One completion of a problem.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Attempt {
    /// The verdict's name, as in rollout files.
    pub verdict: String,
    /// The reward, where it could be judged.
    pub reward: Option<f32>,
    /// Whether it counts as right.
    pub correct: bool,
    /// Length in tokens.
    pub tokens: usize,
    /// Whether it was cut at the longest length.
    pub truncated: bool,
    /// What the model wrote.
    pub completion: String,
}

/// A problem with its completions.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// Row of the benchmark, from 0.
    pub problem: usize,
    /// The gold answer.
    pub answer: String,
    /// Completions that are right.
    pub correct: usize,
    /// Whether the most frequent answer is right ([`super::majority`]).
    pub majority: f64,
    /// Every completion.
    pub samples: Vec<Attempt>,
}

/// The problems that a file holds, in order from the first. A last line that was cut in the middle is taken away; the rest
/// stays as it is.
pub fn read(path: &Path) -> Result<Vec<Problem>, EvaluateError> {
    let failed = |action| FileError::of::<EvaluateError>(action, path);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read")(error)),
    };
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let problems = parse(path, &text.as_bytes()[..whole])?;
    if whole < text.len() {
        let file = OpenOptions::new().write(true).open(path).map_err(failed("open"))?;
        file.set_len(whole as u64).map_err(failed("cut"))?;
    }
    Ok(problems)
}

/// The problems that the whole lines of `path` hold, in order from the first.
pub fn parse(path: &Path, lines: &[u8]) -> Result<Vec<Problem>, EvaluateError> {
    let mut problems = Vec::new();
    let Some(lines) = lines.strip_suffix(b"\n") else { return Ok(problems) };
    for (number, line) in lines.split(|&byte| byte == b'\n').enumerate() {
        let found: Problem = serde_json::from_slice(line).map_err(|source| EvaluateError::Line {
            path: path.to_path_buf(),
            line: number + 1,
            source,
        })?;
        if found.problem != number {
            return Err(EvaluateError::Order { path: path.to_path_buf(), line: number + 1, found: found.problem });
        }
        let right = found.samples.iter().filter(|sample| sample.correct).count();
        let samples = problems.first().map_or(found.samples.len(), |first: &Problem| first.samples.len());
        if found.correct != right || found.samples.len() != samples || samples == 0 {
            let message = format!(
                "{} of {} samples are counted as right, where {right} are said to be and the first problem has {samples} samples",
                found.correct,
                found.samples.len()
            );
            return Err(EvaluateError::Counts { path: path.to_path_buf(), line: number + 1, message });
        }
        problems.push(found);
    }
    Ok(problems)
}

/// Problems as whole lines of `path`.
pub fn lines(path: &Path, problems: &[Problem]) -> Result<Vec<u8>, EvaluateError> {
    let failed = |error: serde_json::Error| FileError::of::<EvaluateError>("write", path)(error.into());
    let mut lines = Vec::new();
    for problem in problems {
        serde_json::to_writer(&mut lines, problem).map_err(failed)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Appends problems in one write.
pub fn append(path: &Path, problems: &[Problem]) -> Result<(), EvaluateError> {
    let failed = |action| FileError::of::<EvaluateError>(action, path);
    let lines = lines(path, problems)?;
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(failed("open"))?;
    file.write_all(&lines).and_then(|()| file.sync_data()).map_err(failed("write"))
}
