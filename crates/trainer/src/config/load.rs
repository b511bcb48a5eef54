//! From a TOML text and `--set` overrides to a checked configuration.

use std::collections::HashMap;
use std::path::Path;

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::check;
use super::nearest::{nearest, nearest_key};
use super::preset;
use super::{Config, ConfigError, Mismatch, Origin, Problem, ProblemKind, Purpose};

/// Where each key that was set came from, by `section.key`.
pub(super) type Origins = HashMap<String, Origin>;

/// See [`Config::from_text`].
pub(super) fn resolve(path: &Path, text: &str, sets: &[String], purpose: Purpose) -> Result<Config, ConfigError> {
    let mut reader = Reader { config: Config::defaults(purpose), origins: Origins::new(), problems: Vec::new() };
    reader.file(path, text);
    if !reader.problems.is_empty() && reader.problems.iter().all(Problem::is_syntax) {
        return Err(ConfigError::Problems(reader.problems));
    }
    for set in sets {
        reader.set(set);
    }
    let Reader { mut config, origins, mut problems } = reader;
    if config.log.run_dir.is_empty() {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        config.log.run_dir = format!("runs/{}", if stem.is_empty() { purpose.command() } else { stem.as_str() });
    }
    preset::apply(&mut config, &|key| origins.contains_key(key));
    config.advantage.estimator = Some(config.estimator());
    // In a run's own file nobody set anything: it holds every key, some of which later settings leave without effect.
    let by_user = |origin: &Origin| !matches!(origin, Origin::File { .. }) || Purpose::of_resolved(text).is_none();
    let found = check::check(&config, &|key| origins.get(key).is_some_and(by_user));
    problems.extend(found.into_iter().map(|(key, message)| Problem {
        origin: origins.get(&key).cloned().unwrap_or(Origin::Default),
        kind: ProblemKind::Invalid { key, message },
    }));
    if problems.is_empty() { Ok(config) } else { Err(ConfigError::Problems(problems)) }
}

struct Reader {
    config: Config,
    origins: Origins,
    problems: Vec<Problem>,
}

impl Reader {
    fn file(&mut self, path: &Path, text: &str) {
        let line =
            |offset: usize| text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1;
        let origin = |offset: usize| Origin::File { path: path.to_path_buf(), line: line(offset) };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let start = error.span().map_or(0, |span| span.start);
            let kind = ProblemKind::Syntax(error.message().to_string());
            self.problems.push(Problem { origin: origin(start), kind });
        }
        if !errors.is_empty() {
            return; // what was recovered from broken text would only give errors that follow from the first
        }
        let mut sections: Vec<_> = table.into_inner().into_iter().collect();
        sections.sort_by_key(|(name, _)| name.span().start);
        for (section, body) in sections {
            let here = origin(section.span().start);
            let section = section.into_inner();
            let DeValue::Table(keys) = body.into_inner() else {
                self.outside_section(here, &section);
                continue;
            };
            if !self.config.purpose.sections().contains(&section.as_ref()) {
                self.unknown_section(here, &section);
                continue;
            }
            let mut keys: Vec<_> = keys.into_iter().collect();
            keys.sort_by_key(|(name, _)| name.span().start);
            for (key, value) in keys {
                let here = origin(key.span().start);
                let value = plain(value.into_inner());
                self.assign(here, &section, key.get_ref(), &[value]);
            }
        }
    }

    fn set(&mut self, argument: &str) {
        let origin = Origin::Set(argument.to_string());
        let parts =
            argument.split_once('=').and_then(|(name, value)| Some((name.trim().split_once('.')?, value.trim())));
        let Some(((section, key), text)) = parts else {
            self.problems.push(Problem { origin, kind: ProblemKind::SetShape });
            return;
        };
        if !self.config.purpose.sections().contains(&section) {
            self.unknown_section(origin, section);
            return;
        }
        // What is no TOML value, or has the wrong type, may be a text without its quotes: `--set model.path=smollm2`.
        let bare = Value::String(text.to_string());
        match DeValue::parse(text) {
            Ok(value) => self.assign(origin, section, key, &[plain(value.into_inner()), bare]),
            Err(_) => self.assign(origin, section, key, &[bare]),
        }
    }

    /// Gives `section.key` the first of `readings` that fits.
    fn assign(&mut self, origin: Origin, section: &str, key: &str, readings: &[Value]) {
        let name = format!("{section}.{key}");
        let Some(stage) = self.config.stage_mut(section) else { return };
        let mut first: Option<Mismatch> = None;
        for value in readings {
            match stage.set(key, value) {
                Ok(true) => {
                    self.origins.insert(name, origin);
                    return;
                }
                Ok(false) => {
                    let names: Vec<&str> = stage.keys().iter().map(|key| key.name).collect();
                    let valid = names.join(", ");
                    let nearest = nearest_key(section, key, &self.valid_keys());
                    self.problems.push(Problem { origin, kind: ProblemKind::UnknownKey { key: name, nearest, valid } });
                    return;
                }
                Err(mismatch) => {
                    first.get_or_insert(mismatch);
                }
            }
        }
        if let Some(Mismatch { expected, found }) = first {
            self.problems.push(Problem { origin, kind: ProblemKind::WrongType { key: name, expected, found } });
        }
    }

    fn unknown_section(&mut self, origin: Origin, section: &str) {
        let valid = self.config.purpose.sections();
        let kind = ProblemKind::UnknownSection {
            section: section.to_string(),
            nearest: nearest(section, valid.iter().copied()).map(str::to_string),
            valid: valid.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(" "),
        };
        self.problems.push(Problem { origin, kind });
    }

    /// A key before the first section.
    fn outside_section(&mut self, origin: Origin, key: &str) {
        let nearest = nearest_key("", key, &self.valid_keys());
        let valid = "written below a section such as [train]".to_string();
        self.problems.push(Problem { origin, kind: ProblemKind::UnknownKey { key: key.to_string(), nearest, valid } });
    }

    fn valid_keys(&self) -> Vec<(&'static str, String)> {
        let stages = self.config.stages();
        stages
            .iter()
            .flat_map(|stage| stage.keys().into_iter().map(|key| (stage.section(), key.name.to_string())))
            .collect()
    }
}

/// A parsed value without its place in the text. Numbers beyond 64 bits stay text, so that the type error shows them.
fn plain(value: DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.to_string()), Value::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::String(number.to_string()), Value::Float)
        }
        DeValue::Boolean(flag) => Value::Boolean(flag),
        DeValue::Datetime(when) => Value::Datetime(when),
        DeValue::Array(items) => Value::Array(items.into_iter().map(|item| plain(item.into_inner())).collect()),
        DeValue::Table(table) => Value::Table(
            table.into_iter().map(|(key, value)| (key.into_inner().into_owned(), plain(value.into_inner()))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advantages_follow_the_objective_unless_they_are_set() {
        let resolve = |extra: &str| {
            let text = format!("[model]\npath = \"m\"\n[data]\ntrain = \"d.jsonl\"\n{extra}");
            Config::from_text("run.toml".as_ref(), &text, &[], Purpose::Train)
                .unwrap()
                .advantage
                .estimator
                .unwrap()
                .key()
        };
        assert_eq!(resolve(""), "grpo");
        assert_eq!(resolve("[objective]\nname = \"reinforce_plus_plus\""), "reinforce_plus_plus");
        assert_eq!(resolve("[objective]\nname = \"rloo\"\n[advantage]\nestimator = \"dr_grpo\""), "dr_grpo");
    }
}
