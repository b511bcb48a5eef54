//! What every run shares: its folder, its steps until the end or a stop, its checkpoints, and going on from them.
mod broken;
mod changes;
mod opening;
mod origin;
mod past;
mod saving;
mod together;

use crate::collapse::{Collapse, Detectors};
use crate::config::Config;
use crate::data::Order;
use crate::metrics::{
    self, MetricsFile, Record, TensorBoard, definition::REWARD_MEAN, definition::TIME_CHECKPOINT,
    definition::UPDATE_SKIPPED_STEPS,
};
use crate::policy::Policy;
use crate::progress::Progress;
use crate::ranks::Ranks;
use crate::run_folder::RunFolder;
use crate::state::Pending;
use crate::train::{TrainError, versions::Versions};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use opening::{Length, Opened, Restored};

pub(crate) use broken::expect_model;
pub use changes::{ChangeError, Changes};
pub use origin::Origin;
pub use past::Past;

/// Whether a run is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A new run folder.
    New,
    /// Go on from the newest checkpoint, or from the beginning if there is none yet.
    Resume,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    /// All steps are done.
    Finished,
    /// It was asked to stop, and can be resumed.
    Stopped,
    /// A detector of `[stop]` ended it.
    Collapsed(Collapse),
}

/// What a run left, as rank 0 knows it; the other ranks know how it ended.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// Metrics of every step, those before a resume included.
    pub records: Vec<Record>,
    /// The run's folder.
    pub run: PathBuf,
    /// The newest checkpoint.
    pub checkpoint: Option<PathBuf>,
    /// The best checkpoint and its value, with `checkpoint.best`.
    pub best: Option<(PathBuf, f64)>,
}

/// A run folder with the policy and the place in the data that its checkpoints hold.
pub(crate) struct Journey {
    pub config: Config,
    pub folder: RunFolder,
    pub policy: Policy,
    pub order: Order,
    pub step: u64,
    /// Weights of earlier steps.
    pub versions: Versions,
    /// Whether step 0, the evaluation of the starting model, is in the metrics.
    pub begun: bool,
    /// The step whose evaluation was cut off.
    pub pending: Option<Pending>,
    /// Who makes the run.
    pub ranks: Ranks,
    /// Step of the newest checkpoint.
    saved: Option<u64>,
    /// Of rank 0, which writes for all.
    written: Option<Written>,
    detectors: Detectors,
    /// Mean reward of each step, for `checkpoint.best`.
    rewards: Vec<f64>,
}

/// Where a step's line goes.
struct Written {
    metrics: MetricsFile,
    tensorboard: Option<TensorBoard>,
}

/// What a step came to.
pub(crate) enum Stepped {
    /// It is done.
    Done(Record),
    /// Its updates are done, and its evaluation was cut off.
    Unfinished(Pending),
    /// The run was asked to stop, and nothing of the step is kept.
    Cancelled,
}

/// One step of a kind of run.
pub(crate) trait Steps {
    fn journey(&mut self) -> &mut Journey;
    /// Does the next step and counts it, or finishes the one that is pending.
    fn step(&mut self, progress: &mut Progress, stop: &AtomicBool) -> Result<Stepped, TrainError>;
}

impl Journey {
    /// Makes or opens the run folder, and loads the model or the newest checkpoint for sequences of up to as many tokens as `length`
    /// says. Adds what a user should know to `notes`.
    pub fn begin(
        mut config: Config,
        start: Start,
        ranks: Ranks,
        mut order: Order,
        length: Length,
        notes: &mut Vec<String>,
    ) -> Result<Self, TrainError> {
        let source = Path::new(&config.model.path).to_path_buf();
        together::share_updates(&mut config, start, &ranks, notes);
        let mut opened = match start {
            Start::New => opening::open_new(&config, &ranks, &order, length, notes)?,
            Start::Resume => opening::open_resumed(&config, &ranks, length, notes)?,
        };
        opened.policy.source = source;
        let Restored { step, pending, versions } = opened.restore(&mut order, &ranks, notes)?;
        let Opened { folder, policy, latest, mut changes } = opened;
        // The line of a step that is pending is written when its evaluation is finished.
        let before = step - u64::from(pending.is_some());
        let left = step < config.train.steps || pending.is_some();
        changes.after_step = step;
        notes.extend(changes.note(&config, left)?);
        if ranks.is_first() && start == Start::New {
            if let Some(origin) = Origin::of(&policy.source) {
                origin.keep(&folder)?;
            }
            // Before all that makes the folder a run's: one that is killed here is begun anew or resumed.
            folder.write_config(&config.to_toml())?;
        }
        // What can be refused comes first: a resume that is refused leaves the run as it was.
        let written = if ranks.is_first() { Some(Written::open(&config, &folder, before)?) } else { None };
        let records = together::records(&folder, &ranks)?;
        if ranks.is_first() && start == Start::Resume {
            folder.forget_after(step)?;
            if left {
                changes.keep(&folder)?;
                folder.write_config(&config.to_toml())?;
            }
        }
        notes.extend(broken::holes(&records, before));
        let detectors = Detectors::new(&config.stop, &records);
        let rewards = records.iter().filter_map(|record| record.get(REWARD_MEAN)).collect();
        let begun = records.first().is_some_and(|record| record.step == 0);
        let saved = latest.map(|(step, _)| step);
        Ok(Self {
            config,
            folder,
            policy,
            order,
            step,
            versions,
            begun,
            pending,
            ranks,
            saved,
            written,
            detectors,
            rewards,
        })
    }

    /// Writes a step's line.
    fn record(&mut self, record: &Record) -> Result<(), TrainError> {
        if let Some(written) = &mut self.written {
            written.append(record)?;
        }
        self.begun |= record.step == 0;
        self.detectors.see(record);
        self.rewards.extend(record.get(REWARD_MEAN));
        Ok(())
    }

    /// Sees that the lines of all steps are on the disk.
    fn sync(&self) -> Result<(), TrainError> {
        Ok(self.written.as_ref().map_or(Ok(()), |written| written.metrics.sync())?)
    }
}

impl Written {
    /// Opens the files of a run that goes on after `step`.
    fn open(config: &Config, folder: &RunFolder, step: u64) -> Result<Self, TrainError> {
        let metrics = MetricsFile::open(&folder.metrics(), step)?;
        let tensorboard = match config.log.tensorboard {
            true => Some(TensorBoard::open(&folder.path().join("tensorboard"), &metrics::read(&folder.metrics())?)?),
            false => None,
        };
        Ok(Self { metrics, tensorboard })
    }

    fn append(&mut self, record: &Record) -> Result<(), TrainError> {
        self.metrics.append(record)?;
        if let Some(tensorboard) = &mut self.tensorboard {
            tensorboard.append(record)?;
        }
        Ok(())
    }
}

/// Steps until `train.steps`, until `stop` is set, or until a detector ends the run; in the last two cases a checkpoint is
/// written and the run can be resumed.
pub(crate) fn travel(run: &mut impl Steps, progress: &mut Progress, stop: &AtomicBool) -> Result<Outcome, TrainError> {
    let mut checkpoint_seconds = None;
    let ending = loop {
        let journey = run.journey();
        // Also before the first step: a run that has collapsed stays so until the limits are other ones.
        if let Some(collapse) = journey.detectors.verdict() {
            break Ending::Collapsed(collapse);
        }
        let unfinished = journey.pending.is_some();
        if journey.step >= journey.config.train.steps && !unfinished {
            break Ending::Finished;
        }
        let mut record = match run.step(progress, stop)? {
            Stepped::Done(record) => record,
            Stepped::Unfinished(pending) => {
                run.journey().pending = Some(pending);
                break Ending::Stopped;
            }
            Stepped::Cancelled => break Ending::Stopped,
        };
        if let Some(seconds) = checkpoint_seconds.take() {
            record.set(TIME_CHECKPOINT, seconds);
        }
        let journey = run.journey();
        // The line goes first: a checkpoint promises that the steps before it are in the metrics.
        journey.record(&record)?;
        let score = journey.score(&record);
        if unfinished {
            journey.settle(score)?;
        } else if journey.due() {
            progress.phase("checkpoint");
            let started = Instant::now();
            journey.save(score)?;
            checkpoint_seconds = Some(started.elapsed().as_secs_f64());
        }
        progress.step(&record);
        if let Some(skipped) = record.get(UPDATE_SKIPPED_STEPS).filter(|skipped| *skipped > 0.0) {
            let step = record.step;
            progress.warning(&format!("step {step}: {skipped} updates skipped, their loss or gradient was not finite"));
        }
    };
    let journey = run.journey();
    if ending != Ending::Finished && journey.saved != Some(journey.step) {
        journey.save(None)?;
    }
    let run = journey.folder.path().to_path_buf();
    if !journey.ranks.is_first() {
        return Ok(Outcome { ending, records: Vec::new(), run, checkpoint: None, best: None });
    }
    journey.sync()?;
    let checkpoint = journey.folder.checkpoints().latest()?.map(|(_, path)| path);
    let records = metrics::read(&journey.folder.metrics())?;
    let best = journey.best()?.map(|(_, path, score)| (path, score));
    Ok(Outcome { ending, records, run, checkpoint, best })
}
