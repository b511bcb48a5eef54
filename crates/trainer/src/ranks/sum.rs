//! The sum of partial gradients in a fixed order, whoever has them.
use super::{Link, RanksError};

/// Values that travel together: enough to hide a message's latency, few enough that a chain of ranks works on several at once.
const BLOCK: usize = 1 << 16;

/// `total` and `further` are this rank's parts, in order; afterwards `total` is `((p0 + p1) + p2) + …` over all ranks' parts.
///
/// Block by block the sum so far goes from rank to rank, each of which adds its parts to it, and the whole goes back the same
/// way. So the additions, and with them the bits, are those of one process that has all the parts, for any number of ranks; a
/// reduction by ring or tree would bracket them by the number of ranks. Each rank sends and receives every value twice, as
/// in a ring; `n` ranks take `2 (n - 1)` messages longer than the values themselves (docs/clusters.md).
pub(super) fn ordered_sum(
    link: Option<&dyn Link>,
    total: &mut [f32],
    further: &[Vec<f32>],
    none: bool,
) -> Result<(), RanksError> {
    let (rank, size) = link.map_or((0, 1), |link| (link.rank(), link.size()));
    let last = size - 1;
    let mut before = vec![0.0; if rank > 0 { BLOCK.min(total.len()) } else { 0 }];
    for (number, block) in total.chunks_mut(BLOCK).enumerate() {
        let first = number * BLOCK;
        if let Some(link) = link.filter(|_| rank > 0) {
            let before = &mut before[..block.len()];
            link.receive(rank - 1, before)?;
            match none {
                true => block.copy_from_slice(before),
                false => add(block, before),
            }
        }
        for part in further {
            add(block, &part[first..first + block.len()]);
        }
        if let Some(link) = link.filter(|_| rank < last) {
            link.send(rank + 1, block)?;
        }
    }
    let Some(link) = link else { return Ok(()) };
    for block in total.chunks_mut(BLOCK) {
        if rank < last {
            link.receive(rank + 1, block)?;
        }
        if rank > 0 {
            link.send(rank - 1, block)?;
        }
    }
    Ok(())
}

/// `sum += part`, element by element.
pub(crate) fn add(sum: &mut [f32], part: &[f32]) {
    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::ranks::{Ranks, threads};

    /// Values whose sum depends on the order of the additions: magnitudes apart, signs mixed.
    fn part(number: usize, len: usize) -> Vec<f32> {
        let value = |i: usize| {
            let x = (i * 7919 + number * 104_729) % 1000;
            (x as f32 - 500.0) * 10f32.powi(number as i32 % 5 * 3 - 6)
        };
        (0..len).map(value).collect()
    }

    /// The plain reference: one loop over all parts.
    fn plain(parts: &[Vec<f32>]) -> Vec<u32> {
        let mut sum = parts[0].clone();
        parts[1..].iter().for_each(|part| (0..sum.len()).for_each(|i| sum[i] += part[i]));
        sum.into_iter().map(f32::to_bits).collect()
    }

    fn summed(parts: &[Vec<f32>], ranks: usize) -> Vec<Vec<u32>> {
        let sum = |ranks: &Ranks| {
            let own = &parts[ranks.share(parts.len())];
            let mut total = own.first().cloned().unwrap_or_else(|| vec![f32::NAN; parts[0].len()]);
            ranks.sum(&mut total, own.get(1..).unwrap_or_default(), own.is_empty()).unwrap();
            total.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
        };
        let all = threads(ranks);
        std::thread::scope(|scope| {
            let all: Vec<_> = all.iter().map(|ranks| scope.spawn(move || sum(ranks))).collect();
            all.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn the_sum_has_the_bits_of_one_loop_for_any_number_of_ranks() {
        for len in [1, 1000, BLOCK, 3 * BLOCK + 17] {
            for count in [1, 2, 3, 4, 6] {
                let parts: Vec<Vec<f32>> = (0..count).map(|number| part(number, len)).collect();
                let plain = plain(&parts);
                for ranks in 1..=7 {
                    for (rank, sum) in summed(&parts, ranks).into_iter().enumerate() {
                        assert!(sum == plain, "{count} parts of {len} values, rank {rank} of {ranks}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_negative_zero_stays_one() {
        let parts = [vec![-0.0], vec![-0.0]];
        for ranks in 1..=3 {
            assert!(summed(&parts, ranks).iter().all(|sum| sum[0] == (-0.0f32).to_bits()), "{ranks}");
        }
    }

    #[test]
    fn a_rank_that_is_gone_is_named() {
        let mut all = threads(3);
        drop(all.remove(1));
        let mut total = vec![1.0; 4];
        assert_eq!(all[0].sum(&mut total, &[], false), Err(RanksError::Lost { rank: 1 }));
        assert_eq!(all[1].sum(&mut total, &[], false), Err(RanksError::Lost { rank: 1 }));
        assert_eq!(all[0].any(true), Err(RanksError::Lost { rank: 1 }));
    }
}
