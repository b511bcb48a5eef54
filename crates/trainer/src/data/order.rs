//! The order in which rows are met: a new one in each epoch, fixed by the seed, and a position that can be saved.

use serde::{Deserialize, Serialize};

use super::error::DataError;
use crate::random::Random;

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

/// Hands out row numbers without end, each row once an epoch.
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
    position: Position,
    permutation: Vec<u32>,
}

impl Order {
    /// The order of `rows` rows whose content has `fingerprint`. Without `shuffle` every epoch has the order of the files.
    pub fn new(rows: usize, fingerprint: u64, seed: u64, shuffle: bool) -> Self {
        let position = Position { epoch: 0, offset: 0, rows: rows as u64, fingerprint };
        let mut order = Order { seed, shuffle, position, permutation: Vec::new() };
        order.permute();
        order
    }

    /// The next `count` rows; none when the data is empty.
    pub fn take(&mut self, count: usize) -> Vec<usize> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count && self.position.rows > 0 {
            if self.position.offset == self.position.rows {
                self.position = Position { epoch: self.position.epoch + 1, offset: 0, ..self.position };
                self.permute();
            }
            taken.push(self.permutation[self.position.offset as usize] as usize);
            self.position.offset += 1;
        }
        taken
    }

    /// Where the order is.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Goes to a saved position.
    ///
    /// # Errors
    /// [`DataError::OtherData`] when it was saved on other data.
    pub fn restore(&mut self, saved: Position) -> Result<(), DataError> {
        let Position { epoch, offset, rows, fingerprint } = saved;
        if rows != self.position.rows || fingerprint != self.position.fingerprint || offset > rows {
            return Err(DataError::OtherData { epoch, offset, saved: rows, now: self.position.rows });
        }
        self.position = saved;
        self.permute();
        Ok(())
    }

    fn permute(&mut self) {
        self.permutation = (0..self.position.rows as u32).collect();
        if self.shuffle {
            Random::new(self.seed, self.position.epoch).shuffle(&mut self.permutation);
        }
    }
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

    #[test]
    fn a_position_of_other_data_is_refused() {
        let saved = Order::new(7, 1, 3, true).position();
        assert!(Order::new(8, 1, 3, true).restore(saved).is_err());
        assert!(Order::new(7, 2, 3, true).restore(saved).is_err());
        assert!(Order::new(7, 1, 3, true).restore(Position { offset: 8, ..saved }).is_err());
    }
}
