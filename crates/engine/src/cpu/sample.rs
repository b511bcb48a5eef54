//! The choice of a next token from a row of logits.
use super::head::{row_statistics, token_logp};
use super::math::exp;
use super::parallel::{Threading, with_scratch};
use super::simd::kernel;
use crate::device::{Choice, Sampling};

/// Probabilities summed at once while looking for the token that a draw falls on.
const BLOCK: usize = 256;

kernel! {
    /// Unnormalised probabilities `exp(scale * logit - max)`, and their sums by block.
    fn exponentials(logits: &[f32], scale: f32, max: f32, out: &mut [f32], sums: &mut Vec<f32>) {
        sums.clear();
        for (from, to) in logits.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
            for (to, &v) in to.iter_mut().zip(from) {
                *to = exp(v.mul_add(scale, -max));
            }
            sums.push(super::math::sum_by(to.len(), |i| to[i]));
        }
    }
}

/// Chooses a token for each of `uniforms.len()` rows; `uniforms[b]` in [0, 1) decides row `b`.
pub fn sample(
    threading: Threading,
    logits: &[f32],
    vocabulary: usize,
    rule: &Sampling,
    uniforms: &[f32],
) -> Vec<Choice> {
    let choices = std::sync::Mutex::new(vec![Choice::default(); uniforms.len()]);
    threading.rows(uniforms.len(), 2, |first, count| {
        for b in first..first + count {
            let choice = choose(&logits[b * vocabulary..][..vocabulary], rule, uniforms[b]);
            if let Ok(mut choices) = choices.lock() {
                choices[b] = choice;
            }
        }
    });
    choices.into_inner().unwrap_or_default()
}

/// Chooses a token from one row.
pub fn choose(logits: &[f32], rule: &Sampling, uniform: f32) -> Choice {
    if rule.temperature == 0.0 {
        let row = row_statistics(logits, 1.0);
        let best = (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best });
        let logp = token_logp(logits, best as u32, 1.0, &row);
        return Choice { token: best as u32, logp, logp_behavior: 0.0, entropy: row.entropy };
    }
    let scale = 1.0 / rule.temperature;
    let row = row_statistics(logits, scale);
    with_scratch(logits.len(), |p| {
        let mut sums = Vec::new();
        exponentials(logits, scale, row.max, p, &mut sums);
        let kept = if rule.truncates() { truncate(p, rule, &mut sums) } else { 1.0 };
        let token = locate(p, &sums, uniform) as u32;
        let logp = token_logp(logits, token, scale, &row);
        let logp_behavior = if rule.truncates() { logp - kept.ln() } else { logp };
        Choice { token, logp, logp_behavior, entropy: row.entropy }
    })
}

/// Index at which the cumulated weight passes `uniform` times the total.
fn locate(p: &[f32], sums: &[f32], uniform: f32) -> usize {
    let total: f64 = sums.iter().map(|&s| f64::from(s)).sum();
    let mut left = f64::from(uniform) * total;
    let mut block = 0;
    while block + 1 < sums.len() && left >= f64::from(sums[block]) {
        left -= f64::from(sums[block]);
        block += 1;
    }
    let mut last = block * BLOCK;
    for (i, &v) in p.iter().enumerate().skip(block * BLOCK) {
        if v > 0.0 {
            last = i;
            if left < f64::from(v) {
                return i;
            }
            left -= f64::from(v);
        }
    }
    // Rounding can leave a crumb beyond the last weight of the last block.
    if p[last] > 0.0 { last } else { p.iter().rposition(|&v| v > 0.0).unwrap_or(0) }
}

/// Zeroes what top-k, then top-p, then min-p leave out; returns the share of probability that is kept. Ties go to the lower
/// token.
fn truncate(p: &mut [f32], rule: &Sampling, sums: &mut Vec<f32>) -> f32 {
    let total: f64 = p.iter().map(|&v| f64::from(v)).sum();
    let mut order: Vec<u32> = (0..p.len() as u32).collect();
    let by_weight = |a: &u32, b: &u32| p[*b as usize].total_cmp(&p[*a as usize]).then(a.cmp(b));
    if rule.top_k > 0 && rule.top_k < order.len() {
        order.select_nth_unstable_by(rule.top_k - 1, by_weight);
        order.truncate(rule.top_k);
    }
    if rule.top_p < 1.0 {
        order.sort_unstable_by(by_weight);
        let within: f64 = order.iter().map(|&i| f64::from(p[i as usize])).sum();
        let mut mass = 0.0;
        let enough = f64::from(rule.top_p) * within;
        let keep = order.iter().take_while(|&&i| {
            let before = mass;
            mass += f64::from(p[i as usize]);
            before < enough
        });
        let keep = keep.count().max(1);
        order.truncate(keep);
    }
    // The largest weight is 1, up to the rounding of its logit; where that leaves none, all stay.
    if order.iter().any(|&i| p[i as usize] >= rule.min_p) {
        order.retain(|&i| p[i as usize] >= rule.min_p);
    }
    let mut kept = vec![false; p.len()];
    order.iter().for_each(|&i| kept[i as usize] = true);
    p.iter_mut().zip(kept).for_each(|(v, keep)| *v = if keep { *v } else { 0.0 });
    sums.clear();
    sums.extend(p.chunks(BLOCK).map(|c| c.iter().sum::<f32>()));
    (p.iter().map(|&v| f64::from(v)).sum::<f64>() / total) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(temperature: f32, top_p: f32, top_k: usize) -> Sampling {
        Sampling { temperature, top_p, top_k, min_p: 0.0 }
    }

    /// Logits of a known distribution over 600 tokens, most of it on five of them.
    fn logits() -> Vec<f32> {
        (0..600).map(|i| if i % 120 == 7 { 4.0 + (i / 120) as f32 * 0.5 } else { -2.0 }).collect()
    }

    #[test]
    fn frequencies_follow_the_tempered_distribution() {
        let logits = logits();
        let scaled: Vec<f64> = logits.iter().map(|&l| (f64::from(l) / 0.7).exp()).collect();
        let total: f64 = scaled.iter().sum();
        let n = 20_000;
        let mut counts = vec![0f64; logits.len()];
        for k in 0..n {
            let choice = choose(&logits, &rule(0.7, 1.0, 0), (k as f32 + 0.5) / n as f32);
            counts[choice.token as usize] += 1.0;
            let want = (scaled[choice.token as usize] / total).ln();
            assert!((f64::from(choice.logp) - want).abs() < 1e-5);
            assert_eq!(choice.logp, choice.logp_behavior);
        }
        for (c, s) in counts.iter().zip(&scaled) {
            assert!((c / n as f64 - s / total).abs() < 2e-4, "{c} of {n} against {}", s / total);
        }
    }

    #[test]
    fn truncation_keeps_the_nucleus_and_reports_both_log_probabilities() {
        let logits = logits();
        for k in 0..2000 {
            let u = k as f32 / 2000.0;
            let choice = choose(&logits, &rule(1.0, 1.0, 2), u);
            assert!([367, 487].contains(&choice.token), "{}", choice.token);
            let share = 1.0 / (1.0 + (-0.5f32).exp());
            let want = if choice.token == 487 { share.ln() } else { (1.0 - share).ln() };
            assert!((choice.logp_behavior - want).abs() < 1e-5);
            assert!(choice.logp < choice.logp_behavior);
            let nucleus = choose(&logits, &rule(1.0, 0.35, 0), u);
            assert_eq!(nucleus.token, 487);
            assert!(nucleus.logp_behavior.abs() < 1e-6);
        }
        assert_eq!(choose(&logits, &rule(0.0, 1.0, 0), 0.9).token, 487);
    }

    #[test]
    fn min_p_keeps_what_is_near_the_most_probable() {
        let logits = logits();
        // Weights are 1, e^-0.5, e^-1, e^-1.5, e^-2 and, 595 times, e^-8; at temperature 2 their roots.
        for (temperature, min_p, kept) in
            [(1.0, 0.5, 2), (1.0, 0.3, 3), (2.0, 0.5, 3), (1.0, 1e-3, 5), (1.0, 1e-4, 600)]
        {
            let rule = Sampling { min_p, ..rule(temperature, 1.0, 0) };
            let weight = |token: u32| (f64::from(logits[token as usize] - 6.0) / f64::from(temperature)).exp();
            let total: f64 = (0..600).map(weight).filter(|&w| w >= f64::from(min_p)).sum();
            let mut seen = std::collections::HashSet::new();
            for k in 0..20_000 {
                let choice = choose(&logits, &rule, (k as f32 + 0.5) / 20_000.0);
                assert!((f64::from(choice.logp_behavior) - (weight(choice.token) / total).ln()).abs() < 1e-5);
                seen.insert(choice.token);
            }
            assert_eq!(seen.len(), kept, "{rule:?}");
        }
        // With top-k, both; and never nothing.
        let both = Sampling { min_p: 0.3, ..rule(1.0, 1.0, 2) };
        assert!((0..100).all(|k| [367, 487].contains(&choose(&logits, &both, k as f32 / 100.0).token)));
        let one = Sampling { min_p: 0.999_999_9, ..rule(0.7, 1.0, 0) };
        assert!((0..100).all(|k| choose(&[1e6, 3.0, 1e6], &one, k as f32 / 100.0).token != 1));
    }

    #[test]
    fn extreme_logits_and_draws_stay_in_range() {
        let mut logits = vec![-1e30f32; 300];
        logits[0] = 1e30;
        assert_eq!(choose(&logits, &rule(1.0, 1.0, 0), 1.0 - f32::EPSILON / 2.0).token, 0);
        assert_eq!(choose(&[0.0; 3], &rule(1.0, 1.0, 0), 0.999_999_94).token, 2);
    }
}
