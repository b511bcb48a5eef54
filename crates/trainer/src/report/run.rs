//! What a report reads of a run folder. Nothing here fails: what cannot be read is a notice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::samples::{chosen, farthest_first};
use super::tokens::Token;
use crate::collapse::{Collapse, Detectors};
use crate::config::{Config, Purpose};
use crate::journey::{Changes, Origin, Past};
use crate::metrics::{self, Record, definition::UPDATE_REGION_M};
use crate::progress::{fell_after, warnings};
use crate::run_folder::rollouts::{self, Sample};

/// What a report shows of a run.
#[derive(Debug, Default)]
pub struct RunData {
    /// Name of its folder.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Its metrics, by step.
    pub records: Vec<Record>,
    /// `config.toml`, empty where it cannot be read.
    pub config_text: String,
    /// Every key that the configuration sets, as `section.key`, with its value as it is written.
    pub keys: BTreeMap<String, String>,
    /// The configuration, where this version understands it.
    pub config: Option<Config>,
    /// Settings that resumes changed: the last step with the old ones, and what changed.
    pub turns: Vec<(u64, String)>,
    /// The objectives that it was trained with, oldest first.
    pub objectives: Vec<String>,
    /// The detector that ended it.
    pub ended: Option<Collapse>,
    /// Fingerprint of the weights that it started from, where it is known.
    pub origin: Option<String>,
    /// Whether the folder is that of a model, and no run.
    pub is_model: bool,
    /// Ratios of each mini-batch of a step, ascending: of the step after which the reward fell, where it was recorded, else of
    /// [`RunData::tokens_step`].
    pub within: Vec<Vec<f64>>,
    /// The step that [`RunData::within`] is of.
    pub within_step: u64,
    /// Samples of a few steps: the first that was recorded, one in the middle, the one that [`RunData::within`] is of, the last.
    pub samples: Vec<Sample>,
    /// Tokens of the recorded step with the most of them outside of the objective's bounds; empty where the file does not
    /// hold what the update saw.
    pub tokens: Vec<Token>,
    /// The step that [`RunData::tokens`] are of.
    pub tokens_step: u64,
    /// What looks wrong with the run itself.
    pub warnings: Vec<String>,
    /// What could not be read.
    pub notices: Vec<String>,
}

impl RunData {
    /// Reads metrics, configuration and a few rollout files.
    pub fn read(folder: &Path) -> Self {
        let mut run = Self::read_metrics(folder);
        if !run.records.is_empty() {
            run.read_rollouts();
        }
        run
    }

    /// Reads metrics and configuration alone.
    pub fn read_metrics(folder: &Path) -> Self {
        let name = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        let name = name.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into());
        let mut run = RunData { name, path: folder.to_path_buf(), ..RunData::default() };
        if !folder.is_dir() {
            run.notices.push(format!("there is no folder {}", folder.display()));
            return run;
        }
        run.read_records();
        run.is_model = run.records.is_empty() && folder.join("config.json").is_file();
        run.read_config();
        if let Some(config) = &run.config
            && !run.records.is_empty()
        {
            run.warnings = warnings(&run.records, config);
            run.ended = Detectors::new(&config.stop, &run.records).verdict();
        }
        run.notices.extend(run.ended.map(|collapse| format!("ended early by {collapse}")));
        let changes = Changes::read(folder);
        run.notices.extend(changes.iter().map(|changes| format!("settings changed {changes}")));
        run.turns = changes.iter().map(|changes| (changes.after_step, format!("settings changed {changes}"))).collect();
        // Of a run that does not say so, as far as the model is still what it was.
        let model = run.keys.get("model.path").map(|path| PathBuf::from(path.trim_matches('"')));
        run.origin = Origin::read(folder).or_else(|| Origin::of(&model?)).map(|origin| origin.weights);
        run
    }

    fn read_records(&mut self) {
        let path = self.path.join("metrics.jsonl");
        let readable = match metrics::read_what_is_whole(&path) {
            Ok(readable) => readable,
            Err(error) => {
                self.notices.push(error.to_string());
                return;
            }
        };
        match readable.broken.as_slice() {
            [] => {}
            [line] => self.notices.push(format!("{}:{line}: not a line of metrics; left out", path.display())),
            [first, others @ ..] => self.notices.push(format!(
                "{}:{first} and {} other lines are not lines of metrics; left out",
                path.display(),
                others.len()
            )),
        }
        if let Some(line) = readable.cut {
            self.notices.push(format!("{}:{line}: cut in the middle of a line; left out", path.display()));
        }
        self.records = readable.records;
        self.records.sort_by_key(|record| record.step);
        self.records.dedup_by_key(|record| record.step);
        if self.records.is_empty() {
            self.notices.push(format!(
                "no metrics to show ({} is absent or has no whole line); name the folder of a run, as in runs/demo",
                path.display()
            ));
        }
    }

    fn read_config(&mut self) {
        let path = self.path.join("config.toml");
        self.config_text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                if !self.records.is_empty() {
                    self.notices.push(format!("no configuration: cannot read {}: {error}", path.display()));
                }
                return;
            }
        };
        if let Ok(table) = self.config_text.parse::<toml::Table>() {
            for (section, keys) in &table {
                for (key, value) in keys.as_table().into_iter().flatten() {
                    self.keys.insert(format!("{section}.{key}"), value.to_string());
                }
            }
        }
        let purpose = if self.keys.keys().any(|key| key.starts_with("sft.")) { Purpose::Sft } else { Purpose::Train };
        let past = Past::of(&self.path, &self.config_text, purpose);
        self.objectives = past.values("objective.name");
        match Config::from_text(&path, &self.config_text, &[], purpose) {
            Ok(config) => self.config = Some(config),
            Err(error) => self.notices.push(format!("the configuration is shown as it stands: {error}")),
        }
    }

    fn read_rollouts(&mut self) {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.path.join("rollouts"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("step-")))
            .collect();
        files.sort();
        if files.is_empty() {
            return;
        }
        // Nothing is to be seen in a step that stayed on-policy.
        let step = |path: &PathBuf| path.file_stem()?.to_str()?.strip_prefix("step-")?.parse::<u64>().ok();
        let inside = |path: &PathBuf| {
            let record = self.records.iter().find(|record| Some(record.step) == step(path));
            record.and_then(|record| record.get(UPDATE_REGION_M)).filter(|share| share.is_finite()).unwrap_or(1.0)
        };
        // The last of equal ones.
        let widest = (0..files.len()).rev().min_by(|a, b| inside(&files[*a]).total_cmp(&inside(&files[*b])));
        let Some(widest) = widest else { return };
        let fallen = self.config.as_ref().and_then(|config| fell_after(&self.records, config));
        let broke =
            fallen.and_then(|fallen| files.iter().position(|path| step(path) == Some(fallen))).unwrap_or(widest);
        let mut shown = vec![0, files.len() / 2, broke, files.len() - 1];
        shown.sort_unstable();
        shown.dedup();
        for index in shown {
            let Some(samples) = self.read_file(&files[index]) else { continue };
            if index == broke {
                (self.within_step, self.within) = (samples.first().map_or(0, |sample| sample.step), ratios(&samples));
            }
            self.samples.extend(if index == broke { farthest_first(samples) } else { chosen(samples) });
        }
        if let Some(samples) = self.read_file(&files[widest]) {
            self.tokens_step = samples.first().map_or(0, |sample| sample.step);
            // As the step was trained, whatever a later resume changed.
            let purpose = self.config.as_ref().map_or(Purpose::Train, |config| config.purpose);
            let then = Past::of(&self.path, &self.config_text, purpose).at(self.tokens_step).ok();
            self.tokens = Token::of(&samples, then.as_ref());
        }
    }

    fn read_file(&mut self, path: &Path) -> Option<Vec<Sample>> {
        rollouts::read(path).map_err(|error| self.notices.push(error.to_string())).ok()
    }
}

/// Ratios of each mini-batch, ascending.
fn ratios(samples: &[Sample]) -> Vec<Vec<f64>> {
    let mut batches: Vec<Vec<f64>> = Vec::new();
    for sample in samples {
        let number = sample.mini_batch as usize;
        if batches.len() <= number {
            batches.resize(number + 1, Vec::new());
        }
        let pairs = sample.logp.iter().zip(&sample.logp_old);
        let of = pairs.map(|(new, old)| (f64::from(*new) - f64::from(*old)).exp()).filter(|ratio| ratio.is_finite());
        batches[number].extend(of);
    }
    batches.iter_mut().for_each(|ratios| ratios.sort_by(f64::total_cmp));
    batches
}
