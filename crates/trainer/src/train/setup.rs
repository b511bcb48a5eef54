//! From a configuration to a run that is ready: everything that can be wrong is found here, before work starts.
use super::behavior::Doubts;
use super::credit::Credit;
use super::gather::Gatherer;
use super::reference::Reference;
use super::{Run, TrainError};
use crate::config::Config;
use crate::data::{Dataset, Order, Row, Wanted};
use crate::evaluate::{Benchmark, held_out};
use crate::journey::{Journey, Start, expect_model};
use crate::prompt::{Prompter, Rendered, settle_date};
use crate::ranks::Ranks;
use crate::reward::{Judged, Rewarder};
use crate::rollout::Group;
use crate::rollout::served::Server;
use crate::run_folder::{RunFolder, rollouts};
use crate::update::{Advantage, Updated, groups_in_mini_batch};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

impl Run {
    /// Loads and checks everything that `config` names. Returns the run and what a user should know of it. Threads are
    /// those of the pool that the caller is in. Every one of `ranks` must call it, with the same configuration. `stop` ends the
    /// waiting for a server.
    ///
    /// # Errors
    /// [`TrainError`], before anything is written for a new run; [`TrainError::is_stop`] where `stop` was set.
    pub fn prepare(
        mut config: Config,
        start: Start,
        ranks: Ranks,
        stop: &AtomicBool,
    ) -> Result<(Self, Vec<String>), TrainError> {
        let mut notes = Vec::new();
        if config.rollout.staleness > 0 && ranks.are_several() {
            refuse_ahead(&config)?;
        }
        expect_model(&config, start)?;
        settle_date(&mut config, None, &ranks)?;
        let source = &PathBuf::from(&config.model.path);
        let objective = config.build_objective()?;
        let estimator = config.advantage_estimator()?;
        let rewarder = Rewarder::new(&config.reward, config.rollout.max_new_tokens, rayon::current_num_threads())?;
        let prompter = Prompter::load(source, &config)?;
        let mut data = Dataset::load(&config.data, Wanted::of(&config.reward, &config.data))?;
        let Rendered { left_out, longest, .. } = prompter.keep_short(&mut data)?;
        if left_out > 0 {
            let limit = config.prompt.max_tokens;
            notes.push(format!("{left_out} rows left out: longer than prompt.max_tokens = {limit}"));
        }
        notes.extend(data.notes());
        let order = Order::of(&config.data, &data.marks, data.fingerprint(), config.train.seed)?;
        let benchmarks = if config.eval.every > 0 { Benchmark::load_all(&config, &prompter)? } else { Vec::new() };
        notes.extend(Benchmark::notes(&benchmarks, config.prompt.max_tokens));
        notes.extend(held_out::notes(&benchmarks, &data.rows));
        let evaluated = benchmarks.iter().map(|benchmark| benchmark.longest.saturating_add(config.eval_tokens())).max();
        let positions = longest.saturating_add(config.rollout.max_new_tokens).max(evaluated.unwrap_or(0));
        let keys = "prompt.max_tokens, rollout.max_new_tokens or eval.max_new_tokens";
        let reference = Reference::load(&config, source, positions, keys)?;
        let correction = config.build_correction()?;
        let cancelled = || stop.load(Ordering::Relaxed);
        let server = config.remote().then(|| Server::open(&config, &mut notes, &cancelled)).transpose()?;
        let gatherer =
            Arc::new(Gatherer { config: config.clone(), prompter, data, rewarder, server, ranks: ranks.clone() });
        let mut journey = Journey::begin(config, start, ranks, order, (positions, keys), &mut notes)?;
        let reference = reference.map(|weights| Reference::new(&mut journey.policy, weights)).transpose()?;
        Ok((
            Run {
                journey,
                reference,
                gatherer,
                ahead: None,
                objective,
                estimator,
                correction,
                doubts: Doubts::default(),
                benchmarks,
            },
            notes,
        ))
    }

    /// Steps that are done already.
    pub fn done(&self) -> u64 {
        self.journey.step
    }
}

/// Ranks that sample ahead speak to each other when a step's samples are used, and not before.
fn refuse_ahead(config: &Config) -> Result<(), TrainError> {
    let several = |key| Err(TrainError::Several { key, instead: "with rollout.staleness = 0 it can" });
    if config.rollout.resample_rounds > 0 {
        return several("rollout.resample_rounds, with rollout.staleness > 0,");
    }
    if config.remote() { several("server.url, with rollout.staleness > 0,") } else { Ok(()) }
}

/// What a rollout file holds of the step's updates.
pub(super) struct Recorded<'a> {
    /// The log-probabilities that they saw.
    pub updated: &'a Updated,
    /// Into how many mini-batches the groups were cut.
    pub mini_batches: usize,
    /// Number of steps that made the weights which sampled.
    pub version: u64,
}

/// Writes a step's samples for people, plots and replays.
pub(super) fn write_rollout(
    folder: &RunFolder,
    step: u64,
    groups: &[Group],
    rows: &[(usize, &Row)],
    judged: &Judged,
    credit: &Credit,
    updates: &Recorded,
) -> Result<(), TrainError> {
    let mut samples = Vec::new();
    let size = groups_in_mini_batch(groups.len(), updates.mini_batches);
    for (number, (group, (row, r))) in groups.iter().zip(rows).enumerate() {
        for (g, (sample, text)) in group.samples.iter().zip(&group.texts).enumerate() {
            let outcome = &judged.outcomes[samples.len()];
            let seen = updates.updated.seen.get(samples.len()).cloned().unwrap_or_default();
            // What the advantages depend on is written for every sample, as replays need it only for those that were trained.
            let logp_ref = credit.logp_ref.get(samples.len()).cloned().unwrap_or(seen.logp_ref);
            let truncated_sampling = sample.logp != sample.logp_behavior;
            let (advantage, advantages) = match credit.of_sample(samples.len()) {
                Advantage::Sequence(advantage) => (advantage, Vec::new()),
                Advantage::Tokens(all) => (all.iter().sum::<f32>() / all.len().max(1) as f32, all.to_vec()),
            };
            samples.push(rollouts::Sample {
                step,
                policy_version: updates.version,
                row: *row as u64,
                sample: g as u32,
                prompt: group.prompt.text.clone(),
                answer: r.answer.clone(),
                completion: text.clone(),
                reward: outcome.reward,
                rewards: match &outcome.parts[..] {
                    [_] => Vec::new(),
                    several => several.iter().map(|part| part.unwrap_or(f32::NAN)).collect(),
                },
                verdict: outcome.verdict.name().to_string(),
                advantage,
                advantages,
                truncated: !sample.finished,
                tokens: sample.tokens.clone(),
                logp_old: sample.logp.clone(),
                mini_batch: (number / size) as u32,
                logp: seen.logp,
                logp_ref,
                logp_epoch: seen.logp_epoch,
                logp_behavior: if truncated_sampling { sample.logp_behavior.clone() } else { Vec::new() },
            });
        }
    }
    Ok(rollouts::write(&folder.rollout(step), &samples)?)
}
