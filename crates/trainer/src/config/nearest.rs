//! The valid name nearest to a mistyped one.

use strsim::{jaro_winkler, osa_distance};

use super::elsewhere::ELSEWHERE;

/// Similarity (Jaro-Winkler) from which a name with many edits still counts as meant.
const SIMILAR: f64 = 0.87;

/// The candidate nearest to `word`, if any is near enough to be what was meant: within a third of its letters, or with a
/// long common beginning.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let close = |candidate: &&str| {
        let edits = osa_distance(word, candidate);
        edits <= word.chars().count().max(candidate.chars().count()) / 3 || jaro_winkler(word, candidate) >= SIMILAR
    };
    candidates.into_iter().filter(close).min_by_key(|candidate| osa_distance(word, candidate))
}

/// A valid key that was meant, perhaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    /// `section.key`
    pub key: String,
    /// In what its value differs from that of the key that was written, if that is another trainer's.
    pub note: Option<&'static str>,
}

impl std::fmt::Display for Meant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "did you mean `{}`?", self.key)?;
        self.note.map_or(Ok(()), |note| write!(f, " ({note})"))
    }
}

/// The valid key nearest to `section.key`: a name that other trainers use, the same key in another section, a similar key in the
/// same section, or a similar one elsewhere, in this order.
pub(super) fn nearest_key(section: &str, key: &str, valid: &[(&str, String)]) -> Option<Meant> {
    let known = |ours: &str| valid.iter().any(|(section, key)| ours.split_once('.') == Some((section, key)));
    let whole = format!("{section}.{key}");
    let elsewhere = |name: &str| ELSEWHERE.iter().find(|(theirs, ours, _)| *theirs == name && known(ours));
    if let Some((_, ours, note)) = elsewhere(&whole).or_else(|| elsewhere(key)) {
        return Some(Meant { key: (*ours).to_string(), note: Some(*note).filter(|note| !note.is_empty()) });
    }
    let here = |home: &str, name: &str| Some(Meant { key: format!("{home}.{name}"), note: None });
    if let Some((home, _)) = valid.iter().find(|(_, name)| name == key) {
        return here(home, key);
    }
    let in_section = valid.iter().filter(|(home, _)| *home == section).map(|(_, name)| name.as_str());
    if let Some(name) = nearest(key, in_section) {
        return here(section, name);
    }
    let name = nearest(key, valid.iter().map(|(_, name)| name.as_str()))?;
    let (home, _) = valid.iter().find(|(_, candidate)| candidate == name)?;
    here(home, name)
}
