//! The settings that an earlier step of a run was made with: those of now, with the changes of later resumes undone.

use std::path::{Path, PathBuf};

use super::Changes;
use crate::config::{Config, ConfigError, Purpose};

/// The settings of a run, then and now.
#[derive(Debug)]
pub struct Past {
    path: PathBuf,
    text: String,
    purpose: Purpose,
    changes: Vec<Changes>,
}

impl Past {
    /// Of the run in `folder`, whose `config.toml` holds `text`.
    pub fn of(folder: &Path, text: &str, purpose: Purpose) -> Self {
        let changes = Changes::read(folder);
        Self { path: folder.join("config.toml"), text: text.to_string(), purpose, changes }
    }

    /// Steps after which settings changed, ascending.
    pub fn turns(&self) -> impl Iterator<Item = u64> + '_ {
        self.changes.iter().map(|changes| changes.after_step)
    }

    /// The values that a key has had, oldest first, each once in a row; none where it never changed.
    pub fn values(&self, key: &str) -> Vec<String> {
        let mut values: Vec<String> = Vec::new();
        for change in self.changes.iter().flat_map(|changes| &changes.settings).filter(|change| change.key == key) {
            if values.is_empty() {
                values.push(change.from().to_string());
            }
            values.push(change.to().to_string());
        }
        values
    }

    /// The settings that `step` was made with.
    ///
    /// # Errors
    /// [`ConfigError`] where `config.toml` cannot be read.
    pub fn at(&self, step: u64) -> Result<Config, ConfigError> {
        let later = self.changes.iter().rev().filter(|changes| changes.after_step >= step);
        let undone = later.flat_map(|changes| &changes.settings);
        let Ok(mut table) = self.text.parse::<toml::Table>() else {
            // The reader says what is wrong with it.
            return Config::from_text(&self.path, &self.text, &[], self.purpose);
        };
        for change in undone {
            let Some((section, key)) = change.key.split_once('.') else { continue };
            let Some(section) = table.get_mut(section).and_then(toml::Value::as_table_mut) else { continue };
            let value = change.from.as_ref().and_then(|from| format!("value = {from}").parse::<toml::Table>().ok());
            match value.and_then(|mut value| value.remove("value")) {
                Some(value) => section.insert(key.to_string(), value),
                None => section.remove(key),
            };
        }
        let text = format!("{}\n{table}", self.purpose.headline());
        Config::from_text(&self.path, &text, &[], self.purpose)
    }
}

#[cfg(test)]
mod tests {
    use super::Past;
    use crate::config::{Config, Purpose};

    #[test]
    fn a_step_has_the_settings_that_it_was_made_with() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::defaults(Purpose::Train);
        config.model.path = "m".into();
        config.data.train = vec!["task:addition".into()];
        let sets =
            |text: &str, set: &str| Config::from_text("c".as_ref(), text, &[set.to_string()], Purpose::Train).unwrap();
        let first = sets(&config.to_toml(), "objective.bound=0.5");
        let second = sets(&first.to_toml(), "optimizer.learning_rate=3e-5");
        let mut third = second.clone();
        third.objective.name = "grpo".into();
        third.objective.options.clear();
        let line = |after: u64, from: &Config, to: &Config| {
            format!("{}\n", serde_json::json!({ "after_step": after, "settings": from.differences(to) }))
        };
        let lines = line(4, &first, &second) + &line(8, &second, &third);
        std::fs::write(folder.path().join("changes.jsonl"), lines).unwrap();
        let past = Past::of(folder.path(), &third.to_toml(), Purpose::Train);
        let found = [1, 4, 5, 8, 9].map(|step| past.at(step).unwrap().to_toml());
        let expected = [&first, &first, &second, &second, &third].map(Config::to_toml);
        assert_eq!(found, expected);
        assert_eq!(past.values("objective.name"), ["\"mhpo\"", "\"grpo\""]);
        assert_eq!(past.turns().collect::<Vec<_>>(), [4, 8]);
    }

    /// What a later resume left without effect stays in the file, and is in no step's way.
    #[test]
    fn settings_that_were_left_without_effect_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let text =
            "[model]\npath = \"m\"\n[data]\ntrain = \"task:addition\"\n[server]\nurl = \"http://h\"\nretries = 3\n";
        let resolve = |text: &str, sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
            Config::from_text("c".as_ref(), text, &sets, Purpose::Train).unwrap()
        };
        let first = resolve(text, &[]);
        let second = resolve(&first.to_toml(), &["server.url=\"\""]);
        let line = serde_json::json!({ "after_step": 4, "settings": first.differences(&second) });
        std::fs::write(folder.path().join("changes.jsonl"), format!("{line}\n")).unwrap();
        let past = Past::of(folder.path(), &second.to_toml(), Purpose::Train);
        assert_eq!([4, 5].map(|step| past.at(step).unwrap().server.url), ["http://h", ""]);
    }
}
