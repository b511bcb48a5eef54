//! Avg@k, Pass@k and majority vote over problems, with intervals.
use crate::random::Random;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 2000;
/// Seed of the resamples: the same results give the same intervals.
const SEED: u64 = 0x5eed_ab1e;

/// A mean over problems with its 95% interval: the percentile bootstrap over problems, and at least what their number allows.
///
/// Resamples know no problem but those that are there: where all have the same value, as when none is solved, the bootstrap would claim
/// certainty. Among n problems, a kind of which none is there makes up at most `u = 1 − 0.025^(1/n)` of all (the exact bound of Clopper and
/// Pearson 1934 for none of n), so the interval reaches from `mean·(1 − u) + u·least` to `mean·(1 − u) + u·greatest` possible value at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// The mean.
    pub value: f64,
    /// 2.5% of the bootstrap's means lie below.
    pub low: f64,
    /// 2.5% of the bootstrap's means lie above.
    pub high: f64,
}

/// Half of what a 95% interval leaves out.
const TAIL: f64 = 0.025;

impl Interval {
    /// The interval around the mean `value` of `problems` values between `least` and `greatest`, of which resamples had the means `drawn`.
    pub(super) fn of(value: f64, mut drawn: Vec<f64>, problems: usize, [least, greatest]: [f64; 2]) -> Self {
        drawn.sort_by(f64::total_cmp);
        let at = |share: f64| drawn[((drawn.len() - 1) as f64 * share).round() as usize];
        let others = 1.0 - TAIL.powf(1.0 / problems as f64);
        let toward = |end: f64| value * (1.0 - others) + end * others;
        Interval { value, low: at(TAIL).min(toward(least)), high: at(1.0 - TAIL).max(toward(greatest)) }
    }
}

/// Probability that at least one of `k` samples is right, estimated without bias from `samples` of which `correct` are:
/// `1 − C(n−c, k) / C(n, k)` (Chen et al. 2021, arXiv 2107.03374, eq. 1), as a product so that nothing overflows.
///
/// ```
/// use surefoot_trainer::evaluate::pass_at;
///
/// assert_eq!(pass_at(1, 4, 1), 0.25);
/// assert_eq!(pass_at(2, 4, 1), 0.5);
/// assert_eq!(pass_at(4, 4, 1), 1.0);
/// ```
///
/// # Panics
/// If `k` exceeds `samples`, or `correct` does.
pub fn pass_at(k: usize, samples: usize, correct: usize) -> f64 {
    assert!(k <= samples && correct <= samples, "{correct} correct and k = {k} of {samples} samples");
    let wrong = samples - correct;
    if wrong < k {
        return 1.0;
    }
    // Every factor is the chance that one more draw without replacement is wrong as well.
    1.0 - (0..k).map(|i| (wrong - i) as f64 / (samples - i) as f64).product::<f64>()
}

/// 1, 2, 4 … up to `samples`, and `samples` itself.
pub fn powers(samples: usize) -> Vec<usize> {
    let mut ks: Vec<usize> = std::iter::successors(Some(1), |k| Some(k * 2)).take_while(|&k| k < samples).collect();
    ks.push(samples);
    ks
}

/// Means of several statistics over the same problems; `rows[p]` holds every statistic of problem `p`, each between 0 and 1.
/// The interval says how far another draw of such problems could lie.
pub fn bootstrap(rows: &[Vec<f64>]) -> Vec<Interval> {
    let Some(width) = rows.first().map(Vec::len) else { return Vec::new() };
    let mean_of = |draw: &mut dyn FnMut() -> usize| {
        let mut sums = vec![0.0; width];
        for _ in 0..rows.len() {
            for (sum, value) in sums.iter_mut().zip(&rows[draw()]) {
                *sum += value;
            }
        }
        sums.into_iter().map(|sum| sum / rows.len() as f64).collect::<Vec<f64>>()
    };
    let mut next = 0..rows.len();
    let means = mean_of(&mut || next.next().unwrap_or(0));
    let mut random = Random::new(SEED, rows.len() as u64);
    let drawn: Vec<Vec<f64>> =
        (0..RESAMPLES).map(|_| mean_of(&mut || random.below(rows.len() as u64) as usize)).collect();
    means
        .into_iter()
        .enumerate()
        .map(|(s, value)| Interval::of(value, drawn.iter().map(|means| means[s]).collect(), rows.len(), [0.0, 1.0]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the definition: the share of all subsets of `k` samples that hold a right one.
    #[test]
    fn pass_at_k_is_the_share_of_subsets_with_a_right_sample() {
        for n in 1..=8usize {
            for correct in 0..=n {
                for k in 1..=n {
                    let subsets: Vec<u32> = (0..1u32 << n).filter(|set| set.count_ones() as usize == k).collect();
                    let right = (1u32 << correct) - 1;
                    let share = subsets.iter().filter(|&&set| set & right != 0).count() as f64 / subsets.len() as f64;
                    assert!((pass_at(k, n, correct) - share).abs() < 1e-12, "n {n}, c {correct}, k {k}");
                }
            }
        }
    }

    #[test]
    fn powers_end_at_the_number_of_samples() {
        assert_eq!(powers(1), [1]);
        assert_eq!(powers(8), [1, 2, 4, 8]);
        assert_eq!(powers(12), [1, 2, 4, 8, 12]);
    }

    /// A fair coin over 400 problems: the interval is close to the normal approximation's, 0.5 ± 1.96 · 0.5 / 20.
    #[test]
    fn the_bootstrap_agrees_with_the_normal_approximation() {
        let rows: Vec<Vec<f64>> = (0..400).map(|p| vec![f64::from(p % 2), 0.25]).collect();
        let found = bootstrap(&rows);
        assert_eq!(found[0].value, 0.5);
        assert!((found[0].low - 0.451).abs() < 0.005 && (found[0].high - 0.549).abs() < 0.005, "{found:?}");
        assert_eq!(found[1].value, 0.25);
    }

    /// One more solved problem lowers no bound, also where hardly any or nearly all are solved.
    #[test]
    fn bounds_rise_with_the_problems_that_are_solved() {
        for n in [12, 30, 100] {
            let of = |solved: usize| {
                bootstrap(&(0..n).map(|p| vec![f64::from(u8::from(p < solved))]).collect::<Vec<_>>())[0]
            };
            for solved in 0..n {
                let (less, more) = (of(solved), of(solved + 1));
                assert!(less.low <= more.low && less.high <= more.high, "{solved} of {n}: {less:?}, {more:?}");
            }
        }
    }

    /// Clopper and Pearson's 95% bounds for 0 of 10 and of 50, from their tables: 0.3085 and 0.0711.
    #[test]
    fn equal_values_have_the_exact_binomial_bound() {
        for (n, bound) in [(10, 0.3085), (50, 0.0711)] {
            let found = bootstrap(&vec![vec![0.0, 1.0, 0.25]; n]);
            let near = |found: Interval, value: f64, low: f64, high: f64| {
                let close = |a: f64, b: f64| (a - b).abs() < 5e-5;
                assert!(
                    close(found.value, value) && close(found.low, low) && close(found.high, high),
                    "{n}: {found:?}"
                );
            };
            near(found[0], 0.0, 0.0, bound);
            near(found[1], 1.0, 1.0 - bound, 1.0);
            near(found[2], 0.25, 0.25 * (1.0 - bound), 0.25 + 0.75 * bound);
        }
    }
}
