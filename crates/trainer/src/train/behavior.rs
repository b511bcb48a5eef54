//! Samples that another policy drew than the one that is updated: where their ratios start, and what its log-probabilities are
//! worth.
use super::TrainError;
use super::corrected::Drawn;
use crate::config::{Config, choice::Truncated};
use crate::policy::{Of, Policy};
use crate::ranks::Ranks;
use crate::rollout::Group;
use crate::update::{Scored, UpdateError, score};
use surefoot_objectives::correction::CorrectionStats;

/// Nats (k3) by which samplers with the trainer's weights do not differ from it: other number formats and kernels come to some
/// hundredths, other weights, tokens or temperatures to more than this.
const FOREIGN: f64 = 0.1;

/// The tokens of a step of which the sampler told no log-probability.
#[derive(Default)]
pub(super) struct Unknown {
    /// Of each sample.
    samples: Vec<usize>,
    /// All of them.
    pub tokens: usize,
    /// Those of them that are no end token: servers that give texts leave it out.
    within: usize,
    /// Tokens of the step.
    of: usize,
    /// Whether all that were told are 0, which a model that is sure of everything would say.
    zero: bool,
}

/// What a run has warned of already.
#[derive(Default)]
pub(super) struct Doubts {
    unknown: bool,
    foreign: bool,
}

/// Computes `logp_old` of every sample with the present weights. What the sampler said stays as `logp_behavior`; of a token
/// that it said nothing of (not a number), `logp_old` is taken, so that it has weight 1. Entropies are filled in where the
/// sampler gave none.
pub(super) fn anchor(
    policy: &mut Policy,
    config: &Config,
    groups: &mut [Group],
    ranks: &Ranks,
) -> Result<Unknown, UpdateError> {
    let scored = score(policy, config, groups, Of::Policy, ranks)?;
    let mut unknown = Unknown { zero: true, ..Unknown::default() };
    for (sample, Scored { logp, entropy }) in groups.iter_mut().flat_map(|group| &mut group.samples).zip(scored) {
        let (mut missing, last) = (0, sample.logp_behavior.len().saturating_sub(1));
        for (place, (behavior, logp)) in sample.logp_behavior.iter_mut().zip(&logp).enumerate() {
            if behavior.is_nan() {
                missing += 1;
                unknown.within += usize::from(place < last || !sample.finished);
                *behavior = *logp;
            } else {
                unknown.zero &= *behavior == 0.0;
            }
        }
        unknown.samples.push(missing);
        unknown.tokens += missing;
        unknown.of += logp.len();
        sample.logp = logp;
        if sample.entropy.is_empty() {
            sample.entropy = entropy;
        }
    }
    Ok(unknown)
}

impl Unknown {
    /// Share of the step's tokens.
    pub fn share(&self) -> f64 {
        self.tokens as f64 / self.of.max(1) as f64
    }

    /// Refuses a correction that has nothing to correct by.
    pub fn expect_some(&self, config: &Config, step: u64) -> Result<(), TrainError> {
        let silent = self.of > 0 && self.tokens == self.of;
        if silent && let Some(key) = config.correction_key() {
            let url = config.server.url.clone();
            return Err(TrainError::Silent { url, step, key });
        }
        Ok(())
    }

    /// The statistics of a correction less the tokens of the samples it took whose log-probabilities are unknown: with
    /// `logp_old` in their place they add nothing but their number.
    pub fn leave_out(&self, config: &Config, groups: &[Group], stats: CorrectionStats) -> CorrectionStats {
        let taken = drawn(config, groups).zip(&self.samples).filter(|(drawn, _)| drawn.is_taken());
        let unknown: usize = taken.map(|(_, unknown)| unknown).sum();
        CorrectionStats { tokens: stats.tokens.saturating_sub(unknown as u64), ..stats }
    }
}

impl Doubts {
    /// What a user should know of the log-probabilities of a step, the first time that it is so. `fresh`: they should be those
    /// of the weights that the step began with.
    pub fn of(
        &mut self,
        config: &Config,
        step: u64,
        fresh: bool,
        unknown: &Unknown,
        stats: &CorrectionStats,
    ) -> Vec<String> {
        let mut warnings = Vec::new();
        let url = &config.server.url;
        if unknown.within > 0 && !std::mem::replace(&mut self.unknown, true) {
            warnings.push(format!(
                "step {step}: {url} gave no log-probability of {} of {} tokens (rollout/unknown): they count as sampled by the \
                 policy itself, and are not in update/behavior_*",
                unknown.tokens, unknown.of
            ));
        }
        if fresh && !config.truncates() && stats.tokens > 0 {
            let (k1, k3) = (stats.k1_sum / stats.tokens as f64, stats.k3_sum / stats.tokens as f64);
            let zero = unknown.zero && stats.gap_max > 0.0;
            if (zero || k3 > FOREIGN) && !std::mem::replace(&mut self.foreign, true) {
                let what = if zero { " (all are 0)" } else { "" };
                warnings.push(format!(
                    "step {step}: the log-probabilities of {url} are not those of the weights that it should sample from{what}: \
                     update/behavior_k1 = {k1:.3}, behavior_k3 = {k3:.3}, behavior_gap_max = {:.3}, where about 0 is expected. \
                     See that it loaded them (server.reload, model.path), and reports the distribution that it samples from",
                    stats.gap_max
                ));
            }
        }
        warnings
    }
}

/// The samples as a correction reads them.
pub(super) fn drawn<'a>(config: &Config, groups: &'a [Group]) -> impl Iterator<Item = Drawn<'a>> {
    let masked = config.update.truncated == Truncated::Mask;
    groups.iter().flat_map(|group| &group.samples).map(move |sample| Drawn {
        logp_old: &sample.logp,
        logp_behavior: &sample.logp_behavior,
        trained: sample.finished || !masked,
    })
}
