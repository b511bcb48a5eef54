//! From rewards to advantages, with the divergence from the reference policy as a part of the reward.
use super::TrainError;
use crate::config::Reward;
use crate::reward::Judged;
use crate::rollout::Group;
use crate::update::Advantage;
use std::collections::HashMap;
use surefoot_engine::generate::Sample;
use surefoot_objectives::advantage::{AdvantageEstimator, AdvantageValues, Estimator, RewardBatch};

/// The advantages of a rollout.
pub(super) struct Credit {
    /// One a sample, or one a token.
    values: AdvantageValues,
    /// Boundaries of the samples among the tokens.
    offsets: Vec<usize>,
    /// Mean over the samples of the divergence of their tokens, where it is a part of the reward.
    pub divergence: Option<f64>,
    /// Log-probabilities under the reference policy that the advantages depend on, by sample; empty where they depend on none.
    pub logp_ref: Vec<Vec<f32>>,
}

/// What the samples of a rollout earned.
pub(super) struct Earned {
    /// Their rewards; `None` where one could not be judged.
    rewards: Vec<Option<f32>>,
    /// What these are the weighted sums of, for estimators that compare each by itself.
    parts: Vec<Vec<Option<f32>>>,
    weights: Vec<f32>,
}

impl Earned {
    pub fn of(judged: &Judged, config: &Reward) -> Self {
        let parts = judged.outcomes.iter().map(|outcome| outcome.parts.clone()).collect();
        Self { rewards: judged.rewards(), parts, weights: config.weight_of_each() }
    }
}

impl Credit {
    /// The advantages of `groups`, whose samples earned `earned`; `logp_ref` has a list a sample where there is a
    /// reference policy. A sample without a reward has advantage 0 and is in no mean.
    pub fn of(
        estimator: &AdvantageEstimator,
        groups: &[Group],
        earned: &Earned,
        logp_ref: &[Vec<f32>],
    ) -> Result<Self, TrainError> {
        let samples: Vec<&Sample> = groups.iter().flat_map(|group| &group.samples).collect();
        let ids: Vec<u32> =
            groups.iter().zip(0..).flat_map(|(group, id)| group.samples.iter().map(move |_| id)).collect();
        let offsets = boundaries(samples.iter().copied());
        let counted = Counted::of(estimator.estimator, &samples, &ids, &earned.rewards);
        let batch = RewardBatch::new(&counted.rewards, &counted.ids)?.with_tokens(&counted.offsets, None)?;
        // A sample that has a reward has every part of it.
        let part = |&number: &usize| earned.parts[number].iter().map(|part| part.unwrap_or_default());
        let parts: Vec<f32> = match estimator.estimator {
            Estimator::Gdpo => counted.numbers.iter().flat_map(part).collect(),
            _ => Vec::new(),
        };
        let batch = if parts.is_empty() { batch } else { batch.with_parts(&parts, &earned.weights)? };
        if estimator.kl_coefficient == 0.0 {
            let values = match estimator.compute(&batch)? {
                // Without a penalty, every token of a sequence has the same one.
                AdvantageValues::PerToken(values) => {
                    let firsts = &counted.offsets[..counted.numbers.len()];
                    AdvantageValues::PerSequence(firsts.iter().map(|&first| values[first]).collect())
                }
                by_sequence => by_sequence,
            };
            let values = counted.among_all(values, &offsets);
            return Ok(Self { values, offsets, divergence: None, logp_ref: Vec::new() });
        }
        let logp: Vec<(Vec<f32>, Vec<f32>)> =
            samples.iter().zip(logp_ref).map(|(sample, logp_ref)| comparable(&sample.logp, logp_ref)).collect();
        let k = |(&old, &reference)| estimator.kl_estimator.at(f64::from(old) - f64::from(reference)).0;
        let divergence = logp.iter().flat_map(|(old, reference)| old.iter().zip(reference)).map(k).sum::<f64>();
        let divergence = divergence / samples.len().max(1) as f64;
        let (mut old, mut reference) = (Vec::new(), Vec::new());
        for &number in &counted.numbers {
            old.extend_from_slice(&logp[number].0);
            reference.extend_from_slice(&logp[number].1);
        }
        let values = counted.among_all(estimator.compute(&batch.with_logp(&old, &reference)?)?, &offsets);
        Ok(Self { values, offsets, divergence: Some(divergence), logp_ref: logp_ref.to_vec() })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The advantage of a sample.
    pub fn of_sample(&self, number: usize) -> Advantage<'_> {
        match &self.values {
            AdvantageValues::PerSequence(values) => Advantage::Sequence(values[number]),
            AdvantageValues::PerToken(values) => {
                Advantage::Tokens(&values[self.offsets[number]..self.offsets[number + 1]])
            }
        }
    }
}

/// Both log-probabilities of a sample's tokens. What is not finite has no divergence; the update skips the mini-batch of such a sample.
fn comparable(logp: &[f32], logp_ref: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let finite = logp.iter().chain(logp_ref).all(|logp| logp.is_finite());
    let logp: Vec<f32> = logp.iter().map(|&logp| if logp.is_finite() { logp } else { 0.0 }).collect();
    let reference = if finite { logp_ref.to_vec() } else { logp.clone() };
    (logp, reference)
}

/// Boundaries of samples among their tokens.
fn boundaries<'a>(samples: impl Iterator<Item = &'a Sample>) -> Vec<usize> {
    let mut offsets = vec![0];
    for sample in samples {
        offsets.push(offsets[offsets.len() - 1] + sample.tokens.len());
    }
    offsets
}

/// Samples of each group.
fn sizes(ids: impl Iterator<Item = u32>) -> HashMap<u32, usize> {
    let mut sizes = HashMap::new();
    ids.for_each(|id| *sizes.entry(id).or_default() += 1);
    sizes
}

/// The samples that have a reward and, where they are compared, others in their group that have one.
struct Counted {
    numbers: Vec<usize>,
    rewards: Vec<f32>,
    ids: Vec<u32>,
    offsets: Vec<usize>,
}

impl Counted {
    fn of(estimator: Estimator, samples: &[&Sample], ids: &[u32], rewards: &[Option<f32>]) -> Self {
        let judged: Vec<(usize, f32)> =
            rewards.iter().enumerate().filter_map(|(number, reward)| reward.map(|reward| (number, reward))).collect();
        let sampled = sizes(ids.iter().copied());
        let left = sizes(judged.iter().map(|(number, _)| ids[*number]));
        // A group that was sampled with one sample is an error of the estimator's; one that has one left is none.
        let alone = |number: usize| left[&ids[number]] == 1 && sampled[&ids[number]] > 1;
        let counted: Vec<(usize, f32)> =
            judged.into_iter().filter(|&(number, _)| !estimator.compares() || !alone(number)).collect();
        let numbers: Vec<usize> = counted.iter().map(|(number, _)| *number).collect();
        Self {
            rewards: counted.iter().map(|(_, reward)| *reward).collect(),
            ids: numbers.iter().map(|&number| ids[number]).collect(),
            offsets: boundaries(numbers.iter().map(|&number| samples[number])),
            numbers,
        }
    }

    /// Their advantages among those of all samples, whose boundaries are `offsets`; the others have 0.
    fn among_all(&self, values: AdvantageValues, offsets: &[usize]) -> AdvantageValues {
        match values {
            AdvantageValues::PerSequence(values) => {
                let mut all = vec![0.0; offsets.len() - 1];
                self.numbers.iter().zip(values).for_each(|(&number, value)| all[number] = value);
                AdvantageValues::PerSequence(all)
            }
            AdvantageValues::PerToken(values) => {
                let mut all = vec![0.0; offsets[offsets.len() - 1]];
                for (&number, own) in self.numbers.iter().zip(self.offsets.windows(2)) {
                    all[offsets[number]..offsets[number + 1]].copy_from_slice(&values[own[0]..own[1]]);
                }
                AdvantageValues::PerToken(all)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::prompt::Prompt;

    fn sample(tokens: usize) -> Sample {
        let logp = vec![-1.0; tokens];
        Sample { tokens: vec![1; tokens], logp_behavior: logp.clone(), logp, entropy: Vec::new(), finished: true }
    }

    fn group(row: usize, lengths: &[usize]) -> Group {
        let prompt = Prompt { text: String::new(), tokens: vec![1] };
        let samples: Vec<Sample> = lengths.iter().map(|&tokens| sample(tokens)).collect();
        Group { row, prompt, texts: vec![String::new(); samples.len()], samples }
    }

    fn advantages(key: &str, groups: &[Group], rewards: &[Option<f32>], beta: f64) -> Vec<Vec<f32>> {
        let earned = Earned {
            rewards: rewards.to_vec(),
            parts: rewards.iter().map(|reward| vec![*reward, reward.map(|r| 1.0 - r)]).collect(),
            weights: vec![1.0, 0.25],
        };
        of_earned(key, groups, &earned, beta)
    }

    fn of_earned(key: &str, groups: &[Group], earned: &Earned, beta: f64) -> Vec<Vec<f32>> {
        let mut estimator = AdvantageEstimator::named(key).unwrap();
        estimator.kl_coefficient = beta;
        let logp_ref: Vec<Vec<f32>> =
            groups.iter().flat_map(|g| &g.samples).map(|s| vec![-1.25; s.tokens.len()]).collect();
        let credit = Credit::of(&estimator, groups, earned, &logp_ref).unwrap();
        (0..credit.len())
            .map(|number| match credit.of_sample(number) {
                Advantage::Sequence(value) => vec![value],
                Advantage::Tokens(values) => values.to_vec(),
            })
            .collect()
    }

    /// Every estimator gives the judged samples what it gives them without the others.
    #[test]
    fn samples_without_a_reward_have_no_part() {
        let (one, zero) = (Some(1.0), Some(0.0));
        let groups = [group(0, &[2, 1, 3]), group(1, &[1, 2, 2]), group(2, &[2, 2, 1])];
        // The last group has one sample left, which is compared with none.
        let rewards = [one, None, zero, one, one, None, None, None, one];
        let judged = [group(0, &[2, 3]), group(1, &[1, 2])];
        for beta in [0.0, 0.5] {
            for key in Estimator::KEYS.iter().filter(|key| beta == 0.0 || **key != "gdpo") {
                let found = advantages(key, &groups, &rewards, beta);
                for unjudged in [1, 5, 6, 7] {
                    assert!(found[unjudged].iter().all(|&a| a == 0.0), "{key}: {found:?}");
                }
                if Estimator::parse(key).unwrap().compares() {
                    let want = advantages(key, &judged, &[one, zero, one, one], beta);
                    assert_eq!([&found[0], &found[2], &found[3], &found[4]], [&want[0], &want[1], &want[2], &want[3]]);
                    assert!(found[8].iter().all(|&a| a == 0.0), "{key}: {found:?}");
                }
            }
        }
        assert_eq!(advantages("raw", &groups, &rewards, 0.0)[8], [1.0]);
        assert!(advantages("grpo", &groups, &[None; 9], 0.5).iter().flatten().all(|&a| a == 0.0));
    }

    /// The first two samples earn the same sum, of rewards that differ.
    #[test]
    fn gdpo_compares_the_parts() {
        let parts = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 1.0]].map(|parts| parts.map(Some).to_vec());
        let weights = vec![1.0, 1.0];
        let rewards = [1.0, 1.0, 2.0, 1.0].map(Some).to_vec();
        let groups = [group(0, &[1, 2]), group(1, &[2, 2])];
        let earned = Earned { rewards, parts: parts.to_vec(), weights: weights.clone() };
        assert_eq!(of_earned("grpo", &groups, &earned, 0.0)[0], [0.0]);
        // Both rewards of the first group cancel; with another weight the one that weighs more decides.
        assert_eq!(of_earned("gdpo", &groups, &earned, 0.0)[0], [0.0]);
        let earned = Earned { weights: vec![0.25, 1.0], ..earned };
        let found = of_earned("gdpo", &groups, &earned, 0.0);
        assert!(found[0][0] < 0.0 && found[1][0] > 0.0 && found[2][0] > 0.0, "{found:?}");
        // S = −0.75·c, 0.75·c, 0.25·c, −0.25·c: the first is three times the last.
        assert!((found[0][0] / found[3][0] - 3.0).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn a_group_of_equal_rewards_stays_one() {
        // 1.1 and its like have no exact mean.
        let (groups, rewards) = ([group(0, &[1; 11])], [[Some(1.1); 10].as_slice(), &[None]].concat());
        assert!(advantages("grpo", &groups, &rewards, 0.0).iter().flatten().all(|&a| a == 0.0));
    }
}
