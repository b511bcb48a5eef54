//! Keys in which two configurations differ.
use super::Config;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A key with its values in two configurations, as TOML; `None` where it is not set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// `section.key`
    pub key: String,
    /// In the first configuration.
    pub from: Option<String>,
    /// In the second.
    pub to: Option<String>,
}

impl Difference {
    /// The first value, for people.
    pub fn from(&self) -> &str {
        self.from.as_deref().unwrap_or("not set")
    }

    /// The second value, for people.
    pub fn to(&self) -> &str {
        self.to.as_deref().unwrap_or("not set")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {}", self.key, self.from(), self.to())
    }
}

impl Config {
    /// The keys in which `other` differs, in their alphabetical order.
    ///
    /// ```
    /// use surefoot_trainer::config::{Config, Purpose};
    ///
    /// let (first, mut second) = (Config::defaults(Purpose::Train), Config::defaults(Purpose::Train));
    /// second.train.steps = 7;
    /// let differences = first.differences(&second);
    /// assert_eq!(differences[0].to_string(), "train.steps 100 → 7");
    /// assert_eq!(differences.len(), 1);
    /// ```
    pub fn differences(&self, other: &Config) -> Vec<Difference> {
        let (first, second) = (self.values(), other.values());
        let mut keys: Vec<&String> = first.keys().chain(second.keys()).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter()
            .filter(|key| first.get(*key) != second.get(*key))
            .map(|key| Difference { key: key.clone(), from: first.get(key).cloned(), to: second.get(key).cloned() })
            .collect()
    }

    /// The value of `section.key` as TOML; `None` where it is not set.
    pub(super) fn value(&self, key: &str) -> Option<String> {
        self.values().remove(key)
    }

    /// Every key that has a value, as `section.key`.
    fn values(&self) -> BTreeMap<String, String> {
        let stages = self.stages();
        let entries = stages.iter().flat_map(|stage| {
            let section = stage.section();
            stage.entries().into_iter().map(move |(key, value)| (format!("{section}.{key}"), value))
        });
        entries.filter_map(|(key, value)| Some((key, value?))).collect()
    }
}
