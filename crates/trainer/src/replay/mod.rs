//! What other objectives would have done with the tokens of a recorded run.
//!
//! A run writes the samples of each step with their advantages and the log-probabilities that their last update saw
//! ([`crate::run_folder::rollouts`]). Any objective can be evaluated on those again: its gradient by the log-probabilities is
//! compared with that of the run's own objective, mini-batch by mini-batch with the same denominators. Samples that could
//! teach the run nothing are left out here, and still count in the denominators; those that `update.truncated = "mask"` took
//! out of the updates do not. Weights and rejections of `[correction]` are those of the run. Advantages are the recorded ones.

mod contender;
mod quantity;
mod tokens;

use std::path::{Path, PathBuf};

use surefoot_objectives::{Objective, ObjectiveError, OptionError, Stats};

use crate::config::{Config, ConfigError, Purpose};
use crate::journey::Past;
use crate::run_folder::RunFolderError;

pub use contender::Contender;
pub use quantity::{QUANTITIES, Quantity};
pub use tokens::{Evaluated, StepTokens, Treatment};

/// Why a run cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The run's configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A rollout file, or no run at all.
    #[error(transparent)]
    Run(#[from] RunFolderError),
    /// An objective that does not exist, or an option of it.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// There is nothing to replay.
    #[error("{} holds no rollouts; a run records them with log.rollouts_every = 1", path.display())]
    NoRollouts {
        /// The run folder.
        path: PathBuf,
    },
    /// An objective refuses the recorded tokens.
    #[error("{}: objective {objective}: {source}", path.display())]
    Objective {
        /// The rollout file.
        path: PathBuf,
        /// Key of the objective.
        objective: String,
        /// Why.
        source: ObjectiveError,
    },
    /// The run's weights and rejections cannot be computed again.
    #[error("{}: {source}", path.display())]
    Correction {
        /// The rollout file.
        path: PathBuf,
        /// Why.
        source: ObjectiveError,
    },
    /// The columns of a sample do not fit together.
    #[error("{}: row {row}, sample {sample}: {field} has {got} entries for {tokens} tokens", path.display())]
    Lengths {
        /// The rollout file.
        path: PathBuf,
        /// Row of the data.
        row: u64,
        /// Number of the sample in its group.
        sample: u32,
        /// The column.
        field: &'static str,
        /// Its entries.
        got: usize,
        /// The sample's tokens.
        tokens: usize,
    },
}

/// What one objective would have done with the tokens of one step, or of all steps together.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The step; `None` for all steps together.
    pub step: Option<u64>,
    /// Number of the objective in [`Replay::contenders`].
    pub contender: usize,
    /// Mean loss of the step's updates; of all steps, the mean of theirs.
    pub loss: f64,
    /// Statistics of the tokens: multipliers, regions, zeroed tokens.
    pub stats: Stats,
    /// Products of the gradients by the log-probabilities.
    pub gradient: Products,
}

impl Outcome {
    /// Of no step yet.
    fn none(contender: usize) -> Self {
        Outcome { step: None, contender, loss: 0.0, stats: Stats::empty(), gradient: Products::default() }
    }
}

/// Scalar products of an objective's gradient `d` and that of the run's own, `o`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Products {
    /// `d·o`
    pub with_own: f64,
    /// `d·d`
    pub square: f64,
    /// `o·o`
    pub own_square: f64,
}

impl Products {
    /// Of two gradients by the same tokens.
    pub fn of(gradient: &[f32], own: &[f32]) -> Self {
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        Products {
            with_own: product(gradient, own),
            square: product(gradient, gradient),
            own_square: product(own, own),
        }
    }

    fn add(&mut self, other: Products) {
        self.with_own += other.with_own;
        self.square += other.square;
        self.own_square += other.own_square;
    }

    /// Cosine of the angle between the two; `None` where one of them is zero.
    pub fn cosine(&self) -> Option<f64> {
        let norms = (self.square * self.own_square).sqrt();
        (norms > 0.0).then(|| (self.with_own / norms).clamp(-1.0, 1.0))
    }

    /// Length of the objective's gradient in units of the run's own; `None` where that is zero.
    pub fn relative_norm(&self) -> Option<f64> {
        (self.own_square > 0.0).then(|| (self.square / self.own_square).sqrt())
    }
}

/// Steps with the same settings.
#[derive(Debug)]
struct Stretch {
    first_step: u64,
    own: Contender,
    treatment: Treatment,
}

/// A recorded run and the objectives to try on it.
#[derive(Debug)]
pub struct Replay {
    files: Vec<(u64, PathBuf)>,
    /// What the run did to its steps, from the first of each stretch with the same settings; ascending.
    stretches: Vec<Stretch>,
    /// The objectives; the first is the run's own, in each step the one that the step was trained with.
    pub contenders: Vec<Contender>,
    /// Samples with an advantage that no update took, as its numbers were not finite; they are left out.
    pub refused: usize,
}

impl Replay {
    /// Opens the run in `folder` with its own objective as the first contender.
    ///
    /// # Errors
    /// [`ReplayError`] where there is no run, its configuration cannot be read, or it recorded nothing.
    pub fn open(folder: &Path) -> Result<(Self, Config), ReplayError> {
        let config = folder.join("config.toml");
        if !config.is_file() {
            return Err(RunFolderError::no_run(folder).into());
        }
        let files = rollout_files(&folder.join("rollouts"))?;
        if files.is_empty() {
            return Err(ReplayError::NoRollouts { path: folder.to_path_buf() });
        }
        let text = std::fs::read_to_string(&config).map_err(RunFolderError::file("read", &config))?;
        let config = Config::load(&config, &[], Purpose::Train)?;
        let past = Past::of(folder, &text, Purpose::Train);
        let mut stretches: Vec<Stretch> = Vec::new();
        for first_step in std::iter::once(1).chain(past.turns().map(|step| step + 1)) {
            let then = past.at(first_step)?;
            let (own, treatment) = (Contender::own(&then)?, Treatment::of(&then)?);
            stretches.push(Stretch { first_step, own, treatment });
        }
        let mut labels: Vec<&str> = stretches.iter().map(|stretch| stretch.own.label.as_str()).collect();
        labels.dedup();
        let label = labels.join(" → ");
        let last = Contender { label, ..Contender::own(&config)? };
        Ok((Replay { files, stretches, contenders: vec![last], refused: 0 }, config))
    }

    /// Whether the run trained every step with this objective.
    pub fn is_own(&self, objective: &Objective) -> bool {
        self.stretches.iter().all(|stretch| stretch.own.objective == *objective)
    }

    /// The name of a contender, with a mark at the run's own.
    pub fn name(&self, contender: usize) -> String {
        let label = &self.contenders[contender].label;
        if contender == 0 { format!("{label} (the run's)") } else { label.clone() }
    }

    /// Every contender on every recorded step, then each on all steps together; steps ascending.
    ///
    /// # Errors
    /// [`ReplayError`] names the rollout file.
    pub fn run(&mut self) -> Result<Vec<Outcome>, ReplayError> {
        let mut outcomes = Vec::new();
        let mut totals: Vec<Outcome> = (0..self.contenders.len()).map(Outcome::none).collect();
        for (step, path) in &self.files {
            let then = self.stretches.iter().rev().find(|stretch| stretch.first_step <= *step);
            let Some(then) = then.or(self.stretches.first()) else { continue };
            let tokens = StepTokens::read(path, &then.treatment)?;
            self.refused += tokens.refused();
            let mut own = Vec::new();
            for (number, (contender, total)) in self.contenders.iter().zip(&mut totals).enumerate() {
                let refuse =
                    |source| ReplayError::Objective { path: path.clone(), objective: contender.label.clone(), source };
                let objective = if number == 0 { &then.own.objective } else { &contender.objective };
                let Evaluated { loss, gradient, stats } = tokens.evaluate(objective).map_err(refuse)?;
                if number == 0 {
                    own.clone_from(&gradient);
                }
                let products = Products::of(&gradient, &own);
                total.loss += loss / self.files.len() as f64;
                total.stats.merge(&stats);
                total.gradient.add(products);
                outcomes.push(Outcome { step: Some(tokens.step), contender: number, loss, stats, gradient: products });
            }
        }
        outcomes.extend(totals);
        Ok(outcomes)
    }
}

/// The rollout files with their steps, ascending.
fn rollout_files(folder: &Path) -> Result<Vec<(u64, PathBuf)>, RunFolderError> {
    let mut files = Vec::new();
    if folder.is_dir() {
        for entry in std::fs::read_dir(folder).map_err(RunFolderError::file("read", folder))? {
            let path = entry.map_err(RunFolderError::file("read", folder))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let step = name.strip_prefix("step-").and_then(|name| name.strip_suffix(".parquet"));
            if let Some(step) = step.and_then(|step| step.parse().ok()) {
                files.push((step, path));
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_and_norm_of_known_angles() {
        let same = Products::of(&[2.0, 0.0], &[1.0, 0.0]);
        assert_eq!((same.cosine(), same.relative_norm()), (Some(1.0), Some(2.0)));
        let right = Products::of(&[0.0, 3.0], &[1.0, 0.0]);
        assert_eq!((right.cosine(), right.relative_norm()), (Some(0.0), Some(3.0)));
        let half = Products::of(&[1.0, 1.0], &[-1.0, 0.0]);
        assert!((half.cosine().unwrap_or(0.0) + 0.5_f64.sqrt()).abs() < 1e-12);
        let none = Products::of(&[0.0], &[1.0]);
        assert_eq!((none.cosine(), none.relative_norm()), (None, Some(0.0)));
    }
}
