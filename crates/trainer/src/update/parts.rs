//! An update's samples in parts (`update.shards`), whose gradients are summed in order.
//!
//! Within a part a gradient is one chain of additions over its tokens. Where the chains begin and end depends on the samples
//! alone, so that the gradient's bits do not depend on which process computes which part.
use super::{TrainedGroup, UpdateError};
use crate::policy::Policy;
use crate::ranks::{Ranks, add};
use surefoot_engine::device::DeviceError;

/// The part, of `parts`, that each thing of this weight belongs to: parts follow one another, and are as even as whole things
/// let them be.
pub(crate) fn part_of_each(weights: &[usize], parts: usize) -> Vec<usize> {
    let total: usize = weights.iter().sum();
    let mut before = 0;
    let part = |&weight: &usize| {
        let middle = 2 * before + weight;
        before += weight;
        (middle * parts).checked_div(2 * total).map_or(0, |part| part.min(parts - 1))
    };
    weights.iter().map(part).collect()
}

/// `groups` in `parts` parts of about as many tokens, sample by sample: a group that lies in two of them is in both, each with
/// its own samples. Samples that are `left_out` of the update weigh nothing.
pub(super) fn parts<'a>(
    groups: &[TrainedGroup<'a>],
    parts: usize,
    left_out: impl Fn(&super::TrainedSample) -> bool,
) -> Vec<Vec<TrainedGroup<'a>>> {
    if parts == 1 {
        return vec![groups.to_vec()];
    }
    let mut weights = Vec::new();
    for group in groups {
        let mut prompt = group.prompt.len();
        for sample in &group.samples {
            // The prompt is forwarded with the first of its samples.
            let weight = if left_out(sample) { 0 } else { sample.tokens.len() + std::mem::take(&mut prompt) };
            weights.push(weight);
        }
    }
    let mut cut = vec![Vec::<TrainedGroup>::new(); parts];
    let mut of_sample = part_of_each(&weights, parts).into_iter();
    for group in groups {
        for (sample, part) in group.samples.iter().zip(of_sample.by_ref()) {
            let part = &mut cut[part];
            if part.last().is_none_or(|last| last.id != group.id) {
                part.push(TrainedGroup { id: group.id, prompt: group.prompt, samples: Vec::new() });
            }
            if let Some(last) = part.last_mut() {
                last.samples.push(*sample);
            }
        }
    }
    cut
}

/// The partial gradients of this rank's parts, on the host but for the last one.
#[derive(Default)]
pub(crate) struct Partial {
    /// Of the first of several parts.
    first: Option<Vec<f32>>,
    further: Vec<Vec<f32>>,
    parts: usize,
}

impl Partial {
    /// Begins the gradient of the next part.
    pub fn begin(&mut self, policy: &mut Policy, ranks: &Ranks) -> Result<(), DeviceError> {
        if policy.has_peers() && self.parts > 0 {
            // Devices sum in an order of their own: the parts of one need not be kept apart.
            return Ok(());
        }
        self.keep(policy, ranks)?;
        policy.begin_update();
        self.parts += 1;
        Ok(())
    }

    /// Puts the gradient of the part that is done aside.
    fn keep(&mut self, policy: &mut Policy, ranks: &Ranks) -> Result<(), DeviceError> {
        match &mut self.first {
            _ if self.parts == 0 => {}
            None => self.first = Some(policy.take_gradient()?),
            // Nothing comes before the parts of rank 0: they can be summed at once.
            Some(first) if ranks.is_first() => policy.edit_gradient(&mut |part| add(first, part))?,
            Some(_) => self.further.push(policy.take_gradient()?),
        }
        Ok(())
    }

    /// Leaves the sum of all ranks' parts as the gradient of `policy`.
    pub fn sum(mut self, policy: &mut Policy, ranks: &Ranks) -> Result<(), UpdateError> {
        if policy.has_peers() {
            if self.parts == 0 {
                policy.begin_update();
            }
            return Ok(policy.sum_gradient()?);
        }
        match self.parts {
            0 => policy.begin_update(),
            1 => {}
            _ => self.keep(policy, ranks)?,
        }
        if let Some(first) = self.first {
            policy.put_gradient(first)?;
        }
        if ranks.are_several() {
            let (further, none) = (&self.further, self.parts == 0);
            let mut summed = Ok(());
            policy.edit_gradient(&mut |total| summed = ranks.sum(total, further, none))?;
            summed?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::{Config, Purpose};
    use crate::ranks::threads;
    use std::path::Path;

    /// What the gradient of each rank is after its share of `parts` parts, of which number `p` has the gradient 2^p.
    fn summed(parts: usize, size: usize, by_devices: bool) -> Vec<f32> {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
        let sets = ["train.device=\"cpu\"", "data.train=\"task:addition\"", "reward.name=\"exact\""].map(String::from);
        let sets = [&sets[..], &[format!("model.path={demo:?}")]].concat();
        let config = Config::from_text("run.toml".as_ref(), "", &sets, Purpose::Train).unwrap();
        let rank = |ranks: Ranks| {
            let (mut policy, _) = Policy::load(&demo, 16, "nothing", &config).unwrap();
            assert_eq!((policy.name_group().unwrap(), policy.has_peers()), (None, false));
            if by_devices {
                policy.pretend(&ranks);
            }
            let mut partial = Partial::default();
            for part in ranks.share(parts) {
                partial.begin(&mut policy, &ranks).unwrap();
                let own = (part as f32).exp2();
                policy.edit_gradient(&mut |sum| sum.iter_mut().for_each(|value| *value += own)).unwrap();
            }
            partial.sum(&mut policy, &ranks).unwrap();
            let gradient = policy.take_gradient().unwrap();
            assert!(gradient.iter().all(|&value| value == gradient[0]), "{gradient:?}");
            gradient[0]
        };
        std::thread::scope(|scope| {
            let all: Vec<_> = threads(size).into_iter().map(|ranks| scope.spawn(move || rank(ranks))).collect();
            all.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// Every part counts once, on every rank: with fewer, as many and more ranks than parts, and twice the same policy's.
    #[test]
    fn every_part_counts_once_whoever_sums() {
        for by_devices in [false, true] {
            for (parts, size) in [(1, 2), (2, 2), (5, 2), (3, 3), (2, 3), (4, 1)] {
                let want = (parts as f32).exp2() - 1.0;
                let found = summed(parts, size, by_devices);
                assert_eq!(found, vec![want; size], "{parts} parts, {size} ranks, by devices: {by_devices}");
            }
        }
    }

    #[test]
    fn parts_follow_one_another_and_are_even() {
        assert_eq!(part_of_each(&[1; 8], 4), [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(part_of_each(&[1; 3], 1), [0, 0, 0]);
        // More parts than things leave some empty; what weighs nothing is anywhere in between.
        assert_eq!(part_of_each(&[5, 5], 4), [1, 3]);
        assert_eq!(part_of_each(&[0, 0], 3), [0, 0]);
        assert_eq!(part_of_each(&[9, 0, 1, 0, 9, 0], 2), [0, 0, 1, 1, 1, 1]);
        let weights: Vec<usize> = (0..100).map(|i| 1 + i * 37 % 20).collect();
        let of = part_of_each(&weights, 7);
        assert!(of.is_sorted() && of[0] == 0 && of[99] == 6);
        let total: usize = weights.iter().sum();
        for part in 0..7 {
            let weight: usize = weights.iter().zip(&of).filter(|(_, of)| **of == part).map(|(w, _)| w).sum();
            assert!(weight.abs_diff(total / 7) <= 20, "part {part}: {weight} of {total}");
        }
    }
}
