//! When a checkpoint is written, what it is worth, and which ones stay.
use super::Journey;
use crate::evaluate;
use crate::metrics::Record;
use crate::state::{self, State};
use crate::train::TrainError;
use std::collections::BTreeMap;
use std::path::PathBuf;

impl Journey {
    /// Whether the present step has a checkpoint, however the run got here.
    pub(super) fn due(&self) -> bool {
        let (checkpoint, step) = (&self.config.checkpoint, self.step);
        let every = |every: u64| every > 0 && step.is_multiple_of(every);
        let evaluated = checkpoint.best.of_evaluation() && evaluate::is_due(&self.config, step);
        // The model of step 0 is there already.
        step > 0 && (step == self.config.train.steps || every(checkpoint.every) || evaluated)
    }

    /// What `checkpoint.best` compares of the step of `record`; `None` where no checkpoint is due, or it has no finite value.
    pub(super) fn score(&self, record: &Record) -> Option<f64> {
        let best = self.config.checkpoint.best;
        let metric = best.metric().filter(|_| self.due())?;
        let score = if best.of_evaluation() {
            record.get(metric)?
        } else {
            let count = (self.config.checkpoint.every as usize).min(self.rewards.len());
            self.rewards[self.rewards.len() - count..].iter().sum::<f64>() / count as f64
        };
        score.is_finite().then_some(score)
    }

    /// The checkpoint with the greatest score, the earliest of equal ones: among those that are there, which is as good as
    /// among all that were, as it was never removed.
    pub(super) fn best(&self) -> Result<Option<(u64, PathBuf, f64)>, TrainError> {
        if self.config.checkpoint.best.metric().is_none() {
            return Ok(None);
        }
        let mut best: Option<(u64, PathBuf, f64)> = None;
        for (step, path) in self.folder.checkpoints().list()? {
            // A checkpoint that somebody took files from is none that a run could choose.
            let score = state::read(&path).ok().and_then(|state| state.score);
            if let Some(score) = score.filter(|score| best.as_ref().is_none_or(|(_, _, known)| score > known)) {
                best = Some((step, path, score));
            }
        }
        Ok(best)
    }

    /// Writes a checkpoint. What fails in it is told together with what is left: earlier checkpoints stay.
    pub(super) fn save(&mut self, score: Option<f64>) -> Result<(), TrainError> {
        super::together::agree_on_weights(&self.policy, &self.ranks)?;
        self.saved = Some(self.step);
        if !self.ranks.is_first() {
            return Ok(());
        }
        self.try_save(score).map_err(|reason| TrainError::Checkpoint {
            step: self.step,
            reason: Box::new(reason),
            kept: self.folder.checkpoints().latest().ok().flatten().map(|(_, path)| path),
            resume: self.config.resume_command(self.folder.path()),
        })
    }

    fn try_save(&self, score: Option<f64>) -> Result<(), TrainError> {
        // What the metrics say of the steps so far must be on the disk before a checkpoint lets a resume skip them.
        self.sync()?;
        let to = self.folder.checkpoints().begin(self.step)?;
        let older = self.versions.older(&self.config, self.step);
        state::save(&self.policy, self.state(score), older, self.config.checkpoint.dtype, to)?;
        self.prune()
    }

    /// The checkpoint of this step was written before its evaluation was finished; now it is like any other.
    pub(super) fn settle(&self, score: Option<f64>) -> Result<(), TrainError> {
        if !self.ranks.is_first() {
            return Ok(());
        }
        self.sync()?;
        state::amend(&self.folder.checkpoints().step(self.step), self.state(score))?;
        self.prune()
    }

    fn state(&self, score: Option<f64>) -> State {
        let (data, pending) = (self.order.position(), self.pending.clone());
        let optimizer_steps = Some(self.policy.optimizer_steps);
        let signatures = BTreeMap::new();
        State { step: self.step, updates: self.policy.updates, optimizer_steps, data, score, pending, signatures }
    }

    fn prune(&self) -> Result<(), TrainError> {
        let best = self.best()?.map(|(step, ..)| step);
        Ok(self.folder.checkpoints().prune(self.config.checkpoint.keep, best)?)
    }
}
