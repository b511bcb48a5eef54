//! The class `Verifier`.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use surefoot_verifier::{Boxes, Format, Mode, Options, Percent, Rounding, Why, extract, read_gold, restate, verify};

use crate::array::value_error;
use crate::options::hash;
use crate::report::Report;
use crate::text::Text;

/// Pairs that a thread takes at a time: some hundred microseconds of work.
const CHUNK: usize = 32;
/// How long a signal such as Ctrl-C may wait.
const SIGNALS: Duration = Duration::from_millis(50);

/// Judges answers against gold answers. It holds no state: any number of threads may call one, it pickles, and a
/// process that was forked may go on using it.
///
/// - format: the required form of the text, `boxed`, `think-answer`, `answer` or `hashes`; `None` looks for the answer
/// - boxes: what several boxes mean: `agree`, `last` or `joined`
/// - percent: what `10\%` equals: `either` 0.1 or 10, or its `value` alone
/// - at_gold_precision: a decimal gold answer accepts what rounds to it
/// - digits_for_exact_gold: significant digits at which a decimal may stand for an exact gold answer, `None` for never
/// - max_steps: the deterministic limit of one comparison
/// - deadline_ms: the wall clock behind it; `None` makes every verdict independent of the machine
/// - max_answer_bytes: the longest answer that is parsed
/// - seed: of the random points at which expressions are compared
#[pyclass(frozen, eq, module = "surefoot", from_py_object)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier(Options);

/// The words of a keyword argument and what they stand for.
type Words<T> = &'static [(&'static str, T)];

const FORMATS: Words<Format> = &[
    ("boxed", Format::Boxed),
    ("think-answer", Format::ThinkAnswer),
    ("answer", Format::Answer),
    ("hashes", Format::Hashes),
];
const BOXES: Words<Boxes> = &[("agree", Boxes::Agree), ("last", Boxes::Last), ("joined", Boxes::Joined)];
const PERCENT: Words<Percent> = &[("either", Percent::Either), ("value", Percent::Value)];

fn choose<T: Copy>(key: &str, word: &str, words: Words<T>) -> PyResult<T> {
    words.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning).ok_or_else(|| {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        value_error(format!("option `{key}` is \"{word}\", expected {}", known.join(" or ")))
    })
}

fn word<T: PartialEq>(meaning: &T, words: Words<T>) -> &'static str {
    words.iter().find(|(_, known)| known == meaning).map_or("", |(word, _)| *word)
}

#[pymethods]
impl Verifier {
    #[new]
    #[pyo3(signature = (
        *, format = None, boxes = "agree", percent = "either", at_gold_precision = true, digits_for_exact_gold = Some(6),
        max_steps = 400_000, deadline_ms = Some(100), max_answer_bytes = 20_000, seed = 0
    ))]
    #[allow(clippy::too_many_arguments)] // keywords of a Python class
    fn new(
        format: Option<&str>,
        boxes: &str,
        percent: &str,
        at_gold_precision: bool,
        digits_for_exact_gold: Option<u32>,
        max_steps: u64,
        deadline_ms: Option<u64>,
        max_answer_bytes: usize,
        seed: u64,
    ) -> PyResult<Self> {
        let format = format.map(|format| choose("format", format, FORMATS)).transpose()?;
        Ok(Self(Options {
            mode: format.map_or(Mode::Lenient, Mode::Strict),
            boxes: choose("boxes", boxes, BOXES)?,
            percent: choose("percent", percent, PERCENT)?,
            rounding: Rounding { at_gold_precision, digits_for_exact_gold },
            max_steps,
            deadline: deadline_ms.map(Duration::from_millis),
            max_answer_bytes,
            seed,
        }))
    }

    /// Judges whether the text `answer` gives the gold answer.
    #[pyo3(signature = (gold: "str", answer: "str") -> "Report")]
    fn verify(&self, py: Python<'_>, gold: Text, answer: Text) -> Report {
        py.detach(|| verify(&gold, &answer, &self.0)).into()
    }

    /// Judges many pairs on all cores, or on `threads` of them, in order.
    #[pyo3(signature = (golds: "typing.Sequence[str]", answers: "typing.Sequence[str]", *, threads: "int | None" = None) -> "list[Report]")]
    fn verify_batch(
        &self,
        py: Python<'_>,
        golds: Vec<Text>,
        answers: Vec<Text>,
        threads: Option<NonZero<usize>>,
    ) -> PyResult<Vec<Report>> {
        if golds.len() != answers.len() {
            let (golds, answers) = (golds.len(), answers.len());
            return Err(value_error(format!(
                "there are {golds} golds and {answers} answers, expected as many of each"
            )));
        }
        let cores = || std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        let threads = threads.unwrap_or_else(cores).get().min(golds.len().div_ceil(CHUNK)).max(1);
        py.detach(|| judge(&golds, &answers, &self.0, threads))
    }

    /// Whether an answer is found in the text: with a `format`, whether the text has that form.
    #[pyo3(signature = (text: "str") -> "bool")]
    fn finds_answer(&self, py: Python<'_>, text: Text) -> bool {
        py.detach(|| extract(&text, self.0.mode).is_ok())
    }

    /// How a gold answer reads. Raises ValueError where it cannot be read.
    #[pyo3(signature = (gold: "str") -> "str")]
    fn read_gold(&self, py: Python<'_>, gold: Text) -> PyResult<String> {
        py.detach(|| read_gold(&gold, &self.0)).map_err(value_error)
    }

    /// The answer that is found in a text, and how it reads. Raises ValueError where there is none or it cannot be read.
    #[pyo3(signature = (text: "str") -> "tuple[str, str]")]
    fn read_answer(&self, py: Python<'_>, text: Text) -> PyResult<(String, String)> {
        py.detach(|| {
            let found = extract(&text, self.0.mode)?;
            Ok((found.answer().to_owned(), read_gold(found.answer(), &self.0)?))
        })
        .map_err(|why: Why| value_error(why))
    }

    /// How a text reads and the piece of it that was read, which mean what the text does each by itself, as gold answers and as
    /// answers; the text alone where it gives several answers, and nothing where it gives none. Raises ValueError where the answer
    /// cannot be read.
    #[pyo3(signature = (text: "str") -> "list[str]")]
    fn restate(&self, py: Python<'_>, text: Text) -> PyResult<Vec<String>> {
        match py.detach(|| restate(&text, &self.0)) {
            Ok(texts) => Ok(texts),
            Err(Why::NoAnswer) => Ok(Vec::new()),
            Err(why) => Err(value_error(why)),
        }
    }

    /// Every option with its present value.
    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let options = PyDict::new(py);
        let Options { mode, boxes, rounding, percent, max_steps, deadline, max_answer_bytes, seed } = &self.0;
        let format = match mode {
            Mode::Strict(format) => Some(word(format, FORMATS)),
            Mode::Lenient => None,
        };
        options.set_item("format", format)?;
        options.set_item("boxes", word(boxes, BOXES))?;
        options.set_item("percent", word(percent, PERCENT))?;
        options.set_item("at_gold_precision", rounding.at_gold_precision)?;
        options.set_item("digits_for_exact_gold", rounding.digits_for_exact_gold)?;
        options.set_item("max_steps", max_steps)?;
        options.set_item("deadline_ms", deadline.map(|limit| limit.as_millis()))?;
        options.set_item("max_answer_bytes", max_answer_bytes)?;
        options.set_item("seed", seed)?;
        Ok(options)
    }

    #[pyo3(signature = () -> "tuple[tuple[()], dict[str, typing.Any]]")]
    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        Ok((PyTuple::empty(py), self.options(py)?))
    }

    fn __hash__(&self) -> u64 {
        hash(&self.0)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shown = |(key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| Ok(format!("{key}={}", value.repr()?));
        let options: Vec<String> = self.options(py)?.iter().map(shown).collect::<PyResult<_>>()?;
        Ok(format!("Verifier({})", options.join(", ")))
    }
}

/// Judges pairs on so many threads, which live for this call alone: a pool would not survive a fork of the process.
///
/// The calling thread runs Python's signal handlers in between: where one raises, all threads stop, and its exception is returned.
fn judge(golds: &[Text], answers: &[Text], options: &Options, threads: usize) -> PyResult<Vec<Report>> {
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    let done = Mutex::new(Vec::with_capacity(golds.len().div_ceil(CHUNK)));
    let work = |interrupted: &mut dyn FnMut() -> bool| {
        loop {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            if start >= golds.len() {
                return;
            }
            let end = (start + CHUNK).min(golds.len());
            let mut reports: Vec<Report> = Vec::with_capacity(end - start);
            for (gold, answer) in golds[start..end].iter().zip(&answers[start..end]) {
                if interrupted() {
                    return;
                }
                reports.push(verify(gold, answer, options).into());
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).push((start, reports));
        }
    };
    let mut raised = Ok(());
    let mut asked = Instant::now();
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| work(&mut || stopped.load(Ordering::Relaxed)));
        }
        work(&mut || {
            if raised.is_ok() && asked.elapsed() >= SIGNALS {
                raised = Python::attach(|py| py.check_signals());
                asked = Instant::now();
                stopped.store(raised.is_err(), Ordering::Relaxed);
            }
            raised.is_err()
        });
    });
    raised?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(start, _)| *start);
    Ok(done.into_iter().flat_map(|(_, reports)| reports).collect())
}
