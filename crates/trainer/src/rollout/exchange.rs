//! What ranks tell each other of the groups that each has sampled and judged.
use super::Group;
use super::served::Tally;
use crate::prompt::Prompt;
use crate::ranks::{Ranks, RanksError, Reader, Writer};
use crate::reward::{Outcome, Verdict};
use std::time::Duration;
use surefoot_engine::generate::Sample;

/// Verdicts by their number in a message ([`number_of`]).
const VERDICTS: [Verdict; 7] = [
    Verdict::Correct,
    Verdict::Wrong,
    Verdict::Unparseable,
    Verdict::OverBudget,
    Verdict::GoldUnparseable,
    Verdict::Scored,
    Verdict::Failed,
];

/// The place of a verdict in [`VERDICTS`]; a new one does not compile without.
const fn number_of(verdict: Verdict) -> u64 {
    match verdict {
        Verdict::Correct => 0,
        Verdict::Wrong => 1,
        Verdict::Unparseable => 2,
        Verdict::OverBudget => 3,
        Verdict::GoldUnparseable => 4,
        Verdict::Scored => 5,
        Verdict::Failed => 6,
    }
}

/// Groups that were sampled and judged together, here or on all ranks.
#[derive(Default)]
pub(crate) struct Sampled {
    pub groups: Vec<Group>,
    /// Outcomes of the groups' samples, in their order.
    pub outcomes: Vec<Outcome>,
    /// Time of sampling.
    pub sampling: Duration,
    /// Seconds of judging.
    pub judging: f64,
    /// What a server's answers were like.
    pub tally: Tally,
}

/// What all `ranks` have sampled together, in their order; `None` if any of them was cancelled. Times are those of the slowest.
pub(crate) fn of_all(ranks: &Ranks, own: Option<Sampled>) -> Result<Option<Sampled>, RanksError> {
    match ranks.are_several() {
        true => read(&ranks.gather(write(own.as_ref()))?),
        false => Ok(own),
    }
}

/// What a rank tells; `None` if it was cancelled.
fn write(sampled: Option<&Sampled>) -> Vec<u8> {
    let mut to = Writer::default();
    to.flag(sampled.is_some());
    if let Some(Sampled { groups, outcomes, sampling, judging, tally }) = sampled {
        to.number(groups.len() as u64);
        groups.iter().for_each(|group| write_group(&mut to, group));
        to.number(outcomes.len() as u64);
        outcomes.iter().for_each(|outcome| write_outcome(&mut to, outcome));
        to.double(sampling.as_secs_f64()).double(*judging);
        to.number(tally.retries).number(tally.retokenized as u64).number(tally.unaligned as u64);
    }
    to.done()
}

fn read(told: &[Vec<u8>]) -> Result<Option<Sampled>, RanksError> {
    let mut all = Sampled::default();
    for told in told {
        let mut from = Reader::new(told);
        if !from.flag()? {
            return Ok(None);
        }
        for _ in 0..from.count()? {
            all.groups.push(read_group(&mut from)?);
        }
        for _ in 0..from.count()? {
            all.outcomes.push(read_outcome(&mut from)?);
        }
        let sampling = Duration::try_from_secs_f64(from.double()?).map_err(|_| RanksError::Broken)?;
        all.sampling = all.sampling.max(sampling);
        all.judging = all.judging.max(from.double()?);
        let told = Tally { retries: from.number()?, retokenized: from.count()?, unaligned: from.count()? };
        all.tally.add(told);
    }
    Ok(Some(all))
}

fn write_group(to: &mut Writer, group: &Group) {
    to.number(group.row as u64).text(&group.prompt.text).tokens(&group.prompt.tokens);
    to.number(group.samples.len() as u64);
    for (sample, text) in group.samples.iter().zip(&group.texts) {
        to.tokens(&sample.tokens).values(&sample.logp).values(&sample.logp_behavior).values(&sample.entropy);
        to.flag(sample.finished).text(text);
    }
}

fn read_group(from: &mut Reader) -> Result<Group, RanksError> {
    let row = from.count()?;
    let prompt = Prompt { text: from.text()?, tokens: from.tokens()? };
    let mut group = Group { row, prompt, samples: Vec::new(), texts: Vec::new() };
    for _ in 0..from.count()? {
        group.samples.push(Sample {
            tokens: from.tokens()?,
            logp: from.values()?,
            logp_behavior: from.values()?,
            entropy: from.values()?,
            finished: from.flag()?,
        });
        group.texts.push(from.text()?);
    }
    Ok(group)
}

fn write_outcome(to: &mut Writer, outcome: &Outcome) {
    write_reward(to, outcome.reward);
    to.number(number_of(outcome.verdict));
    to.flag(outcome.formatted.is_some()).flag(outcome.formatted == Some(true)).text(&outcome.note);
    to.number(outcome.parts.len() as u64);
    outcome.parts.iter().for_each(|part| write_reward(to, *part));
}

fn read_outcome(from: &mut Reader) -> Result<Outcome, RanksError> {
    let reward = read_reward(from)?;
    let verdict = *VERDICTS.get(from.count()?).ok_or(RanksError::Broken)?;
    let (asked, formatted) = (from.flag()?, from.flag()?);
    let mut outcome = Outcome { formatted: asked.then_some(formatted), ..Outcome::new(reward, verdict, from.text()?) };
    for _ in 0..from.count()? {
        outcome.parts.push(read_reward(from)?);
    }
    Ok(outcome)
}

fn write_reward(to: &mut Writer, reward: Option<f32>) {
    to.flag(reward.is_some()).value(reward.unwrap_or(0.0));
}

fn read_reward(from: &mut Reader) -> Result<Option<f32>, RanksError> {
    let (rewarded, reward) = (from.flag()?, from.value()?);
    Ok(rewarded.then_some(reward))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn sampled(row: usize) -> Sampled {
        let sample = |n: usize, finished| Sample {
            tokens: (0..n as u32).collect(),
            logp: vec![-0.5; n],
            logp_behavior: vec![-0.25; n],
            entropy: vec![1.5; n],
            finished,
        };
        let outcome = |reward, verdict, formatted| Outcome {
            formatted,
            parts: vec![reward, None, Some(row as f32)],
            ..Outcome::new(reward, verdict, format!("{verdict:?}"))
        };
        let prompt = Prompt { text: format!("prompt {row}"), tokens: vec![7, row as u32] };
        let texts = vec!["one".to_string(), String::new()];
        Sampled {
            groups: vec![Group { row, prompt, samples: vec![sample(3, true), sample(0, false)], texts }],
            outcomes: vec![
                outcome(Some(-1.0), Verdict::Wrong, Some(false)),
                outcome(None, Verdict::Failed, if row == 1 { None } else { Some(true) }),
            ],
            sampling: Duration::from_millis(row as u64),
            judging: 1.0 / row as f64,
            tally: Tally { retries: 2, retokenized: row, unaligned: 1 },
        }
    }

    #[test]
    fn what_ranks_tell_is_put_together_in_their_order() {
        let told: Vec<Vec<u8>> = [1, 2].map(|row| write(Some(&sampled(row)))).to_vec();
        let all = read(&told).unwrap().unwrap();
        let (one, two) = (sampled(1), sampled(2));
        let shown = |groups: &[&Group]| format!("{groups:?}");
        assert_eq!(shown(&all.groups.iter().collect::<Vec<_>>()), shown(&[&one.groups[0], &two.groups[0]]));
        assert_eq!(all.outcomes, [one.outcomes, two.outcomes].concat());
        assert_eq!((all.sampling, all.judging), (Duration::from_millis(2), 1.0));
        assert_eq!(all.tally, Tally { retries: 4, retokenized: 3, unaligned: 2 });
        assert!(VERDICTS.iter().zip(0..).all(|(verdict, number)| number_of(*verdict) == number));
    }

    #[test]
    fn one_that_was_cancelled_cancels_all() {
        assert!(read(&[write(Some(&sampled(1))), write(None)]).unwrap().is_none());
    }
}
