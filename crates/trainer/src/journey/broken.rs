//! What is not whole of a run that goes on, and what to do about it.
use super::Start;
use crate::config::Config;
use crate::metrics::Record;
use crate::policy::PolicyError;
use crate::run_folder::Checkpoints;
use crate::state::StateError;
use crate::train::TrainError;
use std::path::Path;

/// An error that the files of the checkpoint in `path` gave, with what to do: whatever file it is, the checkpoint before helps.
/// Errors that another checkpoint would give too stay as they are.
pub(super) fn named(error: TrainError, path: &Path) -> TrainError {
    let reason = match &error {
        TrainError::Policy(policy) | TrainError::State(StateError::Policy(policy)) => match policy {
            PolicyError::Model(error) => error.to_string(),
            PolicyError::Config(error) => error.to_string(),
            PolicyError::Folder(error) => error.reason(),
            _ => return error,
        },
        TrainError::State(StateError::Folder(error)) => error.reason(),
        TrainError::State(StateError::Broken { file, message }) => format!("{}: {message}", file.display()),
        _ => return error,
    };
    TrainError::BrokenCheckpoint { reason, path: path.to_path_buf(), before: before(path) }
}

/// That a run which goes on finds the model it began with: a relative path is one of another working directory, perhaps.
pub(crate) fn expect_model(config: &Config, start: Start) -> Result<(), TrainError> {
    let path = Path::new(&config.model.path);
    if start == Start::New || path.is_absolute() || path.try_exists().unwrap_or(true) {
        return Ok(());
    }
    // Adapters are added to the model itself, and a reference is the model itself.
    let stands_for_it = config.lora.rank == 0 && !config.needs_reference();
    let checkpoints = Checkpoints::at(&Path::new(&config.log.run_dir).join("checkpoints"));
    let newest = stands_for_it.then(|| checkpoints.latest().ok().flatten()).flatten();
    Err(TrainError::Moved {
        path: path.to_path_buf(),
        directory: std::env::current_dir().unwrap_or_default(),
        checkpoint: newest.map(|(_, path)| path),
    })
}

/// Whether there is a checkpoint before that in `path`.
fn before(path: &Path) -> bool {
    let all = path.parent().map(|folder| Checkpoints::at(folder).list());
    all.and_then(Result::ok).is_some_and(|all| all.iter().any(|(_, other)| other != path))
}

/// Lines that are missing from the metrics of the steps up to `last`: a run writes one a step.
pub(super) fn holes(records: &[Record], last: u64) -> Option<String> {
    let made = |step: &u64| records.binary_search_by_key(step, |record| record.step).is_ok();
    let mut missing = (1..=last).filter(|step| !made(step));
    let first = missing.next()?;
    let (count, file) = (1 + missing.count(), "metrics.jsonl");
    Some(format!(
        "{file}: {count} of {last} steps have no line, the first of them step {first}; curves have gaps there"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_without_a_line_are_counted() {
        let records = |steps: &[u64]| steps.iter().map(|step| Record::new(*step)).collect::<Vec<_>>();
        assert_eq!(holes(&records(&[1, 2, 3]), 3), None);
        assert_eq!(holes(&[], 0), None);
        let said = holes(&records(&[1, 3, 6]), 6).unwrap_or_default();
        assert!(said.contains("3 of 6 steps have no line, the first of them step 2"), "{said}");
    }
}
