//! `[objective]`: a name, and options that belong to the named objective.

use std::collections::BTreeMap;

use toml::Value;

use super::entry::{Entry, Mismatch};
use super::table::{KeyDoc, Stage};

/// `[objective]`: the ratio control that turns log-probabilities and advantages into a loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// Key of the objective, one of [`surefoot_objectives::RECIPES`].
    pub name: String,
    /// Options that were set; all others have the value of the objective's paper.
    pub options: BTreeMap<String, OptionValue>,
}

/// Value of an option: a number or a text.
#[derive(Clone, Debug, PartialEq)]
pub enum OptionValue {
    /// As in `clip_low = 0.2`.
    Number(f64),
    /// As in `hazard = "weibull"`.
    Text(String),
}

impl Entry for OptionValue {
    fn expects() -> String {
        "a number or text".into()
    }
    fn read(value: &Value) -> Result<Self, Mismatch> {
        match value {
            Value::String(text) => Ok(OptionValue::Text(text.clone())),
            Value::Integer(_) | Value::Float(_) => f64::read(value).map(OptionValue::Number),
            _ => Err(super::entry::mismatch::<Self>(value)),
        }
    }
    fn to_toml(&self) -> Option<String> {
        match self {
            OptionValue::Number(number) => number.to_toml(),
            OptionValue::Text(text) => text.to_toml(),
        }
    }
}

impl Default for Objective {
    fn default() -> Self {
        Objective { name: "mhpo".to_string(), options: BTreeMap::new() }
    }
}

/// Options of all objectives with what each takes and means; which of them an objective knows, is checked by the objective.
pub const OPTIONS: &[(&str, Takes, &str)] = &[
    (
        "aggregation",
        Takes::Text,
        "How tokens are averaged: seq-mean-token-mean, token-mean, prompt-mean-token-mean, seq-mean-token-sum-norm.",
    ),
    (
        "aggregation_length",
        Takes::Number,
        "Dr. GRPO: the constant that seq-mean-token-sum-norm divides token sums by; not set: rollout.max_new_tokens.",
    ),
    ("clip_low", Takes::Number, "Lower clip range: the ratio's bound is 1 - clip_low."),
    ("clip_high", Takes::Number, "Upper clip range: the ratio's bound is 1 + clip_high."),
    ("dual_clip", Takes::Number, "Bound of dual clip and of ASPO."),
    ("temperature_positive", Takes::Number, "SAPO: temperature for positive advantages."),
    ("temperature_negative", Takes::Number, "SAPO: temperature for negative advantages."),
    ("beta_low", Takes::Number, "CE-GPPO: weight below the lower bound."),
    ("beta_high", Takes::Number, "CE-GPPO: weight above the upper bound."),
    ("bound", Takes::Number, "MHPO: c, the bound of the log-ratio."),
    ("shape_positive", Takes::Number, "MHPO: Weibull shape of positive shifts (k+)."),
    ("scale_positive", Takes::Number, "MHPO: Weibull scale of positive shifts (lambda+)."),
    ("shape_negative", Takes::Number, "MHPO: Weibull shape of negative shifts (k-)."),
    ("scale_negative", Takes::Number, "MHPO: Weibull scale of negative shifts (lambda-)."),
    ("hazard", Takes::Text, "MHPO: weibull or none."),
    ("anchor", Takes::Text, "MHPO: printed (the formula as it stands) or unit (multiplier exactly 1 on-policy)."),
    ("decay_low", Takes::Number, "DGPO: n, the decay below the lower bound."),
    ("decay_high", Takes::Number, "DGPO: m, the decay above the upper bound."),
    ("drift_coefficient", Takes::Number, "CPGD: weight of the policy drift."),
    ("drift_bound", Takes::Number, "CPGD: bound of the drift."),
    ("clip_schedule", Takes::Text, "CPGD: constant or tight-to-loose."),
    ("schedule_weight", Takes::Number, "CPGD: lambda of the schedule."),
    (
        "epoch_weight",
        Takes::Text,
        "CPGD: off, or truncated: later epochs over a rollout weigh the advantage by clip(π_epoch/π_old, 1 - clip_low, 1 + clip_high), with the policy that the epoch began with (one forward pass more an epoch).",
    ),
];

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A number.
    Number,
    /// A text.
    Text,
}

impl Stage for Objective {
    fn section(&self) -> &'static str {
        "objective"
    }

    fn about(&self) -> &'static str {
        "The ratio control. Options that are not set have the value of the objective's own paper."
    }

    fn keys(&self) -> Vec<KeyDoc> {
        let name = KeyDoc {
            name: "name",
            expects: String::expects(),
            default: self.name.to_toml(),
            doc: "The objective.".to_string(),
            source: "MHPO",
        };
        let option = |&(name, takes, doc): &(&'static str, Takes, &str)| KeyDoc {
            name,
            expects: match takes {
                Takes::Number => f64::expects(),
                Takes::Text => String::expects(),
            },
            default: None,
            doc: doc.to_string(),
            source: "the objective's paper",
        };
        std::iter::once(name).chain(OPTIONS.iter().map(option)).collect()
    }

    fn entries(&self) -> Vec<(String, Option<String>)> {
        let options = self.options.iter().map(|(key, value)| (key.clone(), value.to_toml()));
        std::iter::once(("name".to_string(), self.name.to_toml())).chain(options).collect()
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<bool, Mismatch> {
        if key == "name" {
            self.name = String::read(value)?;
            return Ok(true);
        }
        let Some((_, takes, _)) = OPTIONS.iter().find(|(name, ..)| *name == key) else { return Ok(false) };
        let value = match takes {
            Takes::Number => OptionValue::Number(f64::read(value)?),
            Takes::Text => OptionValue::Text(String::read(value)?),
        };
        self.options.insert(key.to_string(), value);
        Ok(true)
    }
}
