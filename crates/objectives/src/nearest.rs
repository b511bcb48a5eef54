//! The known key that is nearest to a mistyped one.

/// More edits than this share of the typed word is no longer a typing slip.
const MAX_EDIT_SHARE: f64 = 0.5;

/// The candidate with the fewest edits (insert, delete, replace, swap of neighbours) from `word`, if it is near enough.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() as f64 * MAX_EDIT_SHARE).ceil() as usize;
    candidates
        .map(|candidate| (edits(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_count_each_kind_once() {
        assert_eq!(edits("bound", "bound"), 0);
        assert_eq!(edits("bund", "bound"), 1);
        assert_eq!(edits("boound", "bound"), 1);
        assert_eq!(edits("baund", "bound"), 1);
        assert_eq!(edits("obund", "bound"), 1);
        assert_eq!(edits("", "bound"), 5);
    }

    #[test]
    fn nearest_finds_slips_and_refuses_other_words() {
        let keys = ["clip_low", "clip_high", "bound"];
        assert_eq!(nearest("clip_hihg", keys.into_iter()), Some("clip_high"));
        assert_eq!(nearest("bonud", keys.into_iter()), Some("bound"));
        assert_eq!(nearest("temperature", keys.into_iter()), None);
    }
}
