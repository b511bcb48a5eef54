//! Statistics against hand-worked numbers.

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use surefoot_objectives::{Advantages, Objective, Region, Stats, TokenBatch};

fn stats(objective: &Objective, ratios: &[f32], advantages: &[f32], mask: &[bool]) -> Stats {
    let logp: Vec<f32> = ratios.iter().map(|ratio| ratio.ln()).collect();
    let zeros = vec![0.0; ratios.len()];
    let offsets = [0, ratios.len()];
    let batch = TokenBatch::new(&logp, &zeros, Advantages::PerToken(advantages), &offsets, &[0]).unwrap();
    let batch = batch.with_mask(mask).unwrap();
    let denominators = objective.denominators(&offsets, Some(mask), &[0]).unwrap();
    objective.evaluate(&batch, &denominators).unwrap().stats
}

fn metric(stats: &Stats, name: &str) -> f64 {
    let metrics = stats.metrics();
    let found = metrics.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no {name} among {metrics:?}")).1
}

fn near(stats: &Stats, name: &str, expected: f64) {
    let got = metric(stats, name);
    assert!((got - expected).abs() <= 1e-6 * (1.0 + expected.abs()), "{name} is {got}, expected {expected}");
}

const RATIOS: [f32; 8] = [0.5, 0.5, 2.0, 2.0, 1.0, 1.0, 4.0, 100.0];
const ADVANTAGES: [f32; 8] = [-1.0, 1.0, 1.0, -1.0, 1.0, 0.0, -1.0, 7.0];
/// The last token, at ratio 100, is not trained.
const MASK: [bool; 8] = [true, true, true, true, true, true, true, false];

#[test]
fn grpo() {
    let objective = Objective::named("grpo").unwrap();
    let stats = stats(&objective, &RATIOS, &ADVANTAGES, &MASK);
    assert_eq!((stats.tokens, stats.sequences), (7, 1));
    near(&stats, "ratio/mean", 11.0 / 7.0);
    near(&stats, "ratio/max", 4.0);
    near(&stats, "ratio/min", 0.5);
    // (Σr)²/(n·Σr²) with Σr² = ¼ + ¼ + 4 + 4 + 1 + 1 + 16
    near(&stats, "ratio/ess", 121.0 / (7.0 * 26.5));
    // Σℓ = (−1 −1 +1 +1 +0 +0 +2)·ln 2
    let ln2 = 2.0_f64.ln();
    near(&stats, "kl/k1", -2.0 * ln2 / 7.0);
    near(&stats, "kl/k2", 0.5 * 8.0 * ln2 * ln2 / 7.0);
    near(&stats, "kl/k3", (11.0 - 7.0 - 2.0 * ln2) / 7.0);
    assert_eq!(stats.regions, [1, 1, 1, 2, 2]);
    assert_eq!(Region::ALL.len(), stats.regions.len());
    near(&stats, "region/ln", 1.0 / 7.0);
    near(&stats, "region/hp", 1.0 / 7.0);
    near(&stats, "region/lp", 1.0 / 7.0);
    near(&stats, "region/hn", 2.0 / 7.0);
    near(&stats, "region/m", 2.0 / 7.0);
    near(&stats, "clip/low", 1.0 / 7.0);
    near(&stats, "clip/high", 1.0 / 7.0);
    near(&stats, "clip/dual", 0.0);
    near(&stats, "gradient/zeroed", 2.0 / 7.0);
    // multipliers 0, ½, 0, 2, 1, 1, 4
    near(&stats, "multiplier/mean", 8.5 / 7.0);
    near(&stats, "multiplier/max", 4.0);
    assert!(stats.metrics().iter().all(|(name, _)| *name != "multiplier/bound"), "r is unbounded in HN");
    assert!(stats.hazard.is_none() && stats.weights.is_none() && stats.reference.is_none());
}

#[test]
fn clipping_is_counted_where_each_objective_clips() {
    let of = |key: &str| stats(&Objective::named(key).unwrap(), &RATIOS, &ADVANTAGES, &MASK);
    let clipped = |key: &str| of(key).clipped.map(|clipped| (clipped.low, clipped.high, clipped.dual));
    assert_eq!(clipped("grpo"), Some((1, 1, 0)));
    assert_eq!(clipped("ppo_dual_clip"), Some((1, 1, 1))); // r = 4 > 3, A < 0
    assert_eq!(clipped("aspo"), Some((1, 1, 1)));
    assert_eq!(clipped("cispo"), Some((2, 3, 0))); // either sign
    assert_eq!(clipped("dgpo"), Some((1, 1, 0)));
    assert_eq!(clipped("gppo"), Some((1, 1, 0)));
    assert_eq!(clipped("cpgd"), Some((1, 1, 0)));
    assert_eq!(clipped("pgd"), None);
    assert_eq!(clipped("mhpo"), None);
    assert_eq!(clipped("sapo"), None);
    assert_eq!(of("ppo_dual_clip").zeroed, 3);
    assert_eq!(of("gppo").zeroed, 0);
    near(&of("cispo"), "multiplier/bound", 1.2);
    near(&of("cispo"), "multiplier/headroom", 0.0);
    // the sequence's mean log-ratio is (2/7)·ln 2: all positive advantages are clipped, all negative ones in HN
    assert_eq!(of("gspo").regions, [0, 3, 0, 3, 1]);
    assert_eq!(clipped("gspo"), Some((0, 3, 0)));
}

#[test]
fn regions_are_those_of_the_objective() {
    let of =
        |key: &str| stats(&Objective::named(key).unwrap(), &[1.25, 1.25, 0.999, 1.0], &[1.0; 4], &[true; 4]).regions;
    assert_eq!(of("grpo"), [0, 2, 0, 0, 2]);
    assert_eq!(of("dapo"), [0, 0, 0, 0, 4]); // 1.25 is below 1.28
    assert_eq!(of("gspo"), [0, 4, 0, 0, 0]); // the sequence's mean is above 1.0004
    assert_eq!(of("sapo"), [0, 2, 0, 0, 2]); // no bounds: ε = 0.2
}

#[test]
fn dual_clip_counts_low_ratios_of_positive_advantages_in_aspo() {
    let objective = Objective::named("aspo").unwrap();
    let stats = stats(&objective, &[0.2, 0.5, 0.2, 5.0], &[1.0, 1.0, -1.0, -1.0], &[true; 4]);
    assert_eq!(stats.clipped.map(|clipped| clipped.dual), Some(2));
    near(&stats, "multiplier/max", 3.0);
}

#[test]
fn mhpo() {
    let objective = Objective::named("mhpo").unwrap();
    let stats = stats(&objective, &[1.0, 2.0, 0.5], &[1.0, -1.0, 1.0], &[true; 3]);
    // ψ = 1.5·tanh(ln r/1.5), ζ and the multiplier at r = 1, 2, ½ from the specification
    near(&stats, "mhpo/psi_mean", 0.0);
    near(&stats, "mhpo/psi_max", 1.5 * (2.0_f64.ln() / 1.5).tanh());
    let zeta: [f64; 3] = [1.327803, 1.381318, 2.057007];
    let got = metric(&stats, "mhpo/zeta_mean");
    assert!((got - zeta.iter().sum::<f64>() / 3.0).abs() < 1e-4, "{got}");
    assert!((metric(&stats, "mhpo/zeta_max") - zeta[2]).abs() < 1e-4);
    assert!((metric(&stats, "mhpo/survival_mean") - zeta.iter().map(|z| (-z).exp()).sum::<f64>() / 3.0).abs() < 1e-4);
    assert!((metric(&stats, "mhpo/survival_min") - (-zeta[2]).exp()).abs() < 1e-4);
    assert!((metric(&stats, "multiplier/mean") - (0.26506 + 0.39065 + 0.05442) / 3.0).abs() < 1e-5);
    assert!((metric(&stats, "multiplier/bound") - 0.39581).abs() < 1e-5);
    assert!((metric(&stats, "multiplier/headroom") - (0.39581 - 0.39065)).abs() < 1e-5);
    // regions are reported with DGPO's bounds
    assert_eq!(stats.regions, [0, 0, 1, 1, 1]);
}

#[test]
fn quantiles_of_ratio_and_multiplier() {
    let ratios: Vec<f32> = (1..=1000).map(|i| (i as f32 - 500.0) * 1e-3).map(f32::exp).collect();
    let objective = Objective::named("is").unwrap();
    let stats = stats(&objective, &ratios, &vec![1.0; 1000], &vec![true; 1000]);
    for (name, share) in
        [("ratio/p01", 0.01), ("ratio/p05", 0.05), ("ratio/p50", 0.5), ("ratio/p95", 0.95), ("ratio/p99", 0.99)]
    {
        let exact = (f64::from((share * 1000.0) as f32) - 500.0) * 1e-3;
        let got = metric(&stats, name).ln();
        assert!((got - exact).abs() <= 0.0625 * exact.abs() + 1e-3, "{name}: {got} against {exact}");
    }
    for (name, share) in [("multiplier/p05", 0.05), ("multiplier/p50", 0.5), ("multiplier/p95", 0.95)] {
        let exact = ((share * 1000.0 - 500.0) * 1e-3_f64).exp();
        let got = metric(&stats, name);
        assert!((got / exact - 1.0).abs() <= 0.0625, "{name}: {got} against {exact}");
    }
}

#[test]
fn quantiles_of_great_multipliers() {
    // F = r, even in ln r from 300 to 3000 and far beyond
    for (low, high) in [(300.0_f64, 3000.0), (1e3, 1e8), (1e2, 1e14)] {
        let of = |share: f64| low * (high / low).powf(share);
        let ratios: Vec<f32> = (0..=2000).map(|i| of(f64::from(i) / 2000.0) as f32).collect();
        let stats = stats(&Objective::named("is").unwrap(), &ratios, &vec![1.0; 2001], &vec![true; 2001]);
        for (name, share) in [("multiplier/p05", 0.05), ("multiplier/p50", 0.5), ("multiplier/p95", 0.95)] {
            let (got, exact) = (metric(&stats, name), of(share));
            assert!((got / exact - 1.0).abs() <= 0.0625, "{name} from {low} to {high}: {got} against {exact}");
        }
        for (from, to, _) in stats.multiplier.bins() {
            assert!(to <= from * 1.0625 + f64::from(f32::EPSILON), "{from} to {to}");
        }
    }
    // what lies beyond is between the last edge and the greatest
    let ratios = vec![80.0_f32.exp(); 3];
    let far = stats(&Objective::named("is").unwrap(), &ratios, &[1.0; 3], &[true; 3]);
    let (from, to, count) = far.multiplier.bins().next().unwrap();
    assert!(from <= 2.0_f64.powi(47) && to == f64::INFINITY && count == 3, "{from} to {to}");
    assert!((metric(&far, "multiplier/p50") / 80.0_f64.exp() - 1.0).abs() < 1e-4);
}

#[test]
fn reference_and_weights() {
    let objective = Objective::named("grpo").unwrap();
    let (logp, logp_ref) = ([-1.0_f32, -2.0, -3.0], [-1.5_f32, -2.0, -2.0]);
    let batch = TokenBatch::new(&logp, &logp, Advantages::PerSequence(&[1.0]), &[0, 3], &[0])
        .and_then(|batch| batch.with_logp_ref(&logp_ref))
        .and_then(|batch| batch.with_token_weights(&[0.0, 2.0, 1.0]))
        .unwrap();
    let denominators = objective.denominators(&[0, 3], None, &[0]).unwrap();
    let stats = objective.evaluate(&batch, &denominators).unwrap().stats;
    near(&stats, "kl_ref/k1", (0.5 + 0.0 - 1.0) / 3.0);
    near(&stats, "kl_ref/k2", (0.125 + 0.5) / 3.0);
    near(&stats, "kl_ref/k3", ((-0.5_f64).exp() - 1.0 + 0.5 + 1.0_f64.exp() - 2.0) / 3.0);
    near(&stats, "weight/mean", 1.0);
    near(&stats, "weight/max", 2.0);
    near(&stats, "weight/zero", 1.0 / 3.0);
    near(&stats, "weight/ess", 9.0 / (3.0 * 5.0));
}

#[test]
fn merging_and_nothing() {
    let objective = Objective::named("mhpo").unwrap();
    let one = stats(&objective, &[1.0, 2.0], &[1.0, 1.0], &[true, true]);
    let mut sum = Stats::empty();
    assert!(sum.metrics().is_empty());
    sum.merge(&one);
    assert_eq!(sum, one);
    sum.merge(&Stats::empty());
    assert_eq!(sum, one);
    sum.merge(&one);
    assert_eq!(sum.tokens, 4);
    for ((name, twice), (_, once)) in sum.metrics().into_iter().zip(one.metrics()) {
        assert!((twice - once).abs() < 1e-12, "{name}");
    }
}

#[test]
fn every_name_is_defined_in_the_documentation() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/statistics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let objective = Objective::named("mhpo").unwrap();
    let mut names: Vec<&str> =
        stats(&objective, &[1.0], &[1.0], &[true]).metrics().iter().map(|(name, _)| *name).collect();
    names.extend(["clip/low", "clip/high", "clip/dual", "kl_ref/k1", "kl_ref/k2", "kl_ref/k3"]);
    names.extend(["weight/mean", "weight/max", "weight/zero", "weight/ess"]);
    names.extend(["behavior/k1", "behavior/k3", "behavior/gap_max", "behavior/bounded", "behavior/rejected"]);
    names.push("behavior/rejected_sequences");
    for name in names {
        assert!(text.contains(&format!("`{name}`")), "docs/statistics.md does not define {name}");
    }
}
