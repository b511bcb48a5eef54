//! The types that a key can have: how each is read from TOML, written, and described.

use std::path::PathBuf;

use toml::Value;

/// A value that does not fit its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What the key takes.
    pub expected: String,
    /// What was found.
    pub found: String,
}

/// A type that a configuration key can have.
pub trait Entry: Sized {
    /// What values the type takes, in words.
    fn expects() -> String;
    /// Reads a TOML value.
    ///
    /// # Errors
    /// [`Mismatch`] when the value is not of this type.
    fn read(value: &Value) -> Result<Self, Mismatch>;
    /// The value as TOML; `None` when it is not set.
    fn to_toml(&self) -> Option<String>;
}

/// A type whose values are whole numbers: a key can ask for one from some least number on.
pub trait Whole: Entry {
    /// What values the type takes from `least` on, in words.
    fn expects_from(least: u64) -> String;
    /// The number, where one is set.
    fn number(&self) -> Option<u64>;
}

/// A [`Mismatch`] between what type `T` expects and `value`.
pub fn mismatch<T: Entry>(value: &Value) -> Mismatch {
    let found = match value {
        Value::String(text) => format!("the text {text:?}"),
        Value::Integer(number) => format!("the number {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::Boolean(flag) => format!("{flag}"),
        Value::Datetime(when) => format!("the date {when}"),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Table(_) => "a table".to_string(),
    };
    Mismatch { expected: T::expects(), found }
}

impl Whole for usize {
    fn expects_from(least: u64) -> String {
        format!("a whole number, {least} or more")
    }
    fn number(&self) -> Option<u64> {
        Some(*self as u64)
    }
}

impl Entry for usize {
    fn expects() -> String {
        Self::expects_from(0)
    }
    fn read(value: &Value) -> Result<Self, Mismatch> {
        value.as_integer().and_then(|number| number.try_into().ok()).ok_or_else(|| mismatch::<Self>(value))
    }
    fn to_toml(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Whole for u64 {
    fn expects_from(least: u64) -> String {
        usize::expects_from(least)
    }
    fn number(&self) -> Option<u64> {
        Some(*self)
    }
}

impl Entry for u64 {
    fn expects() -> String {
        Self::expects_from(0)
    }
    fn read(value: &Value) -> Result<Self, Mismatch> {
        value.as_integer().and_then(|number| number.try_into().ok()).ok_or_else(|| mismatch::<Self>(value))
    }
    fn to_toml(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Entry for f64 {
    fn expects() -> String {
        "a number".into()
    }
    fn read(value: &Value) -> Result<Self, Mismatch> {
        let number = match value {
            Value::Float(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            _ => None,
        };
        number.filter(|number| number.is_finite()).ok_or_else(|| mismatch::<Self>(value))
    }
    fn to_toml(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

impl Entry for bool {
    fn expects() -> String {
        "true or false".into()
    }
    fn read(value: &Value) -> Result<Self, Mismatch> {
        value.as_bool().ok_or_else(|| mismatch::<Self>(value))
    }
    fn to_toml(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Entry for String {
    fn expects() -> String {
        "text".into()
    }
    fn read(value: &Value) -> Result<Self, Mismatch> {
        value.as_str().map(str::to_string).ok_or_else(|| mismatch::<Self>(value))
    }
    fn to_toml(&self) -> Option<String> {
        Some(Value::String(self.clone()).to_string())
    }
}

impl Entry for PathBuf {
    fn expects() -> String {
        "a path".into()
    }
    fn read(value: &Value) -> Result<Self, Mismatch> {
        value.as_str().map(PathBuf::from).ok_or_else(|| mismatch::<Self>(value))
    }
    fn to_toml(&self) -> Option<String> {
        Some(Value::String(self.to_string_lossy().into_owned()).to_string())
    }
}

impl Entry for [f64; 2] {
    fn expects() -> String {
        "a list of two numbers".into()
    }
    fn read(value: &Value) -> Result<Self, Mismatch> {
        match value.as_array().map(Vec::as_slice) {
            Some([first, second]) => Ok([f64::read(first)?, f64::read(second)?]),
            _ => Err(mismatch::<Self>(value)),
        }
    }
    fn to_toml(&self) -> Option<String> {
        Some(format!("[{:?}, {:?}]", self[0], self[1]))
    }
}

/// A key that need not be set.
impl<T: Entry> Entry for Option<T> {
    fn expects() -> String {
        T::expects()
    }
    fn read(value: &Value) -> Result<Self, Mismatch> {
        T::read(value).map(Some)
    }
    fn to_toml(&self) -> Option<String> {
        self.as_ref().and_then(T::to_toml)
    }
}

impl<T: Whole> Whole for Option<T> {
    fn expects_from(least: u64) -> String {
        T::expects_from(least)
    }
    fn number(&self) -> Option<u64> {
        self.as_ref().and_then(T::number)
    }
}

/// One value or a list of them.
impl<T: Entry> Entry for Vec<T> {
    fn expects() -> String {
        format!("{}, or a list of such", T::expects())
    }
    fn read(value: &Value) -> Result<Self, Mismatch> {
        match value {
            Value::Array(items) => items.iter().map(T::read).collect(),
            single => Ok(vec![T::read(single).map_err(|found| Mismatch { expected: Self::expects(), ..found })?]),
        }
    }
    fn to_toml(&self) -> Option<String> {
        let items: Vec<String> = self.iter().filter_map(T::to_toml).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}
