//! `[objective]`: a name, and options that belong to the named objective.

use std::collections::BTreeMap;

use surefoot_objectives::{Objective as Control, Setting, Value, recipes};

use super::entry::{Entry, Mismatch};
use super::table::{KeyDoc, Stage};

/// `[objective]`: the ratio control that turns log-probabilities and advantages into a loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// Key of the objective, one of [`surefoot_objectives::recipes`].
    pub name: String,
    /// Options that were set; all others have the value of the objective's paper.
    pub options: BTreeMap<String, Value>,
}

impl Entry for Value {
    fn expects() -> String {
        "a number or text".into()
    }
    fn read(value: &toml::Value) -> Result<Self, Mismatch> {
        match value {
            toml::Value::String(text) => Ok(Value::Text(text.clone())),
            toml::Value::Integer(_) | toml::Value::Float(_) => f64::read(value).map(Value::Number),
            _ => Err(super::entry::mismatch::<Self>(value)),
        }
    }
    fn to_toml(&self) -> Option<String> {
        match self {
            Value::Number(number) => number.to_toml(),
            Value::Text(text) => text.to_toml(),
        }
    }
}

impl Default for Objective {
    fn default() -> Self {
        Objective { name: "mhpo".to_string(), options: BTreeMap::new() }
    }
}

/// An option of this key, as each objective that has one tells of it.
struct Known {
    key: &'static str,
    by: Vec<(&'static str, Setting)>,
}

/// The options of all objectives, those that all share first. Which of them an objective has, is checked by the objective.
fn known() -> Vec<Known> {
    let mut all: Vec<Known> = Vec::new();
    for recipe in recipes() {
        let Ok(objective) = Control::named(recipe.key) else { continue };
        for setting in objective.settings() {
            match all.iter_mut().find(|known| known.key == setting.key) {
                Some(known) => known.by.push((recipe.key, setting)),
                None => all.push(Known { key: setting.key, by: vec![(recipe.key, setting)] }),
            }
        }
    }
    all
}

impl Known {
    /// What the objectives say, each once, with those that say so.
    fn said(&self, of: impl Fn(&Setting) -> String) -> Vec<(String, Vec<&'static str>)> {
        let mut all: Vec<(String, Vec<&'static str>)> = Vec::new();
        for (objective, setting) in &self.by {
            let said = of(setting);
            match all.iter_mut().find(|(other, _)| *other == said) {
                Some((_, objectives)) => objectives.push(objective),
                None => all.push((said, vec![objective])),
            }
        }
        // what most say comes first
        all.sort_by_key(|(_, objectives)| std::cmp::Reverse(objectives.len()));
        all
    }

    /// Whether all objectives take a number (or all a word): then the other is refused where it stands.
    fn takes_numbers(&self) -> Option<bool> {
        let number = |setting: &Setting| matches!(setting.value, Value::Number(_));
        let first = self.by.first().map(|(_, setting)| number(setting))?;
        self.by.iter().all(|(_, setting)| number(setting) == first).then_some(first)
    }

    fn document(&self) -> KeyDoc {
        let default = |setting: &Setting| match setting.key {
            "aggregation_length" => "`rollout.max_new_tokens`".to_string(),
            _ => setting.value.to_toml().map_or_else(String::new, |toml| format!("`{toml}`")),
        };
        let (takes, about) =
            (self.said(|setting| setting.takes.clone()), self.said(|setting| setting.about.to_string()));
        let default = self.said(default);
        let everyones = self.by.len() == recipes().len();
        KeyDoc {
            name: self.key,
            expects: join(&takes, takes.len() > 1),
            default: Some(join(&default, default.len() > 1 || !everyones)),
            doc: join(&about, about.len() > 1),
            source: "the objective's paper",
        }
    }
}

/// What is said, with the objectives of which it is said where they are `named`.
fn join(said: &[(String, Vec<&'static str>)], named: bool) -> String {
    let part = |(said, objectives): &(String, Vec<&'static str>)| match named {
        true => format!("{said} ({})", objectives.join(", ")),
        false => said.clone(),
    };
    said.iter().map(part).collect::<Vec<_>>().join("; ")
}

impl Stage for Objective {
    fn section(&self) -> &'static str {
        "objective"
    }

    fn about(&self) -> &'static str {
        "The ratio control. Options that are not set have the value of the objective's own paper; behind it stand the objectives that have the option."
    }

    fn keys(&self) -> Vec<KeyDoc> {
        let name = KeyDoc {
            name: "name",
            expects: recipes().iter().map(|recipe| format!("{:?}", recipe.key)).collect::<Vec<_>>().join(", "),
            default: self.name.to_toml().map(|name| format!("`{name}`")),
            doc: "The objective.".to_string(),
            source: "MHPO",
        };
        std::iter::once(name).chain(known().iter().map(Known::document)).collect()
    }

    fn entries(&self) -> Vec<(String, Option<String>)> {
        let options = self.options.iter().map(|(key, value)| (key.clone(), value.to_toml()));
        std::iter::once(("name".to_string(), self.name.to_toml())).chain(options).collect()
    }

    fn set(&mut self, key: &str, value: &toml::Value) -> Result<bool, Mismatch> {
        if key == "name" {
            self.name = String::read(value)?;
            return Ok(true);
        }
        let all = known();
        let Some(known) = all.iter().find(|known| known.key == key) else { return Ok(false) };
        let value = match known.takes_numbers() {
            Some(true) => Value::Number(f64::read(value)?),
            Some(false) => Value::Text(String::read(value)?),
            None => Value::read(value)?,
        };
        self.options.insert(key.to_string(), value);
        Ok(true)
    }
}
