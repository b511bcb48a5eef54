//! What the ranks of a run must have in common, and how they see to it.
use super::Start;
use crate::config::Config;
use crate::data::Order;
use crate::fingerprint;
use crate::metrics::{self, Record};
use crate::policy::{Policy, PolicyError};
use crate::ranks::{Ranks, RanksError};
use crate::run_folder::RunFolder;
use crate::train::TrainError;
use std::path::PathBuf;

/// Settles `update.shards` of a run that does not set it: one a rank, or 1 if one process began the run.
pub(super) fn share_updates(config: &mut Config, start: Start, ranks: &Ranks, notes: &mut Vec<String>) {
    let size = ranks.size();
    if size == 1 {
        return;
    }
    let shards = *config.update.shards.get_or_insert(if start == Start::New { size } else { 1 });
    notes.push(format!("{size} processes share the work (update.shards = {shards})"));
    if !shards.is_multiple_of(size) {
        let idle = if shards < size { "some of them wait during updates" } else { "some have more to do than others" };
        notes.push(format!(
            "update.shards = {shards} is no multiple of {size} processes: {idle}. A multiple of {size} would be faster, and \
             changes results by rounding"
        ));
    }
}

/// The newest checkpoint that rank 0 sees, with its step.
pub(super) fn latest(folder: &RunFolder, ranks: &Ranks) -> Result<Option<(u64, PathBuf)>, TrainError> {
    let own = if ranks.is_first() { folder.checkpoints().latest()?.map_or(0, |(step, _)| step + 1) } else { 0 };
    let found = ranks.greatest(own)?.checked_sub(1);
    Ok(found.map(|step| (step, folder.checkpoints().step(step))))
}

/// The lines of metrics that rank 0 reads.
pub(super) fn records(folder: &RunFolder, ranks: &Ranks) -> Result<Vec<Record>, TrainError> {
    let own = if ranks.is_first() { metrics::read(&folder.metrics())? } else { Vec::new() };
    if !ranks.are_several() {
        return Ok(own);
    }
    let lines =
        ranks.broadcast(|| own.iter().map(|record| record.to_line() + "\n").collect::<String>().into_bytes())?;
    let lines = String::from_utf8(lines).map_err(|_| RanksError::Broken)?;
    Ok(lines.lines().map(|line| Record::from_line(line).ok_or(RanksError::Broken)).collect::<Result<_, _>>()?)
}

/// Every rank has the rows and the weights that rank 0 has.
pub(super) fn agree_on_data(order: &Order, policy: &Policy, ranks: &Ranks) -> Result<(), TrainError> {
    if !ranks.are_several() {
        return Ok(());
    }
    let hint = "data.train must name the same files on all machines";
    ranks.agree("training set", order.position().fingerprint, hint)?;
    let hint = "model.path and log.run_dir must be the same folders on all machines";
    Ok(ranks.agree("model", fingerprint::of_weights(&policy.weights()?), hint)?)
}

/// Every rank has the weights that are about to be saved.
pub(super) fn agree_on_weights(policy: &Policy, ranks: &Ranks) -> Result<(), TrainError> {
    if !ranks.are_several() {
        return Ok(());
    }
    let hint = "its arithmetic differs, so nothing is saved. Resume without its machine";
    Ok(ranks.agree("policy after the same updates", fingerprint::of_weights(&policy.values()?), hint)?)
}

/// Joins the devices of all ranks, where all can sum by themselves; else the host sums, and `notes` says so where it need not be.
pub(super) fn join_devices(policy: &mut Policy, ranks: &Ranks, notes: &mut Vec<String>) -> Result<(), TrainError> {
    if !ranks.are_several() {
        return Ok(());
    }
    let own = policy.name_group();
    // One that cannot keeps all from it: the others would wait for it.
    let names = ranks.gather(own.iter().flatten().flatten().copied().collect())?;
    if names.iter().all(|name| !name.is_empty()) {
        policy.join(&names[0], ranks.rank(), ranks.size()).map_err(PolicyError::from)?;
    } else if let Err(error) = own {
        notes.push(format!("gradients of ranks are summed on the host, which is slower: {error}"));
    }
    Ok(())
}
