//! Groups into micro-batches: prompts once a group, sequences that cannot change anything left out.
use surefoot_engine::batch::{Packed, Target};
use surefoot_objectives::Advantages;

/// The advantage of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Advantage<'a> {
    /// One for all its tokens.
    Sequence(f32),
    /// One a token.
    Tokens(&'a [f32]),
}

impl Advantage<'_> {
    fn all(&self, holds: impl Fn(f32) -> bool) -> bool {
        match self {
            Advantage::Sequence(advantage) => holds(*advantage),
            Advantage::Tokens(advantages) => advantages.iter().all(|&advantage| holds(advantage)),
        }
    }
}

/// A sample as an update reads it.
#[derive(Clone, Copy, Debug)]
pub struct TrainedSample<'a> {
    /// Its number in the rollout, under which [`super::Updated::seen`] holds what the update computed for it.
    pub number: usize,
    /// The completion.
    pub tokens: &'a [u32],
    /// Log-probabilities under the policy that sampled it.
    pub logp_old: &'a [f32],
    /// Log-probabilities under the reference policy; empty where there is none.
    pub logp_ref: &'a [f32],
    /// Log-probabilities under the policy that the present epoch over the rollout began with; empty where no objective asks.
    pub logp_epoch: &'a [f32],
    /// Log-probabilities that its sampler said, where the objective asks and these are not `logp_old`; empty elsewhere.
    pub logp_behavior: &'a [f32],
    /// Its advantage.
    pub advantage: Advantage<'a>,
    /// Weights that correct for the policy that sampled it; empty where no sample of the rollout has them.
    pub token_weights: &'a [f32],
    /// Which of its tokens are trained; empty where no sample of the rollout has a mask.
    pub mask: &'a [bool],
}

impl TrainedSample<'_> {
    /// Whether none of its tokens is trained.
    pub fn is_masked(&self) -> bool {
        self.mask.len() == self.tokens.len() && !self.mask.contains(&true)
    }

    /// Whether it can change nothing: its advantages are all `inert`, or none of its tokens is trained. Its loss and gradient
    /// are exactly zero then.
    pub fn is_idle(&self, inert: impl Fn(f32) -> bool) -> bool {
        self.tokens.is_empty() || self.is_masked() || self.advantage.all(inert)
    }
}

/// A prompt and its samples as an update reads them.
#[derive(Clone, Debug)]
pub struct TrainedGroup<'a> {
    /// Number of the group, unique in the mini-batch.
    pub id: u32,
    /// The prompt.
    pub prompt: &'a [u32],
    /// Its samples.
    pub samples: Vec<TrainedSample<'a>>,
}

/// Tokens that go through the model together, and what the objective needs to know of them.
#[derive(Clone, Debug, Default)]
pub struct MicroBatch {
    /// Inputs: each group's prompt once, then its completions without their last tokens.
    pub packed: Packed,
    /// Every completion token, sequence by sequence.
    pub targets: Vec<Target>,
    /// Boundaries of the sequences in `targets`.
    pub offsets: Vec<usize>,
    /// [`TrainedSample::number`] of each sequence.
    pub numbers: Vec<usize>,
    /// Group of each sequence.
    pub groups: Vec<u32>,
    /// Advantage of each sequence, or of each target.
    advantages: Vec<f32>,
    /// Whether `advantages` has one a target.
    by_token: bool,
    /// Log-probability of each target under the policy that sampled it.
    pub logp_old: Vec<f32>,
    /// Log-probability of each target under the reference policy; empty where there is none.
    pub logp_ref: Vec<f32>,
    /// Log-probability of each target under the policy that the epoch began with; empty where no objective asks.
    pub logp_epoch: Vec<f32>,
    /// Log-probability of each target as its sampler said; empty where the objective does not ask, or it is `logp_old`.
    pub logp_behavior: Vec<f32>,
    /// Weight of each target; empty where there are none.
    pub token_weights: Vec<f32>,
    /// Whether each target is trained; empty where all are.
    pub mask: Vec<bool>,
}

impl MicroBatch {
    fn add(&mut self, group: &TrainedGroup, sample: &TrainedSample, prefix: usize) {
        let prompt = &self.packed.segments()[prefix];
        let prompt_row = (prompt.start + prompt.len - 1) as u32;
        let inputs = &sample.tokens[..sample.tokens.len() - 1];
        let first = self.packed.len() as u32;
        if !inputs.is_empty() {
            self.packed.push(inputs, Some(prefix));
        }
        self.targets.extend(
            sample
                .tokens
                .iter()
                .enumerate()
                .map(|(i, &token)| Target { row: if i == 0 { prompt_row } else { first + i as u32 - 1 }, token }),
        );
        self.offsets.push(self.targets.len());
        self.numbers.push(sample.number);
        self.groups.push(group.id);
        match sample.advantage {
            Advantage::Sequence(advantage) => self.advantages.push(advantage),
            Advantage::Tokens(advantages) => {
                self.by_token = true;
                self.advantages.extend_from_slice(advantages);
            }
        }
        self.logp_old.extend_from_slice(sample.logp_old);
        self.logp_ref.extend_from_slice(sample.logp_ref);
        self.logp_epoch.extend_from_slice(sample.logp_epoch);
        self.logp_behavior.extend_from_slice(sample.logp_behavior);
        self.token_weights.extend_from_slice(sample.token_weights);
        self.mask.extend_from_slice(sample.mask);
    }

    /// The advantages of its samples, which have either one each or one a token each.
    pub fn advantages(&self) -> Advantages<'_> {
        match self.by_token {
            true => Advantages::PerToken(&self.advantages),
            false => Advantages::PerSequence(&self.advantages),
        }
    }
}

/// Micro-batches of at most `budget` input tokens each (one sequence may exceed it alone), without samples that are idle.
pub fn pack(groups: &[TrainedGroup], budget: usize, inert: impl Fn(f32) -> bool) -> Vec<MicroBatch> {
    let mut batches: Vec<MicroBatch> = Vec::new();
    let teaches = |s: &&TrainedSample| !s.is_idle(&inert);
    for group in groups {
        let mut prefix = None;
        for sample in group.samples.iter().filter(teaches) {
            let own = sample.tokens.len() - 1;
            let fits = |batch: &MicroBatch, prompt: usize| batch.packed.len() + prompt + own <= budget;
            let prompt = if prefix.is_some() { 0 } else { group.prompt.len() };
            if !batches.last().is_some_and(|batch| fits(batch, prompt)) {
                batches.push(MicroBatch { offsets: vec![0], ..MicroBatch::default() });
                prefix = None;
            }
            if let Some(batch) = batches.last_mut() {
                let prefix = *prefix.get_or_insert_with(|| batch.packed.push(group.prompt, None));
                batch.add(group, sample, prefix);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_stand_once_a_micro_batch_and_inert_samples_nowhere() {
        let tokens: Vec<Vec<u32>> = (1..=4).map(|n| (0..n).collect()).collect();
        let logp = [0.0; 4];
        let sample = |i: usize, advantage| TrainedSample {
            number: 10 * i,
            tokens: &tokens[i],
            logp_old: &logp[..i + 1],
            logp_ref: &[],
            logp_epoch: &[],
            logp_behavior: &[],
            advantage: Advantage::Sequence(advantage),
            token_weights: &[],
            mask: &[],
        };
        let groups = [
            TrainedGroup {
                id: 3,
                prompt: &[9, 8, 7],
                samples: vec![sample(0, 1.0), sample(3, -1.0), sample(1, 0.0), sample(2, 2.0)],
            },
            TrainedGroup { id: 5, prompt: &[6], samples: vec![sample(1, 0.0), sample(1, 0.0)] },
        ];
        let one = pack(&groups, 100, |a| a == 0.0);
        assert_eq!(one.len(), 1);
        assert_eq!(one[0].packed.tokens(), &[9, 8, 7, 0, 1, 2, 0, 1]);
        assert_eq!(one[0].offsets, [0, 1, 5, 8]);
        let rows: Vec<u32> = one[0].targets.iter().map(|t| t.row).collect();
        assert_eq!(rows, [2, 2, 3, 4, 5, 2, 6, 7]);
        assert_eq!(
            (one[0].groups.as_slice(), one[0].advantages()),
            ([3, 3, 3].as_slice(), Advantages::PerSequence(&[1.0, -1.0, 2.0]))
        );
        assert_eq!(one[0].numbers, [0, 30, 20]);
        assert!(one[0].logp_behavior.is_empty());
        let split = pack(&groups, 7, |a| a == 0.0);
        assert_eq!(split.len(), 2);
        assert_eq!(split[1].packed.tokens(), &[9, 8, 7, 0, 1]);
        assert_eq!(pack(&groups, 1, |a| a == 0.0).len(), 3);
        assert_eq!(pack(&groups, 100, |_| false)[0].groups, [3, 3, 3, 3, 5, 5]);
        // By token: a sample is left out when none of its tokens has an advantage.
        let with = |advantages| TrainedSample { advantage: Advantage::Tokens(advantages), ..sample(1, 0.0) };
        let rejected = TrainedSample { mask: &[false, false], ..sample(1, 1.0) };
        let told = TrainedSample { logp_behavior: &[-1.0, -2.0], ..with(&[0.0, 2.0]) };
        let samples = vec![with(&[0.0, 0.0]), told, rejected];
        let by_token = pack(&[TrainedGroup { id: 1, prompt: &[6], samples }], 100, |a| a == 0.0);
        assert_eq!(by_token[0].advantages(), Advantages::PerToken(&[0.0, 2.0]));
        assert_eq!(by_token[0].logp_behavior, [-1.0, -2.0]);
    }
}
