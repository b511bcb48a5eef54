//! The fields of a request's body: each is read within its range, or refused.
use super::Refused;
use serde_json::{Value, json};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// A request's body.
pub(super) struct Fields<'a>(pub &'a Value);

/// What is not supported, with the value that turns it off.
fn neutral() -> [(&'static str, Value); 12] {
    [
        ("stream", json!(false)),
        ("echo", json!(false)),
        ("best_of", json!(1)),
        ("suffix", json!("")),
        ("presence_penalty", json!(0)),
        ("frequency_penalty", json!(0)),
        ("repetition_penalty", json!(1)),
        ("repeat_penalty", json!(1)),
        ("min_tokens", json!(0)),
        ("ignore_eos", json!(false)),
        ("logit_bias", json!({})),
        ("response_format", json!({ "type": "text" })),
    ]
}

impl Fields<'_> {
    /// The answer to a field that is not `expected`.
    pub fn refuse(&self, key: &str, expected: &str) -> Refused {
        (400, format!("`{key}` must be {expected}, found {}", self.0[key]))
    }

    /// Refuses what asks for something that there is not.
    pub fn refuse_unsupported(&self) -> Result<(), Refused> {
        for (key, off) in neutral() {
            let asked = &self.0[key];
            // 0 and 0.0 are one number.
            let same = match (asked.as_f64(), off.as_f64()) {
                (Some(asked), Some(off)) => asked == off,
                _ => *asked == off,
            };
            if !asked.is_null() && !same {
                return Err(self.refuse(key, &format!("{off}: nothing else is supported")));
            }
        }
        Ok(())
    }

    pub fn number(&self, key: &str, default: f64, least: f64, most: f64) -> Result<f64, Refused> {
        self.within(key, "a number", default, least..=most, Value::as_f64)
    }

    pub fn whole(&self, key: &str, default: u64, least: u64, most: u64) -> Result<u64, Refused> {
        self.within(key, "a whole number", default, least..=most, Value::as_u64)
    }

    fn within<T: PartialOrd + Display>(
        &self,
        key: &str,
        kind: &str,
        default: T,
        range: RangeInclusive<T>,
        read: fn(&Value) -> Option<T>,
    ) -> Result<T, Refused> {
        match &self.0[key] {
            Value::Null => Ok(default),
            value => read(value)
                .filter(|value| range.contains(value))
                .ok_or_else(|| self.refuse(key, &format!("{kind} from {} to {}", range.start(), range.end()))),
        }
    }

    /// Whether a field is true.
    pub fn flag(&self, key: &str) -> bool {
        self.0[key] == Value::Bool(true)
    }

    /// A text or several, none of them empty.
    pub fn texts(&self, key: &str) -> Result<Vec<String>, Refused> {
        let texts = match &self.0[key] {
            Value::Null => Some(Vec::new()),
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(texts) => texts.iter().map(|text| text.as_str().map(str::to_string)).collect(),
            _ => None,
        };
        let texts = texts.filter(|texts| !texts.iter().any(String::is_empty));
        texts.ok_or_else(|| self.refuse(key, "a text or a list of texts, none empty"))
    }
}
