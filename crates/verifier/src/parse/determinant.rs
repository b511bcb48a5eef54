//! Determinants of matrices that are written out.

use super::Parser;
use crate::budget::Outcome;
use crate::expr::Id;
use crate::form::Form;

/// Rows of a matrix whose determinant is worked out.
const MAX_ROWS: usize = 7;

impl Parser<'_> {
    /// The determinant of these rows, column by column over all sets of rows.
    pub(super) fn determinant(&mut self, rows: &[Vec<Form>]) -> Outcome<Id> {
        let n = rows.len();
        if n > MAX_ROWS || rows.iter().any(|row| row.len() != n) {
            return self.error("a square matrix of at most 7 rows");
        }
        let mut cells = Vec::with_capacity(n * n);
        for cell in rows.iter().flatten() {
            match cell {
                Form::Value(value) if value.unit.is_none() => cells.push(value.id),
                _ => return self.error("a matrix of numbers"),
            }
        }
        // minors[set] is the determinant of the rows in the set and as many first columns.
        let one = self.arena.integer(1);
        let mut minors = vec![one; 1 << n];
        for set in 1..1usize << n {
            let column = set.count_ones() as usize - 1;
            let mut total = self.arena.integer(0);
            for row in (0..n).filter(|row| set & (1 << row) != 0) {
                let term = self.arena.mul(cells[row * n + column], minors[set & !(1 << row)], self.budget)?;
                let below = (set >> (row + 1)).count_ones();
                let sum = if below % 2 == 0 {
                    self.arena.add(total, term, self.budget)
                } else {
                    self.arena.sub(total, term, self.budget)
                };
                total = sum?;
            }
            minors[set] = total;
        }
        Ok(minors[(1 << n) - 1])
    }
}
