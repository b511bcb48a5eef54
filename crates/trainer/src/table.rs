//! Tables as text.

/// Side to which all columns but the first are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// For columns of words.
    Left,
    /// For columns of numbers with the same decimals.
    Right,
}

/// Lines of columns of equal width with two blanks between; the first column stands to the left.
///
/// ```
/// use surefoot_trainer::table::{Numbers, aligned};
/// let rows = [["benchmark", "right"], ["gsm8k", "7"]].map(|row| row.map(String::from).to_vec());
/// assert_eq!(aligned(&rows, Numbers::Right), ["benchmark  right", "gsm8k          7"]);
/// ```
pub fn aligned(rows: &[Vec<String>], numbers: Numbers) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(c, (cell, &width))| match numbers {
            Numbers::Right if c > 0 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect()
}
