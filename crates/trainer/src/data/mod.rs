//! Problems and answers: JSON lines, parquet, built-in tasks, and the order in which a run meets them.

mod error;
mod field;
mod jsonl;
pub mod order;
mod parquet;
mod row;
mod solution;
mod target;
mod wanted;
mod written;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

pub use error::{DataError, Place};
pub use order::{Order, Position};
pub use row::{Columns, Message, Problem, Row};
pub use solution::answer_in;
pub(crate) use surefoot_engine::guard::guarded;
pub use wanted::Wanted;

use crate::config::Data;
use crate::config::choice::{DataFormat, Duplicates, Incomplete};
use crate::fingerprint::Fnv;
use crate::tasks::TaskSpec;

/// Prefix of `data.train` entries that name a built-in task.
pub const TASK_PREFIX: &str = "task:";

/// The rows of a run, in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// Every row, in the order of the files.
    pub rows: Vec<Row>,
    /// Where each row comes from, and how hard it is.
    pub marks: Vec<Mark>,
    /// Rows left out because an equal one stands before them (`data.duplicates = "drop"`; DAPO-Math-17k repeats each of its rows a
    /// hundred times).
    pub duplicates: usize,
    /// Rows left out because they have no answer (`data.incomplete = "drop"`).
    pub incomplete: usize,
    /// The entries of `data.train` that were read.
    sources: Vec<Source>,
}

/// An entry of `data.train`.
#[derive(Clone, Debug, PartialEq)]
struct Source {
    name: PathBuf,
    /// Whether places in it are lines, or rows.
    lines: bool,
}

/// Where a row comes from, and how hard it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mark {
    /// Number of the row's file in `data.train`.
    pub file: usize,
    /// Its line or row there, from 1.
    pub number: usize,
    /// Value of the column `data.difficulty_key`; 0 without one.
    pub difficulty: f64,
}

/// Takes the number of a line or row of a file, from 1, and the rows that it gives, with its difficulty; says whether more are wanted.
type Take<'a> = dyn FnMut(usize, Result<(Vec<Row>, f64), DataError>) -> Result<bool, DataError> + 'a;

impl Dataset {
    /// Reads what `[data]` names. `wanted` says what a row must hold.
    ///
    /// ```
    /// use surefoot_trainer::config::Data;
    /// use surefoot_trainer::data::{Dataset, Wanted};
    ///
    /// let data = Data { train: vec!["task:addition,rows=10,seed=3".into()], ..Data::default() };
    /// let dataset = Dataset::load(&data, Wanted::Answer)?;
    /// assert_eq!(dataset.rows.len(), 10);
    /// # Ok::<(), surefoot_trainer::data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// [`DataError`] names the file and the line or row.
    pub fn load(data: &Data, wanted: Wanted<'_>) -> Result<Self, DataError> {
        let (problem, answer) = (data.problem_key.as_deref(), data.answer_key.as_deref());
        let columns = Columns { problem, answer, difficulty: data.difficulty_key.as_deref(), wanted };
        let mut rows =
            Collector { data, dataset: Dataset::default(), seen: HashSet::new(), read: 0, mark: Mark::default() };
        for (file, name) in data.train.iter().enumerate() {
            if rows.full() {
                break;
            }
            let before = rows.read;
            rows.mark.file = file;
            let path = Path::new(name);
            let task = name.strip_prefix(TASK_PREFIX);
            let lines = task.is_none() && !is_parquet(path, data.format);
            rows.dataset.sources.push(Source { name: path.to_path_buf(), lines });
            if let Some(spec) = task {
                for (index, (problem, answer)) in TaskSpec::parse(spec)?.rows().into_iter().enumerate() {
                    rows.take(index + 1, Ok((vec![Row::new(Problem::Text(problem), answer)], 0.0)))?;
                }
                continue;
            }
            match lines {
                true => jsonl::read(path, &columns, &mut |number, row| rows.take(number, row))?,
                false => parquet::read(path, &columns, &mut |number, row| rows.take(number, row))?,
            }
            if rows.read == before {
                return Err(DataError::Empty { path: PathBuf::from(path) });
            }
        }
        if rows.dataset.rows.is_empty() {
            return Err(DataError::NoneComplete { incomplete: rows.dataset.incomplete });
        }
        Ok(rows.dataset)
    }

    /// Where row number `row` (0-based) stands.
    pub fn place(&self, row: usize) -> Place {
        let Mark { file, number, .. } = self.marks[row];
        let Source { name, lines } = &self.sources[file];
        if *lines { Place::Line(name.clone(), number) } else { Place::Row(name.clone(), number) }
    }

    /// A number that changes when any row does: a resumed run refuses data that is not the data it began with.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Fnv::EMPTY;
        for row in &self.rows {
            match &row.problem {
                Problem::Text(text) => hash.text(text),
                Problem::Chat(messages) => messages.iter().for_each(|message| {
                    hash.text(&message.role);
                    hash.text(&message.content);
                }),
            }
            hash.text(&row.answer);
            row.columns.iter().for_each(|columns| hash.text(columns));
        }
        hash.0
    }

    /// What a user should know of the rows that were left out.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.incomplete > 0 {
            notes.push(format!("{} rows left out: no answer", self.incomplete));
        }
        if self.duplicates > 0 {
            let keep = "data.duplicates = \"keep\" keeps them";
            notes.push(format!("{} rows left out: equal to an earlier one ({keep})", self.duplicates));
        }
        notes
    }

    /// Leaves only the rows of which `keep`, with one entry a row, says so.
    pub fn retain(&mut self, keep: &[bool]) {
        let (mut rows, mut marks) = (keep.iter(), keep.iter());
        self.rows.retain(|_| rows.next() == Some(&true));
        self.marks.retain(|_| marks.next() == Some(&true));
    }
}

struct Collector<'a> {
    data: &'a Data,
    dataset: Dataset,
    seen: HashSet<(u64, u64)>,
    read: usize,
    /// Of the row that is being read.
    mark: Mark,
}

impl Collector<'_> {
    fn take(&mut self, number: usize, found: Result<(Vec<Row>, f64), DataError>) -> Result<bool, DataError> {
        if self.full() {
            return Ok(false);
        }
        self.read += 1;
        match found {
            Ok((rows, difficulty)) => {
                self.mark = Mark { number, difficulty, ..self.mark };
                rows.into_iter().for_each(|row| self.add(row));
            }
            Err(DataError::NoAnswer { .. } | DataError::NoFinalAnswer { .. })
                if self.data.incomplete == Incomplete::Drop =>
            {
                self.dataset.incomplete += 1;
            }
            Err(error) => return Err(error),
        }
        Ok(!self.full())
    }

    fn add(&mut self, row: Row) {
        if self.full() {
            return;
        }
        if self.data.duplicates == Duplicates::Drop && !self.seen.insert(digest(&row)) {
            self.dataset.duplicates += 1;
            return;
        }
        self.dataset.rows.push(row);
        self.dataset.marks.push(self.mark);
    }

    fn full(&self) -> bool {
        self.data.limit.is_some_and(|limit| self.dataset.rows.len() >= limit)
    }
}

/// 128 bits of a row: two rows with equal bits are taken as equal, so that duplicates cost 16 bytes and not their text.
fn digest(row: &Row) -> (u64, u64) {
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        row.hash(&mut hasher);
        hasher.finish()
    };
    (half(1), half(2))
}

fn is_parquet(path: &Path, format: DataFormat) -> bool {
    match format {
        DataFormat::Auto => path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet")),
        DataFormat::Jsonl => false,
        DataFormat::Parquet => true,
    }
}
