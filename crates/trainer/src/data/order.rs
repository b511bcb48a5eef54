//! The order in which rows are met: a new one in each epoch, fixed by the seed, and a position that can be saved.

use serde::{Deserialize, Serialize};

use super::Mark;
use super::error::DataError;
use crate::config::Data;
use crate::fingerprint::Fnv;
use crate::random::Random;

/// Bits of a random stream's number above which the source stands; the epoch is below.
const SOURCE_SHIFT: u32 = 48;

/// Where a run is in its data. It is saved with a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Epochs that are complete.
    pub epoch: u64,
    /// Rows of this epoch that were handed out.
    pub offset: u64,
    /// Rows of the data.
    pub rows: u64,
    /// [`super::Dataset::fingerprint`] of the data.
    pub fingerprint: u64,
}

/// Hands out row numbers without end, each row once an epoch; with weights, each file in its own epochs.
///
/// ```
/// use surefoot_trainer::data::Order;
///
/// let mut order = Order::new(5, 0xfeed, 42, true);
/// let first = order.take(3);
/// let saved = order.position();
/// let next = order.take(4); // the last two of this epoch, the first two of the next
/// let mut resumed = Order::new(5, 0xfeed, 42, true);
/// resumed.restore(saved)?;
/// assert_eq!(resumed.take(4), next);
/// # assert_eq!(first.len(), 3);
/// # Ok::<(), surefoot_trainer::data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Order {
    seed: u64,
    shuffle: bool,
    rows: u64,
    fingerprint: u64,
    /// Rows that were handed out.
    taken: u64,
    sources: Vec<Source>,
}

/// Rows that are gone through together.
#[derive(Clone, Debug)]
struct Source {
    /// Their numbers and difficulties, in the order of the files.
    rows: Vec<(u32, f64)>,
    /// Share of all rows that are handed out.
    share: f64,
    /// Rows of it that were handed out.
    taken: u64,
    /// Order of the epoch that it is in.
    epoch: Vec<u32>,
}

impl Order {
    /// The order of `rows` rows whose content has `fingerprint`. Without `shuffle` every epoch has the order of the files.
    pub fn new(rows: usize, fingerprint: u64, seed: u64, shuffle: bool) -> Self {
        let all = (0..rows as u32).map(|row| (row, 0.0)).collect();
        Self::mix(vec![(1.0, all)], fingerprint, seed, shuffle)
    }

    /// The order that `[data]` asks for, of rows with these `marks`, whose content has `fingerprint`.
    ///
    /// # Errors
    /// [`DataError::NoShare`] for a file with a weight and no row.
    pub fn of(data: &Data, marks: &[Mark], mut fingerprint: u64, seed: u64) -> Result<Self, DataError> {
        let rows = |file: Option<usize>| {
            let all = (0..).zip(marks).filter(|(_, mark)| file.is_none_or(|file| mark.file == file));
            all.map(|(row, mark)| (row, mark.difficulty)).collect::<Vec<(u32, f64)>>()
        };
        if data.difficulty_key.is_some() {
            fingerprint = mixed(fingerprint, marks.iter().map(|mark| mark.difficulty.to_bits()));
        }
        if data.weights.is_empty() {
            return Ok(Self::mix(vec![(1.0, rows(None))], fingerprint, seed, data.shuffle));
        }
        fingerprint = mixed(fingerprint, marks.iter().map(|mark| mark.file as u64));
        fingerprint = mixed(fingerprint, data.weights.iter().map(|weight| weight.to_bits()));
        let mut sources = Vec::new();
        for (file, (&weight, name)) in data.weights.iter().zip(&data.train).enumerate() {
            let rows = rows(Some(file));
            if rows.is_empty() {
                return Err(DataError::NoShare { file: name.clone() });
            }
            sources.push((weight, rows));
        }
        Ok(Self::mix(sources, fingerprint, seed, data.shuffle))
    }

    fn mix(sources: Vec<(f64, Vec<(u32, f64)>)>, fingerprint: u64, seed: u64, shuffle: bool) -> Self {
        let total: f64 = sources.iter().map(|(weight, _)| weight).sum();
        let rows = sources.iter().map(|(_, rows)| rows.len() as u64).sum();
        let source = |(weight, rows)| Source { rows, share: weight / total, taken: 0, epoch: Vec::new() };
        let sources = sources.into_iter().map(source).collect();
        Order { seed, shuffle, rows, fingerprint, taken: 0, sources }
    }

    /// The next `count` rows; none when the data is empty.
    pub fn take(&mut self, count: usize) -> Vec<usize> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count && self.rows > 0 {
            let number = self.next_source();
            let (seed, shuffle) = (self.seed, self.shuffle);
            taken.push(self.sources[number].next(number as u64, seed, shuffle));
        }
        taken
    }

    /// The source that is furthest behind its share, the first of equal ones; counts what it hands out.
    fn next_source(&mut self) -> usize {
        self.taken += 1;
        let due = self.taken as f64;
        let behind = |source: &Source| due * source.share - source.taken as f64;
        let mut chosen = 0;
        for number in 1..self.sources.len() {
            if behind(&self.sources[number]) > behind(&self.sources[chosen]) {
                chosen = number;
            }
        }
        self.sources[chosen].taken += 1;
        chosen
    }

    /// Where the order is. An epoch ends when the next row is asked for.
    pub fn position(&self) -> Position {
        let Order { taken, rows, fingerprint, .. } = *self;
        let epoch = taken.saturating_sub(1).checked_div(rows).unwrap_or(0);
        Position { epoch, offset: taken - epoch * rows, rows, fingerprint }
    }

    /// Goes to a saved position.
    ///
    /// # Errors
    /// [`DataError::OtherData`] when it was saved on other data.
    pub fn restore(&mut self, saved: Position) -> Result<(), DataError> {
        let Position { epoch, offset, rows, fingerprint } = saved;
        if rows != self.rows || fingerprint != self.fingerprint || offset > rows {
            return Err(DataError::OtherData { epoch, offset, saved: rows, now: self.rows });
        }
        let taken = epoch * rows + offset;
        self.taken = 0;
        for source in &mut self.sources {
            (source.taken, source.epoch) = (0, Vec::new());
        }
        if let [source] = &mut self.sources[..] {
            (self.taken, source.taken) = (taken, taken);
        }
        while self.taken < taken {
            self.next_source();
        }
        let (seed, shuffle) = (self.seed, self.shuffle);
        for (number, source) in self.sources.iter_mut().enumerate() {
            // Between two epochs, the next one is made when its first row is asked for.
            if source.taken % source.rows.len().max(1) as u64 > 0 {
                source.begin(number as u64, seed, shuffle);
            }
        }
        Ok(())
    }
}

impl Source {
    /// The row that is handed out as the last of those that are counted.
    fn next(&mut self, number: u64, seed: u64, shuffle: bool) -> usize {
        let offset = ((self.taken - 1) % self.rows.len() as u64) as usize;
        if offset == 0 {
            self.begin(number, seed, shuffle);
        }
        self.epoch[offset] as usize
    }

    /// Puts the rows into the order of the present epoch: shuffled, then by difficulty.
    fn begin(&mut self, number: u64, seed: u64, shuffle: bool) {
        let mut rows = self.rows.clone();
        if shuffle {
            let epoch = self.taken.saturating_sub(1) / rows.len().max(1) as u64;
            Random::new(seed, epoch + (number << SOURCE_SHIFT)).shuffle(&mut rows);
        }
        rows.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        self.epoch = rows.into_iter().map(|(row, _)| row).collect();
    }
}

/// A fingerprint that covers `values` too.
fn mixed(fingerprint: u64, values: impl Iterator<Item = u64>) -> u64 {
    let mut hash = Fnv(fingerprint);
    values.for_each(|value| hash.bytes(value.to_le_bytes()));
    hash.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_comes_once_an_epoch_in_a_new_order() {
        let mut order = Order::new(50, 1, 9, true);
        let (first, second) = (order.take(50), order.take(50));
        assert_ne!(first, second);
        for mut epoch in [first, second] {
            epoch.sort_unstable();
            assert_eq!(epoch, (0..50).collect::<Vec<_>>());
        }
        assert_eq!(Order::new(4, 1, 9, false).take(6), [0, 1, 2, 3, 0, 1]);
        assert!(Order::new(0, 1, 9, true).take(3).is_empty());
    }

    #[test]
    fn any_split_and_any_resume_gives_the_same_rows() {
        let whole = Order::new(7, 1, 3, true).take(40);
        for step in [1, 3, 5, 7, 8, 20] {
            let mut order = Order::new(7, 1, 3, true);
            let mut rows = Vec::new();
            while rows.len() < 40 {
                let text = serde_json::to_string(&order.position()).unwrap();
                order = Order::new(7, 1, 3, true);
                order.restore(serde_json::from_str(&text).unwrap()).unwrap();
                rows.extend(order.take(step));
            }
            assert_eq!(rows[..40], whole, "steps of {step}");
        }
    }

    /// Three files of 3, 40 and 5 rows, of which the second may be difficult.
    fn mixed_order(weights: &[f64], difficulty: bool) -> Order {
        let difficulty_key = difficulty.then(|| "level".to_string());
        let train = ["a", "b", "c"].map(String::from).to_vec();
        let data = Data { train, weights: weights.to_vec(), difficulty_key, ..Data::default() };
        let hard = |file: usize, row: usize| if difficulty && file == 1 { (row % 4) as f64 } else { 0.0 };
        let files = [3, 40, 5].into_iter().enumerate();
        let marks = files.flat_map(|(file, rows)| {
            (0..rows).map(move |row| Mark { file, number: row + 1, difficulty: hard(file, row) })
        });
        Order::of(&data, &marks.collect::<Vec<_>>(), 7, 11).unwrap()
    }

    #[test]
    fn every_file_has_its_share_at_any_time_and_comes_whole() {
        let weights = [1.0, 2.5, 0.5];
        let rows = mixed_order(&weights, false).take(2000);
        let file = |row: &usize| usize::from(*row >= 3) + usize::from(*row >= 43);
        let mut counts = [0.0; 3];
        for (taken, row) in rows.iter().enumerate() {
            counts[file(row)] += 1.0;
            for (count, weight) in counts.iter().zip(weights) {
                assert!((count - (taken + 1) as f64 * weight / 4.0f64).abs() < 1.5, "{counts:?} of {}", taken + 1);
            }
        }
        let second: Vec<usize> = rows.iter().copied().filter(|row| file(row) == 1).collect();
        let epochs: Vec<&[usize]> = second.chunks_exact(40).collect();
        assert_ne!(epochs[0], epochs[1]);
        for epoch in epochs {
            let mut epoch = epoch.to_vec();
            epoch.sort_unstable();
            assert_eq!(epoch, (3..43).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_mixture_resumes_at_any_row() {
        let whole = mixed_order(&[1.0, 2.0, 3.0], true).take(300);
        for cut in [0, 1, 2, 6, 59, 120, 299] {
            let mut begun = mixed_order(&[1.0, 2.0, 3.0], true);
            begun.take(cut);
            let mut order = mixed_order(&[1.0, 2.0, 3.0], true);
            order.take(17);
            order.restore(begun.position()).unwrap();
            assert_eq!(order.take(300 - cut), whole[cut..], "after {cut}");
        }
        let saved = mixed_order(&[1.0, 2.0, 3.0], true).position();
        for other in [mixed_order(&[1.0, 2.0, 2.0], true), mixed_order(&[1.0, 2.0, 3.0], false), mixed_order(&[], true)]
        {
            assert!(other.clone().restore(saved).is_err());
        }
    }

    #[test]
    fn a_curriculum_goes_from_easy_to_hard_in_each_epoch() {
        let mut order = mixed_order(&[], true);
        let (first, second) = (order.take(48), order.take(48));
        assert_ne!(first, second, "rows of equal difficulty are shuffled");
        let difficulty = |row: &usize| if (3..43).contains(row) { (row - 3) % 4 } else { 0 };
        for epoch in [first, second] {
            assert!(epoch.is_sorted_by_key(difficulty), "{epoch:?}");
        }
    }

    #[test]
    fn a_position_of_other_data_is_refused() {
        let saved = Order::new(7, 1, 3, true).position();
        assert!(Order::new(8, 1, 3, true).restore(saved).is_err());
        assert!(Order::new(7, 2, 3, true).restore(saved).is_err());
        assert!(Order::new(7, 1, 3, true).restore(Position { offset: 8, ..saved }).is_err());
    }
}
