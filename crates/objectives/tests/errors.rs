//! Bad input gets an error that says where and what to do; no input panics.

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use surefoot_objectives::advantage::{AdvantageError, AdvantageEstimator, Estimator, RewardBatch};
use surefoot_objectives::{
    Advantages, Aggregation, Counts, Denominators, Objective, ObjectiveError, OptionError, RECIPES, TokenBatch, Value,
};

const OFFSETS: [usize; 3] = [0, 2, 4];
const GROUPS: [u32; 2] = [1, 1];
const ZEROS: [f32; 4] = [0.0; 4];

fn batch<'a>(logp: &'a [f32], logp_old: &'a [f32], advantages: Advantages<'a>) -> TokenBatch<'a> {
    TokenBatch::new(logp, logp_old, advantages, &OFFSETS, &GROUPS).unwrap()
}

fn evaluate(batch: &TokenBatch<'_>) -> Result<(), ObjectiveError> {
    let objective = Objective::named("grpo").unwrap();
    let denominators = objective.denominators(&OFFSETS, None, &GROUPS).unwrap();
    let with_statistics = objective.evaluate(batch, &denominators).map(|_| ());
    let alone = objective.loss_and_gradient(batch, &denominators).map(|_| ());
    assert_eq!(format!("{alone:?}"), format!("{with_statistics:?}"));
    with_statistics
}

#[test]
fn lengths_and_offsets() {
    let error =
        TokenBatch::new(&ZEROS, &ZEROS[..3], Advantages::PerSequence(&[0.0, 0.0]), &OFFSETS, &GROUPS).unwrap_err();
    assert_eq!(error.to_string(), "logp_old has 3 entries, expected 4: one for each token");
    let error = TokenBatch::new(&ZEROS, &ZEROS, Advantages::PerSequence(&[0.0]), &OFFSETS, &GROUPS).unwrap_err();
    assert_eq!(error.to_string(), "advantages has 1 entries, expected 2: one for each sequence");
    assert!(TokenBatch::new(&ZEROS, &ZEROS, Advantages::PerToken(&[0.0]), &OFFSETS, &GROUPS).is_err());
    assert!(TokenBatch::new(&ZEROS, &ZEROS, Advantages::PerToken(&ZEROS), &OFFSETS, &[1]).is_err());
    for (bad, message) in [
        (&[][..], "offsets[0] is 0, expected at least one entry;"),
        (&[1, 4], "offsets[0] is 1, expected 0;"),
        (&[0, 3], "offsets[1] is 3, expected 4, the number of tokens;"),
        (&[0, 3, 2, 4], "offsets[2] is 2, expected at least 3;"),
        (&[0, 5], "offsets[1] is 5, expected 4, the number of tokens;"),
    ] {
        let groups = vec![0; bad.len().max(1) - 1];
        let error = TokenBatch::new(&ZEROS, &ZEROS, Advantages::PerToken(&ZEROS), bad, &groups).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
    }
    let good = batch(&ZEROS, &ZEROS, Advantages::PerToken(&ZEROS));
    for error in [
        good.with_mask(&[true]).unwrap_err(),
        good.with_logp_ref(&[0.0]).unwrap_err(),
        good.with_logp_epoch(&[0.0]).unwrap_err(),
        good.with_token_weights(&[0.0]).unwrap_err(),
    ] {
        assert!(error.to_string().contains("has 1 entries, expected 4"), "{error}");
    }
    assert!(Counts::of(&OFFSETS, Some(&[true]), &GROUPS).is_err());
    assert!(Counts::of(&OFFSETS, None, &[0]).is_err());
    assert!(Counts::of(&[0, 3, 2], None, &GROUPS).is_err());
}

/// Two finite numbers whose difference is none, with statistics or without, in a sequence whose mean is finite or not.
#[test]
fn differences_that_overflow_are_named() {
    for key in ["grpo", "gspo"] {
        let objective = Objective::named(key).unwrap();
        for (field, logp, logp_old) in [("logp", 3e38, -1e38), ("logp_old", 1e38, -3e38)] {
            for great in [1, 40] {
                let zeros = [0.0_f32; 80];
                let (mut a, mut b) = (zeros, zeros);
                a[40..40 + great].fill(logp);
                b[40..40 + great].fill(logp_old);
                let (offsets, groups) = ([0, 40, 80], [0, 0]);
                let batch = TokenBatch::new(&a, &b, Advantages::PerSequence(&[1.0, -1.0]), &offsets, &groups).unwrap();
                let denominators = objective.denominators(&offsets, None, &groups).unwrap();
                for result in
                    [objective.evaluate(&batch, &denominators), objective.loss_and_gradient(&batch, &denominators)]
                {
                    let text = result.unwrap_err().to_string();
                    assert!(text.starts_with(&format!("{field} is ")), "{key}: {text}");
                    assert!(text.contains("at sequence 1, position 0"), "{key}: {text}");
                }
            }
        }
    }
}

#[test]
fn numbers_that_are_not_finite_are_named_and_masked_ones_are_not_read() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = ZEROS;
        values[3] = bad;
        let named = |field: &str, result: Result<(), ObjectiveError>| {
            let text = result.unwrap_err().to_string();
            assert!(text.starts_with(&format!("{field} is ")) && text.contains("at sequence 1, position 1"), "{text}");
        };
        let ones = Advantages::PerSequence(&[1.0, 1.0]);
        named("logp", evaluate(&batch(&values, &ZEROS, ones)));
        named("logp_old", evaluate(&batch(&ZEROS, &values, ones)));
        named("advantages", evaluate(&batch(&ZEROS, &ZEROS, Advantages::PerToken(&values))));
        let by_sequence = [1.0, bad];
        let text = evaluate(&batch(&ZEROS, &ZEROS, Advantages::PerSequence(&by_sequence))).unwrap_err().to_string();
        assert!(text.starts_with("advantages is ") && text.contains("sequence 1, position 0"), "{text}");
        let good = batch(&ZEROS, &ZEROS, ones);
        named("logp_ref", evaluate(&good.with_logp_ref(&values).unwrap()));
        named("logp_epoch", evaluate(&good.with_logp_epoch(&values).unwrap()));
        named("token_weights", evaluate(&good.with_token_weights(&values).unwrap()));
        let mask = [true, true, true, false];
        let masked = batch(&values, &values, Advantages::PerToken(&values)).with_mask(&mask).unwrap();
        let masked = masked.with_logp_ref(&values).unwrap().with_token_weights(&values).unwrap();
        assert_eq!(evaluate(&masked), Ok(()));
    }
    let text = evaluate(&batch(&[3e38; 4], &[-3e38; 4], Advantages::PerToken(&ZEROS))).unwrap_err().to_string();
    assert!(text.contains("sequence 0, position 0"), "{text}");
}

#[test]
fn masks_that_train_nothing() {
    let nothing = [false; 4];
    assert_eq!(
        Denominators::of(Aggregation::TokenMean, &OFFSETS, Some(&nothing), &GROUPS).unwrap_err(),
        ObjectiveError::NothingTrained
    );
    let empty = batch(&ZEROS, &ZEROS, Advantages::PerToken(&ZEROS)).with_mask(&nothing).unwrap();
    assert_eq!(evaluate(&empty), Err(ObjectiveError::NothingTrained));
}

#[test]
fn what_an_objective_needs_and_does_not_get() {
    let good = batch(&ZEROS, &ZEROS, Advantages::PerToken(&ZEROS));
    let mut objective = Objective::named("grpo").unwrap();
    let denominators = objective.denominators(&OFFSETS, None, &GROUPS).unwrap();
    objective.regularizer.set("reference_coefficient", 0.1).unwrap();
    let text = objective.evaluate(&good, &denominators).unwrap_err().to_string();
    assert!(text.contains("logp_ref") && text.contains("with_logp_ref"), "{text}");
    let mut objective = Objective::named("cpgd").unwrap();
    let denominators = objective.denominators(&OFFSETS, None, &GROUPS).unwrap();
    objective.set("epoch_weight", "truncated").unwrap();
    let text = objective.evaluate(&good, &denominators).unwrap_err().to_string();
    assert!(text.contains("logp_epoch"), "{text}");
    objective.set("epoch_weight", "off").unwrap();
    // denominators of another aggregation, or without the group
    let other = Denominators::of(Aggregation::TokenMean, &OFFSETS, None, &GROUPS).unwrap();
    assert!(matches!(objective.evaluate(&good, &other), Err(ObjectiveError::OtherAggregation { .. })));
    let foreign = objective.denominators(&OFFSETS, None, &[2, 2]).unwrap();
    assert_eq!(objective.evaluate(&good, &foreign), Err(ObjectiveError::UnknownGroup { sequence: 0, group: 1 }));
    // the constant length
    let mut objective = Objective::named("dr_grpo").unwrap();
    assert_eq!(objective.denominators(&OFFSETS, None, &GROUPS), Err(ObjectiveError::NoAggregationLength));
    assert!(Denominators::of(Aggregation::SeqMeanTokenSumNorm, &OFFSETS, None, &GROUPS).is_err());
    let counts = Counts::of(&OFFSETS, None, &GROUPS).unwrap();
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(Denominators::with_length(counts.clone(), bad).is_err(), "{bad}");
    }
    objective.set("aggregation_length", 8.0).unwrap();
    assert_eq!(objective.denominators(&OFFSETS, None, &GROUPS).unwrap().weight(2, 1), Some(1.0 / 16.0));
}

#[test]
fn options_out_of_range() {
    for (name, key, bad) in [
        ("mhpo", "bound", &["0", "-1", "nan", "inf", "65", "x", ""][..]),
        ("mhpo", "shape_positive", &["0", "-0.5", "nan"]),
        ("mhpo", "shape_negative", &["0"]),
        ("mhpo", "scale_positive", &["0"]),
        ("mhpo", "scale_negative", &["-2"]),
        ("mhpo", "hazard", &["Weibull", "1"]),
        ("mhpo", "anchor", &["one"]),
        ("grpo", "clip_low", &["-0.1", "1", "1.5"]),
        ("grpo", "clip_high", &["-0.1", "inf"]),
        ("gspo", "clip_low", &["1"]),
        ("cispo", "clip_low", &["-0.1"]),
        ("ppo_dual_clip", "dual_clip", &["0.9", "0"]),
        ("aspo", "dual_clip", &["0.5"]),
        ("sapo", "temperature_positive", &["0"]),
        ("sapo", "temperature_negative", &["-1"]),
        ("ce_gppo", "beta_low", &["-1"]),
        ("dgpo", "decay_low", &["0", "1.5"]),
        ("dgpo", "decay_high", &["0", "-1"]),
        ("cpgd", "drift_coefficient", &["-0.1"]),
        ("cpgd", "drift_bound", &["0"]),
        ("cpgd", "schedule_weight", &["-0.1", "1.1"]),
        ("grpo", "aggregation", &["mean"]),
        ("grpo", "aggregation_length", &["0", "-1"]),
    ] {
        let mut objective = Objective::named(name).unwrap();
        let before = objective.clone();
        for bad in bad {
            let error = objective.set(key, *bad).unwrap_err();
            assert!(
                matches!(&error, OptionError::BadValue { key: named, .. } if named == key),
                "{name} {key} {bad}: {error}"
            );
            assert_eq!(objective, before);
        }
    }
    let mut objective = Objective::named("cispo").unwrap();
    objective.set("clip_low", 1.5).unwrap(); // removes the lower bound
    assert!(matches!(objective.set("hazard", 1.0), Err(OptionError::UnknownKey { .. })));
    let mut mhpo = Objective::named("mhpo").unwrap();
    let error = mhpo.set("hazard", 1.0).unwrap_err();
    assert_eq!(error.to_string(), "option `hazard` is 1, expected \"weibull\" or \"none\"");
    let error = Objective::named("grpo").unwrap().set("clip_low", 1.0).unwrap_err();
    assert_eq!(error.to_string(), "option `clip_low` is 1, expected a number from 0 to below 1");
}

#[test]
fn options_that_contradict_each_other() {
    for recipe in RECIPES {
        let mut objective = Objective::named(recipe.key).unwrap();
        assert_eq!(objective.default_advantage(), AdvantageEstimator::of(recipe.estimator));
        assert_eq!(objective.default_advantage().check(), Ok(()));
        let sums = recipe.aggregation == Aggregation::SeqMeanTokenSumNorm;
        assert_eq!(objective.check().is_err(), sums, "{}", recipe.key);
        objective.set("aggregation_length", 64.0).unwrap();
        assert_eq!(objective.check(), Ok(()));
        objective.regularizer.set("drift_coefficient", 0.1).unwrap();
        assert_eq!(objective.check().is_err(), ["cpgd", "pgd"].contains(&recipe.key), "{}", recipe.key);
    }
}

#[test]
fn unknown_names_come_with_the_nearest() {
    let text = Objective::named("mpho").unwrap_err().to_string();
    assert!(text.starts_with("there is no objective `mpho` (did you mean `mhpo`?)"), "{text}");
    let text = Objective::named("mhpo").unwrap().set("shape_postive", 1.0).unwrap_err().to_string();
    assert!(text.contains("objective mhpo has no option `shape_postive` (did you mean `shape_positive`?)"), "{text}");
    let text = AdvantageEstimator::named("dr-grpo").unwrap_err().to_string();
    assert!(text.contains("did you mean `dr_grpo`"), "{text}");
    let text = Objective::named("grpo").unwrap().regularizer.set("reference_coeficient", 1.0).unwrap_err().to_string();
    assert!(text.contains("did you mean `reference_coefficient`"), "{text}");
    assert!(Objective::named("grpo").unwrap().regularizer.set("reference_estimator", "k4").is_err());
}

#[test]
fn settings_read_back_what_was_set() {
    for recipe in RECIPES {
        let mut objective = Objective::named(recipe.key).unwrap();
        for setting in objective.settings() {
            assert!(!setting.about.is_empty());
            if setting.key == "aggregation_length" {
                continue; // 0 says that it is not set
            }
            objective.set(setting.key, setting.value.clone()).unwrap();
            if let Value::Number(number) = setting.value {
                objective.set(setting.key, number.to_string()).unwrap();
            }
        }
        assert_eq!(objective, Objective::named(recipe.key).unwrap());
    }
    let mut objective = Objective::named("grpo").unwrap();
    assert_eq!(objective.regularizer.settings().len(), 4);
    for setting in objective.regularizer.settings() {
        objective.regularizer.set(setting.key, setting.value).unwrap();
    }
    assert_eq!(objective, Objective::named("grpo").unwrap());
    let mut estimator = AdvantageEstimator::named("rloo").unwrap();
    assert_eq!(estimator.settings().len(), 7);
    for setting in estimator.settings() {
        estimator.set(setting.key, setting.value).unwrap();
    }
    assert_eq!(estimator, AdvantageEstimator::named("rloo").unwrap());
}

#[test]
fn rewards_that_cannot_be_used() {
    let named = |name: &str| AdvantageEstimator::named(name).unwrap();
    let text = RewardBatch::new(&[0.0, f32::NAN], &[0, 0]).unwrap_err().to_string();
    assert!(text.starts_with("the reward of sequence 1 is NaN"), "{text}");
    assert!(RewardBatch::new(&[0.0], &[0, 0]).is_err());
    let alone = RewardBatch::new(&[1.0, 0.0, 1.0], &[4, 4, 9]).unwrap();
    for name in ["grpo", "dr_grpo", "rloo", "opo", "grpo_passk", "gdpo"] {
        let text = named(name).compute(&alone).unwrap_err().to_string();
        assert!(text.starts_with("sequence 2 is alone in group 9"), "{text}");
    }
    assert!(named("raw").compute(&alone).is_ok());
    let error = named("reinforce_plus_plus").compute(&alone).unwrap_err();
    assert!(matches!(error, AdvantageError::Missing { field: "offsets", .. }), "{error}");
    let tokens = alone.with_tokens(&[0, 1, 2, 3], None).unwrap();
    assert!(named("reinforce_plus_plus").compute(&tokens).is_ok());
    assert!(matches!(named("rloo_normalized").compute(&tokens), Err(AdvantageError::GroupOfOne { sequence: 2, .. })));
    let mut penalised = named("reinforce_plus_plus");
    penalised.set("kl_coefficient", 0.1).unwrap();
    assert!(matches!(penalised.compute(&tokens), Err(AdvantageError::Missing { .. })));
    let with_logp = tokens.with_logp(&[0.0; 3], &[0.0, f32::NAN, 0.0]).unwrap();
    let text = penalised.compute(&with_logp).unwrap_err().to_string();
    assert!(text.starts_with("logp_ref is NaN at sequence 1, position 0"), "{text}");
    assert!(alone.with_tokens(&[0, 1], None).is_err());
    assert!(alone.with_tokens(&[0, 2, 1, 3], None).is_err());
    assert!(alone.with_tokens(&[0, 1, 2, 3], Some(&[true])).is_err());
    assert!(tokens.with_logp(&[0.0], &[0.0; 3]).is_err());
    let mut weighted = named("grpo");
    weighted.set("weight", "clip-filter").unwrap();
    assert!(weighted.check().unwrap_err().to_string().contains("dr_grpo"));
    weighted.set("estimator", "dr_grpo").unwrap();
    assert_eq!(weighted.check(), Ok(()));
    let pair = RewardBatch::new(&[1.0, 0.0], &[4, 4]).unwrap();
    let error = named("opo").compute(&pair).unwrap_err();
    assert!(matches!(error, AdvantageError::Missing { field: "offsets", .. }), "{error}");
    let text = |parts: &[f32], weights: &[f32]| pair.with_parts(parts, weights).unwrap_err().to_string();
    assert_eq!(text(&[1.0; 3], &[1.0, 0.5]), "parts has 3 entries, expected 4: one for each sequence and reward");
    assert_eq!(text(&[], &[]), "weights has 0 entries, expected 1: one for each reward");
    assert!(text(&[1.0; 4], &[1.0, f32::NAN]).starts_with("the weight of reward 1 is NaN"));
    assert!(text(&[1.0, 1.0, f32::NAN, 1.0], &[1.0, 1.0]).starts_with("the reward of sequence 1 is NaN"));
}

#[test]
fn options_of_estimators_that_contradict_each_other() {
    for name in Estimator::KEYS {
        let mut estimator = AdvantageEstimator::named(name).unwrap();
        estimator.set("scale", "batch").unwrap();
        let fits = ["grpo", "grpo_passk"].contains(name);
        assert_eq!(estimator.check().is_ok(), fits, "{name}");
        if *name == "dr_grpo" {
            estimator.set("weight", "std").unwrap();
            assert_eq!(estimator.check(), Ok(()));
        }
    }
    let mut gdpo = AdvantageEstimator::named("gdpo").unwrap();
    gdpo.set("kl_coefficient", 0.1).unwrap();
    assert!(gdpo.check().unwrap_err().to_string().contains("reference_coefficient"));
}
