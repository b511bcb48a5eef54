//! The file of a study, and the runs that it asks for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::StudyError;
use super::outcome::is_evaluation;
use crate::config::{Config, Purpose};
use crate::demo;
use crate::metrics::{Metric, definition as m};
use crate::objectives::Objective;

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    config: Option<PathBuf>,
    folder: Option<PathBuf>,
    objectives: Vec<String>,
    seeds: Vec<u64>,
    #[serde(default)]
    set: Vec<String>,
    score: Option<String>,
    threads: Option<usize>,
    parallel: Option<usize>,
    #[serde(default)]
    setting: Vec<Setting>,
}

/// Overrides under a name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    name: String,
    #[serde(default)]
    set: Vec<String>,
    objectives: Option<Vec<String>>,
}

/// A study that was read and checked.
#[derive(Debug)]
pub struct Plan {
    /// Its name: that of its file.
    pub name: String,
    /// Where everything lies.
    pub folder: PathBuf,
    /// What is compared; greater is better. Unless the study says, evaluations where every run makes them, else correct samples
    /// where every run has such, else rewards.
    pub score: Metric,
    /// Threads of each run.
    pub threads: usize,
    /// Runs at a time; 0 takes as many as the cores have room for.
    pub parallel: usize,
    /// The runs, those of a row of the table one after the other.
    pub cells: Vec<Cell>,
    demo: bool,
}

/// One run of a study.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Its name, which is that of its folder: `mhpo.seed-1`, `mhpo.small-bound.seed-1`.
    pub name: String,
    /// The row of the table that it counts for: `mhpo`, `mhpo, small-bound`.
    pub row: String,
    /// Its seed.
    pub seed: u64,
    /// Its folder.
    pub run: PathBuf,
    /// Its configuration.
    pub config: Config,
}

impl Plan {
    /// Reads a study and resolves the configuration of every run.
    ///
    /// # Errors
    /// [`StudyError`] names file and key, or the run whose configuration is wrong.
    pub fn load(path: &Path) -> Result<Self, StudyError> {
        let text = std::fs::read_to_string(path).map_err(StudyError::file("read", path))?;
        let shape = |error: toml::de::Error| StudyError::Shape { path: path.to_path_buf(), message: error.to_string() };
        let file: File = toml::from_str(&text).map_err(shape)?;
        let wrong = |key: &str, message: String| {
            Err(StudyError::Value { path: path.to_path_buf(), key: key.to_string(), message })
        };
        if file.objectives.is_empty() || file.seeds.is_empty() {
            let key = if file.seeds.is_empty() { "seeds" } else { "objectives" };
            return wrong(key, "is empty; a study needs at least one".to_string());
        }
        for (index, seed) in file.seeds.iter().enumerate() {
            if file.seeds[..index].contains(seed) {
                return wrong("seeds", format!("{seed} is there twice; the runs would be equal"));
            }
        }
        for objective in &file.objectives {
            if let Err(error) = Objective::named(objective) {
                return wrong("objectives", error.to_string());
            }
            if file.objectives.iter().filter(|name| *name == objective).count() > 1 {
                return wrong("objectives", format!("`{objective}` is there twice"));
            }
        }
        for setting in &file.setting {
            let unknown = setting.objectives.iter().flatten().find(|name| !file.objectives.contains(name));
            if let Some(unknown) = unknown {
                return wrong("setting.objectives", format!("`{unknown}` is none of the study's objectives"));
            }
        }
        let asked = file.score.as_deref().map(|name| m::by_name(name).ok_or(name));
        let asked = match asked.transpose() {
            Ok(asked) => asked,
            Err(name) => return wrong("score", format!("there is no metric `{name}`; docs/metrics.md lists them")),
        };
        let name = path.file_stem().map_or_else(|| "study".to_string(), |stem| stem.to_string_lossy().into_owned());
        let folder = file.folder.clone().unwrap_or_else(|| Path::new("studies").join(&name));
        let mut plan = Plan {
            name,
            score: m::REWARD_CORRECT,
            threads: file.threads.unwrap_or(1),
            parallel: file.parallel.unwrap_or(0),
            cells: Vec::new(),
            demo: file.config.is_none(),
            folder,
        };
        let whole = [Setting { name: String::new(), set: Vec::new(), objectives: None }];
        let settings = if file.setting.is_empty() { &whole[..] } else { &file.setting };
        let mut names = BTreeSet::new();
        for objective in &file.objectives {
            let asked = |setting: &&Setting| setting.objectives.as_ref().is_none_or(|names| names.contains(objective));
            for setting in settings.iter().filter(asked) {
                for &seed in &file.seeds {
                    let cell = plan.cell(&file, objective, setting, seed)?;
                    if !names.insert(cell.name.clone()) {
                        return wrong("setting.name", format!("two runs would have the name `{}`", cell.name));
                    }
                    plan.cells.push(cell);
                }
            }
        }
        if plan.cells.is_empty() {
            return wrong("setting.objectives", "no run is left".to_string());
        }
        let without = plan.cells.iter().find(|cell| cell.config.eval.every == 0);
        plan.score = match (asked, without) {
            (Some(score), Some(cell)) if is_evaluation(score) => {
                let message =
                    format!("is {}, and the run {} makes no evaluation; set eval.every", score.name, cell.name);
                return wrong("score", message);
            }
            (Some(score), _) => score,
            (None, None) => m::EVAL_AVG,
            (None, Some(_)) if plan.cells.iter().all(|cell| cell.config.gives_verdicts()) => m::REWARD_CORRECT,
            // Nobody says what is right.
            (None, Some(_)) => m::REWARD_MEAN,
        };
        Ok(plan)
    }

    fn cell(&self, file: &File, objective: &str, setting: &Setting, seed: u64) -> Result<Cell, StudyError> {
        let safe: String =
            setting.name.chars().map(|c| if c.is_alphanumeric() || "-_=+.".contains(c) { c } else { '-' }).collect();
        let parts = [objective, safe.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        let name = format!("{}.seed-{seed}", parts.join("."));
        let mut sets = file.set.clone();
        sets.push(format!("objective.name={objective}"));
        sets.extend_from_slice(&setting.set);
        sets.push(format!("train.seed={seed}"));
        sets.push(format!("train.threads={}", self.threads));
        let wrong = |source| StudyError::Config { name: name.clone(), source };
        let mut config = match &file.config {
            Some(path) => Config::load(path, &sets, Purpose::Train).map_err(wrong)?,
            None => demo::resolve(&self.demo_model(), &sets).map_err(wrong)?,
        };
        let run = self.folder.join("runs").join(&name);
        config.log.run_dir = run.display().to_string();
        let row = [objective, setting.name.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        Ok(Cell { row: row.join(", "), name, seed, run, config })
    }

    fn demo_model(&self) -> PathBuf {
        self.folder.join("demo-model")
    }

    /// Writes what every run needs: the demo's model, if the study is on the demo, and a configuration for each run.
    ///
    /// # Errors
    /// [`StudyError`] names the file.
    pub fn prepare(&self) -> Result<(), StudyError> {
        for part in ["runs", "cells", "logs"] {
            let part = self.folder.join(part);
            std::fs::create_dir_all(&part).map_err(StudyError::file("make", &part))?;
        }
        if self.demo {
            demo::write_model(&self.demo_model())?;
        }
        for cell in &self.cells {
            let path = self.cell_config(cell);
            crate::run_folder::atomic::write(&path, cell.config.to_toml().as_bytes())
                .map_err(StudyError::file("write", &path))?;
        }
        Ok(())
    }

    /// The configuration that a run is started with.
    pub fn cell_config(&self, cell: &Cell) -> PathBuf {
        self.folder.join("cells").join(format!("{}.toml", cell.name))
    }

    /// Where a run writes what it has to say.
    pub fn log(&self, cell: &Cell) -> PathBuf {
        self.folder.join("logs").join(format!("{}.log", cell.name))
    }

    /// The rows of the table, each with its runs.
    pub fn rows(&self) -> Vec<(&str, Vec<&Cell>)> {
        let mut rows: Vec<(&str, Vec<&Cell>)> = Vec::new();
        for cell in &self.cells {
            match rows.iter_mut().find(|(row, _)| *row == cell.row) {
                Some((_, cells)) => cells.push(cell),
                None => rows.push((&cell.row, vec![cell])),
            }
        }
        rows
    }
}
