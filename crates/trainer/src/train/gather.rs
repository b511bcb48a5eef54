//! The samples of a step: one rollout, or several until enough groups have a signal (dynamic sampling, DAPO section 3.2).
use super::TrainError;
use crate::config::Config;
use crate::data::{Dataset, Order, Row};
use crate::progress::Shown;
use crate::prompt::Prompter;
use crate::ranks::Ranks;
use crate::reward::{Judged, Outcome, Rewarder};
use crate::rollout::exchange::{self, Sampled};
use crate::rollout::served::{Server, Tally};
use crate::rollout::{Generate, Group, Plan, Watch, judgements, rollout};
use std::time::{Duration, Instant};
use surefoot_objectives::advantage::Estimator;

/// Bits of a random stream's number above which the round stands.
const ROUND_SHIFT: u32 = 48;

/// Groups with their verdicts.
pub(super) struct Gathered {
    /// Samples a group.
    samples: usize,
    /// In the order of sampling.
    pub groups: Vec<Group>,
    /// Outcomes of the groups' samples, in their order.
    pub judged: Judged,
    /// Rollouts that it took.
    pub rounds: usize,
    /// Time of sampling.
    pub sampling: Duration,
    /// Number of steps that made the weights which sampled.
    pub version: u64,
    /// What a server's answers were like.
    pub tally: Tally,
}

impl Gathered {
    fn none(samples: usize, version: u64) -> Self {
        let judged = Judged { outcomes: Vec::new(), seconds: 0.0 };
        let (sampling, tally) = (Duration::ZERO, Tally::default());
        Self { samples, groups: Vec::new(), judged, rounds: 0, sampling, version, tally }
    }

    /// Row of each group.
    pub fn rows(&self) -> Vec<usize> {
        self.groups.iter().map(|group| group.row).collect()
    }

    /// Rewards in the order of the samples; `None` where one could not be judged.
    pub fn rewards(&self) -> Vec<Option<f32>> {
        self.judged.rewards()
    }

    /// The samples for a person; `data` has the expected answers.
    pub fn shown(&self, data: &[Row]) -> Vec<Shown> {
        let texts = self.groups.iter().flat_map(|group| group.texts.iter().map(move |text| (group, text)));
        let show = |((group, text), outcome): ((&Group, &String), &Outcome)| Shown {
            prompt: group.prompt.text.clone(),
            completion: text.clone(),
            answer: data[group.row].answer.clone(),
            verdict: outcome.verdict.name().to_string(),
            reward: outcome.reward.map(f64::from),
        };
        texts.zip(&self.judged.outcomes).map(show).collect()
    }

    /// Leaves `count` groups: those with a signal first, then others, in the order of sampling.
    pub fn keep(self, count: usize, config: &Config) -> Self {
        let signal = signals(config, &self.judged);
        let mut chosen: Vec<usize> = (0..self.groups.len()).filter(|&g| signal[g]).take(count).collect();
        let missing = count - chosen.len();
        chosen.extend((0..self.groups.len()).filter(|&g| !signal[g]).take(missing));
        chosen.sort_unstable();
        let outcomes = self.judged.outcomes.chunks(self.samples).enumerate();
        let outcomes =
            outcomes.filter(|(g, _)| chosen.contains(g)).flat_map(|(_, outcomes)| outcomes.to_vec()).collect();
        let groups = self.groups.into_iter().enumerate();
        let groups = groups.filter(|(g, _)| chosen.contains(g)).map(|(_, group)| group).collect();
        Gathered { groups, judged: Judged { outcomes, ..self.judged }, ..self }
    }
}

/// Which groups have a signal: rewards that differ or, where each reward is compared by itself, one among them that differs.
pub(super) fn signals(config: &Config, judged: &Judged) -> Vec<bool> {
    let samples = config.rollout.samples;
    if config.estimator() != Estimator::Gdpo {
        return has_signal(&judged.rewards(), samples);
    }
    // What has no weight is reported and compared with nothing.
    let counts = config.reward.weight_of_each();
    let counted = |outcome: &Outcome| -> Vec<Option<f32>> {
        outcome.parts.iter().zip(&counts).filter(|(_, weight)| **weight != 0.0).map(|(part, _)| *part).collect()
    };
    let parts: Vec<_> = judged.outcomes.iter().map(|outcome| outcome.reward.map(|_| counted(outcome))).collect();
    has_signal(&parts, samples)
}

/// Which groups have rewards that differ.
fn has_signal<R: PartialEq>(rewards: &[Option<R>], samples: usize) -> Vec<bool> {
    let differ = |group: &[Option<R>]| {
        let mut judged = group.iter().flatten();
        judged.next().is_some_and(|first| judged.any(|reward| reward != first))
    };
    rewards.chunks(samples).map(differ).collect()
}

/// Who samples.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// This engine.
    Engine(&'a dyn Generate),
    /// A server, with the weights that it has been given.
    Server(&'a Server),
}

/// What the samples of a step depend on beside the weights. Samples are gathered here or on a thread of their own.
pub(super) struct Gatherer {
    pub config: Config,
    pub prompter: Prompter,
    pub data: Dataset,
    pub rewarder: Rewarder,
    pub server: Option<Server>,
    /// Each of them samples and judges a share of the prompts.
    pub ranks: Ranks,
}

impl Gatherer {
    /// Samples and judges `rollout.prompts` groups, and with `rollout.resample_rounds` as many more as have no signal, so
    /// often; `version` is that of the weights of `source`. `None` if it was cancelled.
    pub fn gather(
        &self,
        (step, version): (u64, u64),
        source: Source,
        order: &mut Order,
        phase: &mut dyn FnMut(&'static str),
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Gathered>, TrainError> {
        let rollout = &self.config.rollout;
        let mut all = Gathered::none(rollout.samples, version);
        let mut missing = rollout.prompts;
        while missing > 0 && all.rounds <= rollout.resample_rounds {
            let own = self.own((step, all.rounds), missing, source, order, phase, cancelled)?;
            let Some(sampled) = exchange::of_all(&self.ranks, own)? else { return Ok(None) };
            missing -= self.add(sampled, &mut all)?;
        }
        Ok(Some(all))
    }

    /// As [`Gatherer::gather`] for what the ranks have sampled in one round, each by [`Gatherer::own`].
    pub fn gather_sampled(&self, version: u64, own: Option<Sampled>) -> Result<Option<Gathered>, TrainError> {
        let Some(sampled) = exchange::of_all(&self.ranks, own)? else { return Ok(None) };
        let mut all = Gathered::none(self.config.rollout.samples, version);
        self.add(sampled, &mut all)?;
        Ok(Some(all))
    }

    /// Adds a round; returns the number of groups with a signal.
    fn add(&self, sampled: Sampled, all: &mut Gathered) -> Result<usize, TrainError> {
        let judged = Judged { outcomes: sampled.outcomes, seconds: sampled.judging };
        self.rewarder.tolerate(&judged)?;
        let signal = signals(&self.config, &judged);
        all.judged.outcomes.extend(judged.outcomes);
        all.judged.seconds += judged.seconds;
        all.groups.extend(sampled.groups);
        all.sampling += sampled.sampling;
        all.tally.add(sampled.tally);
        all.rounds += 1;
        Ok(signal.iter().filter(|signal| **signal).count())
    }

    /// Takes the next `count` rows for a round of a step; samples and judges this rank's share of them. `None` if it was cancelled.
    pub fn own(
        &self,
        (step, round): (u64, usize),
        count: usize,
        source: Source,
        order: &mut Order,
        phase: &mut dyn FnMut(&'static str),
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Sampled>, TrainError> {
        let (prompts, samples) = (self.config.rollout.prompts, self.config.rollout.samples);
        let rows: Vec<usize> = order.take(count);
        let rows: Vec<(usize, &Row)> = rows.into_iter().map(|row| (row, &self.data.rows[row])).collect();
        let share = self.ranks.share(rows.len());
        // Streams that no other round and no other step has.
        let first = (step - 1) * (prompts * samples) as u64 + ((round as u64) << ROUND_SHIFT);
        let first = first + (share.start * samples) as u64;
        self.sample(source, (&rows[share], rows.len()), first, phase, cancelled)
    }

    /// Samples and judges `rows`, which are some of `all`.
    fn sample(
        &self,
        source: Source,
        (rows, all): (&[(usize, &Row)], usize),
        first: u64,
        phase: &mut dyn FnMut(&'static str),
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Sampled>, TrainError> {
        if rows.is_empty() {
            return Ok(Some(Sampled::default()));
        }
        phase("rollout");
        let (plan, started, mut tally) = (Plan::training(&self.config), Instant::now(), Tally::default());
        let groups = match source {
            Source::Engine(engine) => {
                let watch = Watch { progress: &|_| {}, cancelled };
                rollout(engine, &self.prompter, &plan, rows, first, &watch)?
            }
            Source::Server(server) => server.rollout(&self.prompter, &plan, rows, first, &mut tally, cancelled)?,
        };
        let sampling = started.elapsed();
        let Some(groups) = groups else { return Ok(None) };
        phase("reward");
        let judged = self.rewarder.judge(&judgements(&groups, rows), all * plan.samples);
        Ok(Some(Sampled { groups, outcomes: judged.outcomes, sampling, judging: judged.seconds, tally }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Purpose;
    use crate::config::choice::RewardName;
    use crate::prompt::Prompt;
    use crate::reward::{Outcome, Verdict};

    #[test]
    fn groups_with_a_signal_come_first_and_the_order_stays() {
        let rewards = [[1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0], [1.0, 1.0]];
        let outcome = |&reward| Outcome::new(Some(reward), Verdict::Scored, String::new());
        let gathered = || Gathered {
            samples: 2,
            groups: (0..5)
                .map(|row| Group {
                    row,
                    prompt: Prompt { text: String::new(), tokens: vec![1] },
                    samples: Vec::new(),
                    texts: Vec::new(),
                })
                .collect(),
            judged: Judged { outcomes: rewards.as_flattened().iter().map(outcome).collect(), seconds: 0.0 },
            rounds: 2,
            sampling: Duration::ZERO,
            version: 0,
            tally: Tally::default(),
        };
        let mut config = Config::defaults(Purpose::Train);
        config.rollout.samples = 2;
        assert_eq!(gathered().keep(2, &config).rows(), [1, 3]);
        assert_eq!(gathered().keep(2, &config).rewards(), [0.0, 1.0, 1.0, 0.0].map(Some));
        assert_eq!(gathered().keep(1, &config).rows(), [1]);
        assert_eq!(gathered().keep(4, &config).rows(), [0, 1, 2, 3]);
        assert_eq!(gathered().keep(4, &config).rewards(), [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0].map(Some));
    }

    #[test]
    fn rewards_that_are_compared_by_themselves_have_a_signal_each() {
        // Equal sums of rewards that differ; no difference; a difference in what has no weight; one that was not judged.
        let parts =
            [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]];
        let outcome = |parts: &[f32; 3]| Outcome {
            parts: parts.iter().copied().map(Some).collect(),
            ..Outcome::new(Some(parts[0] + parts[1]), Verdict::Scored, String::new())
        };
        let mut judged = Judged { outcomes: parts.iter().map(outcome).collect(), seconds: 0.0 };
        let unjudged = |part| Outcome { reward: None, parts: vec![None; 3], ..outcome(part) };
        judged.outcomes.extend([outcome(&parts[0]), unjudged(&parts[0])]);
        let mut config = Config::defaults(Purpose::Train);
        config.rollout.samples = 2;
        config.reward.name = vec![RewardName::Math, RewardName::Format, RewardName::Overlong];
        config.reward.weights = vec![1.0, 1.0, 0.0];
        assert_eq!(signals(&config, &judged), [false; 4]);
        config.advantage.estimator = Some(Estimator::Gdpo);
        assert_eq!(signals(&config, &judged), [true, false, false, false]);
        config.reward.weights[2] = 0.5;
        assert_eq!(signals(&config, &judged), [true, false, true, false]);
    }

    #[test]
    fn a_sample_that_could_not_be_judged_gives_no_group_a_signal() {
        let rewards = [[Some(1.1), None], [None, None], [Some(0.0), Some(1.0)], [None, Some(1.0)]];
        assert_eq!(has_signal(rewards.as_flattened(), 2), [false, false, true, false]);
    }
}
