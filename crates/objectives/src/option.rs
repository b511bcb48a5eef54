//! Options by key: one list of entries gives setting, reading, range checks and the help text.

use crate::nearest::nearest;

/// A value of an option from any typed source: a TOML table, a Python dict, a command line.
///
/// A number may also arrive as text (`"1.5"`), as the command line gives it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number, whole or not.
    Number(f64),
    /// A key of an enumeration, or a number as text.
    Text(String),
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(value as f64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Text(value.to_string())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// One option with its present value, as lists and resolved configurations show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The key, the same in TOML, on the command line, in Python and in metrics.
    pub key: &'static str,
    /// The present value.
    pub value: Value,
    /// What it takes, in words.
    pub takes: String,
    /// What it does, in one sentence with its source.
    pub about: &'static str,
}

/// Why an option was not set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// No objective, estimator or correction has this name.
    #[error("there is no {what} `{name}`{}; there are {}", hint(.nearest), .known.join(", "))]
    UnknownName {
        /// What was looked for, as `objective`.
        what: &'static str,
        /// The name that was given.
        name: String,
        /// The known name that is nearest in spelling.
        nearest: Option<&'static str>,
        /// Every known name.
        known: Vec<&'static str>,
    },
    /// The key is not one of the owner's options.
    #[error("{owner} has no option `{key}`{}; it has {}", hint(.nearest), list(.known))]
    UnknownKey {
        /// Whose option was to be set, as `objective mhpo`.
        owner: String,
        /// The key that was given.
        key: String,
        /// The option that is nearest in spelling.
        nearest: Option<&'static str>,
        /// The keys of all options of the owner.
        known: Vec<&'static str>,
    },
    /// The value is of the wrong kind or outside the range in which the formula has a meaning.
    #[error("option `{key}` is {got}, expected {expected}")]
    BadValue {
        /// The option.
        key: String,
        /// What it takes.
        expected: String,
        /// What was given.
        got: String,
    },
    /// Two options contradict each other.
    #[error("{0}")]
    Conflict(String),
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map(|key| format!(" (did you mean `{key}`?)")).unwrap_or_default()
}

fn list(known: &[&'static str]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}

/// The numbers that an option takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// `0 ≤ x`
    NonNegative,
    /// `0 < x`
    Positive,
    /// `1 ≤ x`
    AtLeastOne,
    /// `0 ≤ x < 1`
    BelowOne,
    /// `0 ≤ x ≤ 1`
    Unit,
    /// `low ≤ x ≤ high`
    Between(f64, f64),
    /// `1, 2, 3 …`
    PositiveInteger,
}

impl Range {
    fn holds(self, x: f64) -> bool {
        x.is_finite()
            && match self {
                Self::NonNegative => x >= 0.0,
                Self::Positive => x > 0.0,
                Self::AtLeastOne => x >= 1.0,
                Self::BelowOne => (0.0..1.0).contains(&x),
                Self::Unit => (0.0..=1.0).contains(&x),
                Self::Between(low, high) => (low..=high).contains(&x),
                Self::PositiveInteger => x >= 1.0 && x.fract() == 0.0,
            }
    }

    fn describe(self) -> String {
        match self {
            Self::NonNegative => "a number that is not negative".to_owned(),
            Self::Positive => "a number greater than 0".to_owned(),
            Self::AtLeastOne => "a number of at least 1".to_owned(),
            Self::BelowOne => "a number from 0 to below 1".to_owned(),
            Self::Unit => "a number from 0 to 1".to_owned(),
            Self::Between(low, high) => format!("a number from {low} to {high}"),
            Self::PositiveInteger => "a whole number of at least 1".to_owned(),
        }
    }
}

/// An enumeration that is set by key. [`crate::keyed_enum!`] declares one.
pub trait Choice {
    /// Every key.
    fn keys(&self) -> &'static [&'static str];
    /// The key of the present value.
    fn current(&self) -> &'static str;
    /// Takes the value with this key; false where there is none.
    fn choose(&mut self, key: &str) -> bool;
}

/// Where an option is stored.
enum Slot<'a> {
    Number { value: &'a mut f64, range: Range },
    Choice(&'a mut dyn Choice),
}

/// An option: its key, what it does, and its place.
pub struct Entry<'a> {
    key: &'static str,
    about: &'static str,
    slot: Slot<'a>,
}

impl<'a> Entry<'a> {
    /// A number within a range.
    pub fn number(key: &'static str, value: &'a mut f64, range: Range, about: &'static str) -> Self {
        Self { key, about, slot: Slot::Number { value, range } }
    }

    /// One of several words.
    pub fn choice(key: &'static str, value: &'a mut dyn Choice, about: &'static str) -> Self {
        Self { key, about, slot: Slot::Choice(value) }
    }

    /// What it takes, in words.
    fn takes(&self) -> String {
        match &self.slot {
            Slot::Number { range, .. } => range.describe(),
            Slot::Choice(choice) => {
                let keys: Vec<String> = choice.keys().iter().map(|key| format!("\"{key}\"")).collect();
                keys.join(" or ")
            }
        }
    }

    fn store(self, value: &Value) -> Result<(), OptionError> {
        let (key, takes) = (self.key, self.takes());
        let stored = match (self.slot, value) {
            (Slot::Number { value: place, range }, value) => {
                let number = match value {
                    Value::Number(number) => Some(*number),
                    Value::Text(text) => text.trim().parse().ok(),
                };
                number.filter(|x| range.holds(*x)).map(|number| *place = number).is_some()
            }
            (Slot::Choice(place), Value::Text(text)) => place.choose(text),
            (Slot::Choice(_), Value::Number(_)) => false,
        };
        let got = match value {
            Value::Text(text) => format!("\"{text}\""),
            Value::Number(number) => number.to_string(),
        };
        if stored { Ok(()) } else { Err(OptionError::BadValue { key: key.to_owned(), expected: takes, got }) }
    }
}

/// Sets the option `key` among `entries`; `owner` names them in the error.
pub(crate) fn set(entries: Vec<Entry<'_>>, owner: &str, key: &str, value: &Value) -> Result<(), OptionError> {
    let known: Vec<&'static str> = entries.iter().map(|entry| entry.key).collect();
    match entries.into_iter().find(|entry| entry.key == key) {
        Some(entry) => entry.store(value),
        None => Err(OptionError::UnknownKey {
            owner: owner.to_owned(),
            key: key.to_owned(),
            nearest: nearest(key, known.iter().copied()),
            known,
        }),
    }
}

/// The present values of `entries`.
pub(crate) fn list_settings(entries: Vec<Entry<'_>>) -> Vec<Setting> {
    let setting = |entry: Entry<'_>| Setting {
        key: entry.key,
        takes: entry.takes(),
        about: entry.about,
        value: match entry.slot {
            Slot::Number { value, .. } => Value::Number(*value),
            Slot::Choice(choice) => Value::Text(choice.current().to_owned()),
        },
    };
    entries.into_iter().map(setting).collect()
}
