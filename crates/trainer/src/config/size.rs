//! A number that the device decides about where nobody names one.

use super::entry::{Entry, Mismatch, Whole, mismatch};
use toml::Value;

/// How much is done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// What suits the device and its memory.
    Auto,
    /// So many.
    Of(usize),
}

impl Size {
    /// The number that is set, or else that of the device.
    ///
    /// ```
    /// use surefoot_trainer::config::Size;
    /// assert_eq!(Size::Auto.or(64), 64);
    /// assert_eq!(Size::Of(8).or(64), 8);
    /// ```
    pub const fn or(self, device: usize) -> usize {
        match self {
            Self::Auto => device,
            Self::Of(number) => number,
        }
    }
}

impl Whole for Size {
    fn expects_from(least: u64) -> String {
        format!("{}, or \"auto\"", usize::expects_from(least))
    }
    fn number(&self) -> Option<u64> {
        match self {
            Self::Auto => None,
            Self::Of(number) => number.number(),
        }
    }
}

impl Entry for Size {
    fn expects() -> String {
        Self::expects_from(0)
    }
    fn read(value: &Value) -> Result<Self, Mismatch> {
        if value.as_str() == Some("auto") {
            return Ok(Self::Auto);
        }
        value
            .as_integer()
            .and_then(|number| number.try_into().ok())
            .map(Self::Of)
            .ok_or_else(|| mismatch::<Self>(value))
    }
    fn to_toml(&self) -> Option<String> {
        Some(match self {
            Self::Auto => "\"auto\"".to_string(),
            Self::Of(number) => number.to_string(),
        })
    }
}
