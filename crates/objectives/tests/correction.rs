//! Behaviour corrections against hand-worked numbers, and their place beside the ratio.

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use surefoot_objectives::correction::{Corrected, Correction, Criterion};
use surefoot_objectives::{Advantages, Objective, ObjectiveError, OptionError, TokenBatch};

const LN_2: f32 = std::f32::consts::LN_2;
/// Two sequences; the ratios π_old/π_b of their tokens are 1, 2, 4, ½ and 2, 1.
const OFFSETS: [usize; 3] = [0, 4, 6];

fn behavior() -> [f32; 6] {
    [-1.0, -1.0 - LN_2, -1.0 - 2.0 * LN_2, -1.0 + LN_2, -1.0 - LN_2, -1.0]
}

fn apply(options: &[(&str, &str)], mask: Option<&[bool]>) -> Corrected {
    let mut correction = Correction::default();
    for (key, value) in options {
        correction.set(key, *value).unwrap();
    }
    correction.apply(&[-1.0; 6], &behavior(), &OFFSETS, mask).unwrap()
}

fn close(got: &Option<Vec<f32>>, expected: &[f32]) {
    let got = got.as_ref().unwrap();
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-5, "{got} against {expected}");
    }
}

#[test]
fn nothing_by_default() {
    let corrected = apply(&[], None);
    assert_eq!((corrected.token_weights, corrected.mask), (None, None));
    assert_eq!(corrected.stats.tokens, 6);
    assert!((corrected.stats.gap_max - 4.0_f64.ln()).abs() < 1e-6);
    // k1 = −mean b, b = ln of 1, 2, 4, ½, 2, 1
    let metrics = corrected.stats.metrics();
    assert!((metrics[0].1 + 3.0 * 2.0_f64.ln() / 6.0).abs() < 1e-6, "{metrics:?}");
    // k3 = mean(r − 1 − ln r)
    assert!((metrics[1].1 - (4.5 - 3.0 * 2.0_f64.ln()) / 6.0).abs() < 1e-6, "{metrics:?}");
}

#[test]
fn importance_weights_by_token_and_sequence() {
    close(&apply(&[("rollout_is", "token")], None).token_weights, &[1.0, 2.0, 2.0, 0.5, 2.0, 1.0]);
    let capped = apply(&[("rollout_is", "token"), ("rollout_is_threshold", "3")], None);
    close(&capped.token_weights, &[1.0, 2.0, 3.0, 0.5, 2.0, 1.0]);
    assert_eq!(capped.stats.bounded, 1);
    // sequence ratios 1·2·4·½ = 4 and 2·1 = 2
    close(
        &apply(&[("rollout_is", "sequence"), ("rollout_is_threshold", "3")], None).token_weights,
        &[3.0, 3.0, 3.0, 3.0, 2.0, 2.0],
    );
    // IcePop: zero outside, untouched within
    let band = apply(&[("rollout_is", "token"), ("rollout_is_threshold", "0.6_3")], None);
    close(&band.token_weights, &[1.0, 2.0, 0.0, 0.0, 2.0, 1.0]);
    assert_eq!(band.stats.bounded, 2);
}

#[test]
fn normalized_weights_have_mean_one() {
    let options = [("rollout_is", "token"), ("rollout_is_threshold", "8"), ("rollout_is_batch_normalize", "true")];
    close(&apply(&options, None).token_weights, &[1.0, 2.0, 4.0, 0.5, 2.0, 1.0].map(|w| w * 6.0 / 10.5));
    let options = [("rollout_is", "sequence"), ("rollout_is_threshold", "8"), ("rollout_is_batch_normalize", "true")];
    close(&apply(&options, None).token_weights, &[4.0, 4.0, 4.0, 4.0, 2.0, 2.0].map(|w| w / 3.0));
    // tokens that are not trained keep weight 1
    let mask = [true, true, false, true, true, false];
    let options = [("rollout_is", "token"), ("rollout_is_threshold", "8"), ("rollout_is_batch_normalize", "true")];
    close(
        &apply(&options, Some(&mask)).token_weights,
        &[1.0, 2.0, 5.5 / 4.0, 0.5, 2.0, 5.5 / 4.0].map(|w| w * 4.0 / 5.5),
    );
}

#[test]
fn rejections_by_every_criterion() {
    let ln2 = 2.0_f64.ln();
    let k2 = |b: f64| 0.5 * b * b;
    let k3 = |b: f64| b.exp() - 1.0 - b;
    let (all, none) = ([true; 4], [false; 4]);
    // a threshold just above and just below what decides; what is kept of the first sequence in either case
    for (criterion, decides, kept, rejected) in [
        ("token_k1", 4.0, all, [true, true, false, true]),
        ("token_k2", k2(2.0 * ln2), all, [true, true, false, true]),
        ("token_k3", k3(2.0 * ln2), all, [true, true, false, true]),
        ("seq_sum_k1", 4.0, all, none),
        ("seq_sum_k2", 2.0 * k2(ln2) + k2(2.0 * ln2), all, none),
        ("seq_sum_k3", k3(ln2) + k3(2.0 * ln2) + k3(-ln2), all, none),
        ("seq_mean_k1", 4.0_f64.powf(0.25), all, none),
        ("seq_mean_k2", (2.0 * k2(ln2) + k2(2.0 * ln2)) / 4.0, all, none),
        ("seq_mean_k3", (k3(ln2) + k3(2.0 * ln2) + k3(-ln2)) / 4.0, all, none),
        ("seq_max_k2", k2(2.0 * ln2), all, none),
        ("seq_max_k3", k3(2.0 * ln2), all, none),
    ] {
        for (factor, expected) in [(1.001, kept), (0.999, rejected)] {
            let threshold = (decides * factor).to_string();
            let corrected = apply(&[("rollout_rs", criterion), ("rollout_rs_threshold", &threshold)], None);
            assert_eq!(corrected.mask.unwrap()[..4], expected, "{criterion} at {threshold}");
            let gone = expected.iter().filter(|kept| !**kept).count() as u64;
            assert!(corrected.stats.rejected_tokens >= gone);
            assert!(corrected.stats.rejected_sequences >= u64::from(gone == 4), "{criterion}");
        }
    }
    assert_eq!(Criterion::KEYS.len(), 11);
    // the ratios π_b/π_old are 1, ½, ¼, 2 and ½, 1, as verl has them; all criteria at once
    let ratios =
        |bounds: &str| apply(&[("rollout_rs", "token_k1"), ("rollout_rs_threshold", bounds)], None).mask.unwrap();
    assert_eq!(ratios("0.51_9"), [true, false, false, true, false, true]);
    assert_eq!(ratios("0.2_1.9"), [true, true, true, false, true, true]);
    let both = apply(&[("rollout_rs", "token_k1, seq_sum_k1"), ("rollout_rs_threshold", "0.2_9,0.49_3")], None);
    assert_eq!(both.mask.unwrap(), [false, false, false, false, true, true]);
    assert_eq!((both.stats.rejected_tokens, both.stats.rejected_sequences), (4, 1));
}

/// verl limits each token's log-ratio to ±20 before it is summed.
#[test]
fn no_single_token_decides_about_a_long_sequence() {
    let mut correction = Correction::default();
    correction.set("rollout_rs", "seq_mean_k1").unwrap();
    correction.set("rollout_rs_threshold", "0.5_2.0").unwrap();
    let (mut old, behavior) = (vec![-1.0; 100], vec![-1.0; 100]);
    old[0] = -101.0;
    let corrected = correction.apply(&old, &behavior, &[0, 100], None).unwrap();
    assert!(corrected.mask.unwrap().iter().all(|kept| *kept));
    // what is said of the gap is not limited
    assert_eq!((corrected.stats.gap_max, corrected.stats.k1_sum), (100.0, 100.0));
    assert!((corrected.stats.k3_sum - 99.0).abs() < 1e-9);
}

#[test]
fn weights_scale_the_term_and_not_the_ratio() {
    let objective = Objective::named("grpo").unwrap();
    let (logp, logp_old, advantages) = ([-0.9_f32, -1.0], [-1.0_f32, -1.0], [1.0_f32]);
    let batch = TokenBatch::new(&logp, &logp_old, Advantages::PerSequence(&advantages), &[0, 2], &[0]).unwrap();
    let denominators = objective.denominators(&[0, 2], None, &[0]).unwrap();
    let plain = objective.evaluate(&batch, &denominators).unwrap();
    let weighted = objective.evaluate(&batch.with_token_weights(&[2.0, 0.5]).unwrap(), &denominators).unwrap();
    assert_eq!(weighted.grad_logp, [2.0 * plain.grad_logp[0], 0.5 * plain.grad_logp[1]]);
    assert_eq!(weighted.stats.ratio_sum, plain.stats.ratio_sum);
    assert_eq!(weighted.stats.regions, plain.stats.regions);
    let negative = [1.0, -0.5];
    let error = objective.evaluate(&batch.with_token_weights(&negative).unwrap(), &denominators).unwrap_err();
    assert!(matches!(error, ObjectiveError::Domain { sequence: 0, position: 1, .. }), "{error}");
}

#[test]
fn bad_options_and_numbers() {
    let mut correction = Correction::default();
    assert!(matches!(correction.set("rollout_is_threshold", 2.0), Err(OptionError::Conflict(_))));
    assert!(correction.set("rollout_is", "tokens").is_err());
    correction.set("rollout_is", "token").unwrap();
    for bad in ["0", "-1", "3_2", "x", "inf", "_", "1_2_3"] {
        assert!(correction.set("rollout_is_threshold", bad).is_err(), "{bad}");
    }
    assert!(correction.set("rollout_is_batch_normalize", "yes").is_err());
    correction.set("rollout_is_batch_normalize", true).unwrap();
    let message = correction.set("rollout_rs", "token_k4").unwrap_err().to_string();
    assert!(message.contains("token_k1"), "{message}");
    correction.set("rollout_rs", "token_k3").unwrap();
    assert!(correction.set("rollout_rs_threshold", "0.5_2").is_err());
    assert!(correction.set("rollout_rs_threshold", "1,2").is_err());
    let message = correction.set("rollout_rs_treshold", 1.0).unwrap_err().to_string();
    assert!(message.contains("did you mean `rollout_rs_threshold`"), "{message}");
    let error = correction.apply(&[0.0, f32::NAN], &[0.0, 0.0], &[0, 1, 2], None).unwrap_err();
    assert!(error.to_string().contains("sequence 1, position 0"), "{error}");
    assert!(correction.apply(&[0.0, f32::NAN], &[0.0, 0.0], &[0, 1, 2], Some(&[true, false])).is_ok());
    let keys: Vec<_> = correction.settings().iter().map(|setting| setting.key).collect();
    assert_eq!(keys.len(), 5);
}
