//! The forward and backward passes of an update: this rank's parts through the model, and what all ranks found.
use super::bonus::Bonus;
use super::parts::Partial;
use super::{MicroBatch, Rule, TrainedGroup, UpdateError, pack};
use crate::policy::{Of, Pass, Policy};
use crate::ranks::{RanksError, Reader, Writer};
use surefoot_engine::device::TargetGradients;
use surefoot_objectives::{Denominators, ObjectiveError, Stats, TokenBatch, TokenLoss};

/// What the micro-batches of a part came to.
pub(super) struct Passed {
    pub loss: f64,
    pub stats: Stats,
    /// Tokens that went through the model.
    pub tokens: usize,
    /// Whether all log-probabilities were finite; where one is not, the part ends before its micro-batch.
    pub finite: bool,
}

/// A sample's number, and the log-probabilities that its update saw.
pub(super) type SeenLogp = (usize, Vec<f32>);

/// What the passes of an update came to.
pub(super) struct Passes {
    /// Of every part, in order, on every rank.
    pub parts: Vec<Passed>,
    /// On rank 0 those of all ranks, elsewhere nothing.
    pub seen: Vec<SeenLogp>,
    /// The gradients, still to be summed.
    pub partial: Partial,
}

/// Takes this rank's parts through the model, and tells the others what came of it.
pub(super) fn passes(
    policy: &mut Policy,
    rule: &Rule,
    parts: &[Vec<TrainedGroup>],
    denominators: &Denominators,
) -> Result<Passes, UpdateError> {
    let ranks = rule.ranks;
    let (mut partial, mut passed, mut seen) = (Partial::default(), Vec::new(), Vec::new());
    for part in &parts[ranks.share(parts.len())] {
        partial.begin(policy, ranks)?;
        passed.push(backpropagate(policy, rule, part, denominators, &mut seen)?);
    }
    if ranks.are_several() {
        let told = ranks.gather(write(&passed))?;
        passed = told.iter().map(|told| read(told)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let told = ranks.gather_first(write_seen(&seen))?;
        seen = told.iter().map(|told| read_seen(told)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    }
    Ok(Passes { parts: passed, seen, partial })
}

/// Forward and backward over the micro-batches of a part, until one has a log-probability that is not finite.
fn backpropagate(
    policy: &mut Policy,
    rule: &Rule,
    part: &[TrainedGroup],
    denominators: &Denominators,
    seen: &mut Vec<SeenLogp>,
) -> Result<Passed, UpdateError> {
    let update = &rule.config.update;
    let scale = 1.0 / rule.config.rollout.temperature as f32;
    let mut passed = Passed { loss: 0.0, stats: Stats::empty(), tokens: 0, finite: true };
    for batch in pack(part, policy.tokens_per_micro_batch(rule.config), |advantage| rule.is_inert(advantage)) {
        let rows = batch.packed.len();
        let (packed, targets) = (&batch.packed, batch.targets.as_slice());
        let pass = Pass { batch: packed, targets, scale, of: Of::Policy, recompute: update.recompute };
        let found = policy.forward(&pass)?;
        let Some(evaluated) = evaluate(rule, &batch, &found.logp, denominators)? else {
            passed.finite = false;
            break;
        };
        let bonus = Bonus::of(rule.config.regularizer.entropy_coefficient, &batch, &found.entropy, denominators);
        passed.loss += evaluated.loss - bonus.mean;
        passed.stats.merge(&evaluated.stats);
        passed.tokens += rows;
        for (&number, span) in batch.numbers.iter().zip(batch.offsets.windows(2)) {
            seen.push((number, found.logp[span[0]..span[1]].to_vec()));
        }
        policy.backward(packed, TargetGradients { logp: &evaluated.grad_logp, entropy: &bonus.grad_entropy })?;
    }
    Ok(passed)
}

/// The objective on a micro-batch; `None` where a log-probability is not finite.
fn evaluate(
    rule: &Rule,
    batch: &MicroBatch,
    logp: &[f32],
    denominators: &Denominators,
) -> Result<Option<TokenLoss>, ObjectiveError> {
    let mut tokens = TokenBatch::new(logp, &batch.logp_old, batch.advantages(), &batch.offsets, &batch.groups)?;
    if !batch.logp_ref.is_empty() {
        tokens = tokens.with_logp_ref(&batch.logp_ref)?;
    }
    if !batch.logp_epoch.is_empty() {
        tokens = tokens.with_logp_epoch(&batch.logp_epoch)?;
    }
    if !batch.logp_behavior.is_empty() {
        tokens = tokens.with_logp_behavior(&batch.logp_behavior)?;
    }
    if !batch.token_weights.is_empty() {
        tokens = tokens.with_token_weights(&batch.token_weights)?;
    }
    if !batch.mask.is_empty() {
        tokens = tokens.with_mask(&batch.mask)?;
    }
    match rule.objective.evaluate(&tokens, denominators) {
        Ok(evaluated) => Ok(Some(evaluated)),
        Err(ObjectiveError::NotFinite { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(passed: &[Passed]) -> Vec<u8> {
    let mut to = Writer::default();
    to.number(passed.len() as u64);
    for Passed { loss, stats, tokens, finite } in passed {
        to.double(*loss).number(*tokens as u64).flag(*finite).words(&stats.to_words());
    }
    to.done()
}

fn read(told: &[u8]) -> Result<Vec<Passed>, RanksError> {
    let mut from = Reader::new(told);
    let passed = |from: &mut Reader| {
        let (loss, tokens, finite) = (from.double()?, from.count()?, from.flag()?);
        let stats = Stats::from_words(&from.words()?).ok_or(RanksError::Broken)?;
        Ok(Passed { loss, stats, tokens, finite })
    };
    (0..from.count()?).map(|_| passed(&mut from)).collect()
}

fn write_seen(seen: &[SeenLogp]) -> Vec<u8> {
    let mut to = Writer::default();
    to.number(seen.len() as u64);
    for (number, logp) in seen {
        to.number(*number as u64).values(logp);
    }
    to.done()
}

fn read_seen(told: &[u8]) -> Result<Vec<SeenLogp>, RanksError> {
    let mut from = Reader::new(told);
    (0..from.count()?).map(|_| Ok((from.count()?, from.values()?))).collect()
}
