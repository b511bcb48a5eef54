//! At a bound a token is inside, one rounding beyond it is not, and every objective's own bounds decide.

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use surefoot_objectives::control::Token;
use surefoot_objectives::{Advantages, Objective, RECIPES, Stats, TokenBatch};

/// Statistics and coefficients of tokens with these log-ratios and advantages, one a sequence.
fn evaluate(objective: &Objective, tokens: &[(f32, f32)]) -> (Stats, Vec<f32>) {
    let (logp, advantages): (Vec<f32>, Vec<f32>) = tokens.iter().copied().unzip();
    let (offsets, groups): (Vec<usize>, Vec<u32>) = ((0..=tokens.len()).collect(), vec![0; tokens.len()]);
    let zeros = vec![0.0; tokens.len()];
    let batch = TokenBatch::new(&logp, &zeros, Advantages::PerToken(&advantages), &offsets, &groups).unwrap();
    let denominators = objective.denominators(&offsets, None, &groups).unwrap();
    let result = objective.evaluate_detailed(&batch, &denominators).unwrap();
    (result.stats, result.detail.unwrap().coefficient)
}

#[test]
fn in_f64_the_bound_itself_is_inside() {
    for key in ["grpo", "dapo", "gspo", "ppo_dual_clip", "gppo", "ce_gppo", "dgpo", "aspo", "cpg"] {
        let objective = Objective::named(key).unwrap();
        let bounds = objective.control.bounds().unwrap();
        for (log_ratio, advantage) in [(bounds.log_low(), -1.0), (bounds.log_high(), 1.0)] {
            let got = objective.term(Token { logp: 0.0, log_ratio, advantage, progress: 1.0 }, 0.0).coefficient;
            let inside = match key {
                "cpg" => advantage,
                "aspo" if advantage > 0.0 => (-log_ratio).exp(),
                _ => log_ratio.exp() * advantage,
            };
            assert!((got - inside).abs() < 1e-15, "{key}: {got} against {inside}");
        }
    }
    let dual = Objective::named("ppo_dual_clip").unwrap();
    let at = |log_ratio| dual.term(Token { logp: 0.0, log_ratio, advantage: -1.0, progress: 1.0 }, 0.0).coefficient;
    assert!((at(3.0_f64.ln()) + 3.0).abs() < 1e-12);
    assert_eq!(at(3.0_f64.ln() + 1e-12), 0.0);
}

#[test]
fn clip_options_move_the_regions_of_every_objective_that_has_them() {
    for recipe in RECIPES {
        let mut objective = Objective::named(recipe.key).unwrap();
        objective.set("aggregation", "token-mean").unwrap();
        // gmpo's are those of the log-ratio, under names of their own
        if objective.control.bounds().is_none() || objective.control.clip_before_mean().is_some() {
            continue;
        }
        objective.set("clip_low", 0.5).unwrap();
        objective.set("clip_high", 1.0).unwrap();
        let tokens = [(0.6_f32, -1.0), (1.9, 1.0), (0.4, -1.0), (2.1, 1.0)].map(|(ratio, a)| (ratio.ln(), a));
        let (stats, _) = evaluate(&objective, &tokens);
        assert_eq!(stats.regions, [1, 1, 0, 0, 2], "{}", recipe.key);
        let clipped = stats.clipped.unwrap();
        assert_eq!((clipped.low, clipped.high), (1, 1), "{}", recipe.key);
    }
}

#[test]
fn dual_clip_counts_strictly_and_by_sign() {
    let limit = 3.0_f64.ln();
    let near = limit as f32;
    let inside = if f64::from(near) > limit { near.next_down() } else { near };
    let outside = inside.next_up();
    let dual =
        |key: &str, tokens: &[(f32, f32)]| evaluate(&Objective::named(key).unwrap(), tokens).0.clipped.unwrap().dual;
    for key in ["ppo_dual_clip", "aspo"] {
        assert_eq!(dual(key, &[(inside, -1.0)]), 0, "{key}");
        assert_eq!(dual(key, &[(outside, -1.0)]), 1, "{key}");
        assert_eq!(dual(key, &[(outside, 1.0)]), 0, "{key}: clipped above, if at all");
        assert_eq!(dual(key, &[(outside, 0.0), (-outside, 0.0)]), 0, "{key}: nothing to clip");
        assert_eq!(dual(key, &[(-outside, -1.0)]), 0, "{key}");
    }
    assert_eq!(dual("ppo_dual_clip", &[(-outside, 1.0)]), 0);
    assert_eq!(dual("aspo", &[(-outside, 1.0)]), 1);
    assert_eq!(dual("aspo", &[(-inside, 1.0)]), 0);
    let cap = 20.0_f64.ln() as f32;
    for (log_ratio, advantage, counted) in [(1.001, 1.0, 1), (1.001, -1.0, 1), (1.001, 0.0, 0), (0.999, -1.0, 0)] {
        let mut capped = Objective::named("dppo_tv").unwrap();
        capped.set("aggregation", "token-mean").unwrap();
        let clipped = evaluate(&capped, &[(log_ratio * cap, advantage)]).0.clipped.unwrap();
        assert_eq!(clipped.dual, counted, "{log_ratio} {advantage}");
    }
    let (_, coefficients) = evaluate(&Objective::named("ppo_dual_clip").unwrap(), &[(inside, -1.0), (outside, -1.0)]);
    assert!((coefficients[0] + 3.0).abs() < 1e-5 && coefficients[1] == 0.0, "{coefficients:?}");
}

#[test]
fn the_bound_of_dual_clip_is_the_upper_bound_where_that_is_greater() {
    let mut objective = Objective::named("ppo_dual_clip").unwrap();
    assert_eq!(objective.control.multiplier_bound(), Some(3.0));
    objective.set("dual_clip", 1.1).unwrap();
    objective.set("clip_high", 0.5).unwrap();
    assert_eq!(objective.control.multiplier_bound(), Some(1.5)); // r in HP's neighbourhood, A > 0
    let (_, coefficients) = evaluate(&objective, &[(1.49_f32.ln(), 1.0), (1.49_f32.ln(), -1.0)]);
    assert!((coefficients[0] - 1.49).abs() < 1e-5 && coefficients[1] == 0.0);
}

#[test]
fn tight_to_loose_thresholds_widen_along_the_sequence() {
    let mut objective = Objective::named("cpg").unwrap();
    objective.set("clip_schedule", "tight-to-loose").unwrap();
    objective.set("schedule_weight", 0.5).unwrap();
    // ε_i = 0.1 + 0.1·i/4 = 0.125, 0.15, 0.175, 0.2 for the four trained tokens
    let offsets = [0, 5];
    let mask = [true, true, false, true, true];
    let kept = |ratio: f32, advantage: f32| -> Vec<bool> {
        let logp = [ratio.ln(); 5];
        let batch = TokenBatch::new(
            &logp,
            &[0.0; 5],
            Advantages::PerSequence(std::slice::from_ref(&advantage)),
            &offsets,
            &[0],
        )
        .and_then(|batch| batch.with_mask(&mask))
        .unwrap();
        let denominators = objective.denominators(&offsets, Some(&mask), &[0]).unwrap();
        let coefficient = objective.evaluate_detailed(&batch, &denominators).unwrap().detail.unwrap().coefficient;
        mask.iter().zip(coefficient).filter(|(trained, _)| **trained).map(|(_, g)| g != 0.0).collect()
    };
    assert_eq!(kept(1.16, 1.0), [false, false, true, true]);
    assert_eq!(kept(1.19, 1.0), [false, false, false, true]);
    assert_eq!(kept(0.84, -1.0), [false, false, true, true]);
    assert_eq!(kept(0.84, 1.0), [true; 4]);
    for (progress, ratio, inside) in
        [(0.25, 1.124, true), (0.25, 1.126, false), (1.0, 1.199, true), (1.0, 1.201, false)]
    {
        let token = Token { logp: 0.0, log_ratio: f64::ln(ratio), advantage: 1.0, progress };
        assert_eq!(objective.term(token, 0.0).coefficient != 0.0, inside, "{progress} {ratio}");
    }
}

#[test]
fn regions_follow_the_objectives_own_bounds() {
    let mut bounded = 0;
    for recipe in RECIPES {
        let mut objective = Objective::named(recipe.key).unwrap();
        if objective.set("clip_low", 0.5).is_err() {
            continue;
        }
        objective.set("clip_high", 0.9).unwrap();
        let bounds = objective.control.bounds().unwrap();
        assert_eq!((bounds.low, bounds.high), (0.5, 0.9), "{}", recipe.key);
        bounded += 1;
    }
    assert!(bounded >= 12, "only {bounded} objectives have bounds");
}

#[test]
fn cpgd_loosens_its_bounds_along_a_sequence() {
    let mut objective = Objective::named("cpg").unwrap();
    objective.set("clip_schedule", "tight-to-loose").unwrap();
    objective.set("clip_high", 0.4).unwrap();
    // λ = 0.5: in the middle of a sequence three quarters of ε hold, 0.15 below and 0.3 above
    let coefficient = |ratio: f64, advantage: f64, progress: f64| {
        objective.term(Token { logp: -1.0, log_ratio: ratio.ln(), advantage, progress }, 0.0).coefficient
    };
    assert_eq!([coefficient(1.29, 1.0, 0.5), coefficient(1.31, 1.0, 0.5)], [1.0, 0.0]);
    assert_eq!([coefficient(0.86, -1.0, 0.5), coefficient(0.84, -1.0, 0.5)], [-1.0, 0.0]);
    assert_eq!([coefficient(1.39, 1.0, 1.0), coefficient(1.41, 1.0, 1.0)], [1.0, 0.0]);
    assert_eq!([coefficient(0.81, -1.0, 1.0), coefficient(0.79, -1.0, 1.0)], [-1.0, 0.0]);
}

/// Bounds of the log-ratio: at them a token is inside, and which side counts the advantage says.
#[test]
fn bounds_of_the_log_ratio_are_decided_by_each_token() {
    let mut objective = Objective::named("gmpo").unwrap();
    objective.set("clip_log_low", 0.5).unwrap();
    objective.set("clip_log_high", 0.75).unwrap();
    let [low, high] = [-0.5_f32, 0.75];
    let tokens = [(low, -1.0), (low.next_down(), -1.0), (high, 1.0), (high.next_up(), 1.0)];
    let (stats, coefficients) = evaluate(&objective, &tokens);
    let kept: Vec<bool> = coefficients.iter().map(|g| *g != 0.0).collect();
    assert_eq!(kept, [true, false, true, false]);
    assert_eq!(stats.regions, [1, 1, 0, 0, 2]);
    assert_eq!(stats.clipped.map(|clipped| (clipped.low, clipped.high)), Some((1, 1)));
    let (_, other) = evaluate(&objective, &[(-2.0, 1.0), (2.0, -1.0)]);
    assert!((f64::from(other[0]) - (-2.0_f64).exp()).abs() < 1e-7, "{other:?}");
    assert!((f64::from(other[1]) + 2.0_f64.exp()).abs() < 1e-5, "{other:?}");
}

/// A rare token may double and more, a likely one may not move far: the divergence of its probability decides, on the side pushed to.
#[test]
fn dppo_masks_by_probability() {
    let coefficient = |key: &str, old: f64, new: f64, advantage: f64| {
        let objective = Objective::named(key).unwrap();
        let token = Token { logp: new.ln(), log_ratio: (new / old).ln(), advantage, progress: 1.0 };
        objective.term(token, 0.0).coefficient
    };
    let near = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-12, "{got} against {expected}");
    for key in ["dppo_tv", "dppo_kl"] {
        near(coefficient(key, 0.001, 0.008, 1.0), 8.0);
        near(coefficient(key, 0.0001, 0.008, 1.0), 20.0); // the cap
        assert_eq!(coefficient(key, 0.5, 0.7, 1.0), 0.0);
        near(coefficient(key, 0.5, 0.7, -1.0), -1.4);
        assert_eq!(coefficient(key, 0.5, 0.3, -1.0), 0.0);
        near(coefficient(key, 0.5, 0.3, 1.0), 0.6);
    }
    // 0.15 of probability, either way
    near(coefficient("dppo_tv", 0.5, 0.6499, 1.0), 1.2998);
    assert_eq!(coefficient("dppo_tv", 0.5, 0.6501, 1.0), 0.0);
    near(coefficient("dppo_tv", 0.5, 0.3501, -1.0), -0.7002);
    assert_eq!(coefficient("dppo_tv", 0.5, 0.3499, -1.0), 0.0);
    // KL(π_old‖π) of a coin: ½·ln(0.25/(p·(1 − p))) is 0.05 at p = ½ ± ½·√(1 − e^(−0.1))
    let far = 0.5 * (1.0 - (-0.1_f64).exp()).sqrt();
    for (inside, outside, sign) in [(far - 1e-6, far + 1e-6, 1.0), (1e-6 - far, -far - 1e-6, -1.0)] {
        assert!(coefficient("dppo_kl", 0.5, 0.5 + inside, sign) != 0.0);
        assert_eq!(coefficient("dppo_kl", 0.5, 0.5 + outside, sign), 0.0);
    }
}
